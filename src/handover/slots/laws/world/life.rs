//! What a node does in a moment: it hears the store's answers, publishes, and tells its slots.

use super::*;
use crate::handover::{Phase, View};

impl Node {
    /// Notes what it learns of who has a slot.
    pub(super) fn hears(&mut self, event: &Event, at: Instant, now: u64) {
        match *event {
            Event::Refused(role) if !self.slots.slots[role as usize].sure(at) => {
                self.refused[role as usize] = Some(now);
            }
            Event::Read(role, _) => self.refused[role as usize] = None,
            _ => {}
        }
    }

    /// Fails if it does more than to look on.
    pub(super) fn looks_on(&self, view: &View) {
        let phase = if self.draining.is_some() {
            [Phase::Leaving, Phase::Released].contains(&view.phase)
        } else {
            view.phase == Phase::Asking
        };
        assert!(phase, "who looks on has nothing, and is {}", view.phase.as_str());
        assert!(view.slots.iter().all(|slot| !slot.mine) && self.sessions == [Session::None; 2]);
    }

    /// Whether it knows of nothing but a refusal.
    fn is_refused(&self, role: Role, now: u64) -> bool {
        self.refused[role as usize].is_some_and(|at| now < at + EXPIRY)
    }
}

impl World {
    pub(super) fn permit(&mut self, i: usize, permits: Permits) {
        self.note(i, format!("may {:?}", permits.by_role));
        let now = self.now;
        let Some(node) = &mut self.nodes[i] else { return };
        node.permits = permits;
        for role in ROLES {
            let session = &mut node.sessions[role as usize];
            *session = match (permits.of(role), *session) {
                (Permit::Lost, _) => Session::None,
                (Permit::Leave, Session::Live { asked: None, .. }) => {
                    Session::Closing { until: now + GOODBYE }
                }
                (Permit::Leave, Session::Opening { .. } | Session::Waiting { .. }) => Session::None,
                (_, session) => session,
            };
        }
    }

    pub(super) fn answer(&mut self, i: usize, role: Role, answer: bool) {
        let now = self.now;
        self.note(i, format!("is answered {answer} for {role}"));
        let Some(node) = &mut self.nodes[i] else { return };
        if answer && node.is_refused(role, now) {
            self.crimes.push((now, role));
        }
        let session = &mut node.sessions[role as usize];
        *session = match *session {
            Session::Opening { ready, .. } if answer => Session::Opening { ready, asked: None },
            Session::Live { since, .. } if answer => Session::Live { since, asked: None },
            Session::Opening { .. } | Session::Live { .. } => Session::Waiting { until: now + 250 },
            session => session,
        };
    }

    pub(super) fn step(&mut self, i: usize) {
        let now = self.now;
        self.carry_out(i);
        let Some(node) = &mut self.nodes[i] else { return };
        if let Some(until) = node.frozen {
            if now < until {
                return;
            }
            node.frozen = None;
            // A session that wakes up looks at the clock before it sends.
            let still = now - node.looked > STILL;
            for role in ROLES.into_iter().filter(|_| still) {
                let Some(node) = &mut self.nodes[i] else { return };
                let session = &mut node.sessions[role as usize];
                let asked = Some(now + BOUND);
                match *session {
                    Session::Live { since, .. } => *session = Session::Live { since, asked },
                    Session::Opening { ready, .. } => *session = Session::Opening { ready, asked },
                    // What it has still to say is not said.
                    Session::Closing { .. } => *session = Session::None,
                    Session::None | Session::Waiting { .. } => continue,
                }
                self.tell_node(i, Event::Ask(role));
            }
            self.note(i, "wakes up".into());
        }
        let Some(node) = &mut self.nodes[i] else { return };
        node.looked = now;
        if node.ready.take_if(|ready| *ready <= now).is_some() {
            self.tell_node(i, Event::Ready);
        }
        self.listen(i);
        self.publish(i);
        self.tell_uses(i);
        let due = self.nodes[i]
            .as_ref()
            .is_some_and(|node| node.slots.deadline().is_some_and(|at| at <= self.at(now)));
        if due {
            self.tell_node(i, Event::Tick);
        }
        let Some(node) = &mut self.nodes[i] else { return };
        if node.draining.is_some() && node.slots.view().phase == Phase::Released {
            node.released.get_or_insert(now);
            self.note(i, "is gone".into());
            self.nodes[i] = None;
            self.memory[i].clear();
        }
    }

    /// The least of a publisher.
    fn publish(&mut self, i: usize) {
        let (now, both) = (self.now, self.both);
        let media = self.time(i).media;
        let down = self.ingests.map(|until| now < until);
        let Some(node) = &mut self.nodes[i] else { return };
        let granted = |node: &Node, role: Role| node.permits.of(role) == Permit::Granted;
        for role in ROLES {
            let refused = node.is_refused(role, now);
            let session = &mut node.sessions[role as usize];
            let waited = match *session {
                Session::Opening { asked, .. } | Session::Live { asked, .. } => asked,
                _ => None,
            };
            if refused && waited.is_some_and(|until| until <= now) {
                self.crimes.push((now, role));
            }
            *session = match *session {
                Session::Opening { .. } | Session::Live { .. } | Session::Closing { .. }
                    if down[role as usize] =>
                {
                    Session::Waiting { until: now + 2_000 }
                }
                Session::Opening { ready, asked }
                    if ready <= now && asked.is_none_or(|until| until <= now) =>
                {
                    Session::Live { since: now, asked: None }
                }
                Session::Live { since, asked: Some(until) } if until <= now => {
                    Session::Live { since, asked: None }
                }
                Session::Closing { until } if until <= now => Session::None,
                Session::Waiting { until } if until <= now => Session::None,
                session => session,
            };
            if matches!(*session, Session::Live { asked: None, .. }) && node.permits.of(role) == Permit::Leave
            {
                *session = Session::Closing { until: now + GOODBYE };
            }
            if matches!(*session, Session::Live { asked: None, .. }) {
                node.delivered[role as usize] = Some(media);
            }
        }
        let preferred = if granted(node, Role::Primary) { Role::Primary } else { Role::Backup };
        let live = |node: &Node, role: Role| match node.sessions[role as usize] {
            Session::Live { since, .. } => Some(since),
            _ => None,
        };
        let other = preferred.other();
        // What waits for its leave to send waits with its goodbye as well.
        if !both
            && live(node, preferred).is_some_and(|since| since + SETTLE <= now)
            && matches!(node.sessions[other as usize], Session::Live { asked: None, .. })
        {
            node.sessions[other as usize] = Session::Closing { until: now + GOODBYE };
        }
        let failing = matches!(node.sessions[preferred as usize], Session::Waiting { .. });
        let wanted = ROLES.into_iter().filter(|role| {
            let needed = both || *role == preferred || failing;
            granted(node, *role) && node.sessions[*role as usize] == Session::None && needed
        });
        let wanted: Vec<_> = wanted.collect();
        for role in wanted {
            if let Some(node) = &mut self.nodes[i] {
                node.sessions[role as usize] =
                    Session::Opening { ready: now + DIAL, asked: Some(now + BOUND) };
            }
            self.note(i, format!("opens {role}"));
            self.tell_node(i, Event::Ask(role));
        }
    }

    /// Twice a second, and when something changes.
    fn tell_uses(&mut self, i: usize) {
        for role in ROLES {
            let Some(node) = &self.nodes[i] else { return };
            let session = node.sessions[role as usize];
            let using = Using {
                busy: !matches!(session, Session::None | Session::Waiting { .. }),
                live: matches!(session, Session::Live { .. } | Session::Closing { .. }),
                delivered: node.delivered[role as usize],
            };
            let before = node.told[role as usize];
            let news = (before.busy, before.live) != (using.busy, using.live);
            if news || (self.now.is_multiple_of(500) && before != using) {
                if let Some(node) = &mut self.nodes[i] {
                    node.told[role as usize] = using;
                }
                self.tell_node(i, Event::Uses(role, using));
            }
        }
    }
}
