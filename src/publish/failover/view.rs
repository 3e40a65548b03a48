//! What the state machine says of itself and of its ingests.

use super::Failover;
use super::ingest::{Ingest, State};
use crate::media::MediaTime;
use crate::publish::status::{IngestState, Role};

impl Failover {
    /// How often one ingest had to take over from the other.
    pub const fn failovers(&self) -> u64 {
        self.failovers
    }

    /// Whether it was told to end.
    pub const fn draining(&self) -> bool {
        self.draining.is_some()
    }

    /// Whether nothing is open any more, after a [`Event::Drain`].
    pub fn drained(&self) -> bool {
        self.draining.is_some() && self.ingests.iter().all(|ingest| ingest.state == State::Idle)
    }

    /// What an ingest is used for.
    pub fn state(&self, role: Role) -> IngestState {
        match self.ingest(role).map(|ingest| (&ingest.state, ingest)) {
            Some((State::Opening { .. }, _)) => IngestState::Connecting,
            Some((State::Live { .. }, _)) => IngestState::Live,
            Some((State::Closing { .. }, _)) => IngestState::Draining,
            Some((State::Idle, ingest)) if self.opens_at(ingest).is_some() => IngestState::Waiting,
            Some((State::Idle, _)) | None => IngestState::Idle,
        }
    }

    pub(super) fn moving(&self, role: Role) -> Option<MediaTime> {
        match self.ingest(role)?.state {
            State::Live { moving, .. } => moving,
            _ => None,
        }
    }

    pub(super) fn is_settled(&self, role: Role) -> bool {
        self.moving(role).is_some_and(|moving| moving.plus(self.rules.settle) <= self.now)
    }

    /// Whether what it has delivered lies so far back that media will soon be too old to send.
    pub(super) fn is_late(&self, role: Role) -> bool {
        let late = self.now.minus(self.rules.skip / 2);
        self.ingest(role).is_some_and(|ingest| ingest.resume.is_some_and(|resume| resume < late))
    }

    pub(super) fn is_live(&self, role: Role) -> bool {
        self.ingest(role).is_some_and(|ingest| matches!(ingest.state, State::Live { .. }))
    }

    pub(super) fn is_allowed(&self, role: Role) -> bool {
        self.ingest(role).is_some_and(|ingest| ingest.allowed)
    }

    pub(super) fn ingest(&self, role: Role) -> Option<&Ingest> {
        self.ingests.get(role as usize)
    }

    pub(super) fn ingest_mut(&mut self, role: Role) -> Option<&mut Ingest> {
        self.ingests.get_mut(role as usize)
    }
}
