//! Whether the daemon makes progress, or only seems to. Pure: beats are counted, time is given.
//!
//! A loop that must turn beats a [`Pulse`] at every turn; [`Health`] looks now and then whether each
//! count has moved. So a loop needs no clock for it, and a beat costs next to nothing. What may be
//! slow for good reasons (the library, FFmpeg) is not watched. An ingest that is down is none of
//! this either: its publisher goes on turning, from attempt to attempt.
//!
//! Rejected: taking the runtime's being alive for progress (one stuck task is then never noticed),
//! and sent bytes (a platform's outage would then restart us in a circle, which helps nobody).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long a watched loop may be still. The longest that an honest one waits is the 30 s between
/// two attempts when all ingests are down; this is twice that.
pub const STILL: Duration = Duration::from_secs(60);

/// One loop's heart. Beat it at every turn; drop it when the loop ends for good.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The loop has turned.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Watches pulses.
#[derive(Debug, Default)]
pub struct Health {
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    name: String,
    pulse: Pulse,
    beats: u64,
    moved: Instant,
}

impl Health {
    /// Begins to watch a loop, which has until [`STILL`] from `now` for its first beat.
    pub fn watch(&mut self, name: impl Into<String>, now: Instant) -> Pulse {
        let pulse = Pulse::default();
        self.watched.push(Watched { name: name.into(), pulse: pulse.clone(), beats: 0, moved: now });
        pulse
    }

    /// The loops that have been still for longer than [`STILL`]; none of them means progress.
    /// The more often this is called, the sharper it sees.
    pub fn stuck(&mut self, now: Instant) -> Vec<&str> {
        // A pulse that only we hold is that of a loop that has ended; whoever joined it knows.
        self.watched.retain(|watched| Arc::strong_count(&watched.pulse.0) > 1);
        for watched in &mut self.watched {
            let beats = watched.pulse.0.load(Ordering::Relaxed);
            if beats != watched.beats {
                (watched.beats, watched.moved) = (beats, now);
            }
        }
        let still = |watched: &&Watched| now.saturating_duration_since(watched.moved) > STILL;
        self.watched.iter().filter(still).map(|watched| watched.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_loop_that_stands_still_is_stuck_and_it_recovers() {
        let start = Instant::now();
        let mut health = Health::default();
        let schedule = health.watch("schedule", start);
        let publisher = health.watch("publish youtube", start);
        for second in (5..=120).step_by(5) {
            schedule.beat();
            let stuck = health.stuck(start + Duration::from_secs(second));
            assert_eq!(stuck.len(), usize::from(second > 60), "after {second} s: {stuck:?}");
        }
        publisher.beat();
        assert!(health.stuck(start + Duration::from_secs(125)).is_empty());
    }

    #[test]
    fn a_loop_that_ended_is_not_missed() {
        let start = Instant::now();
        let mut health = Health::default();
        drop(health.watch("publish old", start));
        assert!(health.stuck(start + STILL * 9).is_empty());
    }

    proptest! {
        #[test]
        fn whoever_beats_within_the_limit_is_never_stuck(gaps in prop::collection::vec(1u64..=60, 1..50)) {
            let mut health = Health::default();
            let mut now = Instant::now();
            let pulse = health.watch("schedule", now);
            for gap in gaps {
                now += Duration::from_secs(gap);
                prop_assert!(health.stuck(now).is_empty());
                pulse.beat();
                prop_assert!(health.stuck(now).is_empty());
            }
        }
    }
}
