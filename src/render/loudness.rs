//! How loud a track is, and what to do about it.
//!
//! Three steps. The first pass *measures* the decoded track: integrated loudness and true peak
//! (EBU R128) and the exact number of samples at 48 kHz. The second *treats* it: a linear gain, and
//! a true-peak limiter only where peak and gain together would pass the ceiling, so that music
//! with room above it comes out untouched but for its level. Then the finished AAC is measured in
//! its turn, because a lossy encoder moves peaks by up to a decibel; if it is off, the treatment is
//! corrected by what it is off, and the encode repeated, at most [`MAX_ENCODES`] times in all.
//!
//! Rejected: FFmpeg's `loudnorm` (its dynamic mode, which it falls back to silently, rides the gain
//! of quiet passages), and trusting the second pass unseen.

use super::notes::Notes;
use crate::config::Loudness;
use crate::media::SAMPLE_RATE;
use std::time::Duration;

/// No peak of a finished track may pass this, in dBTP (EBU R128, and what platforms ask for).
pub const CEILING: f64 = -1.0;
/// A finished track may be this far from its target, in LU: under the 1 LU that R128 allows.
pub const TOLERANCE: f64 = 0.7;
/// Encodes a track is given; the last is taken as it is.
pub const MAX_ENCODES: u32 = 3;
/// How far below the ceiling the limiter works at first, in dB: the usual overshoot of an AAC
/// encode at 128 kbit/s was measured as 0.2 to 0.8 dB, so that most tracks need one encode.
const HEADROOM: f64 = 0.8;
/// A correction aims this much below the ceiling, so that it need not be corrected again.
const SLACK: f64 = 0.2;
/// Quieter than this is silence: the absolute gate of R128, in LUFS, below which nothing counts.
const GATE: f64 = -70.0;
/// The shortest track, in samples: half a second. Loudness is undefined below 0.4 s.
const SHORTEST: u64 = SAMPLE_RATE / 2;
/// The longest track, in samples: 24 h, which is 1.4 GB of AAC.
const LONGEST: u64 = 24 * 3600 * SAMPLE_RATE;
/// A damaged file is played if this part of what it claims is there, in percent.
const WHOLE_ENOUGH: u64 = 90;
/// … and at least this much of it, in samples: 1 s.
const ENOUGH: u64 = SAMPLE_RATE;

/// What a pass over some sound found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Samples at 48 kHz.
    pub samples: u64,
    /// Integrated loudness in LUFS; `None` for silence.
    pub loudness: Option<f64>,
    /// True peak in dBTP; `None` for digital silence.
    pub true_peak: Option<f64>,
    /// How long the file says it is, if it says so.
    pub claimed: Option<Duration>,
    /// FFmpeg only guessed `claimed`.
    pub guessed: bool,
    /// FFmpeg's first complaint while it decoded.
    pub complaint: Option<String>,
}

/// What is done to a track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Treatment {
    /// Linear gain in dB.
    pub gain: f64,
    /// Where the limiter stands, in dBTP; `None` without one.
    pub limit: Option<f64>,
}

/// What to do with a finished encode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// It is as it should be, or as near as it will get.
    Good,
    /// Encode again, so treated.
    Again(Treatment),
}

impl Measured {
    /// Reads the summaries of `ebur128=peak=true` and `astats`, and the input's description.
    /// `None` if they are not there.
    pub fn read(notes: &Notes) -> Option<Self> {
        let number = |key: &str| {
            let line = notes.lines().rev().find(|line| line.trim_start().starts_with(key))?;
            line.trim_start()[key.len()..].split_whitespace().next()?.parse::<f64>().ok()
        };
        let samples = notes.lines().rev().find_map(|line| line.split_once("Number of samples: "))?.1;
        Some(Self {
            samples: samples.trim().parse().ok()?,
            loudness: number("I:").filter(|lufs| *lufs > GATE),
            true_peak: number("Peak:").filter(|peak| peak.is_finite()),
            claimed: notes.lines().find_map(|line| clock(line.split_once("Duration: ")?.1)),
            guessed: notes.lines().any(|line| line.contains("Estimating duration from bitrate")),
            complaint: notes.reason(),
        })
    }

    /// Why this is not a track to play; `None` if it is one.
    ///
    /// A damaged file plays if it yields a second of sound and nine tenths of what it claims. What
    /// ends early without an error counts as damaged too, unless the claim was a guess.
    pub fn refusal(&self) -> Option<String> {
        let claimed = self.claimed.map_or(0, |claim| (claim.as_millis() as u64) * SAMPLE_RATE / 1000);
        let complaint = self.complaint.as_deref();
        let cut = self.samples < claimed * WHOLE_ENOUGH / 100 && (complaint.is_some() || !self.guessed);
        if cut || complaint.is_some() && self.samples < ENOUGH {
            let why = complaint.map(|text| format!(" ({text})")).unwrap_or_default();
            let (has, claims) = (seconds(self.samples), seconds(claimed));
            return Some(match cut {
                true => format!("damaged: only {has} s of {claims} s can be decoded{why}"),
                false => format!("damaged: only {has} s can be decoded{why}"),
            });
        }
        match self.samples {
            0 => Some("it holds no sound".into()),
            n if n < SHORTEST => Some("it is shorter than half a second".into()),
            n if n > LONGEST => Some("it is longer than 24 hours".into()),
            _ if self.loudness.is_none() => Some("silent: nothing in it is louder than −70 LUFS".into()),
            _ => None,
        }
    }
}

/// What to do to a track at first.
pub fn plan(found: &Measured, target: Loudness) -> Treatment {
    let (Loudness::Lufs(target), Some(loudness)) = (target, found.loudness) else {
        return Treatment { gain: 0.0, limit: None };
    };
    let gain = (target - loudness).clamp(-60.0, 50.0);
    let passes = found.true_peak.is_some_and(|peak| peak + gain > CEILING);
    Treatment { gain, limit: passes.then_some(CEILING - HEADROOM) }
}

/// Whether `finished`, which came out of `treatment` and is the encode number `encodes`, will do.
pub fn judge(finished: &Measured, treatment: Treatment, target: Loudness, encodes: u32) -> Verdict {
    let (Loudness::Lufs(target), Some(loudness)) = (target, finished.loudness) else {
        return Verdict::Good;
    };
    let over = finished.true_peak.map_or(0.0, |peak| (peak - CEILING).max(0.0));
    let off = target - loudness;
    if encodes >= MAX_ENCODES || over == 0.0 && off.abs() <= TOLERANCE {
        return Verdict::Good;
    }
    let mut next = treatment;
    if off.abs() > TOLERANCE {
        next.gain = (next.gain + off).clamp(-60.0, 50.0);
        // More gain needs a limiter if what came out has no room for it.
        if off > 0.0 && finished.true_peak.is_some_and(|peak| peak + off > CEILING) {
            next.limit.get_or_insert(CEILING - HEADROOM);
        }
    }
    if over > 0.0 {
        // −24 dB is the lowest that the limiter takes.
        next.limit = Some((next.limit.unwrap_or(CEILING) - over - SLACK).max(-24.0));
    }
    Verdict::Again(next)
}

fn seconds(samples: u64) -> String {
    format!("{:.1}", samples as f64 / SAMPLE_RATE as f64)
}

/// `HH:MM:SS.ss`, followed by anything.
fn clock(text: &str) -> Option<Duration> {
    let mut parts = text.split(',').next()?.trim().splitn(3, ':');
    let (hours, minutes) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?);
    let secs = parts.next()?.parse::<f64>().ok()? + f64::from(hours) * 3600.0 + f64::from(minutes) * 60.0;
    Duration::try_from_secs_f64(secs).ok()
}

#[cfg(test)]
mod tests;
