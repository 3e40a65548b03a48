//! Programme time: samples since the Unix epoch, and the cells that audio and video share.
//!
//! An audio frame lasts 1024 samples (64/3 ms), a video frame `48000 / fps` samples. A *cell* is
//! the shortest time that holds a whole number of both, so whatever lasts whole cells ends its
//! audio and its video at the same sample, and nothing that is joined from such pieces can drift.
//! All arithmetic here is on integers; a millisecond appears only where a protocol wants one.

use crate::config::units::FrameRate;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Samples per second of every rendition.
pub const SAMPLE_RATE: u64 = 48_000;
/// Samples in one AAC-LC frame.
pub const FRAME_SAMPLES: u64 = 1024;

/// An instant of the programme: samples at 48 kHz since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaTime(u64);

impl MediaTime {
    /// The instant `samples` after the epoch.
    pub const fn from_samples(samples: u64) -> Self {
        Self(samples)
    }

    /// The last sample at or before `since_epoch` (which is Unix time).
    pub fn from_unix(since_epoch: Duration) -> Self {
        let samples = since_epoch.as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000;
        Self(u64::try_from(samples).unwrap_or(u64::MAX))
    }

    /// Samples since the epoch.
    pub const fn samples(self) -> u64 {
        self.0
    }

    /// This instant as Unix time, rounded up to the next nanosecond, so that
    /// `from_unix(t.to_unix()) == t`.
    pub fn to_unix(self) -> Duration {
        samples_to_duration(self.0)
    }

    /// The instant `by` later, to the sample below.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(Self::from_unix(by).0))
    }

    /// The instant `by` earlier, or the epoch.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(Self::from_unix(by).0))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        samples_to_duration(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds from `base` to here, rounded down: the RTMP timestamp before it is cut
    /// to 32 bits. Zero if this is before `base`.
    pub fn millis_since(self, base: Self) -> u64 {
        let samples = u128::from(self.0.saturating_sub(base.0));
        // At most u64::MAX * 1000 / 48000, which fits.
        (samples * 1000 / u128::from(SAMPLE_RATE)) as u64
    }
}

fn samples_to_duration(samples: u64) -> Duration {
    let secs = samples / SAMPLE_RATE;
    let nanos = ((samples % SAMPLE_RATE) * 1_000_000_000).div_ceil(SAMPLE_RATE);
    Duration::new(secs, nanos as u32)
}

/// A cell of the programme, counted from the Unix epoch. Its length depends on the frame rate,
/// so a cell means something only together with a [`Grid`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cell(pub u64);

impl Cell {
    /// The cell `cells` later.
    #[must_use]
    pub const fn plus(self, cells: u64) -> Self {
        Self(self.0.saturating_add(cells))
    }

    /// Cells from `earlier` to here; zero if this is not after it.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cell {}", self.0)
    }
}

/// The cell arithmetic of one frame rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    cell: u64,
    video_frame: u64,
}

impl Grid {
    /// The grid of `fps`.
    pub fn new(fps: FrameRate) -> Self {
        let video_frame = SAMPLE_RATE / u64::from(fps.get());
        Self { cell: lcm(FRAME_SAMPLES, video_frame), video_frame }
    }

    /// Samples in a cell.
    pub const fn cell_samples(self) -> u64 {
        self.cell
    }

    /// Samples in a video frame.
    pub const fn video_frame_samples(self) -> u64 {
        self.video_frame
    }

    /// Audio frames in a cell (25 at 30 fps).
    pub const fn audio_frames(self) -> u64 {
        self.cell / FRAME_SAMPLES
    }

    /// Video frames in a cell (16 at 30 fps).
    pub const fn video_frames(self) -> u64 {
        self.cell / self.video_frame
    }

    /// When `cell` starts.
    pub const fn start(self, cell: Cell) -> MediaTime {
        MediaTime(cell.0.saturating_mul(self.cell))
    }

    /// The cell that holds `at`.
    pub const fn cell_at(self, at: MediaTime) -> Cell {
        Cell(at.0 / self.cell)
    }

    /// The first cell that starts at or after `at`.
    pub const fn cell_from(self, at: MediaTime) -> Cell {
        Cell(at.0.div_ceil(self.cell))
    }

    /// The fewest whole cells that last at least `samples`.
    pub const fn cells_for(self, samples: u64) -> u64 {
        samples.div_ceil(self.cell)
    }

    /// The fewest whole cells that last at least `time`, to the sample below.
    pub fn cells_in(self, time: Duration) -> u64 {
        self.cells_for(MediaTime::from_unix(time).samples())
    }

    /// How long `cells` last.
    pub fn duration(self, cells: u64) -> Duration {
        samples_to_duration(cells.saturating_mul(self.cell))
    }
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

const fn lcm(a: u64, b: u64) -> u64 {
    a / gcd(a, b) * b
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grid(fps: u32) -> Grid {
        Grid::new(FrameRate::new(fps).unwrap())
    }

    #[test]
    fn cells_hold_whole_frames_at_every_usual_rate() {
        for (fps, audio, video) in [(24, 125, 64), (25, 15, 8), (30, 25, 16), (50, 15, 16), (60, 25, 32)] {
            let grid = grid(fps);
            assert_eq!((grid.audio_frames(), grid.video_frames()), (audio, video), "{fps} fps");
            assert_eq!(grid.audio_frames() * FRAME_SAMPLES, grid.video_frames() * grid.video_frame_samples());
        }
    }

    #[test]
    fn a_cell_at_30_fps_lasts_eight_fifteenths_of_a_second() {
        assert_eq!(grid(30).duration(15), Duration::from_secs(8));
    }

    proptest! {
        #[test]
        fn unix_time_round_trips(samples in 0u64..1 << 50) {
            let t = MediaTime::from_samples(samples);
            prop_assert_eq!(MediaTime::from_unix(t.to_unix()), t);
        }

        #[test]
        fn an_instant_lies_in_its_cell(samples in 0u64..1 << 50, fps in prop::sample::select(vec![24u32, 25, 30, 50, 60])) {
            let (grid, t) = (grid(fps), MediaTime::from_samples(samples));
            let cell = grid.cell_at(t);
            prop_assert!(grid.start(cell) <= t && t < grid.start(cell.plus(1)));
            let from = grid.cell_from(t);
            prop_assert!(grid.start(from) >= t && from.since(cell) <= 1);
        }

        #[test]
        fn milliseconds_never_go_back(a in 0u64..1 << 50, step in 0u64..1 << 40, base in 0u64..1 << 50) {
            let (base, a, b) = (MediaTime::from_samples(base), MediaTime::from_samples(a), MediaTime::from_samples(a + step));
            prop_assert!(a.millis_since(base) <= b.millis_since(base));
        }
    }
}
