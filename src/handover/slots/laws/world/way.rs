//! The way to the store and back, with all that can happen there.

use super::*;

impl World {
    pub(super) fn put(&mut self, role: Role, record: Record, version: Option<Version>) -> Option<Version> {
        let object = &mut self.objects[role as usize];
        let current = object.as_ref().map(|(_, version)| Version(version.to_string()));
        if current != version {
            return None;
        }
        let next = object.as_ref().map_or(0, |(_, version)| version + 1);
        *object = Some((record, next));
        Some(Version(next.to_string()))
    }

    /// What the store does with requests, whether or not anybody waits for it.
    pub(super) fn carry_out(&mut self, i: usize) {
        let Some(node) = &mut self.nodes[i] else { return };
        let mut due = Vec::new();
        for (at, request) in node.requests.iter_mut().enumerate() {
            if request.answer.is_none() && request.done <= self.now {
                due.push((at, request.role, request.put.clone()));
            }
        }
        for (at, role, put) in due {
            let answer = match put {
                None => Event::Read(
                    role,
                    self.objects[role as usize].clone().map(|(r, v)| (r, Version(v.to_string()))),
                ),
                Some((record, version)) => match self.put(role, record, version) {
                    Some(version) => Event::Wrote(role, version),
                    None => Event::Refused(role),
                },
            };
            if let Some(node) = &mut self.nodes[i] {
                node.requests[at].answer = Some(answer);
            }
        }
    }

    /// Answers, and the want of them.
    pub(super) fn listen(&mut self, i: usize) {
        let now = self.now;
        let Some(node) = &mut self.nodes[i] else { return };
        let mut heard = Vec::new();
        for role in ROLES {
            if let Some((number, until)) = node.waits[role as usize] {
                let request = node.requests.iter_mut().find(|request| request.number == number);
                if let Some(answer) = request.filter(|r| r.answered <= now).and_then(|r| r.answer.clone()) {
                    node.waits[role as usize] = None;
                    heard.push(answer);
                } else if until <= now {
                    node.waits[role as usize] = None;
                    heard.push(Event::Failed(role));
                }
            }
        }
        node.requests.retain(|r| r.answer.is_none() || r.answered > now);
        heard.into_iter().for_each(|event| self.tell_node(i, event));
    }

    pub(super) fn request(&mut self, i: usize, role: Role, put: Option<(Record, Option<Version>)>) {
        let what = put
            .as_ref()
            .map(|(record, _)| format!("{:?} {} {}", record.usage, record.generation, record.serial));
        let store = self.reach(i);
        let there = match store {
            Store::Slow => 1 + self.chance.below(2_500),
            _ => 1 + self.chance.below(120),
        };
        let back = 1 + self.chance.below(60);
        let (done, answered) = match store {
            Store::Answers | Store::Slow => (self.now + there, self.now + there + back),
            Store::LosesAnswers => (self.now + there, u64::MAX),
            // It may get through long after it was given up.
            Store::Hangs if self.chance.below(4) == 0 => {
                (self.now + 3_000 + self.chance.below(20_000), u64::MAX)
            }
            Store::Hangs => (u64::MAX, u64::MAX),
            Store::Refuses => (u64::MAX, u64::MAX),
        };
        let number = self.chance.below(u64::MAX);
        if let Some(what) = what {
            self.note(i, format!("puts {role} {what}"));
        }
        let Some(node) = &mut self.nodes[i] else { return };
        assert!(put.is_none() || node.ready.is_none(), "who looks on writes nothing");
        assert!(node.waits[role as usize].is_none(), "two requests at once");
        let patience = if store == Store::Refuses { STEP } else { PATIENCE };
        node.waits[role as usize] = Some((number, self.now + patience));
        node.requests.push(Request { role, put, number, done, answered, answer: None });
    }

    /// How a node reaches the store now; notes what excuses it.
    fn reach(&mut self, i: usize) -> Store {
        let (store, until) = self.stores[i];
        if self.now >= until || store == Store::Answers {
            return Store::Answers;
        }
        self.excused[i] = Some(self.now);
        store
    }
}
