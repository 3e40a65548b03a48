//! An orderly end, whoever asks for it: a signal, or a notice about the machine.

use super::interruption::{Notice, SPOT_WARNING, Urgency};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// From a notice without a date to being off the air. Machines have been seen gone 39 s after their
/// group let them go.
pub const BUDGET: Duration = Duration::from_secs(40);
/// What closing every session in order takes at most.
pub const CLOSING: Duration = Duration::from_secs(10);

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Why, for the log and for whoever asks.
    pub reason: String,
    /// When all has to be done.
    pub deadline: Instant,
}

impl Drain {
    /// Asked for by a signal, or by whatever else ends the process: at once.
    pub fn at_once(reason: impl Into<String>, now: Instant) -> Self {
        Self { reason: reason.into(), deadline: now + CLOSING }
    }

    /// Asked for by a notice, if it asks for that. `wall` is the wall clock's time at `now`.
    pub fn for_notice(notice: &Notice, now: Instant, wall: SystemTime) -> Option<Self> {
        if notice.urgency() < Urgency::Drain {
            return None;
        }
        let at = notice.at.unwrap_or(notice.heard + BUDGET);
        // A wall clock that was set back meanwhile gives nobody more time.
        let left = at.duration_since(wall).unwrap_or_default().min(SPOT_WARNING);
        Some(Self { reason: notice.reason(), deadline: now + left })
    }

    /// Whether both are about the same: what is known of a deadline is exact to some milliseconds.
    pub fn is_about(&self, other: &Self) -> bool {
        let later = self.deadline.saturating_duration_since(other.deadline);
        let apart = later + other.deadline.saturating_duration_since(self.deadline);
        self.reason == other.reason && apart < Duration::from_millis(500)
    }

    /// When to begin closing sessions if nobody else carries the channel: as late as possible, and
    /// at once where that has passed.
    pub fn leave_at(&self) -> Instant {
        self.deadline.checked_sub(CLOSING).unwrap_or(self.deadline)
    }
}
