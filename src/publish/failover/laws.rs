//! Laws that hold for any sequence of events, however absurd.

use super::*;
use crate::publish::status::IngestState;
use proptest::prelude::*;
use std::time::Duration;

/// Short enough to happen a few times in a run.
const RENEWED_AFTER: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Let time pass, then tell something that may or may not fit.
    Tell(u64, Event),
    /// Let time pass up to the deadline.
    Wait,
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![Role::Primary, Role::Backup])
}

/// Positions are drawn around zero and moved to the present when they are used.
fn event() -> impl Strategy<Value = Event> {
    let position = || (0u64..48_000 * 12).prop_map(MediaTime::from_samples);
    prop_oneof![
        1 => Just(Event::Tick),
        8 => role().prop_map(Event::Ready),
        8 => (role(), position()).prop_map(|(role, acked)| Event::Progress(role, acked)),
        4 => role().prop_map(Event::Failed),
        4 => (role(), position()).prop_map(|(role, through)| Event::Ended(role, through)),
        1 => (role(), any::<bool>()).prop_map(|(role, allowed)| Event::Permit(role, allowed)),
        3 => position().prop_map(Event::Boundary),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![Just(0), 0u64..300, 0u64..20_000];
    prop_oneof![4 => (pause, event()).prop_map(|(pause, event)| Step::Tell(pause, event)), 3 => Just(Step::Wait)]
}

/// What the sessions are at, as far as events and actions alone tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    None,
    Opening,
    Live { since: MediaTime },
    Closing { since: MediaTime },
}

struct Model {
    machine: Failover,
    rules: Rules,
    sessions: [Session; 2],
    allowed: [bool; 2],
    delivered: [Option<MediaTime>; 2],
    ingests: usize,
    /// How far ahead the next entry boundary lies.
    boundary: Duration,
    draining: bool,
    now: MediaTime,
}

impl Model {
    fn new(redundancy: Redundancy, backup: bool, seed: u64) -> Self {
        let renewal = Renewal::new(RENEWED_AFTER, Duration::from_secs(90)).unwrap();
        let rules = Rules { renewal, ..Rules::new(redundancy) };
        Self {
            machine: Failover::new(rules, backup, seed),
            rules,
            sessions: [Session::None; 2],
            allowed: [true; 2],
            delivered: [None; 2],
            ingests: 1 + usize::from(backup),
            boundary: Duration::from_secs(12),
            draining: false,
            now: MediaTime::from_samples(1 << 40),
        }
    }

    fn tell(&mut self, event: Event) -> Result<Vec<Action>, TestCaseError> {
        let event = self.placed(event);
        let before = self.sessions;
        match event {
            Event::Failed(role) => self.sessions[role as usize] = Session::None,
            Event::Ended(role, through) if matches!(before[role as usize], Session::Closing { .. }) => {
                self.delivered(role, through);
                self.sessions[role as usize] = Session::None;
            }
            Event::Progress(role, acked)
                if matches!(before[role as usize], Session::Live { .. } | Session::Closing { .. }) =>
            {
                self.delivered(role, acked);
            }
            Event::Permit(role, allowed) => self.allowed[role as usize] = allowed,
            Event::Drain(_) => self.draining = true,
            _ => {}
        }
        let actions = self.machine.on(event, self.now);
        for action in &actions {
            self.check(*action, event)?;
        }
        if actions.iter().any(|action| matches!(action, Action::FindBoundary(_))) {
            // The task answers at once.
            let more = self.tell(Event::Boundary(MediaTime::default()))?;
            return Ok(actions.into_iter().chain(more).collect());
        }
        self.check_rest()?;
        Ok(actions)
    }

    /// Positions lie between eleven seconds ago and one second ahead, and nothing is acknowledged
    /// that lies before the session's start.
    fn placed(&self, event: Event) -> Event {
        let near = |role, at: MediaTime| {
            let at = MediaTime::from_samples((self.now.samples() - 48_000 * 11) + at.samples());
            match self.sessions[role as usize] {
                Session::Live { since } | Session::Closing { since } => at.max(since),
                Session::None | Session::Opening => at,
            }
        };
        match event {
            Event::Progress(role, acked) => Event::Progress(role, near(role, acked)),
            Event::Ended(role, through) => Event::Ended(role, near(role, through)),
            Event::Boundary(_) => Event::Boundary(self.now.plus(self.boundary)),
            event => event,
        }
    }

    fn delivered(&mut self, role: Role, through: MediaTime) {
        let delivered = &mut self.delivered[role as usize];
        *delivered = (*delivered).max(Some(through));
    }

    fn check(&mut self, action: Action, event: Event) -> Result<(), TestCaseError> {
        let both = self.rules.redundancy == Redundancy::Both;
        match action {
            Action::Open(role) => {
                prop_assert_eq!(self.sessions[role as usize], Session::None, "two sessions on {}", role);
                prop_assert!((role as usize) < self.ingests && self.allowed[role as usize] && !self.draining);
                self.sessions[role as usize] = Session::Opening;
            }
            Action::Start(role, from) => {
                prop_assert_eq!(event, Event::Ready(role));
                prop_assert_eq!(self.sessions[role as usize], Session::Opening);
                let mine = if both {
                    self.delivered[role as usize]
                } else {
                    self.delivered.into_iter().flatten().max()
                };
                let oldest = self.now.minus(self.rules.skip);
                prop_assert!(from >= oldest, "media that is too old is sent");
                if let Some(mine) = mine {
                    prop_assert!(from <= mine || from == oldest, "media is lost between two sessions");
                }
                self.sessions[role as usize] = Session::Live { since: from };
            }
            Action::Close(role, at) => {
                if let (Session::Closing { .. }, Event::Drain(_)) = (self.sessions[role as usize], event) {
                    return Ok(());
                }
                let Session::Live { since } = self.sessions[role as usize] else {
                    return Err(TestCaseError::fail(format!("{role} is closed, and was not live")));
                };
                let other = matches!(self.sessions[role.other() as usize], Session::Live { .. });
                let old = at.max(self.now) >= since.plus(RENEWED_AFTER);
                prop_assert!(
                    other || old || self.draining || !self.allowed[role as usize],
                    "the last live session is closed"
                );
                self.sessions[role as usize] = Session::Closing { since };
            }
            Action::Abort(role) | Action::Expire(role) => {
                let aborted = std::mem::replace(&mut self.sessions[role as usize], Session::None);
                prop_assert!(!matches!(aborted, Session::None), "nothing to abort on {}", role);
                prop_assert!(
                    !matches!(aborted, Session::Live { .. }) || self.draining,
                    "a live session is dropped"
                );
            }
            Action::FindBoundary(after) => prop_assert!(after > self.now),
        }
        Ok(())
    }

    fn check_rest(&self) -> Result<(), TestCaseError> {
        let deadline = self.machine.deadline();
        if let Some(deadline) = deadline {
            prop_assert!(deadline > self.now, "the deadline has passed and was not acted on");
        }
        let usable = (0..self.ingests).any(|i| self.allowed[i]);
        let live = self.sessions.iter().any(|session| matches!(session, Session::Live { .. }));
        prop_assert!(live || !usable || self.draining || deadline.is_some(), "down, and waiting for nothing");
        for session in self.sessions {
            if let Session::Live { since } = session {
                prop_assert!(
                    since.plus(self.rules.renewal.latest()) > self.now || self.draining,
                    "too old a session"
                );
            }
        }
        Ok(())
    }

    /// Waits up to the deadline, but not beyond `end`.
    fn wait(&mut self, end: MediaTime) -> Result<Vec<Action>, TestCaseError> {
        self.now = self.machine.deadline().map_or(end, |deadline| deadline.min(end));
        self.tell(Event::Tick)
    }

    /// What a well-behaved world answers, until `end`.
    fn obey(&mut self, end: MediaTime) -> Result<(), TestCaseError> {
        while self.now < end {
            let before = self.sessions;
            for role in [Role::Primary, Role::Backup] {
                let event = match self.sessions[role as usize] {
                    Session::Opening => Event::Ready(role),
                    Session::Live { .. } => Event::Progress(role, MediaTime::from_samples(48_000 * 11)),
                    Session::Closing { .. } => Event::Ended(role, MediaTime::from_samples(48_000 * 11)),
                    Session::None => continue,
                };
                self.tell(event)?;
            }
            if self.sessions == before {
                self.wait(end)?;
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_events_breaks_the_laws(
        steps in prop::collection::vec(step(), 0..150), both: bool, backup: bool, drain: bool, boundary in 0u64..60, seed: u64,
    ) {
        let redundancy = if both && backup { Redundancy::Both } else { Redundancy::Failover };
        let mut model = Model::new(redundancy, backup, seed);
        model.boundary = Duration::from_secs(boundary);
        model.tell(Event::Tick)?;
        for step in steps {
            match step {
                Step::Tell(pause, event) => {
                    // A driver that honours the deadline, as the task does.
                    let at = model.now.plus(Duration::from_millis(pause));
                    while model.machine.deadline().is_some_and(|deadline| deadline <= at) {
                        model.wait(at)?;
                    }
                    model.now = at;
                    model.tell(event)?;
                }
                Step::Wait => {
                    let end = model.now.plus(Duration::from_secs(3_600));
                    model.wait(end)?;
                }
            }
        }
        if drain {
            let end = model.now.plus(Duration::from_secs(3));
            model.tell(Event::Drain(end))?;
            while !model.machine.drained() {
                prop_assert!(model.now < end, "not drained in time");
                model.wait(end)?;
            }
            prop_assert_eq!(model.machine.deadline(), None);
        } else {
            for role in [Role::Primary, Role::Backup] {
                model.tell(Event::Permit(role, true))?;
            }
            // Up to 300 s for a probe, and 60 s for a renewal that is under way.
            let end = model.now.plus(Duration::from_secs(400));
            model.rules.renewal = Renewal::DEFAULT;
            model.machine.rules.renewal = Renewal::DEFAULT;
            model.obey(end)?;
            let live = |role| model.machine.state(role) == IngestState::Live;
            prop_assert!(live(Role::Primary), "a world that works again leads back to primary");
            prop_assert_eq!(live(Role::Backup), redundancy == Redundancy::Both);
        }
    }
}
