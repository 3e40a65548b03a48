//! Renditions: what FFmpeg made of a track under one profile, named by a hash and never changed.
//!
//! On disk a rendition is a folder: `audio.flv`, `video.flv` (one loop of a whole number of GOPs)
//! and `rendition.json` ([`Meta`]). In memory it is a [`Rendition`]: the meta data, and for each of
//! the two streams an index of where every frame lies, so that any frame is one look-up and one
//! read away.

use super::flv::{self, Body, TAG_HEADER, TAG_TRAILER, TagKind};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

/// The version of [`Meta`] and of the two files' layout that this program writes and reads.
pub const FORMAT: u32 = 1;
/// File names inside a rendition's folder.
pub const AUDIO_FILE: &str = "audio.flv";
/// See [`AUDIO_FILE`].
pub const VIDEO_FILE: &str = "video.flv";
/// See [`AUDIO_FILE`].
pub const META_FILE: &str = "rendition.json";

macro_rules! hex_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name of what was hashed.
            pub fn of(digest: &[u8; 32]) -> Self {
                Self(hex(&digest[..16]).into())
            }
            /// The name as text: 32 lower-case hexadecimal digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                if text.len() == 32 && text.bytes().all(digits) { Ok(Self(text.into())) } else { Err(BadName(text)) }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

hex_name! {
    /// The name of a rendition: a hash of track content, picture content and profile.
    RenditionId
}
hex_name! {
    /// The name of an encoding profile: a hash of everything that shapes the codec headers and
    /// the sound. Schedules of different profiles never mix.
    ProfileId
}
hex_name! {
    /// A hash of a file's bytes.
    ContentHash
}

/// A name that is not 32 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a name of 32 hexadecimal digits")]
pub struct BadName(String);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Who made what: from a track's tags, else from its file name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Credits {
    /// Never empty.
    pub title: String,
    /// Performer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// Album.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.artist {
            Some(artist) => write!(f, "{artist} – {}", self.title),
            None => f.write_str(&self.title),
        }
    }
}

/// `rendition.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// [`FORMAT`].
    pub format: u32,
    /// The rendition's own name.
    pub id: RenditionId,
    /// The profile it was made under.
    pub profile: ProfileId,
    /// How long it is, in cells of the profile's frame rate.
    pub cells: u64,
    /// Who made what.
    #[serde(flatten)]
    pub credits: Credits,
    /// Measured integrated loudness of `audio.flv`, in LUFS; `None` for silence or "off".
    pub loudness: Option<f64>,
    /// Measured true peak of `audio.flv`, in dBTP.
    pub true_peak: Option<f64>,
    /// The track's path below the media source, with `/`.
    pub source: String,
    /// Hash of the track's bytes.
    pub source_hash: ContentHash,
    /// Hash of the picture's or clip's bytes.
    pub picture_hash: ContentHash,
    /// What made it (`ffmpeg -version`'s first line).
    pub ffmpeg: String,
}

/// One of a rendition's two files, indexed. Frames lie back to back, so frame `i`'s body is
/// everything between `offsets[i]` and `offsets[i + 1]` but the tag header and trailer.
#[derive(Debug)]
pub struct Stream {
    /// The open file: what is on air stays readable, even after its folder was removed.
    pub file: File,
    /// The codec header's body.
    pub header: Bytes,
    offsets: Vec<u32>,
    keys: Vec<u32>,
}

/// Why a file cannot be a rendition's stream.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Not readable as FLV.
    #[error(transparent)]
    Flv(#[from] flv::Error),
    /// Tags of another kind, codec, or in another order than a header and then frames.
    #[error("unexpected {0} at byte {1}")]
    Unexpected(&'static str, u64),
    /// No codec header, or no frame.
    #[error("no {0}")]
    Missing(&'static str),
    /// The first picture is not a keyframe.
    #[error("the first picture is not a keyframe")]
    NoKeyframe,
    /// Above 4 GiB.
    #[error("larger than 4 GiB")]
    TooLarge,
}

impl Stream {
    /// Indexes `file`, which holds nothing but one codec header and then frames of `kind`.
    /// Reads it once from its start; give the buffered reader and the file to keep.
    pub fn index(kind: TagKind, input: impl Read, file: File) -> Result<Self, StreamError> {
        let mut reader = flv::Reader::new(input)?;
        let (mut header, mut offsets, mut keys) = (None, Vec::new(), Vec::new());
        let mut end = 0;
        while let Some(tag) = reader.next_tag()? {
            end = tag.offset + tag.body.len() as u64 + TAG_TRAILER + TAG_HEADER;
            let body = flv::classify(tag.kind, &tag.body);
            match (kind, body) {
                (TagKind::Audio, Body::AacHeader) | (TagKind::Video, Body::AvcHeader)
                    if header.is_none() && offsets.is_empty() =>
                {
                    header = Some(Bytes::from(tag.body));
                    continue;
                }
                (TagKind::Audio, Body::AacFrame) => {}
                (TagKind::Video, Body::AvcFrame { key, composition: 0 }) => {
                    if key {
                        keys.push(offsets.len() as u32);
                    }
                }
                _ => return Err(StreamError::Unexpected("tag", tag.offset)),
            }
            offsets.push(u32::try_from(tag.offset).map_err(|_| StreamError::TooLarge)?);
        }
        if offsets.is_empty() {
            return Err(StreamError::Missing("frame"));
        }
        if kind == TagKind::Video && keys.first() != Some(&0) {
            return Err(StreamError::NoKeyframe);
        }
        offsets.push(u32::try_from(end).map_err(|_| StreamError::TooLarge)?);
        Ok(Self { file, header: header.ok_or(StreamError::Missing("codec header"))?, offsets, keys })
    }

    /// How many frames there are; at least one.
    pub fn frames(&self) -> u64 {
        self.offsets.len() as u64 - 1
    }

    /// Where the body of frame `i` lies in the file. Panics if there is no such frame.
    pub fn body(&self, i: u64) -> Range<u64> {
        let (from, next) = (self.offsets[i as usize], self.offsets[i as usize + 1]);
        u64::from(from)..u64::from(next) - TAG_HEADER - TAG_TRAILER
    }

    /// Whether frame `i` is a keyframe.
    pub fn is_key(&self, i: u64) -> bool {
        u32::try_from(i).is_ok_and(|i| self.keys.binary_search(&i).is_ok())
    }

    /// The keyframe at or before frame `i`.
    pub fn key_at_or_before(&self, i: u64) -> u64 {
        let after = self.keys.partition_point(|&key| u64::from(key) <= i);
        u64::from(self.keys[after - 1])
    }
}

/// A rendition, opened.
#[derive(Debug)]
pub struct Rendition {
    /// `rendition.json`.
    pub meta: Meta,
    /// `audio.flv`: exactly as many frames as its cells hold.
    pub audio: Stream,
    /// `video.flv`: one loop.
    pub video: Stream,
}
