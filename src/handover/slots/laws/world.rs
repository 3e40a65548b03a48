//! Several nodes, a store and two ingests, simulated to the twentieth of a second: what publishing
//! and the task do is done here in the least of words.

mod life;
mod way;

use super::*;
use std::collections::VecDeque;
use std::time::Duration;

/// A look at everything each so many milliseconds.
const STEP: u64 = 50;
/// The task gives up a request after this.
const PATIENCE: u64 = 2_000;
/// A session waits for an answer this long: [`crate::publish::task::gate::BOUND`].
const BOUND: u64 = 500;
/// A session that was not looked at for longer has stood still.
const STILL: u64 = 3_000;
/// From a dial to an accepted publish.
const DIAL: u64 = 200;
const SETTLE: u64 = 5_000;
const GOODBYE: u64 = 300;
/// A slot that nobody is seen to write has expired after this.
const EXPIRY: u64 = 30_000;
/// A node looks on for less than this before it can publish.
const READY: u64 = 10_000;
/// While the store was out of reach within this long, all is forgiven.
const PARDON: u64 = 40_000;

/// SplitMix64.
pub struct Chance(pub u64);

impl Chance {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Answers,
    Refuses,
    Hangs,
    LosesAnswers,
    Slow,
}

struct Request {
    role: Role,
    put: Option<(Record, Option<Version>)>,
    number: u64,
    /// When it is carried out, when it is answered; never, if the far future.
    done: u64,
    answered: u64,
    answer: Option<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    None,
    /// Connecting, and asking until the second.
    Opening {
        ready: u64,
        asked: Option<u64>,
    },
    /// Sending, or asking until then whether it may go on.
    Live {
        since: u64,
        asked: Option<u64>,
    },
    Closing {
        until: u64,
    },
    /// It failed; again then.
    Waiting {
        until: u64,
    },
}

struct Node {
    slots: Slots,
    /// When it can publish; `None` once it was told.
    ready: Option<u64>,
    permits: Permits,
    sessions: [Session; 2],
    delivered: [Option<MediaTime>; 2],
    told: [Using; 2],
    requests: Vec<Request>,
    /// The request under way, by role.
    waits: [Option<(u64, u64)>; 2],
    /// When a write was refused that another may have been before, if it was not read since.
    refused: [Option<u64>; 2],
    frozen: Option<u64>,
    looked: u64,
    draining: Option<u64>,
    released: Option<u64>,
}

pub struct World {
    both: bool,
    chance: Chance,
    base: Instant,
    now: u64,
    lives: u64,
    before: Vec<Vec<String>>,
    objects: [Option<(Record, u64)>; 2],
    nodes: Vec<Option<Node>>,
    /// Clocks of the programme, in milliseconds from the true one.
    offsets: Vec<u64>,
    stores: Vec<(Store, u64)>,
    /// When a node's store last failed in whatever way.
    excused: Vec<Option<u64>>,
    ingests: [u64; 2],
    memory: Vec<Vec<Role>>,
    first: Option<u64>,
    silence: VecDeque<u64>,
    doubles: Vec<(u64, Role)>,
    crimes: Vec<(u64, Role)>,
    diary: Vec<String>,
}

const ROLES: [Role; 2] = [Role::Primary, Role::Backup];

impl World {
    pub fn new(both: bool, mut chance: Chance) -> Self {
        let offsets = (0..3).map(|_| chance.below(1_000)).collect();
        Self {
            both,
            chance,
            base: Instant::now(),
            now: 0,
            lives: 0,
            before: vec![Vec::new(); 3],
            objects: [None, None],
            nodes: vec![None, None, None],
            offsets,
            stores: vec![(Store::Answers, 0); 3],
            excused: vec![None; 3],
            ingests: [0; 2],
            memory: vec![Vec::new(); 3],
            first: None,
            silence: VecDeque::new(),
            doubles: Vec::new(),
            crimes: Vec::new(),
            diary: Vec::new(),
        }
    }

    pub fn start(&mut self, node: usize) {
        if self.nodes[node].is_some() {
            return;
        }
        self.lives += 1;
        let life = self.lives.to_string();
        let me =
            Identity { node: format!("node-{node}"), life: life.clone(), before: self.before[node].clone() };
        self.before[node].push(life);
        let rules = Rules::new(if self.both { Redundancy::Both } else { Redundancy::Failover });
        let slots = Slots::new(me, rules, true, self.time(node)).remembering(&self.memory[node]).unready();
        let ready = self.now + self.chance.below(READY);
        self.note(node, format!("starts, and is ready at {ready}"));
        self.nodes[node] = Some(Node {
            slots,
            ready: Some(ready),
            permits: Permits::default(),
            sessions: [Session::None; 2],
            delivered: [None; 2],
            told: [Using::default(); 2],
            requests: Vec::new(),
            waits: [None; 2],
            refused: [None; 2],
            frozen: None,
            looked: self.now,
            draining: None,
            released: None,
        });
        self.tell_node(node, Event::Tick);
    }

    pub fn kill(&mut self, node: usize) {
        self.note(node, "is killed".into());
        // What it had sent off may still be carried out.
        if let Some(mut dead) = self.nodes[node].take() {
            dead.requests.retain(|request| request.answer.is_none());
            for request in &mut dead.requests {
                if request.done < u64::MAX
                    && let Some((record, version)) = request.put.clone()
                {
                    self.put(request.role, record, version);
                }
            }
        }
    }

    pub fn freeze(&mut self, node: usize, millis: u64) {
        let until = self.now + millis;
        if let Some(node) = &mut self.nodes[node] {
            node.frozen = Some(until);
        }
        self.note(node, format!("stands still for {millis}"));
    }

    pub fn drain(&mut self, node: usize, millis: u64) {
        let now = self.now;
        let (leave, deadline) = (self.at(now + millis.saturating_sub(10_000)), self.at(now + millis));
        if let Some(node) = self.nodes[node].as_mut().filter(|node| node.frozen.is_none()) {
            node.draining = Some(now);
        } else {
            return;
        }
        self.note(node, format!("drains within {millis}"));
        self.tell_node(node, Event::Drain { leave, deadline });
    }

    pub fn store(&mut self, node: usize, store: Store, millis: u64) {
        self.note(node, format!("has a store that {store:?} for {millis}"));
        self.stores[node] = (store, self.now + millis);
    }

    pub fn break_ingest(&mut self, role: Role, millis: u64) {
        self.diary.push(format!("{:>8} {role} is down for {millis}", self.now));
        self.ingests[role as usize] = self.now + millis;
    }

    /// From now on all is well.
    pub fn calm(&mut self) {
        self.stores = vec![(Store::Answers, 0); 3];
        self.ingests = [0; 2];
        for node in self.nodes.iter_mut().flatten() {
            node.frozen = node.frozen.map(|_| self.now);
        }
    }

    pub fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.now < end {
            self.now += STEP;
            for node in 0..self.nodes.len() {
                self.step(node);
            }
            self.judge();
        }
    }

    /// Runs until a node, if it is there, can publish.
    pub fn until_ready(&mut self, node: usize) {
        while self.nodes[node].as_ref().is_some_and(|node| node.ready.is_some()) {
            self.run(STEP);
        }
    }

    /// Runs until a node is gone in order; gives how long it took.
    pub fn drained(&mut self, node: usize, within: u64) -> Option<u64> {
        let begin = self.now;
        while self.nodes[node].is_some() {
            if self.now - begin > within {
                return None;
            }
            self.run(STEP);
        }
        Some(self.now - begin)
    }

    pub fn writers(&self, role: Role) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.writing(*node, role)).collect()
    }

    pub fn writes(&self, node: usize) -> bool {
        ROLES.into_iter().any(|role| self.writing(node, role))
    }

    /// Two nodes at once on one ingest: when, and where.
    pub fn doubles(&self) -> &[(u64, Role)] {
        &self.doubles
    }

    /// The same, where both could reach the store; and whoever began to send though it was refused.
    pub fn crimes(&self) -> &[(u64, Role)] {
        &self.crimes
    }

    /// For how many milliseconds nobody sent anything, from so long after the first on.
    pub fn silence(&self, after: u64) -> u64 {
        let from = self.first.unwrap_or(0) + after;
        self.silence.iter().filter(|at| **at >= from).count() as u64 * STEP
    }

    pub fn tell(&self) -> String {
        self.diary.join("\n")
    }

    fn note(&mut self, node: usize, what: String) {
        self.diary.push(format!("{:>8} {node} {what}", self.now));
    }

    fn at(&self, millis: u64) -> Instant {
        self.base + Duration::from_millis(millis)
    }

    fn time(&self, node: usize) -> Now {
        let media = MediaTime::from_samples((1 << 40) + (self.now + self.offsets[node]) * 48);
        Now { at: self.at(self.now), media }
    }

    fn writing(&self, node: usize, role: Role) -> bool {
        let Some(node) = self.nodes[node].as_ref().filter(|node| node.frozen.is_none()) else { return false };
        match node.sessions[role as usize] {
            Session::Live { asked, .. } => asked.is_none(),
            // It says goodbye, and may send its last.
            Session::Closing { .. } => true,
            _ => false,
        }
    }

    fn judge(&mut self) {
        for role in ROLES {
            let writers = self.writers(role);
            if writers.len() > 1 {
                self.doubles.push((self.now, role));
                let pardoned = |node: &&usize| self.excused[**node].is_some_and(|at| at + PARDON > self.now);
                if writers.iter().filter(pardoned).count() == 0 {
                    self.crimes.push((self.now, role));
                }
            }
        }
        let carried = ROLES.into_iter().any(|role| !self.writers(role).is_empty());
        if carried {
            self.first.get_or_insert(self.now);
        } else {
            self.silence.push_back(self.now);
        }
    }

    fn tell_node(&mut self, i: usize, event: Event) {
        let now = self.time(i);
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Some(node) = &mut self.nodes[i] else { return };
            node.hears(&event, now.at, self.now);
            let actions = node.slots.on(event, now);
            for action in actions {
                match action {
                    Action::Get(role) => self.request(i, role, None),
                    Action::Put(role, record, version) => self.request(i, role, Some((record, version))),
                    Action::Permit(permits) => self.permit(i, permits),
                    Action::Answer(role, answer) => self.answer(i, role, answer),
                }
            }
        }
        if let Some(node) = &self.nodes[i] {
            let view = node.slots.view();
            if node.ready.is_some() {
                return node.looks_on(&view);
            }
            self.memory[i] = view.slots.iter().filter(|slot| slot.mine).map(|slot| slot.ingest).collect();
        }
    }
}
