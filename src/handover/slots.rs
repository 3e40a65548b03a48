//! Which slots of one destination this node takes, keeps and gives back, and when. Pure: events and
//! the time go in, actions come out, and [`Slots::deadline`] says when it wants to be asked again.
//! How it works is told at the head of [`super`].

mod leaving;
mod plan;
mod view;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use super::record::{Identity, Record, Use};
use super::rules::Rules;
use super::slot::{Hold, Known, Slot, Using};
use crate::config::Redundancy;
use crate::media::MediaTime;
use crate::publish::{Permit, Permits, Role};
use crate::store::Version;
use leaving::Leaving;
use plan::Step;
use tokio::time::Instant;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing but that time went by.
    Tick,
    /// The answer to [`Action::Get`].
    Read(Role, Option<(Record, Version)>),
    /// The answer to [`Action::Put`]: it is written, and is this version.
    Wrote(Role, Version),
    /// The answer to [`Action::Put`]: the slot was another version by then.
    Refused(Role),
    /// The store could not answer, or not in time. Whether a write happened is not known.
    Failed(Role),
    /// What publishing does with the ingest.
    Uses(Role, Using),
    /// This node can publish from now on: see [`Slots::unready`].
    Ready,
    /// Somebody is about to send to the ingest, and waits for [`Action::Answer`].
    Ask(Role),
    /// Give everything back: when somebody else is on air, or from `leave` on; by `deadline` in any
    /// case. Told twice, the later word counts.
    Drain {
        /// From when on this node goes off the air whether or not another is on.
        leave: Instant,
        /// When all has to be over.
        deadline: Instant,
    },
    /// Stay after all.
    Stay,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the record. Answered by `Read` or `Failed`.
    Get(Role),
    /// Write the record if it is still that version, or if there is none. Answered by `Wrote`,
    /// `Refused` or `Failed`.
    Put(Role, Record, Option<Version>),
    /// Tell publishing what it may do.
    Permit(Permits),
    /// Answer whoever asked for the ingest.
    Answer(Role, bool),
}

/// What time it is: here, and in the programme.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// By this machine's monotonic clock.
    pub at: Instant,
    /// By the programme's.
    pub media: MediaTime,
}

/// The state machine of one destination's slots.
#[derive(Debug)]
pub struct Slots {
    me: Identity,
    rules: Rules,
    slots: Vec<Slot>,
    started: Instant,
    ready: bool,
    leaving: Option<Leaving>,
    told: Permits,
    now: Now,
}

impl Slots {
    /// For a destination with or without a backup.
    pub fn new(me: Identity, rules: Rules, backup: bool, now: Now) -> Self {
        let roles = [Role::Primary, Role::Backup].into_iter().take(1 + usize::from(backup));
        Self {
            me,
            rules,
            slots: roles.map(|role| Slot::new(role, now.at)).collect(),
            started: now.at,
            ready: true,
            leaving: None,
            told: Permits::default(),
            now,
        }
    }

    /// Looks on until [`Event::Ready`], and takes and supposes nothing: what others have, and whether
    /// the store answers, is known by then.
    #[must_use]
    pub fn unready(mut self) -> Self {
        self.ready = false;
        self
    }

    /// The ingests that the last process on this machine had, if it was there since the last boot.
    #[must_use]
    pub fn remembering(mut self, roles: &[Role]) -> Self {
        for slot in &mut self.slots {
            slot.remembered = roles.contains(&slot.role);
        }
        self
    }

    /// Takes an event in and says what to do, in this order.
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        self.now = now;
        let mut actions = Vec::new();
        self.take(event, &mut actions);
        self.leave();
        self.presume();
        for i in 0..self.slots.len() {
            if let Some((_, step)) = self.plan(i).filter(|(at, _)| *at <= now.at) {
                let record = match step {
                    Step::Look => None,
                    Step::Write(record) => Some(record),
                };
                let slot = &mut self.slots[i];
                slot.send(record.clone(), &self.me, now.at);
                actions.push(match (record, &slot.known) {
                    (None, _) => Action::Get(slot.role),
                    (Some(record), Known::There { version, .. }) => {
                        Action::Put(slot.role, record, Some(version.clone()))
                    }
                    (Some(record), _) => Action::Put(slot.role, record, None),
                });
            }
        }
        self.permit(&mut actions);
        self.answer(&mut actions);
        actions
    }

    /// When to be called with [`Event::Tick`] if nothing else happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let plans = (0..self.slots.len()).filter_map(|i| self.plan(i)).map(|(at, _)| at);
        let presumed = (0..self.slots.len()).filter_map(|i| self.presumes_at(i));
        let answers = self.slots.iter().filter_map(|slot| self.denies_at(slot));
        plans.chain(presumed).chain(answers).chain(self.leaves_at()).min()
    }

    fn take(&mut self, event: Event, actions: &mut Vec<Action>) {
        let now = self.now.at;
        let (me, rules) = (self.me.clone(), self.rules);
        match event {
            Event::Tick => {}
            Event::Read(role, found) => {
                if let Some(slot) = self.slot_mut(role)
                    && let Some(pending) = slot.pending.take()
                {
                    slot.lost |= slot.read(found, &me, &rules, pending.sent, now);
                    if !self.writes(role as usize) {
                        self.slots[role as usize].unwritten = None;
                    }
                }
            }
            Event::Wrote(role, version) => {
                let through = self.predecessors(role);
                let makes_room = self.leaving.is_none();
                if let Some(slot) = self.slot_mut(role)
                    && let Some(pending) = slot.pending.take()
                {
                    let held = slot.held();
                    let active =
                        pending.record.as_ref().is_some_and(|r| r.usage == Use::Active && r.is_of(&me));
                    slot.wrote(pending, version, &me, &rules, now);
                    if held && !slot.held() && makes_room {
                        slot.yielded = Some(now + rules.yielded);
                    }
                    if !held && slot.held() {
                        slot.through = through;
                        // It is to be opened now; that it is not open yet is no idleness.
                        slot.busy = active.then_some(now);
                    }
                }
            }
            Event::Refused(role) => {
                let marked = self.may_be_marked();
                if let Some(slot) = self.slot_mut(role)
                    && let Some(pending) = slot.pending.take()
                {
                    slot.stale = true;
                    // While it is surely ours, nobody can have taken it.
                    slot.refused = (!slot.sure(now)).then_some(now);
                    (slot.answered, slot.failed, slot.unwritten) = (Some(pending.sent), None, None);
                    // Another has written there, and who it was has yet to be read. Where it can only have
                    // taken the slot, it is a no now.
                    if !marked && slot.asked.take().is_some() {
                        actions.push(Action::Answer(role, false));
                    }
                }
            }
            Event::Failed(role) => {
                if let Some(slot) = self.slot_mut(role)
                    && let Some(pending) = slot.pending.take()
                {
                    slot.failed(&pending, now);
                    // Staying on the air comes before exclusivity. But a request from before this process
                    // stood still tells nothing of the store as it is now, which is asked at once.
                    let fresh = now < pending.sent + rules.retry;
                    if fresh && slot.asked.take().is_some() {
                        let ours = slot.held() && !slot.may_be_anothers(&rules, now);
                        actions.push(Action::Answer(role, ours));
                    }
                }
            }
            Event::Uses(role, using) => {
                if let Some(slot) = self.slot_mut(role) {
                    slot.uses(using, now);
                }
            }
            Event::Ask(role) => {
                if let Some(slot) = self.slot_mut(role) {
                    slot.asked.get_or_insert(now);
                }
            }
            Event::Ready => {
                self.ready = true;
                // What this node goes on from is how far another had come when it was last read.
                self.slots.iter_mut().for_each(|slot| slot.stale = true);
            }
            Event::Stay => self.leaving = None,
            Event::Drain { leave, deadline } => {
                let before = self.leaving.get_or_insert(Leaving::new(leave, deadline, now));
                (before.leave, before.deadline) = (leave, deadline);
            }
        }
    }

    /// Where a session on an ingest that is taken now goes on from.
    fn predecessors(&self, role: Role) -> Option<MediaTime> {
        let both = self.rules.redundancy == Redundancy::Both;
        let slots = self.slots.iter().filter(|slot| !both || slot.role == role);
        let others = slots.filter_map(Slot::record).filter(|record| !record.is_of(&self.me));
        let recent = self.now.media.minus(self.rules.expiry);
        others.filter_map(|record| record.through).max().filter(|through| *through >= recent)
    }

    /// Whether a node that stands by writes into a slot that it does not take: see [`Self::mark`].
    fn may_be_marked(&self) -> bool {
        self.slots.len() == 1 || self.rules.redundancy == Redundancy::Both
    }

    /// A store that has never answered holds nobody up for long.
    fn presume(&mut self) {
        let now = self.now.at;
        let due: Vec<_> =
            (0..self.slots.len()).filter(|i| self.presumes_at(*i).is_some_and(|at| at <= now)).collect();
        for i in due {
            self.slots[i].hold = Some(Hold { renewed: None, sure: None });
            self.slots[i].busy = Some(now);
        }
    }

    /// From when on a slot of which nothing is known is supposed to be ours: soon if it was before
    /// this process began; else backup, where a node that is on air already would rather not be;
    /// and primary if that did not help.
    fn presumes_at(&self, i: usize) -> Option<Instant> {
        let silent = self.slots.iter().all(|slot| slot.known == Known::Nothing);
        let (slot, start) = (&self.slots[i], self.rules.start);
        let wait = match () {
            () if slot.remembered => self.rules.again,
            () if i + 1 == self.slots.len() => start,
            () if self.slots.iter().any(|slot| slot.using.live) => return None,
            () => start * 3,
        };
        (self.ready && silent && !slot.held() && self.leaving.is_none()).then(|| self.started + wait)
    }

    fn permit(&mut self, actions: &mut Vec<Action>) {
        for i in 0..self.slots.len() {
            let before = self.slots[i].permit;
            let permit = match before {
                _ if self.slots[i].held() && self.leaves(i) => Permit::Leave,
                Permit::Granted if self.slots[i].held() => Permit::Granted,
                _ if self.slots[i].held() && self.takes_primary(i) => before,
                _ if self.slots[i].held() => Permit::Granted,
                // What was left in order stays so until it is ours again.
                Permit::Leave if !self.slots[i].lost => Permit::Leave,
                Permit::Granted | Permit::Leave | Permit::Lost => Permit::Lost,
            };
            (self.slots[i].permit, self.slots[i].lost) = (permit, false);
        }
        let mut permits = Permits::default();
        for slot in &self.slots {
            permits.by_role[slot.role as usize] = slot.permit;
            permits.through[slot.role as usize] = slot.through;
        }
        if permits != self.told {
            self.told = permits;
            actions.push(Action::Permit(permits));
        }
    }

    /// Whether primary will be ours in a moment, so that backup need not be opened before.
    fn takes_primary(&self, i: usize) -> bool {
        let primary = &self.slots[0];
        i > 0 && !primary.held() && primary.held_or_taking(&self.me)
    }

    /// When whoever asked for a slot that was refused hears that it is not to be had: who has it was
    /// not read in time.
    fn denies_at(&self, slot: &Slot) -> Option<Instant> {
        slot.asked.filter(|_| slot.may_be_anothers(&self.rules, self.now.at)).map(|at| at + self.rules.answer)
    }

    fn answer(&mut self, actions: &mut Vec<Action>) {
        for i in 0..self.slots.len() {
            let slot = &self.slots[i];
            if slot.asked.is_none() {
                continue;
            }
            let settled = slot.pending.as_ref().is_none_or(|pending| {
                pending.record.as_ref().is_none_or(|record| record.usage == Use::Active)
            });
            let answer = match slot.hold {
                None => Some(false),
                Some(_) if slot.sure(self.now.at) && settled => Some(true),
                Some(_) if self.denies_at(slot).is_some_and(|at| at <= self.now.at) => Some(false),
                Some(_) => None,
            };
            if let Some(answer) = answer {
                actions.push(Action::Answer(slot.role, answer));
                self.slots[i].asked = None;
            }
        }
    }

    fn slot(&self, role: Role) -> Option<&Slot> {
        self.slots.get(role as usize)
    }

    fn slot_mut(&mut self, role: Role) -> Option<&mut Slot> {
        self.slots.get_mut(role as usize)
    }
}
