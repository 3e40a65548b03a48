//! The way out: which slot is kept until somebody else is on air, and when it is given back.
//!
//! What carries the stream is ended first, and its slot is released only when the successor has
//! delivered all that it did: should the successor fail in between, this node goes on air again,
//! and sends what is missing.

use super::{Slot, Slots, Use};
use crate::media::MediaTime;
use crate::publish::Role;
use std::time::Duration;
use tokio::time::Instant;

/// On the way out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    pub(super) leave: Instant,
    pub(super) deadline: Instant,
    began: Instant,
    /// The slot that this node publishes on to the last.
    kept: Option<Role>,
    /// When its record was seen to say that we leave.
    told: Option<Instant>,
    /// Since when its session is being ended.
    closing: Option<Instant>,
    /// When this node came back because its successor failed.
    back: Option<Instant>,
}

impl Leaving {
    pub(super) const fn new(leave: Instant, deadline: Instant, began: Instant) -> Self {
        Self { leave, deadline, began, kept: None, told: None, closing: None, back: None }
    }
}

impl Slots {
    /// Moves a drain on by what is the case now.
    pub(super) fn leave(&mut self) {
        let now = self.now.at;
        let Some(mut leaving) = self.leaving else { return };
        if leaving.kept.is_some_and(|role| !self.slot(role).is_some_and(Slot::held)) {
            // What could not be given back until then expires.
            for slot in self.slots.iter_mut().filter(|slot| slot.failed.is_some() && !slot.using.busy) {
                slot.hold = None;
            }
        }
        let held = |role: &Role| self.slot(*role).is_some_and(Slot::held);
        leaving.kept = leaving.kept.filter(held).or_else(|| self.last_to_leave());
        let says = |slot: &Slot| slot.record().is_some_and(|record| record.is_of(&self.me) && record.leaving);
        if leaving.told.is_none() && leaving.kept.and_then(|role| self.slot(role)).is_some_and(says) {
            leaving.told = Some(now);
        }
        match (leaving.kept, leaving.closing) {
            (Some(role), Some(since)) => {
                if !self.covered(role) && !self.must_leave(now) && since + self.rules.cover <= now {
                    (leaving.closing, leaving.back) = (None, Some(now));
                }
            }
            (Some(role), None) => leaving.closing = self.may_leave(role, now).then_some(now),
            (None, _) => leaving.closing = None,
        }
        self.leaving = Some(leaving);
        for i in 0..self.slots.len() {
            // A store that does not answer does not keep us here: the slot expires. What is not kept is
            // tried again as long as we are here anyway: a newcomer can have it at once then.
            let last = leaving.kept.is_none_or(|kept| kept == self.slots[i].role) || self.must_leave(now);
            if last && self.slots[i].failed.is_some() && self.drains(i) && self.may_release(i) {
                self.slots[i].hold = None;
            }
        }
    }

    /// The slot to keep to the last: what is live, primary first.
    fn last_to_leave(&self) -> Option<Role> {
        let held = || self.slots.iter().filter(|slot| slot.held());
        let live = held().find(|slot| slot.using.live).or_else(|| held().find(|slot| slot.using.busy));
        live.or_else(|| held().next()).map(|slot| slot.role)
    }

    /// Whether publishing has to end there.
    pub(super) fn drains(&self, i: usize) -> bool {
        self.leaving
            .is_some_and(|leaving| leaving.closing.is_some() || leaving.kept != Some(self.slots[i].role))
    }

    /// Whether its session has ended, or is being ended, and the successor has yet to cover it.
    pub(super) fn closes(&self, i: usize) -> bool {
        self.leaving.is_some_and(|l| l.closing.is_some() && l.kept == Some(self.slots[i].role))
    }

    /// Whether a slot that is being left can be given back.
    pub(super) fn may_release(&self, i: usize) -> bool {
        let slot = &self.slots[i];
        let kept = self.leaving.is_some_and(|leaving| leaving.kept == Some(slot.role));
        !slot.using.busy && (!kept || self.covered(slot.role) || self.must_leave(self.now.at))
    }

    /// Whether the time for courtesy is over.
    fn must_leave(&self, now: Instant) -> bool {
        let Some(leaving) = self.leaving else { return false };
        let end = leaving.deadline.checked_sub(self.rules.reserve).unwrap_or(leaving.deadline);
        end <= now || (self.alone_at().is_some_and(|at| at <= now) && !self.accompanied())
    }

    /// From when on this node leaves if nobody else is there. Who stands by gets a moment to take the
    /// slot that was given back first, and so to be seen.
    fn alone_at(&self) -> Option<Instant> {
        let leaving = self.leaving?;
        let live = self.slots.iter().any(|slot| slot.using.live);
        let courtesy = if live || leaving.closing.is_some() { self.rules.courtesy } else { Duration::ZERO };
        Some(leaving.leave.max(leaving.began + courtesy))
    }

    fn may_leave(&self, role: Role, now: Instant) -> bool {
        let rested =
            self.leaving.and_then(|leaving| leaving.back).is_none_or(|back| back + self.rules.cover <= now);
        self.must_leave(now)
            || (rested && self.informed() && self.relieved_on(role) && self.kept_up_with(role))
    }

    /// Whether the other slots were looked at after ours said that we leave. Of two nodes that leave
    /// at the same time, one at least sees that the other does, and stays.
    pub(super) fn informed(&self) -> bool {
        let Some(Leaving { kept, told: Some(told), .. }) = self.leaving else { return false };
        let others = self.slots.iter().filter(|slot| Some(slot.role) != kept);
        others.into_iter().all(|slot| slot.answered.is_some_and(|answered| answered >= told))
    }

    /// Whether a look would help with that.
    pub(super) fn uninformed(&self) -> bool {
        self.leaving.is_some_and(|leaving| leaving.told.is_some()) && !self.informed()
    }

    /// When time alone moves a drain on.
    pub(super) fn leaves_at(&self) -> Option<Instant> {
        let leaving = self.leaving.filter(|_| !self.released())?;
        let end = leaving.deadline.checked_sub(self.rules.reserve).unwrap_or(leaving.deadline);
        let late = leaving.closing.map(|since| since + self.rules.cover);
        let rested = leaving.back.map(|back| back + self.rules.cover);
        let moments = [self.alone_at(), Some(end), late, rested];
        moments.into_iter().flatten().filter(|at| *at > self.now.at).min()
    }

    /// Whether another node is on air, as far as its slot tells.
    pub(super) fn relieved_on(&self, role: Role) -> bool {
        match self.slot(role.other()) {
            None => self.slot(role).is_some_and(|slot| slot.wanted(&self.rules, self.now.at)),
            Some(_) => {
                self.successor(role).is_some_and(|through| through >= self.now.media.minus(self.rules.fresh))
            }
        }
    }

    /// Whether the other node has nearly come as far as this one, so that it will soon have covered it.
    fn kept_up_with(&self, role: Role) -> bool {
        let mine = self.slot(role).filter(|slot| slot.using.live).and_then(|slot| slot.using.delivered);
        let (Some(mine), Some(theirs)) = (mine, self.successor(role)) else { return true };
        theirs >= mine.minus(self.rules.near)
    }

    /// How far the other node has come, if it has the other ingest.
    fn successor(&self, role: Role) -> Option<MediaTime> {
        let slot = self.slot(role.other())?;
        slot.other(&self.me)
            .filter(|record| record.usage == Use::Active && !record.leaving)
            .and_then(|record| record.through)
    }

    /// Whether another node has delivered all that this one did.
    fn covered(&self, role: Role) -> bool {
        let Some(slot) = self.slot(role) else { return true };
        if slot.using.busy {
            return false;
        }
        let Some(mine) = slot.using.delivered else { return true };
        self.slots.len() == 1 || self.successor(role).is_some_and(|through| through >= mine)
    }

    /// Whether another node has a slot, and has lately shown that it lives.
    fn accompanied(&self) -> bool {
        self.slots.iter().any(|slot| {
            let other = slot.other(&self.me).filter(|record| record.usage == Use::Active && !record.leaving);
            other.is_some_and(|record| self.now.at < slot.still + record.expires())
                || (slot.record().is_some_and(|record| record.is_of(&self.me))
                    && slot.wanted(&self.rules, self.now.at))
        })
    }

    /// Whether a drain is over.
    pub(super) fn released(&self) -> bool {
        self.leaving.is_some()
            && self.slots.iter().all(|slot| !slot.held() && !slot.using.busy && slot.pending.is_none())
    }
}
