//! One session: what is said when, and what the ingest's answers mean.

use super::answer::Answer;
use super::chunk::{self, Header};
use super::error::presentable;
use super::handshake::Handshake;
use super::inbound::{self, Message, word};
use super::{Error, StreamInfo, Target, amf0, command};
use crate::config::Secret;
use crate::media::Kind;
use crate::media::flv::TagKind;
use serde::{Deserialize, Serialize};

/// After how many bytes the peer wants an acknowledgement, until it says so itself.
const FIRST_WINDOW: u32 = 2_500_000;
/// A smaller window is taken for this: a peer could otherwise have an answer for each byte.
const MIN_WINDOW: u32 = 4096;
/// Answers that may wait in the output, in bytes. A peer that asks without reading gets no more.
const MAX_ANSWERS: usize = 8192;

/// User control events.
const PING_REQUEST: u8 = 6;
const PING_RESPONSE: u8 = 7;

/// Where a session is. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Waiting for S0, S1 and S2.
    Handshaking,
    /// `connect` is sent.
    Connecting,
    /// `createStream` is sent.
    Creating,
    /// `publish` is sent.
    Publishing,
    /// The ingest takes media.
    Live,
    /// [`Client::finish`] was called; the ingest has not said that it has understood, and some
    /// never do.
    Finishing,
    /// Over: by an error, or as both wanted.
    Closed,
}

/// One publishing session, without its socket. See the [module](super).
pub struct Client {
    app: String,
    tc_url: String,
    key: Secret,
    phase: Phase,
    handshake: Handshake,
    inbound: inbound::Reader,
    output: Vec<u8>,
    /// The message stream, from the answer to `createStream`.
    stream: u32,
    /// Bytes received since the handshake, and how many of them are acknowledged.
    received: u64,
    acknowledged: u64,
    window: u32,
    /// The window that the peer was last told.
    told_window: Option<u32>,
    /// Bytes of answers in the output since it was last seen empty.
    answers: usize,
}

/// What a live session is, between two messages in either direction: enough to go on with it
/// elsewhere, on the same connection. The stream key is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    stream: u32,
    received: u64,
    acknowledged: u64,
    window: u32,
    told_window: Option<u32>,
    inbound: inbound::Between,
}

impl Client {
    /// Goes on with a session where another client left it.
    pub fn resume(target: &Target, standing: Standing) -> Self {
        let Standing { stream, received, acknowledged, window, told_window, inbound } = standing;
        Self {
            phase: Phase::Live,
            handshake: Handshake::done(),
            inbound: inbound::Reader::from(inbound),
            output: Vec::new(),
            stream,
            received,
            acknowledged: acknowledged.min(received),
            window: window.max(MIN_WINDOW),
            told_window,
            ..Self::new(target, 0)
        }
    }

    /// What has to be known to go on with the session; `None` unless it is live, nothing waits in
    /// the output, and the ingest is not in the middle of a message.
    pub fn standing(&self) -> Option<Standing> {
        let resting = self.phase == Phase::Live && self.output.is_empty();
        let inbound = self.inbound.between().filter(|_| resting)?;
        let Self { stream, received, acknowledged, window, told_window, .. } = *self;
        Some(Standing { stream, received, acknowledged, window, told_window, inbound })
    }

    /// A session that is about to begin: C0 and C1 are in the output. `nonce` makes C1's noise,
    /// and need not be secret nor even change.
    pub fn new(target: &Target, nonce: u64) -> Self {
        let mut output = Vec::new();
        let handshake = Handshake::start(nonce, &mut output);
        Self {
            app: target.url.app.clone(),
            tc_url: target.url.to_string(),
            key: target.key.clone(),
            phase: Phase::Handshaking,
            handshake,
            inbound: inbound::Reader::new(),
            output,
            stream: 0,
            received: 0,
            acknowledged: 0,
            window: FIRST_WINDOW,
            told_window: None,
            answers: 0,
        }
    }

    /// Takes what the ingest sent, in any pieces; answers go to the output.
    ///
    /// After an error the session is [`Phase::Closed`], and whatever comes then is ignored.
    ///
    /// Whatever comes, a client never holds more than 16 unfinished messages of 4 KiB, and (if the
    /// caller takes the output) 8 KiB of answers.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        self.take(&mut bytes).inspect_err(|_| self.phase = Phase::Closed)
    }

    /// Where the session is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Bytes for the ingest, in order. The caller takes from the front what the socket took. It
    /// always ends with a whole message.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Says what the stream is (`onMetaData`).
    ///
    /// # Panics
    ///
    /// Unless the session is [`Phase::Live`], which it stays until [`Client::finish`] is called or
    /// [`Client::receive`] gives an error.
    pub fn metadata(&mut self, info: &StreamInfo) {
        let body = command::metadata(info);
        self.media(TagKind::Script, 0, &body);
    }

    /// Sends the codec headers (FLV tag bodies), which decoders need before any unit. `timestamp`
    /// as for [`Client::unit`]. Panics as [`Client::metadata`] does.
    pub fn headers(&mut self, audio: &[u8], video: &[u8], timestamp: u64) {
        self.media(TagKind::Video, timestamp, video);
        self.media(TagKind::Audio, timestamp, audio);
    }

    /// Sends one frame (an FLV tag body). `timestamp` is in milliseconds since the session's start;
    /// the wire has room for 32 bits of it.
    ///
    /// # Panics
    ///
    /// As [`Client::metadata`] does, and if `body` has 16 MiB or more, which
    /// [`MAX_BODY`](crate::media::flv::MAX_BODY) rules out.
    pub fn unit(&mut self, kind: Kind, timestamp: u64, body: &[u8]) {
        let kind = match kind {
            Kind::Audio => TagKind::Audio,
            Kind::Video { .. } => TagKind::Video,
        };
        self.media(kind, timestamp, body);
    }

    /// Ends the stream in an orderly way: [`Phase::Finishing`], or [`Phase::Closed`] if there was
    /// no stream yet. What is in the output should still be sent, and the socket then only be shut
    /// down for writing and read until the ingest closes it (or a deadline): closed with an answer
    /// unread in it, the kernel resets the connection, and the ingest loses the end of the stream.
    pub fn finish(&mut self) {
        match self.phase {
            Phase::Publishing | Phase::Live => {
                self.command(0, &command::named("FCUnpublish", command::FC_UNPUBLISH, &self.key));
                self.command(0, &command::delete_stream(self.stream));
                self.phase = Phase::Finishing;
            }
            Phase::Finishing | Phase::Closed => {}
            _ => self.phase = Phase::Closed,
        }
    }

    fn media(&mut self, kind: TagKind, timestamp: u64, body: &[u8]) {
        assert!(self.phase == Phase::Live, "media for a session that is {:?}", self.phase);
        let chunk_stream = match kind {
            TagKind::Audio => chunk::AUDIO,
            TagKind::Video => chunk::VIDEO,
            TagKind::Script => chunk::DATA,
        };
        // RTMP's clock has 32 bits and is meant to turn over.
        let timestamp = timestamp as u32;
        chunk::write(
            &mut self.output,
            Header { chunk_stream, kind: kind as u8, timestamp, stream: self.stream },
            body,
        );
    }

    fn take(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        if self.phase == Phase::Handshaking {
            self.handshake.take(bytes, &mut self.output)?;
            if !self.handshake.is_done() {
                return Ok(());
            }
            self.connect();
        }
        while self.phase != Phase::Closed {
            let before = bytes.len();
            let message = self.inbound.next(bytes);
            // Before an error is told, too: what led to it may have come in one piece with it.
            self.received += (before - bytes.len()) as u64;
            self.acknowledge();
            match message? {
                Some(message) => self.on_message(&message)?,
                None => break,
            }
        }
        Ok(())
    }

    /// Acknowledges every half window, at exactly that byte, so that it does not matter in which
    /// pieces bytes come. What is told is the sum of all bytes since the handshake, cut to 32 bits.
    fn acknowledge(&mut self) {
        let step = u64::from(self.window.max(MIN_WINDOW) / 2);
        while self.received - self.acknowledged >= step {
            self.acknowledged += step;
            self.answer(inbound::ACKNOWLEDGEMENT, &(self.acknowledged as u32).to_be_bytes());
        }
    }

    fn on_message(&mut self, message: &Message) -> Result<(), Error> {
        let body = message.body.as_slice();
        match message.kind {
            inbound::WINDOW_ACK_SIZE => self.window = word(body).unwrap_or(self.window),
            inbound::SET_PEER_BANDWIDTH => {
                let asked = word(body);
                if let Some(window) = asked
                    && asked != self.told_window
                {
                    self.told_window = asked;
                    self.answer(inbound::WINDOW_ACK_SIZE, &window.to_be_bytes());
                }
            }
            inbound::USER_CONTROL => {
                if let [0, PING_REQUEST, a, b, c, d, ..] = *body {
                    self.answer(inbound::USER_CONTROL, &[0, PING_RESPONSE, a, b, c, d]);
                }
            }
            // AMF3 commands hold AMF0 after a byte that says so.
            inbound::COMMAND_AMF3 => self.on_command(body.get(1..).unwrap_or_default())?,
            inbound::COMMAND_AMF0 => self.on_command(body)?,
            _ => {}
        }
        Ok(())
    }

    fn on_command(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut values = amf0::Reader::new(body);
        let (Some(amf0::Value::String(name)), Some(amf0::Value::Number(number))) =
            (values.value(), values.value())
        else {
            return Ok(());
        };
        let answer = Answer::read(values);
        match (name, self.phase) {
            (b"_result", Phase::Connecting) if number == command::CONNECT => {
                if answer.code.is_some_and(|code| code != b"NetConnection.Connect.Success") {
                    return Err(self.refused(&answer));
                }
                self.create();
            }
            (b"_result", Phase::Creating) if number == command::CREATE_STREAM => {
                let Some(stream) = answer.number.filter(|n| (0.0..=f64::from(u32::MAX)).contains(n)) else {
                    return Err(Error::Protocol { what: "it created a stream without a number" });
                };
                self.publish(stream as u32);
            }
            // Whether it knows these two does not matter.
            (b"_error", _) if [command::RELEASE_STREAM, command::FC_PUBLISH].contains(&number) => {}
            (b"_error", phase) if phase < Phase::Finishing => return Err(self.refused(&answer)),
            (b"onStatus", phase) => return self.on_status(phase, &answer),
            (b"close", _) => return Err(self.closed(&answer)),
            _ => {}
        }
        Ok(())
    }

    fn on_status(&mut self, phase: Phase, answer: &Answer) -> Result<(), Error> {
        match (answer.code.unwrap_or_default(), phase) {
            (b"NetStream.Unpublish.Success", Phase::Finishing) => self.phase = Phase::Closed,
            (_, Phase::Finishing) => {}
            (b"NetStream.Publish.Start", Phase::Publishing) => self.phase = Phase::Live,
            (b"NetStream.Unpublish.Success", Phase::Live) | (b"NetConnection.Connect.Closed", _) => {
                return Err(self.closed(answer));
            }
            _ if answer.is_refusal() => {
                let live = phase == Phase::Live;
                return Err(if live { self.closed(answer) } else { self.refused(answer) });
            }
            _ => {}
        }
        Ok(())
    }

    fn refused(&self, answer: &Answer) -> Error {
        let (code, description) = self.words(answer);
        Error::Refused { code, description }
    }

    fn closed(&self, answer: &Answer) -> Error {
        let (code, description) = self.words(answer);
        Error::ClosedByPeer { code, description }
    }

    fn words(&self, answer: &Answer) -> (String, String) {
        let code = answer.code.unwrap_or(b"no reason given");
        let description = answer.description.unwrap_or_default();
        (presentable(code, &self.key), presentable(description, &self.key))
    }

    fn connect(&mut self) {
        let size = (chunk::CHUNK_SIZE as u32).to_be_bytes();
        self.control(inbound::SET_CHUNK_SIZE, &size);
        let body = command::connect(&self.app, &self.tc_url);
        self.command(0, &body);
        self.phase = Phase::Connecting;
    }

    fn create(&mut self) {
        for body in [
            command::named("releaseStream", command::RELEASE_STREAM, &self.key),
            command::named("FCPublish", command::FC_PUBLISH, &self.key),
            command::create_stream(),
        ] {
            self.command(0, &body);
        }
        self.phase = Phase::Creating;
    }

    fn publish(&mut self, stream: u32) {
        self.stream = stream;
        self.command(stream, &command::publish(&self.key));
        self.phase = Phase::Publishing;
    }

    fn command(&mut self, stream: u32, body: &[u8]) {
        let kind = inbound::COMMAND_AMF0;
        let header = Header { chunk_stream: chunk::COMMAND, kind, timestamp: 0, stream };
        chunk::write(&mut self.output, header, body);
    }

    fn control(&mut self, kind: u8, body: &[u8]) {
        let header = Header { chunk_stream: chunk::CONTROL, kind, timestamp: 0, stream: 0 };
        chunk::write(&mut self.output, header, body);
    }

    /// A control message that the peer caused, unless too many of them wait already.
    fn answer(&mut self, kind: u8, body: &[u8]) {
        if self.output.is_empty() {
            self.answers = 0;
        }
        if self.answers < MAX_ANSWERS {
            self.answers += 12 + body.len();
            self.control(kind, body);
        }
    }
}

#[cfg(test)]
mod tests;
