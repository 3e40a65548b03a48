//! What is to be done with each slot next, and when: a look, or a write. Worked out anew from what is
//! the case each time, so that nothing is forgotten or done twice.

use super::{Slot, Slots};
use crate::config::Redundancy;
use crate::handover::record::{Record, Use};
use crate::publish::Role;
use tokio::time::Instant;

/// What to do with a slot, and from when on.
pub(super) type Plan = (Instant, Step);

pub(super) enum Step {
    Look,
    Write(Record),
}

impl Slots {
    /// What is to be done with a slot next, unless something else happens before.
    pub(super) fn plan(&self, i: usize) -> Option<Plan> {
        let slot = &self.slots[i];
        if slot.pending.is_some() {
            return None;
        }
        let now = self.now.at;
        let soonest = match slot.failed.filter(|_| slot.asked.is_none()) {
            Some(failed) => failed + self.rules.retry,
            None => now,
        };
        if slot.unread() {
            // After the end of a drain nobody needs to know any more.
            return (!self.released()).then_some((soonest, Step::Look));
        }
        let (at, step) = self.next(i)?;
        let (at, step) = match step {
            Step::Look => (at, step),
            Step::Write(record) => self.patiently(slot, at, record),
        };
        Some((at.max(soonest), step))
    }

    /// The same of a store that does all that it is asked for.
    fn next(&self, i: usize) -> Option<Plan> {
        if self.slots[i].held() { self.plan_held(i) } else { self.plan_other(i) }
    }

    /// Whether there is something to write.
    pub(super) fn writes(&self, i: usize) -> bool {
        matches!(self.next(i), Some((_, Step::Write(_))))
    }

    /// What was written in vain lately waits a while. Meanwhile the slot is looked at: whatever becomes
    /// of the writes, it is to be seen when another node has taken it.
    fn patiently(&self, slot: &Slot, at: Instant, record: Record) -> Plan {
        let (now, rules) = (self.now.at, &self.rules);
        let Some(unwritten) = slot.unwritten.filter(|_| slot.asked.is_none() && self.leaving.is_none())
        else {
            return (at, Step::Write(record));
        };
        // Before the last renewal has expired, one more in time keeps the slot; and a node that holds
        // none is dark until it can write.
        let counts = slot.hold.and_then(|hold| hold.renewed).is_some_and(|at| now < at + rules.expiry);
        let hasty = counts || self.slots.iter().all(|slot| slot.hold.is_none());
        let at = at.max(if hasty { unwritten.soon(rules) } else { unwritten.again(rules) });
        let look = slot.answered.unwrap_or(now) + rules.retry;
        if now < at && look < at { (look, Step::Look) } else { (at, Step::Write(record)) }
    }

    fn plan_held(&self, i: usize) -> Option<Plan> {
        let slot = &self.slots[i];
        let (now, rules) = (self.now.at, &self.rules);
        let hold = slot.hold?;
        let usage = self.usage(i);
        let (Some(renewed), Some(before)) = (hold.renewed, slot.record().filter(|r| r.is_of(&self.me)))
        else {
            let before = slot.record();
            return Some((now, Step::Write(Record::taken(&self.me, before, usage, rules.expiry))));
        };
        let record = self.renewal(i, before, usage);
        let news = record.usage != before.usage
            || record.leaving != before.leaving
            || (usage == Use::Active && record.through.is_some() && before.through.is_none());
        if news || (slot.asked.is_some() && !slot.sure(now)) {
            return Some((now, Step::Write(record)));
        }
        if usage == Use::Active {
            let every = if self.hurried() { rules.hurry } else { rules.renew };
            return Some((renewed + every, Step::Write(record)));
        }
        let spare = slot.answered.unwrap_or(now) + rules.glance;
        Some((spare, Step::Look))
    }

    fn renewal(&self, i: usize, before: &Record, usage: Use) -> Record {
        let slot = &self.slots[i];
        Record {
            serial: before.serial + 1,
            usage,
            through: slot.using.delivered.or(before.through),
            leaving: self.leaving.is_some(),
            wanted: before
                .wanted
                .clone()
                .filter(|_| usage != Use::Free && slot.wanted(&self.rules, self.now.at)),
            ..before.clone()
        }
    }

    fn plan_other(&self, i: usize) -> Option<Plan> {
        let slot = &self.slots[i];
        let every = if self.hurried() { self.rules.hurry } else { self.rules.look };
        let look = (slot.answered.unwrap_or(self.now.at) + every, Step::Look);
        if self.leaving.is_some() {
            let at = if self.uninformed() { self.now.at } else { look.0 };
            return (!self.released()).then_some((at, Step::Look));
        }
        if !self.ready {
            return Some(look);
        }
        let take = self.wish(i).and_then(|(usage, hungry)| {
            let from = slot.free_from(&self.me, hungry, &self.rules, self.now.at)?;
            Some((from, Step::Write(Record::taken(&self.me, slot.record(), usage, self.rules.expiry))))
        });
        let mark = self.mark(i).map(|(at, record)| (at, Step::Write(record)));
        [take, mark].into_iter().flatten().chain([look]).min_by_key(|(at, _)| *at)
    }

    /// What a slot would be taken for, and whether it is the only one that this node then has.
    fn wish(&self, i: usize) -> Option<(Use, bool)> {
        let both = self.rules.redundancy == Redundancy::Both;
        let Some(other) = self.slots.get(1 - i) else { return Some((Use::Active, true)) };
        let hungry = !other.held_or_taking(&self.me);
        match self.slots[i].role {
            Role::Primary => Some((Use::Active, hungry)),
            Role::Backup if !hungry => Some((if both { Use::Active } else { Use::Spare }, false)),
            // Primary first, if that can be had.
            Role::Backup => {
                let known = !other.unread() && other.pending.is_none();
                let free = other.free_from(&self.me, true, &self.rules, self.now.at);
                (known && free.is_some_and(|from| from > self.now.at)).then_some((Use::Active, true))
            }
        }
    }

    /// The record with our name on it, where a node cannot see otherwise that another stands by: for
    /// a single ingest, and where one node has both. From when on it is to be written: at once, again
    /// as often as a slot is renewed, and when the node whose name is there was not seen to live.
    fn mark(&self, i: usize) -> Option<(Instant, Record)> {
        let slot = &self.slots[i];
        let record = slot.other(&self.me)?;
        let both = self.rules.redundancy == Redundancy::Both;
        let alone = match self.slots.get(1 - i) {
            None => true,
            Some(other) => {
                both && slot.role == Role::Backup && other.record().is_some_and(|r| r.life == record.life)
            }
        };
        let idle = self.slots.iter().all(|slot| !slot.held_or_taking(&self.me));
        // What this version does not understand it does not write over.
        if !(alone && idle && record.usage == Use::Active) || record.life.is_empty() {
            return None;
        }
        let ours = record.wanted.as_ref() == Some(&self.me.node);
        let at = match slot.wanted_until(&self.rules) {
            None => self.now.at,
            Some(_) if ours => slot.marked + self.rules.renew,
            Some(until) => until,
        };
        let wanted_serial = record.wanted_serial.saturating_add(1);
        Some((at, Record { wanted: Some(self.me.node.clone()), wanted_serial, ..record.clone() }))
    }

    /// What a slot that is held is used for.
    fn usage(&self, i: usize) -> Use {
        let slot = &self.slots[i];
        if self.leaves(i) && self.may_release(i) {
            return Use::Free;
        }
        let both = self.rules.redundancy == Redundancy::Both;
        let recent = slot.busy.is_some_and(|busy| self.now.at < busy + self.rules.spare);
        let only = self.slots.len() == 1;
        if slot.using.busy || slot.asked.is_some() || recent || both || only || self.closes(i) {
            Use::Active
        } else {
            Use::Spare
        }
    }

    /// Whether publishing has to end on a slot that is held.
    pub(super) fn leaves(&self, i: usize) -> bool {
        if self.leaving.is_some() { self.drains(i) } else { self.yields(i) }
    }

    /// Both slots are ours, and another node stands by: it gets backup, so that the end of one node
    /// is not the end of both.
    fn yields(&self, i: usize) -> bool {
        let slot = &self.slots[i];
        let wanted = slot.record().is_some_and(|record| record.is_of(&self.me))
            && slot.wanted(&self.rules, self.now.at);
        slot.role == Role::Backup && wanted && self.slots.iter().all(Slot::held)
    }

    /// Whether somebody is on the way out, so that things should go quicker.
    fn hurried(&self) -> bool {
        let leaving = |slot: &Slot| slot.other(&self.me).is_some_and(|record| record.leaving);
        self.leaving.is_some() || self.slots.iter().any(leaving)
    }
}
