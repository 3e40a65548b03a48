//! Units that read and print as an operator writes them, and cannot hold nonsense.
//!
//! Law: what a unit prints, it reads back as the same value.

use std::fmt;
use std::str::FromStr;

/// Why a text is no value of its kind. Never holds the text itself, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unfit {
    /// The second half of a sentence whose first half is the value: "is not a bitrate".
    pub reason: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Unfit {
    pub(crate) fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: Some(hint.into()) }
    }
}

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

    /// The rate nearest to `fps`, the higher one of two.
    fn nearest(fps: f64) -> Self {
        let distance = |rate: &Self| (f64::from(rate.0) - fps).abs();
        let rates = (10..=60).rev().filter_map(Self::new);
        rates.min_by(|a, b| distance(a).total_cmp(&distance(b))).expect("60 is a rate")
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for FrameRate {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        if let Some(rate) = text.parse().ok().and_then(Self::new) {
            return Ok(rate);
        }
        let near = match text.parse::<f64>() {
            Ok(fps) if fps.is_finite() => format!("; the nearest is {}", Self::nearest(fps)),
            _ => String::new(),
        };
        let hint = format!(
            "24, 25, 30, 50 and 60 are the usual rates, and whole numbers that divide 48000 work{near}"
        );
        Err(Unfit::new("is not a frame rate that sound and pictures can share", hint))
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

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, &[("M", 1_000_000), ("k", 1_000)])
    }
}

impl FromStr for Bitrate {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let bits = unscaled(text, &[("M", 1_000_000), ("k", 1_000)]);
        let hint = "write \"2000k\" or \"2M\", or the bits per second as a number";
        bits.map(Self).ok_or_else(|| Unfit::new("is not a bitrate", hint))
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Binary and decimal multiples, the larger first.
const BYTE_UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
];

impl ByteSize {
    /// `bytes` bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, &BYTE_UNITS)
    }
}

impl FromStr for ByteSize {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let hint = "write \"500MB\", \"2GiB\", or the bytes as a number";
        unscaled(text, &BYTE_UNITS).map(Self).ok_or_else(|| Unfit::new("is not a size in bytes", hint))
    }
}

/// Prints `value` in the largest unit that holds it exactly.
fn scaled(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    match units.iter().find(|(_, scale)| value != 0 && value.is_multiple_of(*scale)) {
        Some((unit, scale)) => write!(f, "{}{unit}", value / scale),
        None => fmt::Display::fmt(&value, f),
    }
}

/// Reads a decimal number with a unit (any case), if it makes a whole number. Exact: no floats.
fn unscaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim_start());
    let scale = match unit {
        "" => 1,
        _ => units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 12 {
        return None;
    }
    let parts = u128::from(scale) * u128::from(fraction.parse::<u64>().ok()?);
    let denominator = 10u128.pow(fraction.len() as u32);
    if !parts.is_multiple_of(denominator) {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    whole.checked_add(u64::try_from(parts / denominator).ok()?)
}

/// Width and height in pixels, both even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameSize {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl FrameSize {
    /// Pixels on the shortest side that encoders and platforms still take.
    pub const MIN_SIDE: u32 = 128;
    /// Pixels on the longest side: those of 2160p, upright too.
    pub const MAX_SIDE: u32 = 3840;
    /// Pixels in all: those of 2160p.
    pub const MAX_PIXELS: u32 = 3840 * 2160;

    /// A size that encoders and platforms take: even (4:2:0 colour halves both sides), neither
    /// tiny nor above 2160p.
    pub const fn new(width: u32, height: u32) -> Option<Self> {
        let even = width.is_multiple_of(2) && height.is_multiple_of(2);
        let (least, most) = if width < height { (width, height) } else { (height, width) };
        if even && least >= Self::MIN_SIDE && most <= Self::MAX_SIDE && width * height <= Self::MAX_PIXELS {
            Some(Self { width, height })
        } else {
            None
        }
    }

    /// Lines of the picture laid on its long side: 720 for 1280x720 and for 720x1280.
    pub const fn lines(self) -> u32 {
        if self.width < self.height { self.width } else { self.height }
    }
}

impl fmt::Display for FrameSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for FrameSize {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let named = match text {
            "2160p" => Some("3840x2160"),
            "1440p" => Some("2560x1440"),
            "1080p" => Some("1920x1080"),
            "720p" => Some("1280x720"),
            "480p" => Some("854x480"),
            "360p" => Some("640x360"),
            _ => None,
        };
        let number = |side: &str| side.trim().parse::<u32>().ok();
        let sides = text.split_once(['x', 'X', '×']);
        let Some((width, height)) = sides.and_then(|(w, h)| Some((number(w)?, number(h)?))) else {
            let hint = format!("write width and height, as in \"{}\"", named.unwrap_or("1280x720"));
            return Err(Unfit::new("is not a picture size", hint));
        };
        Self::new(width, height).ok_or_else(|| {
            let reason = if width % 2 + height % 2 > 0 { "is odd" } else { "is out of range" };
            Unfit::new(reason, "both sides must be even, each 128 to 3840, at most 3840x2160 pixels in all")
        })
    }
}

/// Time between keyframes, in milliseconds: at most 4 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keyframe(pub u32);

impl Keyframe {
    /// Below this, keyframes are most of the stream.
    pub const MIN: Self = Self(200);
    /// YouTube takes no more.
    pub const MAX: Self = Self(4_000);

    /// Pictures from one keyframe to the next, if that is a whole number.
    pub fn pictures(self, fps: FrameRate) -> Option<u32> {
        let thousandths = self.0.checked_mul(fps.get())?;
        thousandths.is_multiple_of(1000).then_some(thousandths / 1000)
    }
}

impl fmt::Display for Keyframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}s", self.0 / 1000) } else { write!(f, "{}ms", self.0) }
    }
}

impl FromStr for Keyframe {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let hint = "write seconds or milliseconds, as in \"2s\" or \"1500ms\"; 200ms to 4s";
        let bare = text.trim().ends_with(|c: char| c.is_ascii_digit());
        let millis = unscaled(text, &[("s", 1000), ("ms", 1)]).filter(|_| !bare);
        let millis = millis.ok_or_else(|| Unfit::new("is not a time with its unit", hint))?;
        match u32::try_from(millis) {
            Ok(millis) if (Self::MIN.0..=Self::MAX.0).contains(&millis) => Ok(Self(millis)),
            _ => Err(Unfit::new(
                "is not between 200ms and 4s",
                "platforms want a keyframe each 2s, and at least each 4s",
            )),
        }
    }
}

/// Loudness to bring every track to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loudness {
    /// Leave tracks as they are.
    Off,
    /// Integrated loudness in LUFS (EBU R128), from −30 to −5.
    Lufs(f64),
}

impl fmt::Display for Loudness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Lufs(lufs) => lufs.fmt(f),
        }
    }
}

impl FromStr for Loudness {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let hint = "write LUFS from -30 to -5 (YouTube plays at -14), or \"off\"";
        match text.parse::<f64>() {
            Ok(lufs) if (-30.0..=-5.0).contains(&lufs) => Ok(Self::Lufs(lufs)),
            Ok(_) => Err(Unfit::new("is not between -30 and -5", hint)),
            Err(_) => Err(Unfit::new("is not a loudness", hint)),
        }
    }
}

#[cfg(test)]
mod tests;
