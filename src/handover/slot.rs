//! One slot as a node sees it: what it knows of the record in the store, whether it holds the slot,
//! and which request is under way. What is to be done is decided in [`super::slots`].

use super::record::{Identity, Record, Use};
use super::rules::Rules;
use crate::media::MediaTime;
use crate::publish::{Permit, Role};
use crate::store::Version;
use tokio::time::Instant;

/// What publishing does with the ingest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Using {
    /// A session is open, or being opened or ended.
    pub busy: bool,
    /// A session carries the stream.
    pub live: bool,
    /// All media before this instant was acknowledged there.
    pub delivered: Option<MediaTime>,
}

/// What is known of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    Absent,
    There { record: Record, version: Version },
}

impl Known {
    pub(super) const fn record(&self) -> Option<&Record> {
        match self {
            Self::There { record, .. } => Some(record),
            Self::Nothing | Self::Absent => None,
        }
    }
}

/// That the slot is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    /// When the write was sent that others count from; `None` if there was none, because the store
    /// does not answer.
    pub(super) renewed: Option<Instant>,
    /// Until when no other can have taken it, so that it can be used without asking.
    pub(super) sure: Option<Instant>,
}

/// A request that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) sent: Instant,
    /// What is being written; `None` if it is a read.
    pub(super) record: Option<Record>,
}

/// That the store does not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unwritten {
    /// When the last write failed.
    since: Instant,
    /// How often in a row.
    times: u32,
}

impl Unwritten {
    /// When to try again where haste is right.
    pub(super) fn soon(self, rules: &Rules) -> Instant {
        self.since + rules.retry
    }

    /// When to try again.
    pub(super) fn again(self, rules: &Rules) -> Instant {
        let doubled = rules.retry * (1 << self.times.saturating_sub(1).min(8));
        self.since + doubled.min(rules.retry_most)
    }
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) role: Role,
    pub(super) known: Known,
    /// What is known may be out of date: it has to be read before it is written.
    pub(super) stale: bool,
    /// Since when the holder has not been seen to write, by our own clock.
    pub(super) still: Instant,
    /// When the mark of a node that stands by was last seen to change, by our own clock.
    pub(super) marked: Instant,
    /// When the last request was sent that was answered.
    pub(super) answered: Option<Instant>,
    /// When the last request failed, if none was answered since.
    pub(super) failed: Option<Instant>,
    /// That the last write failed, whatever was read since.
    pub(super) unwritten: Option<Unwritten>,
    pub(super) hold: Option<Hold>,
    pub(super) pending: Option<Pending>,
    /// When a take was sent of which nothing is known.
    pub(super) attempted: Option<Instant>,
    /// Since when a session waits to hear whether it may go on.
    pub(super) asked: Option<Instant>,
    /// When a write was refused that another may have been before, if it was not read since.
    pub(super) refused: Option<Instant>,
    /// Another process has taken it from this one, as has just been found out.
    pub(super) lost: bool,
    /// The last process on this machine had it.
    pub(super) remembered: bool,
    pub(super) using: Using,
    /// When it was last busy.
    pub(super) busy: Option<Instant>,
    /// Not to be taken before.
    pub(super) yielded: Option<Instant>,
    pub(super) permit: Permit,
    /// What a predecessor delivered.
    pub(super) through: Option<MediaTime>,
}

impl Slot {
    pub(super) const fn new(role: Role, now: Instant) -> Self {
        Self {
            role,
            known: Known::Nothing,
            stale: false,
            still: now,
            marked: now,
            answered: None,
            failed: None,
            unwritten: None,
            hold: None,
            pending: None,
            attempted: None,
            asked: None,
            refused: None,
            lost: false,
            remembered: false,
            using: Using { busy: false, live: false, delivered: None },
            busy: None,
            yielded: None,
            permit: Permit::Leave,
            through: None,
        }
    }

    pub(super) const fn record(&self) -> Option<&Record> {
        self.known.record()
    }

    /// The record, if another process holds the slot by it.
    pub(super) fn other(&self, me: &Identity) -> Option<&Record> {
        self.record().filter(|record| !record.is_of(me) && record.usage != Use::Free)
    }

    /// Until when the mark of a node that stands by counts: like a slot, for as long as that node is
    /// seen to write.
    pub(super) fn wanted_until(&self, rules: &Rules) -> Option<Instant> {
        self.record()?.mark().map(|_| self.marked + rules.expiry)
    }

    /// Whether a node stands by that was seen to live.
    pub(super) fn wanted(&self, rules: &Rules, now: Instant) -> bool {
        self.wanted_until(rules).is_some_and(|until| now < until)
    }

    /// Whether the next request needs a fresh look first.
    pub(super) fn unread(&self) -> bool {
        self.stale || self.known == Known::Nothing
    }

    pub(super) const fn held(&self) -> bool {
        self.hold.is_some()
    }

    /// Held, or about to be.
    pub(super) fn held_or_taking(&self, me: &Identity) -> bool {
        let takes = |pending: &Pending| {
            pending.record.as_ref().is_some_and(|record| record.is_of(me) && record.usage != Use::Free)
        };
        self.held() || self.pending.as_ref().is_some_and(takes)
    }

    /// Whether another may have taken it: a write was refused, and nobody could read why. It was taken
    /// before that, so if it is not seen to be renewed it has expired by then, like any other slot.
    pub(super) fn may_be_anothers(&self, rules: &Rules, now: Instant) -> bool {
        self.refused.is_some_and(|refused| now < refused + rules.expiry)
    }

    pub(super) fn sure(&self, now: Instant) -> bool {
        self.hold.is_some_and(|hold| hold.sure.is_some_and(|until| now < until))
    }

    /// From when on it may be taken; `hungry` if this node has none.
    pub(super) fn free_from(
        &self,
        me: &Identity,
        hungry: bool,
        rules: &Rules,
        now: Instant,
    ) -> Option<Instant> {
        let free = match &self.known {
            Known::Nothing => return None,
            Known::Absent => now,
            Known::There { record, .. } => match record.usage {
                Use::Free => now,
                _ if record.is_of_predecessor_of(me) => now,
                Use::Spare if hungry => now,
                Use::Spare => self.still + rules.expiry,
                // A record of nonsense must not hold a slot for ever.
                Use::Active => self.still + record.expires().min(rules.expiry * 10),
            },
        };
        Some(free.max(self.yielded.unwrap_or(free)))
    }

    pub(super) fn uses(&mut self, using: Using, now: Instant) {
        if using.busy || self.using.busy {
            self.busy = Some(now);
        }
        self.using = using;
    }

    /// Takes in what a read has found, which was asked for at `sent`. Gives whether the slot was lost
    /// by it.
    pub(super) fn read(
        &mut self,
        found: Option<(Record, Version)>,
        me: &Identity,
        rules: &Rules,
        sent: Instant,
        now: Instant,
    ) -> bool {
        let mut damaged = false;
        let mut known = found.map_or(Known::Absent, |(record, version)| Known::There { record, version });
        if let (Known::There { record, .. }, Some(hold), Some(before)) =
            (&mut known, &mut self.hold, self.known.record().filter(|record| record.is_of(me)))
            && record.garbled
        {
            damaged = true;
            // Damage takes nothing from its holder, who writes it anew.
            *record = before.clone();
            *hold = Hold { renewed: None, sure: None };
        }
        let pulse = |known: &Known| match known {
            Known::There { record, .. } => Some((record.life.clone(), record.generation, record.serial)),
            _ => None,
        };
        if pulse(&known) != pulse(&self.known) {
            self.still = now;
            if known.record().is_some_and(|record| record.is_of(me)) {
                // It was written after all.
                self.unwritten = None;
            }
        }
        self.sees(known, now);
        (self.stale, self.refused) = (false, None);
        (self.answered, self.failed) = (Some(sent), None);
        let attempted = self.attempted.take();
        match &self.known {
            Known::There { record, .. } if record.is_of(me) && record.usage != Use::Free => {
                // The answer to the write that took it was lost, or that to a renewal.
                if !damaged && self.hold.is_none_or(|hold| hold.renewed.is_none()) {
                    let renewed = Some(attempted.unwrap_or(sent));
                    self.hold = Some(Hold { renewed, sure: None });
                }
                false
            }
            Known::There { record, .. } if record.is_of(me) => {
                self.hold = None;
                false
            }
            Known::There { .. } => {
                let presumed = self.hold.is_some_and(|hold| hold.renewed.is_none());
                let mine = presumed && self.free_from(me, true, rules, now).is_some_and(|from| from <= now);
                if self.held() && !mine {
                    self.hold = None;
                    return true;
                }
                false
            }
            Known::Absent | Known::Nothing => false,
        }
    }

    /// Takes in that `pending` was written.
    pub(super) fn wrote(
        &mut self,
        pending: Pending,
        version: Version,
        me: &Identity,
        rules: &Rules,
        now: Instant,
    ) {
        let Pending { sent, record: Some(record) } = pending else { return };
        (self.answered, self.failed, self.unwritten) = (Some(sent), None, None);
        self.attempted = None;
        if record.is_of(me) {
            self.still = now;
            let sure = (record.usage == Use::Active).then(|| sent + rules.expiry.saturating_sub(rules.slack));
            self.hold = (record.usage != Use::Free).then_some(Hold { renewed: Some(sent), sure });
        }
        self.sees(Known::There { record, version }, now);
    }

    fn sees(&mut self, known: Known, now: Instant) {
        let mark = |known: &Known| {
            known.record().and_then(Record::mark).map(|(node, serial)| (node.to_owned(), serial))
        };
        if mark(&known) != mark(&self.known) {
            self.marked = now;
        }
        self.known = known;
    }

    /// Takes in that `pending` failed.
    pub(super) fn failed(&mut self, pending: &Pending, now: Instant) {
        self.stale = true;
        self.failed = Some(now);
        if pending.record.is_some() {
            let times = self.unwritten.map_or(0, |unwritten| unwritten.times).saturating_add(1);
            self.unwritten = Some(Unwritten { since: now, times });
        }
    }

    /// Whether the store did not do what it was last asked for.
    pub(super) const fn troubled(&self) -> bool {
        self.failed.is_some() || self.unwritten.is_some()
    }

    /// A request is sent.
    pub(super) fn send(&mut self, record: Option<Record>, me: &Identity, now: Instant) {
        if let Some(record) = record.as_ref().filter(|record| record.is_of(me)) {
            if !self.held() {
                self.attempted = Some(now);
            }
            if record.usage != Use::Active
                && let Some(hold) = &mut self.hold
            {
                // From now on others may take it, whether or not we ever hear that it was written.
                hold.sure = None;
            }
        }
        self.pending = Some(Pending { sent: now, record });
    }
}
