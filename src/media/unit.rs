//! A media unit: one audio or video frame, with its place in the programme.

use super::MediaTime;
use bytes::Bytes;

/// What a media unit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One AAC frame.
    Audio,
    /// One H.264 picture.
    Video {
        /// Whether a decoder can start here.
        key: bool,
    },
}

impl Kind {
    /// Whether this is a picture that a decoder can start at.
    pub const fn is_key(self) -> bool {
        matches!(self, Self::Video { key: true })
    }
}

/// One audio or video frame. `body` is an FLV tag's body, which is an RTMP message's body too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// When it is presented (and decoded: there are no B-frames).
    pub time: MediaTime,
    /// What it holds.
    pub kind: Kind,
    /// The FLV tag body, header bytes included.
    pub body: Bytes,
}
