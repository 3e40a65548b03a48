//! The least of an RTMP ingest: bytes in, answers and media out. It takes only what the product
//! promises to send (full chunk headers), and knows nothing of the product's own code.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::hash::{DefaultHasher, Hash, Hasher};
use tokio::time::Instant;

/// An audio, video or data message.
pub struct Message {
    pub kind: u8,
    pub timestamp: u32,
    /// Its first bytes, enough to tell whose frame it is.
    pub head: Vec<u8>,
    pub digest: u64,
    pub at: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Hello,
    Echo,
    Chunks,
}

/// One session as the ingest sees it.
pub struct Ingest {
    stage: Stage,
    input: Vec<u8>,
    chunk_size: usize,
    /// Messages that are under way: chunk stream, timestamp, type, length, whether its timestamp is
    /// extended, and what is in.
    partial: Vec<(u8, u32, u8, usize, bool, Vec<u8>)>,
    pub output: Vec<u8>,
    pub messages: Vec<Message>,
    pub published: Option<Instant>,
    pub deleted: bool,
    /// A publish was not welcome.
    pub refused: bool,
    pub faults: Vec<String>,
}

pub fn digest(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

const NOISE: [u8; 1536] = [0x5a; 1536];

impl Ingest {
    pub fn new() -> Self {
        Self {
            stage: Stage::Hello,
            input: Vec::new(),
            chunk_size: 128,
            partial: Vec::new(),
            output: Vec::new(),
            messages: Vec::new(),
            published: None,
            deleted: false,
            refused: false,
            faults: Vec::new(),
        }
    }

    /// Takes bytes in; `welcome` says whether a publish is accepted.
    pub fn receive(&mut self, bytes: &[u8], welcome: bool, now: Instant) {
        self.input.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(taken) = self.step(at, welcome, now) {
            at += taken;
        }
        self.input.drain(..at);
    }

    fn step(&mut self, at: usize, welcome: bool, now: Instant) -> Option<usize> {
        let input = &self.input[at..];
        match self.stage {
            Stage::Hello => {
                let hello = input.get(..1537)?;
                self.output.push(3);
                self.output.extend_from_slice(&NOISE);
                self.output.extend_from_slice(&hello[1..]);
                self.stage = Stage::Echo;
                Some(1537)
            }
            Stage::Echo => {
                let echo = input.get(..1536)?;
                if echo != NOISE {
                    self.faults.push("C2 is not S1".into());
                }
                self.stage = Stage::Chunks;
                Some(1536)
            }
            Stage::Chunks => self.chunk(at, welcome, now),
        }
    }

    fn chunk(&mut self, at: usize, welcome: bool, now: Instant) -> Option<usize> {
        let input = &self.input[at..];
        let (format, stream) = (input.first()? >> 6, input.first()? & 63);
        let number = |bytes: &[u8]| bytes.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));
        let under_way = self.partial.iter().position(|part| part.0 == stream);
        let mut taken = 1;
        let part = match (format, under_way) {
            (0, None) => {
                let header = input.get(1..12)?;
                let (mut time, len) = (number(&header[..3]), number(&header[3..6]) as usize);
                let extended = time == 0xff_ffff;
                taken = 12;
                if extended {
                    time = number(input.get(12..16)?);
                    taken = 16;
                }
                let body = len.min(self.chunk_size);
                input.get(taken..taken + body)?;
                self.partial.push((stream, time, header[6], len, extended, Vec::new()));
                self.partial.len() - 1
            }
            (3, Some(part)) => {
                taken += if self.partial[part].4 { 4 } else { 0 };
                part
            }
            _ => {
                self.faults.push(format!("a chunk of format {format} on stream {stream}"));
                return None;
            }
        };
        let (_, time, kind, len, _, body) = &mut self.partial[part];
        let more = (*len - body.len()).min(self.chunk_size);
        body.extend_from_slice(input.get(taken..taken + more)?);
        if body.len() == *len {
            let (time, kind, body) = (*time, *kind, std::mem::take(body));
            self.partial.remove(part);
            self.message(kind, time, &body, welcome, now);
        }
        Some(taken + more)
    }

    fn message(&mut self, kind: u8, timestamp: u32, body: &[u8], welcome: bool, now: Instant) {
        match kind {
            1 => self.chunk_size = u32::from_be_bytes(body.try_into().unwrap()) as usize,
            20 => self.command(body, welcome, now),
            8 | 9 | 18 => {
                if self.published.is_none() || self.deleted {
                    self.faults.push(format!("media of type {kind} outside of a publish"));
                }
                let head = body[..body.len().min(21)].to_vec();
                self.messages.push(Message { kind, timestamp, head, digest: digest(body), at: now });
            }
            _ => {}
        }
    }

    fn command(&mut self, body: &[u8], welcome: bool, now: Instant) {
        let len = usize::from(u16::from_be_bytes([body[1], body[2]]));
        let (name, rest) = body[3..].split_at(len);
        let call = f64::from_be_bytes(rest[1..9].try_into().unwrap());
        match name {
            b"connect" => self.answer("_result", call, &status("NetConnection.Connect.Success", "status")),
            b"createStream" => self.answer("_result", call, &[&[0][..], &1f64.to_be_bytes()].concat()),
            b"publish" if welcome => {
                self.published = Some(now);
                self.answer("onStatus", 0.0, &status("NetStream.Publish.Start", "status"));
            }
            b"publish" => {
                self.refused = true;
                self.answer("onStatus", 0.0, &status("NetStream.Publish.BadName", "error"));
            }
            b"deleteStream" => self.deleted = true,
            _ => {}
        }
    }

    fn answer(&mut self, name: &str, call: f64, value: &[u8]) {
        let body = [&string(name)[1..], &[0], &call.to_be_bytes(), &[5], value].concat();
        let body = [&[2][..], &body].concat();
        self.output.extend([3, 0, 0, 0, 0, 0, body.len() as u8, 20, 0, 0, 0, 0]);
        for (i, chunk) in body.chunks(128).enumerate() {
            if i > 0 {
                self.output.push(0xc3);
            }
            self.output.extend_from_slice(chunk);
        }
    }
}

fn string(text: &str) -> Vec<u8> {
    [&[2][..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

fn status(code: &str, level: &str) -> Vec<u8> {
    let mut object = vec![3];
    for (key, value) in [("level", level), ("code", code)] {
        object.extend_from_slice(&string(key)[1..]);
        object.extend(string(value));
    }
    object.extend([0, 0, 9]);
    object
}
