//! The configuration: read once, validated once, then trusted.
//!
//! The way of a key: `reference` says that it exists and what its default is, `tree` takes it out
//! of the text, its unit (`units`, `ingest`, `source`) reads it, `validate` checks it against the
//! other keys, and `problem` says to a person what is wrong.

pub mod ingest;
pub mod platform;
mod problem;
pub mod reference;
pub mod secret;
mod source;
pub mod tell;
#[cfg(test)]
mod tests;
mod tree;
pub mod units;
mod validate;

pub use ingest::IngestUrl;
pub use problem::{Error, Invalid, Problem};
pub use reference::reference;
pub use secret::Secret;
pub use source::Source;
pub use tell::{Address, CloudWatch, Metrics, Webhook, WebhookKind};
pub use units::{Bitrate, ByteSize, FrameRate, FrameSize, Keyframe, Loudness};

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Endings, in lower case, of file names that a background picture may have.
pub const PICTURE_ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// Endings, in lower case, of file names that a background clip may have.
pub const CLIP_ENDINGS: [&str; 5] = ["mp4", "mov", "webm", "gif", "mkv"];

/// A configuration is a page; whatever is larger than this many bytes is another file.
const MOST: u64 = 1 << 20;

/// Reads and validates a configuration. Relative paths in it stay relative, and the channel is
/// `nonstop` unless it says another name.
///
/// # Errors
/// [`Error::Invalid`] with everything that is wrong.
pub fn parse(text: &str) -> Result<Config, Error> {
    validate::read(text, None).map_err(|problems| Invalid { file: None, problems }.into())
}

/// Reads and validates the configuration in a file. Relative paths in it are relative to its
/// folder, and the channel is named after it unless it says another name.
///
/// # Errors
/// [`Error::Read`] if it cannot be read, [`Error::Invalid`] with everything that is wrong in it.
pub fn load(path: &Path) -> Result<Config, Error> {
    let text = read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let invalid = |problems| Invalid { file: Some(path.to_owned()), problems }.into();
    validate::read(&text, Some(path)).map_err(invalid)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(MOST + 1).read_to_string(&mut text)?;
    if length as u64 > MOST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

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
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[cloudwatch]`
    pub cloudwatch: CloudWatch,
    /// `[[webhook]]`, names unique.
    pub webhooks: Vec<Webhook>,
}

/// Where music and picture come from.
#[derive(Clone, Debug)]
pub struct Media {
    /// A folder or a bucket.
    pub source: Source,
    /// Picture or clip, relative to the source. None: `background.*` in the source's root if there
    /// is one, else the built-in card.
    pub background: Option<String>,
    /// With a bucket: bytes of its music that may lie on this machine.
    pub cache: ByteSize,
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
