//! How far to send, and when to look again: bursts on a grid, a little ahead of the programme.
//!
//! Never more than [`LEAD`] ahead, and behind never faster than [`CATCH_UP`] times real time once
//! the first burst is out. Pure.

use crate::media::{MediaTime, SAMPLE_RATE};
use std::time::Duration;

/// Time between bursts. Four wake-ups a second are few enough to cost next to nothing, and enough
/// for the peer's buffer to see an even stream. All sessions burst at the same multiples of it, so
/// that several destinations share one wake-up.
pub const INTERVAL: Duration = Duration::from_millis(250);
/// How far ahead of the programme media is sent. A failover takes up to 500 ms and the burst before
/// it is up to [`INTERVAL`] old, so with less the ingest's own clock could pass what it was given.
/// More would only put more media at stake with each session.
pub const LEAD: Duration = Duration::from_millis(750);
/// How much a session's first burst may hold, whatever its place: enough for a decoder to start.
pub const FIRST: Duration = Duration::from_secs(1);
/// How many times faster than real time a session that is behind may go. Ingests take a faster one
/// for a broken encoder.
pub const CATCH_UP: u32 = 2;

/// The pace of one session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    last: Option<MediaTime>,
}

impl Pace {
    /// Up to where a session that has sent everything before `position` sends now. Counts as a
    /// burst: the next one's share grows from `now` on.
    ///
    /// A session that was held up does not save up its share: however long ago the last burst was,
    /// two intervals of it count.
    pub fn burst(&mut self, position: MediaTime, now: MediaTime) -> MediaTime {
        let share = match self.last {
            None => FIRST,
            Some(last) => now.since(last).min(2 * INTERVAL) * CATCH_UP,
        };
        self.last = Some(now);
        now.plus(LEAD).min(position.plus(share)).max(position)
    }
}

/// A timer may wake this much early by the programme's clock, which goes up to a hundredth slower
/// than the timer's. It must not be sent back to sleep for what is left.
const EARLY: Duration = Duration::from_millis(10);

/// When the next burst is due: at a multiple of [`INTERVAL`] after `now`.
pub fn next(now: MediaTime) -> MediaTime {
    let step = SAMPLE_RATE / 1000 * INTERVAL.as_millis() as u64;
    let soon = now.plus(EARLY).samples();
    MediaTime::from_samples((soon / step + 1).saturating_mul(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: MediaTime = MediaTime::from_samples(12_000 << 26);

    #[test]
    fn a_session_that_keeps_up_sends_what_fell_due_since_the_last_burst() {
        let mut pace = Pace::default();
        let mut position = T0;
        let mut now = T0;
        for _ in 0..40 {
            position = pace.burst(position, now);
            now = next(now);
        }
        assert_eq!(position.since(T0), Duration::from_millis(39 * 250) + LEAD);
    }

    #[test]
    fn ten_seconds_are_made_up_for_in_ten_seconds() {
        let mut pace = Pace::default();
        let (mut position, mut now) = (T0.minus(Duration::from_secs(10)), T0);
        loop {
            position = pace.burst(position, now);
            if position == now.plus(LEAD) {
                break;
            }
            now = next(now);
        }
        let taken = now.since(T0);
        assert!(taken > Duration::from_secs(9) && taken <= Duration::from_secs(11), "{taken:?}");
    }

    proptest! {
        #[test]
        fn never_too_far_ahead_and_never_too_fast(
            behind in 0u64..15_000, pauses in prop::collection::vec(0u64..2_000, 1..100),
        ) {
            let start = T0.minus(Duration::from_millis(behind));
            let (mut pace, mut position, mut now) = (Pace::default(), start, T0);
            let mut past = Vec::new();
            for pause in pauses {
                let until = pace.burst(position, now);
                prop_assert!(until >= position);
                prop_assert!(until <= now.plus(LEAD).max(position));
                past.push((now, position));
                position = until;
                for (then, sent) in &past {
                    // The first burst, or what one late burst may hold.
                    let most = now.since(*then) * CATCH_UP + FIRST;
                    prop_assert!(position.since(*sent) <= most, "{:?} in {:?}", position.since(*sent), now.since(*then));
                }
                now = now.plus(Duration::from_millis(pause));
            }
        }

        #[test]
        fn the_next_burst_is_after_now_within_an_interval_and_on_the_grid(samples in 0u64..1 << 50) {
            let now = MediaTime::from_samples(samples);
            prop_assert!(next(now) > now && next(now).since(now) <= INTERVAL + EARLY);
            prop_assert_eq!(next(now).to_unix().subsec_millis() % 250, 0);
        }
    }
}
