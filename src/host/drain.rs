//! An orderly end, whoever asks for it: a signal, or a notice about the machine.

use super::interruption::{Notice, SPOT_WARNING, Urgency};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// What closing every session in order takes at most.
pub const CLOSING: Duration = Duration::from_secs(10);
/// Longer than any process lives: 10 years.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Why, for the log and for whoever asks.
    pub reason: String,
    /// When all has to be done.
    pub deadline: Instant,
    /// There is no deadline: it waits for another node to be on air, and for as long as there is none
    /// the channel stays.
    pub patient: bool,
}

impl Drain {
    /// Asked for by a signal, or by whatever else ends the process: at once.
    pub fn at_once(reason: impl Into<String>, now: Instant) -> Self {
        Self { reason: reason.into(), deadline: now + CLOSING, patient: false }
    }

    /// Asked for by a notice, if it asks for that. `wall` is the wall clock's time at `now`.
    pub fn for_notice(notice: &Notice, now: Instant, wall: SystemTime) -> Option<Self> {
        match notice.urgency() {
            Urgency::Prepare => return None,
            Urgency::Yield => {
                return Some(Self { reason: notice.reason(), deadline: now + NEVER, patient: true });
            }
            Urgency::Drain => {}
        }
        // Whatever is that urgent has a time.
        let at = notice.at.unwrap_or(notice.heard);
        // A wall clock that was set back meanwhile gives nobody more time.
        let left = at.duration_since(wall).unwrap_or_default().min(SPOT_WARNING);
        Some(Self { reason: notice.reason(), deadline: now + left, patient: false })
    }

    /// Whether both are about the same: what is known of a deadline is exact to some milliseconds.
    pub fn is_about(&self, other: &Self) -> bool {
        let later = self.deadline.saturating_duration_since(other.deadline);
        let apart = later + other.deadline.saturating_duration_since(self.deadline);
        let same = apart < Duration::from_millis(500) || self.patient;
        self.reason == other.reason && self.patient == other.patient && same
    }

    /// When to begin closing sessions if nobody else carries the channel: as late as possible, and
    /// at once where that has passed.
    pub fn leave_at(&self) -> Instant {
        self.deadline.checked_sub(CLOSING).unwrap_or(self.deadline)
    }
}
