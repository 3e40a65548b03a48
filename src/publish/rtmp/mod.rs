//! A publish-only RTMP client without input or output of its own.
//!
//! # Theory of operation
//!
//! A [`Client`] is one session. Bytes that the ingest sent go into [`Client::receive`], in whatever
//! pieces they came; bytes for the ingest are taken from [`Client::output`]. Sockets, TLS, clocks
//! and deadlines are the caller's. The session goes through [`Phase`]s, always forward:
//!
//! 1. *Handshaking*: C0 and C1 are in the output at once; S1 goes back as C2 as it comes in.
//! 2. *Connecting*: Set Chunk Size, then `connect`.
//! 3. *Creating*: `releaseStream`, `FCPublish` (what Adobe's encoder sends, and some ingests wait
//!    for; their answers do not matter), `createStream`.
//! 4. *Publishing*: `publish NAME live`, until the ingest says `NetStream.Publish.Start`.
//! 5. *Live*: media. Then *finishing* and *closed*.
//!
//! Every message is written with a full header. That costs about 11 bytes for each, 0.2 % of a
//! 2 Mbps stream, and spares both ends the state from which other clients' timestamps went wrong:
//! a header that stands alone cannot inherit an error.
//!
//! What comes in is hostile until shown otherwise. The reader keeps only the messages that mean
//! something to a publisher and no more than 4 KiB of each, for at most 16 chunk streams; answers
//! that the ingest asks for faster than it takes them are not given. See [`Client::receive`] for
//! the sum.
//!
//! Rejected: a published crate (each panicked, acknowledged wrongly, or wanted to own the socket),
//! compressed chunk headers (above), and the digest handshake (only Flash content protection ever
//! asked a publisher for it).

mod amf0;
mod answer;
mod chunk;
mod client;
mod command;
mod error;
mod handshake;
mod inbound;

pub use client::{Client, Phase, Standing};
pub use error::Error;

use crate::config::{IngestUrl, Secret};

/// What to publish to. Prints without the key.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where: `connect` gets all of it as `tcUrl` and its app, query included (`live2?backup=1`).
    pub url: IngestUrl,
    /// The stream key, which in RTMP is the stream's name.
    pub key: Secret,
}

/// What `onMetaData` tells about the stream. Sound is always AAC, 48 kHz, stereo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Pictures per second.
    pub fps: u32,
    /// Bits per second of pictures.
    pub video_bits: u64,
    /// Bits per second of sound.
    pub audio_bits: u64,
}
