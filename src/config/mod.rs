//! The configuration: read once, validated once, then trusted.

pub mod ingest;
pub mod secret;
pub mod units;

pub use ingest::IngestUrl;
pub use secret::Secret;
pub use units::{Bitrate, FrameRate, FrameSize, Keyframe, Loudness};

use std::path::PathBuf;

/// One channel's configuration: one file.
#[derive(Clone, Debug)]
pub struct Config {
    /// The channel's name: letters, digits, `-` and `_`, at most 64.
    pub channel: String,
    /// `[media]`
    pub media: Media,
    /// `[rotation]`
    pub rotation: Rotation,
    /// `[video]`
    pub video: Video,
    /// `[audio]`
    pub audio: Audio,
    /// `[[destination]]`, at least one, names unique.
    pub destinations: Vec<Destination>,
}

/// Where music and picture come from.
#[derive(Clone, Debug)]
pub struct Media {
    /// A folder or a bucket.
    pub source: Source,
    /// Picture or clip, relative to the source. None: `background.*` in the source's root if there
    /// is one, else the built-in card.
    pub background: Option<String>,
}

/// A media source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder on this machine.
    Folder(PathBuf),
    /// `s3://bucket/prefix`.
    Bucket {
        /// Its name.
        bucket: String,
        /// Without slashes at its ends; may be empty.
        prefix: String,
    },
}

/// How the next track is chosen.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    /// Shuffle unless told otherwise.
    pub order: Order,
}

/// See [`Rotation`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Seeded, without near repeats of a track or an artist.
    #[default]
    Shuffle,
    /// By path.
    Sequential,
}

/// How pictures are encoded.
#[derive(Clone, Debug)]
pub struct Video {
    /// Pixels.
    pub size: FrameSize,
    /// Pictures per second.
    pub fps: FrameRate,
    /// Time between keyframes: a whole number of pictures, at most 4 s.
    pub keyframe: Keyframe,
    /// The ceiling, or with [`Rate::Constant`] the rate.
    pub bitrate: Bitrate,
    /// How the bitrate is meant.
    pub rate: Rate,
}

/// See [`Video`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rate {
    /// Constant quality under the ceiling.
    #[default]
    Capped,
    /// Padded to the ceiling.
    Constant,
}

/// How sound is encoded.
#[derive(Clone, Debug)]
pub struct Audio {
    /// AAC-LC, stereo, 48 kHz.
    pub bitrate: Bitrate,
    /// Loudness that every track is brought to.
    pub loudness: Loudness,
}

/// A platform account to publish to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Unique in the file: letters, digits, `-` and `_`, at most 64.
    pub name: String,
    /// The first choice.
    pub primary: IngestUrl,
    /// The second.
    pub backup: Option<IngestUrl>,
    /// Whether the backup is used at need or always.
    pub redundancy: Redundancy,
    /// Where the stream key comes from.
    pub key: KeySource,
    /// A PEM file with the certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// See [`Destination`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redundancy {
    /// Backup when primary fails.
    #[default]
    Failover,
    /// Primary and backup all the time.
    Both,
}

/// Where a stream key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Secrets Manager; `field` picks one of a JSON object.
    Secret {
        /// Name or ARN.
        secret: String,
        /// A field of the JSON object, or the whole string.
        field: Option<String>,
    },
    /// A systemd credential (`LoadCredential=`), by its name.
    Credential(String),
    /// A file; its first line.
    File(PathBuf),
}
