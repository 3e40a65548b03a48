//! What an ingest is told to do wrong.

use std::time::Duration;

/// How one connection is treated. The default takes everything in.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// After TCP (and TLS) is up.
    pub handshake: Handshake,
    /// To `connect`.
    pub connect: Reply,
    /// To `publish`.
    pub publish: Reply,
    /// Answers come in chunks of seven bytes with pings and unknown messages interleaved, a few
    /// bytes to a segment; and a ping comes with every tenth media message.
    pub odd: bool,
    /// What happens then, each once, in any order.
    pub then: Vec<(When, Act)>,
}

impl Script {
    /// `act` once `when` comes; all is well before.
    pub fn once(when: When, act: Act) -> Self {
        Self { then: vec![(when, act)], ..Self::default() }
    }
}

/// See [`Script::handshake`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Handshake {
    #[default]
    Whole,
    /// Takes bytes and says nothing, for ever.
    Silent,
    /// Says half of S1, and nothing more.
    Half,
    /// Resets the connection at once.
    Reset,
}

/// An answer to a command.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Reply {
    #[default]
    Accept,
    /// An error. `{key}` in the description becomes the stream key once the publisher has told it.
    Refuse { code: String, description: String },
    /// None at all.
    Ignore,
}

impl Reply {
    pub fn refuse(code: &str, description: &str) -> Self {
        Self::Refuse { code: code.into(), description: description.into() }
    }
}

/// When a step is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// This many media messages (audio, video, data) are in.
    Media(u64),
    /// This many bytes are in, handshake included.
    Bytes(u64),
    /// So long after the publish was accepted.
    Elapsed(Duration),
}

/// What happens to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// RST.
    Reset,
    /// FIN.
    Close,
    /// Stops reading, and keeps the connection: a black hole above TCP.
    Stall,
    /// Reads this many bytes per second.
    Slow(u64),
    /// Reads as fast as it can again.
    Read,
    /// Says an `onStatus`; `{key}` in the description becomes the stream key.
    Say { level: String, code: String, description: String },
}
