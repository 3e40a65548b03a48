//! One ingest as failover sees it: what its session is at, and what its past says about when to try
//! it again.

use crate::media::MediaTime;
use crate::publish::backoff::Backoff;
use crate::publish::status::Role;
use std::time::Duration;

/// What its session is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is none.
    Idle,
    /// Being opened.
    Opening { since: MediaTime },
    /// Started at `base`; acknowledged media since `moving`.
    Live { base: MediaTime, moving: Option<MediaTime> },
    /// Told to end in order.
    Closing { until: MediaTime },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ingest {
    pub(super) role: Role,
    pub(super) allowed: bool,
    pub(super) state: State,
    /// When it was last tried or became ready.
    pub(super) opened: MediaTime,
    /// All media before this was delivered here for certain, or may be taken as such.
    pub(super) resume: Option<MediaTime>,
    ended: MediaTime,
    /// Failures since it last carried the stream: what a retry waits by.
    attempts: u32,
    /// Failures since it was last stable: what a probe waits by, so that flapping is damped.
    failures: u32,
    /// Drawn at each failure, so that a delay can be worked out more than once.
    roll: u64,
}

impl Ingest {
    pub(super) fn new(role: Role, seed: u64) -> Self {
        Self {
            role,
            allowed: true,
            state: State::Idle,
            opened: MediaTime::default(),
            resume: None,
            ended: MediaTime::default(),
            attempts: 0,
            failures: 0,
            roll: seed ^ role as u64,
        }
    }

    pub(super) fn moved(&mut self, sure: MediaTime, now: MediaTime) {
        if let State::Live { moving, .. } = &mut self.state {
            moving.get_or_insert(now);
        }
        if matches!(self.state, State::Live { .. } | State::Closing { .. }) {
            self.resume = self.resume.max(Some(sure));
        }
    }

    /// A session that had been moving for `settle` was good: the next attempt may follow at once. One
    /// that had been moving for `stable` makes all that was before it forgotten.
    pub(super) fn failed(&mut self, settle: Duration, stable: Duration, now: MediaTime) {
        let moved =
            |span| matches!(self.state, State::Live { moving: Some(moving), .. } if moving.plus(span) <= now);
        let (settled, stable) = (moved(settle), moved(stable));
        self.attempts = if settled { 1 } else { self.attempts.saturating_add(1) };
        self.failures = if stable { 1 } else { self.failures.saturating_add(1) };
        self.roll = splitmix(self.roll);
        self.state = State::Idle;
        self.ended = now;
    }

    /// What is closed at will was in order, so its earlier failures are forgotten.
    pub(super) fn closes(&mut self, until: MediaTime) {
        (self.attempts, self.failures) = (0, 0);
        self.state = State::Closing { until };
    }

    /// False if it had not been told to end.
    pub(super) fn ended(&mut self, through: MediaTime, now: MediaTime) -> bool {
        let closing = matches!(self.state, State::Closing { .. });
        if closing {
            self.resume = self.resume.max(Some(through));
            self.state = State::Idle;
            self.ended = now;
        }
        closing
    }

    /// Its session is dropped, by nobody's fault. False if there was none.
    pub(super) fn lost(&mut self, now: MediaTime) -> bool {
        let open = self.state != State::Idle;
        if open {
            (self.attempts, self.failures) = (0, 0);
            self.state = State::Idle;
            self.ended = now;
        }
        open
    }

    /// When to try it while nothing else carries the stream. Delays run from the *start* of the
    /// last attempt, so that one that hung until its deadline is not waited for twice; only the
    /// shortest delay is kept after its end in any case.
    pub(super) fn retry_at(&self, backoff: &Backoff) -> MediaTime {
        let from_start = self.opened.plus(backoff.delay(self.attempts, self.roll));
        let from_end = self.ended.plus(backoff.delay(self.attempts.min(1), self.roll));
        if self.attempts == 0 { self.ended } else { from_start.max(from_end) }
    }

    /// When to try it while the other one carries the stream.
    pub(super) fn probe_at(&self, backoff: &Backoff) -> MediaTime {
        self.ended.plus(backoff.delay(self.failures, self.roll))
    }
}

/// SplitMix64: a well-spread next number from any last one.
const fn splitmix(last: u64) -> u64 {
    let z = last.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
