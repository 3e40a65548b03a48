//! What `-progress` says, and whether it still moves.
//!
//! An FFmpeg that hangs prints nothing, or prints the same position for ever; both are a stall.

use std::time::{Duration, Instant};

/// How far FFmpeg is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Media time that was written; zero while there is none.
    pub time: Duration,
    /// Pictures that were written.
    pub frames: u64,
}

impl Progress {
    /// Takes one `key=value` line in; whatever is not about the position is passed over.
    pub fn line(&mut self, line: &str) {
        let Some((key, value)) = line.trim().split_once('=') else { return };
        match (key, value.trim().parse::<u64>()) {
            ("out_time_us", Ok(micros)) => self.time = Duration::from_micros(micros),
            ("frame", Ok(frames)) => self.frames = frames,
            _ => {}
        }
    }
}

/// Notices when progress stops.
#[derive(Debug)]
pub struct Stall {
    patience: Duration,
    last: Progress,
    moved: Instant,
}

impl Stall {
    /// Starts now; without a change for `patience`, it is a stall.
    pub fn new(patience: Duration, now: Instant) -> Self {
        Self { patience, last: Progress::default(), moved: now }
    }

    /// Takes in where FFmpeg is now.
    pub fn on(&mut self, progress: Progress, now: Instant) {
        if progress != self.last {
            (self.last, self.moved) = (progress, now);
        }
    }

    /// When it will be a stall unless something changes.
    pub fn deadline(&self) -> Instant {
        self.moved + self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_is_read_and_the_rest_passed_over() {
        let mut progress = Progress::default();
        for line in "frame=42\nfps=0.00\nstream_0_0_q=-1.0\nbitrate=N/A\nout_time_us=1500000\nout_time=00:00:01.500000\nspeed= 200x\nnonsense\n=\nout_time_us=N/A\nout_time_us=-5\nprogress=continue".lines() {
            progress.line(line);
        }
        assert_eq!(progress, Progress { time: Duration::from_millis(1500), frames: 42 });
    }

    #[test]
    fn the_same_position_for_ever_is_a_stall() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut stall = Stall::new(30 * second, start);
        let at = Progress { time: second, frames: 7 };
        stall.on(at, start + 10 * second);
        for later in 11..40 {
            stall.on(at, start + later * second);
        }
        assert_eq!(stall.deadline(), start + 40 * second);
        stall.on(Progress { frames: 8, ..at }, start + 39 * second);
        assert_eq!(stall.deadline(), start + 69 * second);
    }
}
