//! Who was told to be off air, for the process after this one: an outage that somebody has heard of is
//! not told again, one that nobody has heard of is, and the return follows whichever process sees it.
//!
//! It is a help and no truth. It says when it was last so, and counts only for [`LASTS`] from then on:
//! what lies there longer is of an outage that is long over.

use super::{Alerts, Off};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// It is written anew at least this often while somebody is off air.
const EACH: u64 = 60;
/// It counts for this long: a machine starts anew within that, and the file is as old as [`EACH`].
const LASTS: u64 = 600;

/// The file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// When it was so, in Unix seconds.
    pub(super) confirmed: u64,
    /// By the destination's name.
    pub(super) off: BTreeMap<String, Gone>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// Since when, in Unix seconds.
    since: u64,
    /// Whether a target has taken the alert.
    heard: bool,
}

impl Kept {
    /// What there is to keep at `now`, which is `unix` on the wall clock.
    pub fn of(alerts: &Alerts, now: Instant, unix: u64) -> Self {
        let gone = |(name, off): (&String, Off)| {
            let seconds = now.saturating_duration_since(off.since).as_secs();
            (name.clone(), Gone { since: unix.saturating_sub(seconds), heard: off.heard })
        };
        Self { confirmed: unix, off: alerts.off().map(gone).collect() }
    }

    /// Whether it has to be written when `written` lies there.
    pub fn replaces(&self, written: &Self) -> bool {
        let what =
            |kept: &Self| kept.off.iter().map(|(name, gone)| (name.clone(), gone.heard)).collect::<Vec<_>>();
        let old = !self.off.is_empty() && self.confirmed.abs_diff(written.confirmed) >= EACH;
        old || what(self) != what(written)
    }

    /// What of it still counts, when the wall clock says `unix` at `now`.
    pub(super) fn still(&self, now: Instant, unix: u64) -> impl Iterator<Item = (&String, Off)> {
        // A clock that was set back by more is no better than a file that is old.
        let counts = self.confirmed.abs_diff(unix) <= LASTS;
        let off = move |(name, gone): (_, &Gone)| {
            let Gone { since, heard } = gone;
            let ago = Duration::from_secs(unix.saturating_sub(*since));
            (name, Off { since: now.checked_sub(ago).unwrap_or(now), heard: *heard, back: None })
        };
        self.off.iter().filter(move |_| counts).map(off)
    }
}
