//! Chunks as messages, inward: what the peer says, with a bound on everything.
//!
//! A publisher has no use for the timestamps of what it is told, nor for media, so neither is
//! kept. Any division of the input gives the same messages.

use super::Error;
use serde::{Deserialize, Serialize};

/// Chunk streams that a peer may use. nginx-rtmp, SRS and FFmpeg use two to four.
const MAX_STREAMS: usize = 16;
/// How much of a message is kept. Answers take some hundred bytes; what is longer is cut, and read
/// as far as it goes.
const MAX_KEPT: usize = 4096;
/// Basic header (1 to 3), message header (up to 11), extended timestamp (4).
const MAX_HEADER: usize = 18;
/// The chunk size until the peer sets another.
const FIRST_CHUNK_SIZE: u32 = 128;

/// Message types that mean something to a publisher.
pub(super) const SET_CHUNK_SIZE: u8 = 1;
pub(super) const ABORT: u8 = 2;
pub(super) const ACKNOWLEDGEMENT: u8 = 3;
pub(super) const USER_CONTROL: u8 = 4;
pub(super) const WINDOW_ACK_SIZE: u8 = 5;
pub(super) const SET_PEER_BANDWIDTH: u8 = 6;
pub(super) const COMMAND_AMF3: u8 = 17;
pub(super) const COMMAND_AMF0: u8 = 20;

/// A message of a type that means something, its body cut to [`MAX_KEPT`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) body: Vec<u8>,
}

/// Puts messages together from chunks.
#[derive(Debug)]
pub(super) struct Reader {
    chunk_size: u32,
    streams: Vec<Stream>,
    /// The chunk header that is coming in.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// The index in `streams` and the bytes to come of the chunk whose header is in.
    chunk: Option<(usize, u32)>,
}

/// What is remembered of a chunk stream: its last header, and the message that is coming in.
#[derive(Debug)]
struct Stream {
    id: u32,
    kind: u8,
    len: u32,
    extended: bool,
    received: u32,
    body: Vec<u8>,
}

/// All that a reader knows between two messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Between {
    chunk_size: u32,
    /// Of each chunk stream: id, kind, length, and whether its timestamps are extended.
    streams: Vec<(u32, u8, u32, bool)>,
}

impl Reader {
    /// What has to be known to read on elsewhere; `None` in the middle of a message.
    pub(super) fn between(&self) -> Option<Between> {
        let resting = self.header_len == 0 && self.chunk.is_none();
        let streams = self.streams.iter();
        (resting && self.streams.iter().all(|stream| stream.received == 0)).then(|| Between {
            chunk_size: self.chunk_size,
            streams: streams.map(|stream| (stream.id, stream.kind, stream.len, stream.extended)).collect(),
        })
    }

    /// Reads on where another reader was.
    pub(super) fn from(Between { chunk_size, streams }: Between) -> Self {
        let stream =
            |(id, kind, len, extended)| Stream { id, kind, len, extended, received: 0, body: Vec::new() };
        let streams = streams.into_iter().take(MAX_STREAMS).map(stream).collect();
        Self { chunk_size: chunk_size.max(1), streams, ..Self::new() }
    }

    pub(super) fn new() -> Self {
        Self {
            chunk_size: FIRST_CHUNK_SIZE,
            streams: Vec::new(),
            header: [0; MAX_HEADER],
            header_len: 0,
            chunk: None,
        }
    }

    /// Reads on in `bytes` up to the end of the next message that means something, and leaves the
    /// rest. `None` once all is read. Set Chunk Size and Abort are carried out, not given.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Message>, Error> {
        loop {
            let Some((index, to_come)) = self.chunk else {
                // A message without a body is over with its header, even if no byte follows.
                if !self.header(bytes)? {
                    return Ok(None);
                }
                continue;
            };
            let stream = &mut self.streams[index];
            let taken = (to_come as usize).min(bytes.len());
            let kept = if is_kept(stream.kind) { taken.min(MAX_KEPT - stream.body.len()) } else { 0 };
            stream.body.extend_from_slice(&bytes[..kept]);
            *bytes = &bytes[taken..];
            // Both fit: `taken` is at most `to_come`.
            stream.received += taken as u32;
            let to_come = to_come - taken as u32;
            if to_come > 0 {
                self.chunk = Some((index, to_come));
                return Ok(None);
            }
            self.chunk = None;
            if stream.received == stream.len {
                stream.received = 0;
                let message = Message { kind: stream.kind, body: std::mem::take(&mut stream.body) };
                if let Some(message) = self.carry_out(message)? {
                    return Ok(Some(message));
                }
            }
        }
    }

    /// Takes a chunk's header in, byte by byte; true once it is whole.
    fn header(&mut self, bytes: &mut &[u8]) -> Result<bool, Error> {
        while self.header_len < self.header_needs() {
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(false) };
            self.header[self.header_len] = byte;
            self.header_len += 1;
            *bytes = rest;
        }
        let (id, basic) = self.basic();
        let format = self.header[0] >> 6;
        let index = match self.streams.iter().position(|stream| stream.id == id) {
            Some(index) => index,
            None if format > 0 => {
                return Err(Error::Protocol { what: "a chunk refers to a header that never was" });
            }
            None if self.streams.len() == MAX_STREAMS => {
                return Err(Error::Protocol { what: "it uses more than 16 chunk streams" });
            }
            None => {
                self.streams.push(Stream {
                    id,
                    kind: 0,
                    len: 0,
                    extended: false,
                    received: 0,
                    body: Vec::new(),
                });
                self.streams.len() - 1
            }
        };
        let stream = &mut self.streams[index];
        let message = &self.header[basic..];
        if format < 3 {
            stream.extended = message[..3] == [0xff; 3];
            // A header of its own begins a message; what there was of another will not be ended.
            stream.received = 0;
            stream.body.clear();
        }
        if format < 2 {
            stream.len = u32::from_be_bytes([0, message[3], message[4], message[5]]);
            stream.kind = message[6];
        }
        self.header_len = 0;
        self.chunk = Some((index, self.chunk_size.min(stream.len - stream.received)));
        Ok(true)
    }

    /// How long the header is that is coming in, as far as can be told yet.
    fn header_needs(&self) -> usize {
        if self.header_len == 0 {
            return 1;
        }
        let (id, basic) = self.basic();
        if self.header_len < basic {
            return basic;
        }
        let format = self.header[0] >> 6;
        let message = [11, 7, 3, 0][usize::from(format)];
        if self.header_len < basic + message {
            return basic + message;
        }
        let extended = if format < 3 {
            self.header[basic..basic + 3] == [0xff; 3]
        } else {
            self.streams.iter().any(|stream| stream.id == id && stream.extended)
        };
        basic + message + if extended { 4 } else { 0 }
    }

    /// The chunk stream's id and how many bytes tell it. Meaningful once those are in.
    fn basic(&self) -> (u32, usize) {
        let [first, second, third, ..] = self.header;
        match first & 0x3f {
            0 => (64 + u32::from(second), 2),
            1 => (64 + u32::from(second) + 256 * u32::from(third), 3),
            id => (u32::from(id), 1),
        }
    }

    fn carry_out(&mut self, message: Message) -> Result<Option<Message>, Error> {
        match message.kind {
            SET_CHUNK_SIZE => {
                let size = word(&message.body).unwrap_or(0);
                // The first bit must be zero; a size above a message's length is as good as that.
                if size == 0 || size > i32::MAX as u32 {
                    return Err(Error::Protocol { what: "it sets a chunk size that cannot be" });
                }
                self.chunk_size = size;
                Ok(None)
            }
            ABORT => {
                let id = word(&message.body);
                if let Some(stream) = self.streams.iter_mut().find(|stream| Some(stream.id) == id) {
                    stream.received = 0;
                    stream.body.clear();
                }
                Ok(None)
            }
            kind if is_kept(kind) => Ok(Some(message)),
            _ => Ok(None),
        }
    }
}

/// Whether messages of this type mean something to a publisher.
fn is_kept(kind: u8) -> bool {
    matches!(
        kind,
        SET_CHUNK_SIZE
            | ABORT
            | USER_CONTROL
            | WINDOW_ACK_SIZE
            | SET_PEER_BANDWIDTH
            | COMMAND_AMF0
            | COMMAND_AMF3
    )
}

/// The 32-bit number at the start of a control message.
pub(super) fn word(body: &[u8]) -> Option<u32> {
    body.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
