//! What an ingest remembers of a session.

use super::amf::Value;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

/// How much of each media message is kept. Whatever it is, totals and the digest are right.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Keep {
    /// All of it.
    #[default]
    Bodies,
    /// All but the body.
    Headers,
    /// Nothing: memory is bounded however long the session.
    Totals,
}

/// One media message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// RTMP's type: 8 audio, 9 video, 18 data.
    pub kind: u8,
    /// In milliseconds, as on the wire.
    pub timestamp: u32,
    /// Bytes in the body, whether it is kept or not.
    pub len: usize,
    /// Empty unless [`Keep::Bodies`].
    pub body: Vec<u8>,
    /// When its last byte was read.
    pub at: Instant,
}

/// How far a session came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Accepted,
    Shaken,
    Connected,
    /// The publish was accepted.
    Publishing,
    Ended(Ending),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The publisher closed, after `deleteStream`.
    Orderly,
    /// The publisher closed without a word.
    Closed,
    /// The publisher's end was reset, or TLS failed.
    Broken,
    /// The script or the test ended it.
    ByUs,
}

/// One session, as far as it has come.
#[derive(Clone, Debug)]
pub struct Record {
    pub accepted: Instant,
    pub stage: Stage,
    /// The name that TLS asked for.
    pub server_name: Option<String>,
    /// The argument of `connect`.
    pub connect: Option<Value>,
    pub key: Option<String>,
    /// When the publish was accepted.
    pub published: Option<Instant>,
    pub messages: Vec<Message>,
    /// Media messages, whether kept or not.
    pub media: u64,
    /// All bytes read, handshake included.
    pub bytes: u64,
    /// The greatest acknowledgement so far.
    pub acknowledged: Option<u32>,
    /// Ping responses, of which the last is the newest (at most 64).
    pub pongs: VecDeque<u32>,
    pub pings: u64,
    /// What the publisher did that RTMP or an ingest forbids.
    pub faults: Vec<String>,
    digest: Sha256,
}

impl Record {
    pub fn new() -> Self {
        Self {
            accepted: Instant::now(),
            stage: Stage::Accepted,
            server_name: None,
            connect: None,
            key: None,
            published: None,
            messages: Vec::new(),
            media: 0,
            bytes: 0,
            acknowledged: None,
            pongs: VecDeque::new(),
            pings: 0,
            faults: Vec::new(),
            digest: Sha256::new(),
        }
    }

    pub fn ended(&self) -> bool {
        matches!(self.stage, Stage::Ended(_))
    }

    /// The app that `connect` named.
    pub fn app(&self) -> Option<&str> {
        self.connect.as_ref()?.get("app")?.text()
    }

    pub fn add(&mut self, kind: u8, timestamp: u32, body: Vec<u8>, keep: Keep) {
        self.media += 1;
        self.digest.update([kind]);
        self.digest.update(timestamp.to_be_bytes());
        self.digest.update((body.len() as u64).to_be_bytes());
        self.digest.update(&body);
        let len = body.len();
        let body = if keep == Keep::Bodies { body } else { Vec::new() };
        if keep != Keep::Totals {
            self.messages.push(Message { kind, timestamp, len, body, at: Instant::now() });
        }
    }

    /// SHA-256 over kind, timestamp, length and body of every media message, in order.
    pub fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    /// Audio and video messages.
    pub fn units(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.kind != 18)
    }

    /// Saves the session as a file that any player opens. Needs [`Keep::Bodies`].
    pub fn save_flv(&self, path: &Path) -> io::Result<()> {
        let mut file = io::BufWriter::new(std::fs::File::create(path)?);
        file.write_all(b"FLV\x01\x05\0\0\0\x09\0\0\0\0")?;
        for message in &self.messages {
            assert_eq!(message.body.len(), message.len, "bodies were not kept");
            // In a file metadata stands without the word that tells a server to keep it.
            let body = message.body.strip_prefix(b"\x02\0\x0d@setDataFrame").unwrap_or(&message.body);
            let (len, time) = ((body.len() as u32).to_be_bytes(), message.timestamp.to_be_bytes());
            file.write_all(&[
                message.kind,
                len[1],
                len[2],
                len[3],
                time[1],
                time[2],
                time[3],
                time[0],
                0,
                0,
                0,
            ])?;
            file.write_all(body)?;
            file.write_all(&(body.len() as u32 + 11).to_be_bytes())?;
        }
        file.flush()
    }
}
