//! The server's side of RTMP's wire, written apart from the product's client so that the two can
//! prove each other: it shares no code with it, and takes what FFmpeg sends as well.

use std::collections::HashMap;

/// A message, put together.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    pub kind: u8,
    pub timestamp: u32,
    pub stream: u32,
    pub body: Vec<u8>,
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Outbound {
    pub chunk_stream: u8,
    pub kind: u8,
    pub stream: u32,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct ChunkStream {
    /// The last header's timestamp field: a time after a full header, else a step.
    field: u32,
    time: u32,
    len: usize,
    kind: u8,
    stream: u32,
    body: Vec<u8>,
}

/// Takes a publisher's chunks apart.
pub struct Decoder {
    pending: Vec<u8>,
    at: usize,
    chunk_size: usize,
    streams: HashMap<u32, ChunkStream>,
}

impl Decoder {
    pub fn new() -> Self {
        Self { pending: Vec::new(), at: 0, chunk_size: 128, streams: HashMap::new() }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..std::mem::take(&mut self.at));
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one. An error is a breach of the protocol.
    pub fn next(&mut self) -> Result<Option<Inbound>, String> {
        while let Some((taken, message)) = self.chunk()? {
            self.at += taken;
            if let Some(message) = message {
                if message.kind == 1 {
                    let size: [u8; 4] = message.body[..].try_into().map_err(|_| "a bad Set Chunk Size")?;
                    self.chunk_size = u32::from_be_bytes(size) as usize;
                    if self.chunk_size == 0 || self.chunk_size >= 1 << 31 {
                        return Err(format!("a chunk size of {}", self.chunk_size));
                    }
                }
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// One chunk, once all of it is there: how long it is, and the message that it ends.
    fn chunk(&mut self) -> Result<Option<(usize, Option<Inbound>)>, String> {
        let bytes = &self.pending[self.at..];
        let mut at = 0;
        let mut take = |n: usize| {
            at += n;
            bytes.get(at - n..at)
        };
        let big = |bytes: &[u8]| bytes.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));

        let Some(&[first]) = take(1) else { return Ok(None) };
        let id = match first & 63 {
            0 => take(1).map(|b| 64 + u32::from(b[0])),
            1 => take(2).map(|b| 64 + u32::from(b[0]) + 256 * u32::from(b[1])),
            id => Some(u32::from(id)),
        };
        let Some(id) = id else { return Ok(None) };
        let format = first >> 6;
        let Some(header) = take([11, 7, 3, 0][usize::from(format)]) else { return Ok(None) };
        if format > 0 && !self.streams.contains_key(&id) {
            return Err(format!("chunk stream {id} begins with format {format}"));
        }
        let stream = self.streams.entry(id).or_default();
        let short = if format < 3 { big(&header[..3]) } else { stream.field.min(0xff_ffff) };
        let mut field = if format < 3 { short } else { stream.field };
        if short == 0xff_ffff {
            let Some(extended) = take(4) else { return Ok(None) };
            if format == 3 && big(extended) != stream.field {
                return Err(format!("a further chunk says {}, not {}", big(extended), stream.field));
            }
            field = big(extended);
        }
        let len = if format < 2 { big(&header[3..6]) as usize } else { stream.len };
        let begins = stream.body.is_empty();
        if format < 3 && !begins {
            return Err(format!("a message on chunk stream {id} begins before the last one has ended"));
        }
        let Some(part) = take(self.chunk_size.min(len - stream.body.len())) else { return Ok(None) };

        if format < 2 {
            (stream.len, stream.kind) = (len, header[6]);
        }
        if format == 0 {
            stream.stream = u32::from_le_bytes(header[7..11].try_into().unwrap());
        }
        if begins {
            stream.time = if format == 0 { field } else { stream.time.wrapping_add(field) };
            stream.field = field;
        }
        stream.body.extend_from_slice(part);
        let message = (stream.body.len() == len).then(|| Inbound {
            kind: stream.kind,
            timestamp: stream.time,
            stream: stream.stream,
            body: std::mem::take(&mut stream.body),
        });
        Ok(Some((at, message)))
    }
}

/// Messages in chunks of `chunk_size`, one chunk of each message in turn: with more than one
/// message they are interleaved, as a server may and few do.
pub fn encode(messages: &[Outbound], chunk_size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let longest = messages.iter().map(|m| m.body.len()).max().unwrap_or(0);
    for round in 0..longest.div_ceil(chunk_size).max(1) {
        for message in messages {
            let from = round * chunk_size;
            if round > 0 && from >= message.body.len() {
                continue;
            }
            if round == 0 {
                out.extend([message.chunk_stream, 0, 0, 0]);
                out.extend(&(message.body.len() as u32).to_be_bytes()[1..]);
                out.push(message.kind);
                out.extend(message.stream.to_le_bytes());
            } else {
                out.push(0xc0 | message.chunk_stream);
            }
            out.extend(&message.body[from..message.body.len().min(from + chunk_size)]);
        }
    }
    out
}
