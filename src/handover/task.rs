//! Carries out what [`Slots`] decides for one destination: asks the store, permits and forbids, and
//! says how it goes.

pub mod memory;

pub use memory::Memory;

use super::phase::{Phase, View};
use super::record::{self, Identity, Record};
use super::rules::Rules;
use super::slot::Using;
use super::slots::{Action, Event, Now, Slots};
use crate::host::Clock;
use crate::host::drain::Drain;
use crate::publish::task::Keeper;
use crate::publish::{DestinationStatus, IngestState, Role};
use crate::store::{Put, Store};
use crate::telemetry::messages;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long a request may take. A store answers in some tens of milliseconds, and nothing here is
/// worth waiting for longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the task is given.
pub struct Settings<S> {
    /// The destination's name.
    pub destination: String,
    /// Who this process is.
    pub me: Identity,
    /// How to go about it: [`Rules::new`] but in tests.
    pub rules: Rules,
    /// Where nodes agree.
    pub store: Arc<S>,
    /// The programme's clock.
    pub clock: Clock,
    /// What this machine remembers.
    pub memory: Memory,
}

/// Keeps the destination's slots until `cancel`; gives them back as `drain` says.
pub async fn run<S: Store>(
    settings: Settings<S>,
    mut status: watch::Receiver<DestinationStatus>,
    mut keeper: Keeper,
    mut drain: watch::Receiver<Option<Drain>>,
    view: watch::Sender<View>,
    cancel: CancellationToken,
) {
    let first = status.borrow_and_update().clone();
    let mut task = Task::new(settings, &first, view).await;
    task.tell(Event::Tick, &keeper);
    task.drain(&mut drain, &keeper);
    loop {
        let wake = task.slots.deadline();
        let rest = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            Some(answer) = task.requests.join_next() => {
                // A request that panicked is one that failed; its hook has said why.
                let Ok(event) = answer else { continue };
                task.tell(event, &keeper);
            }
            Ok(()) = status.changed() => {
                let uses = uses(&status.borrow_and_update());
                uses.into_iter().for_each(|event| task.tell(event, &keeper));
            }
            Some(ask) = keeper.asks.recv() => {
                task.waiting[ask.role as usize].push(ask.reply);
                task.tell(Event::Ask(ask.role), &keeper);
            }
            Ok(()) = drain.changed() => task.drain(&mut drain, &keeper),
            () = rest => task.tell(Event::Tick, &keeper),
        }
    }
}

struct Task<S> {
    destination: String,
    slots: Slots,
    store: Arc<S>,
    clock: Clock,
    memory: Memory,
    requests: JoinSet<Event>,
    /// Sessions that wait for an answer, by role.
    waiting: [Vec<oneshot::Sender<bool>>; 2],
    expiry: Duration,
    view: watch::Sender<View>,
}

impl<S: Store> Task<S> {
    async fn new(settings: Settings<S>, status: &DestinationStatus, view: watch::Sender<View>) -> Self {
        let Settings { destination, me, rules, store, clock, memory } = settings;
        let now = Now { at: Instant::now(), media: clock.now() };
        let slots = Slots::new(me, rules, status.ingests.len() > 1, now);
        let (known, name) = (memory.clone(), destination.clone());
        let held = tokio::task::spawn_blocking(move || known.held(&name));
        // A state folder that hangs holds nobody up.
        let held = timeout(PATIENCE, held).await.ok().and_then(Result::ok).unwrap_or_default();
        Self {
            slots: slots.remembering(&held),
            destination,
            store,
            clock,
            memory,
            requests: JoinSet::new(),
            waiting: [Vec::new(), Vec::new()],
            expiry: rules.expiry,
            view,
        }
    }

    fn drain(&mut self, drain: &mut watch::Receiver<Option<Drain>>, keeper: &Keeper) {
        let drain = drain.borrow_and_update().clone();
        let event = match drain {
            Some(drain) => Event::Drain { leave: drain.leave_at(), deadline: drain.deadline },
            None => Event::Stay,
        };
        self.tell(event, keeper);
    }

    fn tell(&mut self, event: Event, keeper: &Keeper) {
        let now = Now { at: Instant::now(), media: self.clock.now() };
        for action in self.slots.on(event, now) {
            match action {
                Action::Get(role) => self.get(role),
                Action::Put(role, record, version) => self.put(role, &record, version),
                Action::Permit(permits) => {
                    keeper.permits.send_replace(permits);
                }
                Action::Answer(role, ours) => {
                    for reply in self.waiting[role as usize].drain(..) {
                        // Who asked may have given up.
                        let _ = reply.send(ours);
                    }
                }
            }
        }
        self.show();
    }

    fn get(&mut self, role: Role) {
        let (store, key, expiry) = (self.store.clone(), record::key(&self.destination, role), self.expiry);
        self.requests.spawn(async move {
            match timeout(PATIENCE, store.get(&key)).await {
                Ok(Ok(found)) => {
                    Event::Read(role, found.map(|(bytes, version)| (Record::read(&bytes, expiry), version)))
                }
                Ok(Err(error)) => failed(role, &key, &error),
                Err(error) => failed(role, &key, &error),
            }
        });
    }

    fn put(&mut self, role: Role, record: &Record, version: Option<crate::store::Version>) {
        let (store, key, bytes) = (self.store.clone(), record::key(&self.destination, role), record.write());
        self.requests.spawn(async move {
            let put = async {
                match version {
                    Some(version) => store.put_if_match(&key, bytes, &version).await,
                    None => store.put_if_absent(&key, bytes).await,
                }
            };
            match timeout(PATIENCE, put).await {
                Ok(Ok(Put::Written(version))) => Event::Wrote(role, version),
                Ok(Ok(Put::Refused)) => Event::Refused(role),
                Ok(Err(error)) => failed(role, &key, &error),
                Err(error) => failed(role, &key, &error),
            }
        });
    }

    /// Shows what is the case, and says what has changed.
    fn show(&mut self) {
        let view = self.slots.view();
        let before = self.view.borrow().clone();
        if view == before {
            return;
        }
        let destination = self.destination.as_str();
        for slot in &view.slots {
            let (ingest, generation) = (slot.ingest, slot.generation);
            let had = before.slots.iter().any(|before| before.ingest == ingest && before.mine);
            let holder = slot.holder.as_deref();
            match (had, slot.mine) {
                (false, true) => {
                    tracing::info!(message_id = messages::SLOT_TAKEN, destination, %ingest, generation, "this node may use the ingest");
                }
                (true, false) if slot.lost => {
                    tracing::warn!(message_id = messages::SLOT_LOST, destination, %ingest, generation, holder, "another node has taken the ingest");
                }
                (true, false) => {
                    tracing::info!(message_id = messages::SLOT_RELEASED, destination, %ingest, generation, "the ingest is free for other nodes");
                }
                _ => {}
            }
        }
        if view.phase == Phase::StandingBy && before.phase != Phase::StandingBy {
            tracing::info!(
                message_id = messages::STANDING_BY,
                destination,
                "other nodes have every ingest; this one stands by"
            );
        }
        match (before.unreachable, view.unreachable) {
            (false, true) => {
                tracing::warn!(
                    message_id = messages::SLOTS_AWAY,
                    destination,
                    "the slots are out of reach; what is on air stays on air"
                );
            }
            (true, false) => {
                tracing::info!(message_id = messages::SLOTS_BACK, destination, "the slots are back");
            }
            _ => {}
        }
        let held = |view: &View| -> Vec<Role> {
            view.slots.iter().filter(|slot| slot.mine).map(|slot| slot.ingest).collect()
        };
        if held(&view) != held(&before) {
            let (memory, name, held) = (self.memory.clone(), self.destination.clone(), held(&view));
            // Nobody waits for it, and of two the later one counts either way: it is a hint.
            drop(tokio::task::spawn_blocking(move || memory.hold(&name, &held)));
        }
        self.view.send_replace(view);
    }
}

fn failed(role: Role, key: &str, error: &dyn std::fmt::Display) -> Event {
    tracing::debug!(key, %error, "a slot is out of reach");
    Event::Failed(role)
}

/// What a destination does with its ingests, as its slots need to know it.
fn uses(status: &DestinationStatus) -> Vec<Event> {
    let uses = status.ingests.iter().map(|ingest| {
        let live = matches!(ingest.state, IngestState::Live | IngestState::Draining);
        let busy = live || ingest.state == IngestState::Connecting;
        let using = Using { busy, live, delivered: ingest.acked };
        Event::Uses(ingest.ingest, using)
    });
    uses.collect()
}
