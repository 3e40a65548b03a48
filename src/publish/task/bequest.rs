//! A session that outlives its process: its connection and all that is known of it go to the next
//! process of the same channel, which carries the stream on where this one stopped. The ingest sees
//! a pause of some tenths of a second, which its buffer covers, and neither an end nor a beginning.
//!
//! Only a connection without TLS can go: what TLS knows of a connection does not leave rustls. And
//! only between two messages, so that nothing of a stream's order depends on what was half said.

use super::transport::{Counts, Given};
use crate::config::Secret;
use crate::media::MediaTime;
use crate::publish::rtmp::Standing;
use crate::publish::status::Role;
use crate::timeline::{Cursor, Headers};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::os::fd::OwnedFd;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A live session without its process.
#[derive(Debug)]
pub struct Bequest {
    /// The connection.
    pub socket: OwnedFd,
    /// What is known of it.
    pub deed: Deed,
}

/// What is known of a session that changes its process. The stream key is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The destination's name.
    pub destination: String,
    /// Which ingest of it.
    pub ingest: Role,
    /// Its address: a session to another one is of no use.
    pub url: String,
    /// A mark of the stream key that it was opened with: see [`mark`].
    pub(super) key: String,
    /// A mark of the codec headers that it began with: see [`seal`].
    pub(super) headers: String,
    /// What its RTMP timestamps count from.
    pub(super) base: MediaTime,
    /// All media before this was delivered for certain.
    pub(super) sure: MediaTime,
    /// Where the stream goes on.
    pub(super) cursor: Cursor,
    pub(super) counts: Counts,
    pub(super) standing: Standing,
}

impl Deed {
    /// All media before this was sent.
    pub const fn position(&self) -> MediaTime {
        self.cursor.position()
    }
}

/// What tells whether a session was opened with this key, and tells nothing of the key: a hash with
/// the session's own beginning in it. A key that was changed meanwhile is to be used at once, so a
/// session with the one before is not gone on with.
pub(super) fn mark(key: &Secret, url: &str, base: MediaTime) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("nonstop session\n{url}\n{}\n", base.samples()));
    hash.update(key.expose());
    text(hash)
}

/// One name for a pair of codec headers. An ingest decodes all of a session by those that it was sent
/// at the beginning; after FFmpeg was upgraded and the cache cleared, media may need others.
pub(super) fn seal(headers: &Headers) -> String {
    let mut hash = Sha256::new();
    hash.update((headers.audio.len() as u64).to_be_bytes());
    hash.update(&headers.audio);
    hash.update(&headers.video);
    text(hash)
}

fn text(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who inherits the sessions of a destination when it ends, if anyone.
#[derive(Clone, Debug)]
pub struct Heir {
    /// Cancelled before the end, if there will be a next process.
    pub wanted: CancellationToken,
    /// Takes two for each destination; what finds no room ends in order.
    pub to: mpsc::Sender<Bequest>,
}

impl Bequest {
    pub(super) fn split(self) -> (Given, Deed) {
        let Self { socket, deed } = self;
        (Given { socket, counts: deed.counts }, deed)
    }
}
