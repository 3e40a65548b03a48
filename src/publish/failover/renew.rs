//! Renewal of sessions that become too old: through the other ingest where there is one, else alone.

use super::ingest::{Ingest, State};
use super::{Action, Failover};
use crate::config::Redundancy;
use crate::media::MediaTime;
use crate::publish::status::Role;
use std::time::Duration;

/// A session that is about to become too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewing {
    Asked(Role),
    At { role: Role, at: MediaTime },
}

impl Renewing {
    pub(super) const fn role(self) -> Role {
        match self {
            Self::Asked(role) | Self::At { role, .. } => role,
        }
    }
}

impl Failover {
    pub(super) fn renew(&mut self, actions: &mut Vec<Action>) {
        let limits = self.rules.renewal;
        if self.renewal.is_none()
            && let Some(role) = self.older_than(limits.after())
        {
            self.renewal = Some(Renewing::Asked(role));
            actions.push(Action::FindBoundary(self.now.plus(self.rules.ahead)));
        }
        if let Some(Renewing::At { role, at }) = self.renewal
            && self.now >= at.minus(self.rules.ahead)
            && self.may_break(role)
        {
            self.close(role, at, actions);
        }
        while let Some(role) = self.older_than(limits.latest()) {
            self.close(role, self.now, actions);
        }
    }

    /// Takes in where the next entry boundary is. One beyond the last moment does not count.
    pub(super) fn bound(&mut self, at: MediaTime) {
        if let Some(Renewing::Asked(role)) = self.renewal {
            let last = self.base(role).plus(self.rules.renewal.latest());
            self.renewal = Some(Renewing::At { role, at: at.clamp(self.now.min(last), last) });
        }
    }

    fn older_than(&self, age: Duration) -> Option<Role> {
        let older =
            |ingest: &&Ingest| matches!(ingest.state, State::Live { base, .. } if base.plus(age) <= self.now);
        self.ingests.iter().find(older).map(|ingest| ingest.role)
    }

    /// Whether an old session has to end before the new one can start, and may do so now: there is
    /// no other ingest, or the other one carries the stream meanwhile.
    fn may_break(&self, role: Role) -> bool {
        match self.rules.redundancy {
            Redundancy::Failover => !self.is_allowed(role.other()),
            Redundancy::Both => !self.is_allowed(role.other()) || self.is_settled(role.other()),
        }
    }

    pub(super) fn renews_at(&self) -> Option<MediaTime> {
        let limits = self.rules.renewal;
        let age = if self.renewal.is_none() { limits.after() } else { limits.latest() };
        let old = self.ingests.iter().filter_map(|ingest| match ingest.state {
            State::Live { base, .. } => Some(base.plus(age)),
            _ => None,
        });
        let step = match self.renewal {
            Some(Renewing::At { role, at }) if self.is_live(role) => {
                let settled = self.moving(role.other()).map(|moving| moving.plus(self.rules.settle));
                let steps = [Some(at.minus(self.rules.ahead)), settled];
                steps.into_iter().flatten().filter(|step| *step > self.now).min()
            }
            _ => None,
        };
        old.chain(step).min()
    }

    pub(super) fn forget_renewal(&mut self, role: Role) {
        self.renewal = self.renewal.filter(|renewal| renewal.role() != role);
    }

    fn base(&self, role: Role) -> MediaTime {
        match self.ingest(role).map(|ingest| &ingest.state) {
            Some(State::Live { base, .. }) => *base,
            _ => self.now,
        }
    }
}
