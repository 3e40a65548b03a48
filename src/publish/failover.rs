//! Which of a destination's ingests is opened, started, closed, and when. Pure: events and the time
//! go in, actions come out, and [`Failover::deadline`] says when it wants to be asked again.
//!
//! # Theory of operation
//!
//! A session is first *opened* (connected, up to an accepted publish), then *started* from a
//! position that is decided only once it is ready, so that whatever the other ingest delivered in
//! the meantime counts. It is *moving* from its first acknowledged media on, and *settled* when it
//! has moved for [`Rules::settle`] without failing.
//!
//! With `redundancy = "failover"` one ingest is *preferred*: primary, or while primary's session is
//! renewed, backup. Then four rules do all there is to do:
//!
//! 1. While the preferred ingest is not live, it is tried: at once if nothing else is live, or what
//!    is live has come halfway to losing media; else as a probe, with the slower backoff.
//! 2. The other is tried only while nothing is live, and not while a younger attempt than
//!    [`Rules::patience`] is under way. So two dead ingests are tried in turn, each with its own
//!    backoff, and an attempt that hangs holds up the other only so long.
//! 3. Once the preferred one moves, an attempt on the other is given up.
//! 4. Once the preferred one is settled, the other is closed. Until then both carry the stream.
//!
//! With `redundancy = "both"`, and with a single ingest, each is simply tried for ever.
//!
//! What was delivered is the furthest position that any session had acknowledged, less
//! [`Rules::margin`]. Every session starts there or earlier, unless that is older than
//! [`Rules::skip`]; so what sessions deliver overlaps, and nothing falls between two of them.
//!
//! Rejected: a standing connection to the idle ingest (ingests drop publishers that do not publish,
//! and it fails unseen just when it is needed), and a timer per rule (deadlines are worked out from
//! the state instead, so none can be forgotten).

mod ingest;
mod renew;
mod rules;
mod view;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

pub use rules::{Renewal, Rules};

use super::status::Role;
use crate::config::Redundancy;
use crate::media::MediaTime;
use ingest::{Ingest, State};
use renew::Renewing;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing but that time went by.
    Tick,
    /// The ingest accepted the publish; its session waits for [`Action::Start`].
    Ready(Role),
    /// All media before this instant was acknowledged, and read as far as one can tell.
    Progress(Role, MediaTime),
    /// The session, or the attempt to open one, is over against our will.
    Failed(Role),
    /// The session ended as [`Action::Close`] asked, and all media before this instant was
    /// acknowledged.
    Ended(Role, MediaTime),
    /// Whether this node may use the ingest; at the start it may use all.
    Permit(Role, bool),
    /// Another node has the ingest: like a permit that is taken back, but nothing more is sent.
    Lost(Role),
    /// Another node had all media before this instant acknowledged on the ingest, and sends no more.
    Predecessor(Role, MediaTime),
    /// The answer to [`Action::FindBoundary`].
    Boundary(MediaTime),
    /// End everything in order, and nothing new. Sessions have until then.
    Drain(MediaTime),
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a session. Answered by `Ready` or `Failed`.
    Open(Role),
    /// Send from the last keyframe at or before this instant.
    Start(Role, MediaTime),
    /// Send everything before this instant (which may be to come, or past), then end in order.
    /// Told twice, the earlier counts. Answered by `Ended` or `Failed`.
    Close(Role, MediaTime),
    /// Drop the session now: it is not needed. Not answered.
    Abort(Role),
    /// Drop the session now: it took too long, which counts as a failure. Not answered.
    Expire(Role),
    /// Say which entry boundary comes next after this instant. Answered by `Boundary`.
    FindBoundary(MediaTime),
}

/// The state machine of one destination.
#[derive(Debug)]
pub struct Failover {
    rules: Rules,
    ingests: Vec<Ingest>,
    renewal: Option<Renewing>,
    draining: Option<MediaTime>,
    carrier: Option<Role>,
    failovers: u64,
    now: MediaTime,
}

impl Failover {
    /// For a destination with or without a backup. `seed` feeds the jitter of its delays.
    pub fn new(rules: Rules, backup: bool, seed: u64) -> Self {
        let roles = [Role::Primary, Role::Backup];
        let ingests = roles.into_iter().take(1 + usize::from(backup));
        Self {
            rules,
            ingests: ingests.map(|role| Ingest::new(role, seed)).collect(),
            renewal: None,
            draining: None,
            carrier: None,
            failovers: 0,
            now: MediaTime::default(),
        }
    }

    /// Begins with a session that is live already, since `base`, and had all media before `sure`
    /// delivered for certain. Only before the first event.
    pub fn inherit(&mut self, role: Role, base: MediaTime, sure: MediaTime, now: MediaTime) {
        self.now = self.now.max(now);
        let primary = self.carrier == Some(Role::Primary);
        if let Some(ingest) = self.ingest_mut(role) {
            ingest.state = State::Live { base, moving: Some(now) };
            ingest.resume = Some(sure);
            ingest.opened = now;
            self.carrier = Some(if primary { Role::Primary } else { role });
        }
    }

    /// Takes an event in and says what to do, in this order. An event that does not fit the
    /// ingest's state (the answer of a session that was dropped meanwhile) changes nothing.
    pub fn on(&mut self, event: Event, now: MediaTime) -> Vec<Action> {
        self.now = self.now.max(now);
        let mut actions = Vec::new();
        let first = self.draining.is_none();
        self.take(event, &mut actions);
        self.expire(&mut actions);
        if self.draining.is_some() {
            self.drain(first, &mut actions);
        } else {
            self.forbid(&mut actions);
            self.renew(&mut actions);
            self.converge(&mut actions);
            self.open(&mut actions);
        }
        actions
    }

    /// When to be called with [`Event::Tick`] if nothing else happens before. Always after the
    /// last call's `now`. `None` only while every wait is someone else's.
    pub fn deadline(&self) -> Option<MediaTime> {
        let waits = self.ingests.iter().filter_map(|ingest| match ingest.state {
            State::Opening { since } => Some(since.plus(self.rules.opening)),
            State::Closing { until } => Some(until),
            State::Idle => self.opens_at(ingest),
            State::Live { .. } => None,
        });
        waits.chain(self.converges_at()).chain(self.renews_at()).min()
    }

    fn take(&mut self, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Tick => {}
            Event::Ready(role) => self.start(role, actions),
            Event::Progress(role, acked) => {
                let (now, sure) = (self.now, acked.minus(self.rules.margin));
                if let Some(ingest) = self.ingest_mut(role) {
                    ingest.moved(sure, now);
                }
            }
            Event::Failed(role) => {
                if self.ingest(role).is_some_and(|ingest| ingest.state != State::Idle) {
                    self.failed(role);
                }
            }
            Event::Ended(role, through) => {
                let now = self.now;
                let ended = self.ingest_mut(role).is_some_and(|ingest| ingest.ended(through, now));
                if ended {
                    self.forget_renewal(role);
                }
            }
            Event::Permit(role, allowed) => {
                if let Some(ingest) = self.ingest_mut(role) {
                    ingest.allowed = allowed;
                }
            }
            Event::Lost(role) => {
                let now = self.now;
                if let Some(ingest) = self.ingest_mut(role) {
                    ingest.allowed = false;
                    if ingest.lost(now) {
                        actions.push(Action::Abort(role));
                        self.forget_renewal(role);
                    }
                }
            }
            Event::Predecessor(role, through) => {
                let sure = through.minus(self.rules.margin);
                if let Some(ingest) = self.ingest_mut(role) {
                    ingest.resume = ingest.resume.max(Some(sure));
                }
            }
            Event::Boundary(at) => self.bound(at),
            Event::Drain(deadline) => {
                self.draining = Some(self.draining.map_or(deadline, |earlier| earlier.min(deadline)));
            }
        }
    }

    fn start(&mut self, role: Role, actions: &mut Vec<Action>) {
        let from = self.resume(role);
        let other_live = self.is_live(role.other());
        let now = self.now;
        let Some(ingest) =
            self.ingest_mut(role).filter(|ingest| matches!(ingest.state, State::Opening { .. }))
        else {
            return;
        };
        ingest.state = State::Live { base: from, moving: None };
        ingest.resume = ingest.resume.max(Some(from));
        ingest.opened = now;
        if self.rules.redundancy == Redundancy::Failover && !other_live {
            self.failovers += u64::from(self.carrier == Some(role.other()));
            self.carrier = Some(role);
        }
        actions.push(Action::Start(role, from));
    }

    /// Where a session that is ready now starts.
    fn resume(&self, role: Role) -> MediaTime {
        let mine = |ingest: &&Ingest| self.rules.redundancy == Redundancy::Failover || ingest.role == role;
        let delivered = self.ingests.iter().filter(mine).filter_map(|ingest| ingest.resume).max();
        delivered.map_or(self.now, |delivered| delivered.max(self.now.minus(self.rules.skip)))
    }

    fn failed(&mut self, role: Role) {
        let (now, settle, stable) = (self.now, self.rules.settle, self.rules.stable);
        if let Some(ingest) = self.ingest_mut(role) {
            ingest.failed(settle, stable, now);
        }
        self.forget_renewal(role);
    }

    /// Ends what has taken too long.
    fn expire(&mut self, actions: &mut Vec<Action>) {
        for role in [Role::Primary, Role::Backup] {
            let over = match self.ingest(role).map(|ingest| &ingest.state) {
                Some(State::Opening { since }) => since.plus(self.rules.opening) <= self.now,
                Some(State::Closing { until }) => *until <= self.now,
                Some(State::Idle | State::Live { .. }) | None => false,
            };
            if over {
                actions.push(Action::Expire(role));
                self.failed(role);
            }
        }
    }

    fn drain(&mut self, first: bool, actions: &mut Vec<Action>) {
        let until = self.draining.unwrap_or(self.now);
        for ingest in &mut self.ingests {
            match &mut ingest.state {
                State::Opening { .. } => {
                    ingest.state = State::Idle;
                    actions.push(Action::Abort(ingest.role));
                }
                State::Live { .. } if until > self.now => {
                    ingest.closes(until);
                    actions.push(Action::Close(ingest.role, self.now));
                }
                State::Closing { until: closing } if until > self.now => {
                    *closing = until.min(*closing);
                    if first {
                        // It may have been told to go on until some later instant.
                        actions.push(Action::Close(ingest.role, self.now));
                    }
                }
                State::Live { .. } | State::Closing { .. } => {
                    ingest.state = State::Idle;
                    actions.push(Action::Abort(ingest.role));
                }
                State::Idle => {}
            }
        }
    }

    /// Another node has the ingest: leave it, whatever that means for the stream.
    fn forbid(&mut self, actions: &mut Vec<Action>) {
        for role in [Role::Primary, Role::Backup] {
            if self.ingest(role).is_some_and(|ingest| !ingest.allowed) {
                self.give_up(role, actions);
                self.close(role, self.now, actions);
            }
        }
    }

    /// Rules 3 and 4.
    fn converge(&mut self, actions: &mut Vec<Action>) {
        let preferred = self.preferred();
        if self.rules.redundancy == Redundancy::Both || self.moving(preferred).is_none() {
            return;
        }
        let other = preferred.other();
        self.give_up(other, actions);
        if self.is_settled(preferred) && self.is_live(other) {
            let at = match self.renewal {
                Some(Renewing::At { role, at }) if role == other => at.max(self.now),
                _ => self.now,
            };
            self.carrier = Some(preferred);
            self.close(other, at, actions);
        }
    }

    fn converges_at(&self) -> Option<MediaTime> {
        let preferred = self.preferred();
        let both = self.rules.redundancy == Redundancy::Failover && self.is_live(preferred.other());
        self.moving(preferred).filter(|_| both).map(|moving| moving.plus(self.rules.settle))
    }

    /// Rules 1 and 2, and the one rule of `both`.
    fn open(&mut self, actions: &mut Vec<Action>) {
        // The one that was tried longer ago goes first; never tried, primary.
        let mut order: Vec<_> = self.ingests.iter().map(|ingest| (ingest.opened, ingest.role)).collect();
        order.sort_unstable();
        for (_, role) in order {
            let due = self.ingest(role).and_then(|ingest| self.opens_at(ingest));
            let now = self.now;
            if let Some(ingest) = self.ingest_mut(role).filter(|_| due.is_some_and(|due| due <= now)) {
                ingest.state = State::Opening { since: now };
                ingest.opened = now;
                actions.push(Action::Open(role));
            }
        }
    }

    /// When an idle ingest is to be opened, if nothing happens before.
    fn opens_at(&self, ingest: &Ingest) -> Option<MediaTime> {
        if ingest.state != State::Idle || !ingest.allowed || self.draining.is_some() {
            return None;
        }
        let other = ingest.role.other();
        if self.rules.redundancy == Redundancy::Both {
            return Some(ingest.retry_at(&self.rules.retry));
        }
        if self.is_live(other) && !self.is_late(other) {
            return (ingest.role == self.preferred()).then(|| ingest.probe_at(&self.rules.probe));
        }
        if self.is_live(other) && ingest.role != self.preferred() {
            return None;
        }
        let held = match self.ingest(other).map(|other| &other.state) {
            Some(State::Opening { since }) => since.plus(self.rules.patience),
            _ => MediaTime::default(),
        };
        Some(ingest.retry_at(&self.rules.retry).max(held))
    }

    fn preferred(&self) -> Role {
        let renewing = match self.renewal {
            Some(Renewing::At { role, at }) if self.now >= at.minus(self.rules.ahead) => Some(role),
            _ => None,
        };
        let first = renewing.map_or(Role::Primary, Role::other);
        if self.is_allowed(first) || !self.is_allowed(first.other()) { first } else { first.other() }
    }

    fn close(&mut self, role: Role, at: MediaTime, actions: &mut Vec<Action>) {
        let until = at.max(self.now).plus(self.rules.finish);
        if let Some(ingest) =
            self.ingest_mut(role).filter(|ingest| matches!(ingest.state, State::Live { .. }))
        {
            ingest.closes(until);
            actions.push(Action::Close(role, at));
        }
    }

    fn give_up(&mut self, role: Role, actions: &mut Vec<Action>) {
        if let Some(ingest) =
            self.ingest_mut(role).filter(|ingest| matches!(ingest.state, State::Opening { .. }))
        {
            ingest.state = State::Idle;
            actions.push(Action::Abort(role));
        }
    }
}
