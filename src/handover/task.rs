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
use crate::store::{self, Put, Store};
use crate::telemetry::messages;
use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
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
    /// Done when this node can publish; until then nothing is taken.
    pub ready: CancellationToken,
    /// Called at every turn, whatever the store does.
    pub beat: Box<dyn Fn() + Send>,
}

/// Keeps the destination's slots until `cancel`; gives them back as `drain` says.
pub async fn run<S: Store>(
    mut settings: Settings<S>,
    mut status: watch::Receiver<DestinationStatus>,
    mut keeper: Keeper,
    mut drain: watch::Receiver<Option<Drain>>,
    view: watch::Sender<View>,
    cancel: CancellationToken,
) {
    let first = status.borrow_and_update().clone();
    let beat = std::mem::replace(&mut settings.beat, Box::new(|| ()));
    let (ready, mut waits) = (settings.ready.clone(), true);
    // What it holds is noted so often that the note is young when the process ends, and it turns.
    let mut notes = interval(settings.rules.renew);
    notes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut task = Task::new(settings, &first, view).await;
    task.tell(Event::Tick, &keeper);
    task.drain(&mut drain, &keeper);
    loop {
        beat();
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
            () = ready.cancelled(), if waits => {
                waits = false;
                task.tell(Event::Ready, &keeper);
            }
            Some(answer) = task.requests.join_next_with_id() => task.answered(answer, &keeper),
            Ok(()) = status.changed() => {
                let uses = uses(&status.borrow_and_update());
                uses.into_iter().for_each(|event| task.tell(event, &keeper));
            }
            Some(ask) = keeper.asks.recv() => {
                task.waiting[ask.role as usize].push(ask.reply);
                task.tell(Event::Ask(ask.role), &keeper);
            }
            Ok(()) = drain.changed() => task.drain(&mut drain, &keeper),
            // What the last process had counts until this one has anything.
            _ = notes.tick(), if !waits => task.note(),
            () = rest => task.tell(Event::Tick, &keeper),
        }
    }
}

type Answer = Result<Event, (Role, store::Error)>;

struct Task<S> {
    destination: String,
    slots: Slots,
    store: Arc<S>,
    clock: Clock,
    memory: Memory,
    requests: JoinSet<Answer>,
    /// What each is about.
    about: HashMap<Id, Role>,
    /// Why the last one failed that did.
    error: Option<store::Error>,
    /// The last note of what is held.
    noting: Option<JoinHandle<()>>,
    /// Sessions that wait for an answer, by role.
    waiting: [Vec<oneshot::Sender<bool>>; 2],
    expiry: Duration,
    view: watch::Sender<View>,
}

impl<S: Store> Task<S> {
    async fn new(settings: Settings<S>, status: &DestinationStatus, view: watch::Sender<View>) -> Self {
        let Settings { destination, me, rules, store, clock, memory, ready: _, beat: _ } = settings;
        let now = Now { at: Instant::now(), media: clock.now() };
        let slots = Slots::new(me, rules, status.ingests.len() > 1, now);
        let (known, name) = (memory.clone(), destination.clone());
        let held = tokio::task::spawn_blocking(move || known.held(&name, rules.expiry));
        // A state folder that hangs holds nobody up.
        let held = timeout(PATIENCE, held).await.ok().and_then(Result::ok).unwrap_or_default();
        Self {
            slots: slots.remembering(&held).unready(),
            destination,
            store,
            clock,
            memory,
            requests: JoinSet::new(),
            about: HashMap::new(),
            error: None,
            noting: None,
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
        self.ask(role, async move {
            let found = in_time("read", &key, store.get(&key)).await.map_err(|error| (role, error))?;
            let found = found.map(|(bytes, version)| (Record::read(&bytes, expiry), version));
            Ok(Event::Read(role, found))
        });
    }

    fn put(&mut self, role: Role, record: &Record, version: Option<store::Version>) {
        let (store, key, bytes) = (self.store.clone(), record::key(&self.destination, role), record.write());
        self.ask(role, async move {
            let put = async {
                match version {
                    Some(version) => store.put_if_match(&key, bytes, &version).await,
                    None => store.put_if_absent(&key, bytes).await,
                }
            };
            Ok(match in_time("write", &key, put).await.map_err(|error| (role, error))? {
                Put::Written(version) => Event::Wrote(role, version),
                Put::Refused => Event::Refused(role),
            })
        });
    }

    fn ask(&mut self, role: Role, request: impl Future<Output = Answer> + Send + 'static) {
        let id = self.requests.spawn(request).id();
        self.about.insert(id, role);
    }

    fn answered(&mut self, answer: Result<(Id, Answer), JoinError>, keeper: &Keeper) {
        let id = answer.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(role) = self.about.remove(&id) else { return };
        let event = match answer {
            Ok((_, Ok(event))) => event,
            Ok((_, Err((role, error)))) => {
                tracing::debug!(%error, "a slot is out of reach");
                self.error = Some(error);
                Event::Failed(role)
            }
            // Its hook has said why.
            Err(_) => Event::Failed(role),
        };
        self.tell(event, keeper);
    }

    /// Notes what is held. Nobody waits for it: it is a hint, and a folder that hangs gets one at a time.
    fn note(&mut self) {
        if self.noting.as_ref().is_some_and(|noting| !noting.is_finished()) {
            return;
        }
        let held = held(&self.view.borrow());
        let (memory, name) = (self.memory.clone(), self.destination.clone());
        self.noting = Some(tokio::task::spawn_blocking(move || memory.hold(&name, &held)));
    }

    /// Shows what is the case, and says what has changed.
    fn show(&mut self) {
        let mut view = self.slots.view();
        view.trouble = self.error.clone().filter(|_| view.unreachable);
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
                    error = view.trouble.as_ref().map(tracing::field::display),
                    "the slots are out of reach; what is on air stays on air"
                );
            }
            (true, false) => {
                tracing::info!(message_id = messages::SLOTS_BACK, destination, "the slots are back");
            }
            _ => {}
        }
        let changed = held(&view) != held(&before);
        self.view.send_replace(view);
        if changed {
            self.note();
        }
    }
}

fn held(view: &View) -> Vec<Role> {
    view.slots.iter().filter(|slot| slot.mine).map(|slot| slot.ingest).collect()
}

/// What a request gives, if it gives anything in [`PATIENCE`].
async fn in_time<T>(
    action: &'static str,
    key: &str,
    request: impl Future<Output = Result<T, store::Error>>,
) -> Result<T, store::Error> {
    let late = || {
        let reason = format!("no answer within {} s", PATIENCE.as_secs());
        store::Error::new(store::Kind::Unreachable, action, key, reason)
    };
    timeout(PATIENCE, request).await.unwrap_or_else(|_| Err(late()))
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
