//! Units that read and print as an operator writes them, and cannot hold nonsense.

use std::fmt;

/// Pictures per second: a whole number from 10 to 60 that divides 48000, so that a picture lasts
/// a whole number of samples (24, 25, 30, 50 and 60 among them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameRate(u32);

impl FrameRate {
    /// `fps` pictures per second, if that is a rate that pictures and sound can share.
    pub const fn new(fps: u32) -> Option<Self> {
        if fps >= 10 && fps <= 60 && 48_000 % fps == 0 { Some(Self(fps)) } else { None }
    }

    /// Pictures per second.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bitrate(u64);

impl Bitrate {
    /// `bits` per second.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Bits per second.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// Width and height in pixels, both even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameSize {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Time between keyframes, in milliseconds: at most 4 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keyframe(pub u32);

/// Loudness to bring every track to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loudness {
    /// Leave tracks as they are.
    Off,
    /// Integrated loudness in LUFS (EBU R128), from −30 to −5.
    Lufs(f64),
}
