//! Keeps the schedule ahead of the clock and the programme in step with it.

mod begun;
mod log;
mod opening;
mod operator;
mod recall;
mod show;

use super::command::Command;
use super::page::{Entry, FORMAT, Page, Reason};
use super::plan::{self, Rules};
use super::{Programme, Schedule};
use crate::host::Clock;
use crate::media::{Cell, ContentHash, Grid, Rendition, RenditionId};
use crate::render::{Shelf, Unopened};
use crate::store::{self, Store};
use crate::telemetry::messages;
pub use begun::{Begun, begin};
pub(super) use log::Log;
use log::{Appended, Beat};
use opening::{OPEN_AHEAD, Openings};
pub use recall::Notes;
use recall::Recall;
pub use show::shared_margin;
use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Renditions stay open for this long after their end, for those who resend.
const OPEN_BEHIND: Duration = Duration::from_secs(60);
/// Airings that are remembered for the rotation.
const HISTORY: usize = 2_000;
/// After a failure of the store it is tried again this much later.
const RETRY: Duration = Duration::from_secs(5);
/// How long the rotation waits at the start to remember more than the latest pages tell.
const RECOLLECTION: Duration = Duration::from_secs(1);
/// How long the first entry may wait for a track to be ready, when nothing is scheduled.
const PROMPT: Duration = Duration::from_millis(400);
/// Races that may be lost in a row before the node rests for a [`RETRY`].
const RACES: usize = 16;

/// What the task is given.
pub struct Settings<O> {
    /// Who writes, in pages.
    pub node: String,
    /// The profile's cells.
    pub grid: Grid,
    /// How the schedule is kept.
    pub rules: Rules,
    /// How often the store is asked for other nodes' pages.
    pub poll: Duration,
    /// Opens a rendition.
    pub open: O,
    /// Where this machine keeps what it airs, for a start without the store, if anywhere.
    pub recall: Option<Notes>,
}

/// What the renderer is told.
pub struct Outputs {
    /// Tracks wanted soon.
    pub wishes: watch::Sender<Arc<[ContentHash]>>,
    /// Renditions that must not be removed.
    pub in_use: watch::Sender<Arc<HashSet<RenditionId>>>,
    /// Renditions that the shelf calls ready and that cannot be opened.
    pub broken: watch::Sender<Arc<HashSet<RenditionId>>>,
}

/// The running stage.
pub struct Task<S, O> {
    keeper: Keeper<S, O>,
    shelves: watch::Receiver<Arc<Shelf>>,
}

/// Brings the schedule from what was read of it up to now, and gives the programme. What is on air is
/// open by then, unless that takes longer than a few seconds.
pub async fn start<S: Store, O: Open>(
    mut settings: Settings<O>,
    begun: Begun<S>,
    clock: Clock,
    mut shelves: watch::Receiver<Arc<Shelf>>,
    outputs: Outputs,
) -> (Task<S, O>, watch::Receiver<Arc<Programme>>) {
    let shelf = shelves.borrow_and_update().clone();
    let programme = Programme {
        grid: settings.grid,
        profile: shelf.profile.clone(),
        standby: shelf.standby.clone(),
        airings: Vec::new(),
        open: HashMap::new(),
        alone: None,
    };
    let (programme, receiver) = watch::channel(Arc::new(programme));
    let mut keeper = Keeper {
        log: begun.log,
        loaded: false,
        logged: Schedule::default(),
        aired: Schedule::default(),
        alone: None,
        untouched: true,
        waiting: VecDeque::new(),
        open: HashMap::new(),
        openings: Openings::default(),
        broken: HashSet::new(),
        recall: Recall::new(settings.recall.take()),
        given: shelf.clone(),
        shelf,
        settings,
        clock,
        programme,
        outputs,
    };
    keeper.take_in(begun.read).await;
    keeper.recall().await;
    if keeper.aired.at(keeper.now()).is_none() {
        // Nothing is scheduled for now, so whatever is sent first begins something: better a track
        // than the card, if the shelf is only a moment behind.
        let ready = |shelf: &Arc<Shelf>| shelf.tracks.iter().any(|track| track.state.is_ready());
        if let Ok(Ok(shelf)) = tokio::time::timeout(PROMPT, shelves.wait_for(ready)).await {
            keeper.on_shelf(shelf.clone());
        }
        // And better not one that has just played.
        let _ = tokio::time::timeout(RECOLLECTION, keeper.recollect()).await;
    }
    keeper.turn().await;
    keeper.open_what_is_first().await;
    keeper.untouched = false;
    (Task { keeper, shelves }, receiver)
}

impl<S: Store, O: Open> Task<S, O> {
    /// Runs until it is cancelled, and calls `beat` at every turn, which is at least as often as the
    /// store is polled, and whenever the store has answered.
    pub async fn run(self, mut commands: mpsc::Receiver<Command>, beat: Beat, cancel: CancellationToken) {
        let Self { mut keeper, mut shelves } = self;
        keeper.log.beats(beat);
        let mut look = Instant::now() + keeper.pause();
        let mut again = Instant::now();
        loop {
            let turn = tokio::select! {
                () = cancel.cancelled() => return,
                Ok(()) = shelves.changed() => {
                    keeper.on_shelf(shelves.borrow_and_update().clone());
                    true
                }
                Some(command) = commands.recv() => {
                    keeper.obey(command).await;
                    true
                }
                () = tokio::time::sleep_until(look) => {
                    // Counted from its start: a slow answer puts off no look.
                    let started = Instant::now();
                    let changed = keeper.look_at_store().await;
                    look = started + keeper.pause();
                    changed
                }
                opened = keeper.openings.ended() => {
                    keeper.on_opened(opened);
                    true
                }
                older = keeper.log.older() => {
                    keeper.remember(older);
                    false
                }
                () = tokio::time::sleep_until(again) => true,
            };
            keeper.log.beat();
            if turn {
                again = Instant::now() + keeper.turn().await;
            }
        }
    }
}

/// A rendition on its way; it is given up by dropping this.
pub type Opening = Pin<Box<dyn Future<Output = Result<Rendition, Unopened>> + Send>>;

/// Opens a rendition. Never waits for ever.
pub trait Open: Fn(&RenditionId) -> Opening + Send + Sync + 'static {}
impl<F: Fn(&RenditionId) -> Opening + Send + Sync + 'static> Open for F {}

struct Keeper<S, O> {
    log: Log<S>,
    loaded: bool,
    /// What the log says.
    logged: Schedule,
    /// What this node airs: the same, unless it is or was alone.
    aired: Schedule,
    /// Why the store is out of reach, if it is.
    alone: Option<store::Error>,
    untouched: bool,
    waiting: VecDeque<ContentHash>,
    open: HashMap<RenditionId, Arc<Rendition>>,
    openings: Openings,
    /// What could not be opened, until the renderer has taken it off the shelf.
    broken: HashSet<RenditionId>,
    recall: Recall,
    /// The renderer's.
    given: Arc<Shelf>,
    /// The same as far as it is of use here and now: see [`Keeper::settle`].
    shelf: Arc<Shelf>,
    settings: Settings<O>,
    clock: Clock,
    programme: watch::Sender<Arc<Programme>>,
    outputs: Outputs,
}

impl<S: Store, O: Open> Keeper<S, O> {
    /// Until the store is looked at again.
    fn pause(&self) -> Duration {
        if self.alone.is_some() { RETRY } else { self.settings.poll }
    }

    fn now(&self) -> Cell {
        self.settings.grid.cell_at(self.clock.now())
    }

    /// One turn: extend what is too short, open what is near, tell everyone. Says when to come back.
    async fn turn(&mut self) -> Duration {
        self.queue_what_became_ready().await;
        self.drop_what_is_lost().await;
        let mut plan = self.extension();
        for _ in 0..RACES {
            if plan.entries.is_empty() {
                break;
            }
            let written = self.write(Reason::Rotation, plan.entries).await;
            if !written {
                self.look_at_store().await;
            }
            plan = self.extension();
            if written {
                break;
            }
        }
        let now = self.now();
        let grid = self.settings.grid;
        self.aired.forget(now, HISTORY);
        self.logged.forget(now, HISTORY);
        let next_opening = self.open_what_is_near(now);
        self.show();
        self.tell(now, &plan);
        self.note(now);
        let again = [plan.again, next_opening].into_iter().flatten().min();
        // A turn costs next to nothing, so a bound that only rounding could exceed may be short.
        let wait = again.map_or(OPEN_AHEAD, |cell| self.clock.until(grid.start(cell)));
        wait.max(grid.duration(1))
    }

    async fn drop_what_is_lost(&mut self) {
        let mut lost = self.broken.clone();
        if self.alone.is_some() {
            // What is out of reach with the store may stay so; what is here plays meanwhile.
            lost.extend(self.openings.away().cloned());
        }
        for _ in 0..RACES {
            let entries =
                plan::without_lost(&self.aired, &self.shelf, &lost, self.now(), &self.settings.rules);
            if entries.is_empty() || self.write(Reason::Removal, entries).await {
                return;
            }
            self.look_at_store().await;
        }
    }

    fn extension(&self) -> plan::Extension {
        plan::extend(&self.aired, &self.shelf, self.now(), self.untouched, &self.settings.rules)
    }

    /// Appends a page; true if it stands, in the log or, alone, here. False: another node's page stands
    /// there, which is to be read before deciding again.
    async fn write(&mut self, reason: Reason, entries: Vec<Entry>) -> bool {
        let number = self.log.next_number();
        let page = Page { format: FORMAT, number, node: self.settings.node.clone(), reason, entries };
        if self.alone.is_none() {
            match self.log.append(&page).await {
                Ok(Appended::Written) => {
                    self.logged.apply(&page);
                    self.aired.apply(&page);
                    self.show();
                    return true;
                }
                Ok(Appended::Lost) => return false,
                Err(error) => self.go_alone(error),
            }
        }
        self.aired.apply(&page);
        self.show();
        true
    }

    /// Reads what others wrote, and comes back from being alone. Says whether anything changed.
    async fn look_at_store(&mut self) -> bool {
        let since = begun::since(self.settings.grid, &self.clock);
        let read = begun::read(&mut self.log, (!self.loaded).then_some(since)).await;
        self.take_in(read).await
    }

    /// Takes in what was read, or why nothing could be. Says whether anything changed.
    async fn take_in(&mut self, read: Result<Vec<Page>, store::Error>) -> bool {
        let was = self.alone.clone();
        match read {
            Ok(pages) => {
                self.loaded = true;
                for page in &pages {
                    self.logged.apply(page);
                }
                match was.is_some() {
                    true => self.rejoin().await,
                    false => pages.iter().for_each(|page| self.aired.apply(page)),
                }
                self.show();
                was.is_some() || !pages.is_empty()
            }
            Err(error) => {
                self.go_alone(error);
                self.alone != was
            }
        }
    }

    fn go_alone(&mut self, error: store::Error) {
        if self.alone.is_none() {
            tracing::warn!(message_id = messages::STORE_AWAY, %error, "the schedule's store is out of reach; this node goes on alone");
        }
        if self.alone.replace(error).is_none() {
            self.settle();
        }
    }

    /// Reads all that the log remembers.
    async fn recollect(&mut self) {
        while self.log.has_older() {
            let older = self.log.older().await;
            self.remember(older);
        }
    }

    /// Older pages have come.
    fn remember(&mut self, older: Schedule) {
        self.logged.prepend(older.clone());
        self.aired.prepend(older);
    }

    /// From the end of what is on air on, the log counts again, or is written on with what this
    /// node had chosen.
    async fn rejoin(&mut self) {
        let why = self.alone.take();
        self.settle();
        let soonest = self.now().plus(self.settings.rules.margin);
        let join = self.aired.at(soonest).map_or(soonest, |airing| airing.to);
        self.aired.prepend(self.logged.clone());
        if self.logged.end().is_some_and(|end| end > join) {
            let theirs: Vec<_> = self.logged.from(join).map(|airing| airing.entry.clone()).collect();
            self.aired.overlay(join, theirs);
            tracing::info!(
                message_id = messages::STORE_BACK_FOLLOWED,
                "the schedule's store is back; its log counts from the next track on"
            );
            return;
        }
        let whole = |airing: &&super::Airing| airing.to > soonest && airing.from == airing.entry.start;
        let ours: Vec<_> =
            self.aired.from(self.now()).filter(whole).map(|a| Entry::clone(&a.entry)).collect();
        // A race that is lost here is another node's page: the next look finds it, and rejoins. A
        // write that fails has made this node alone again.
        if !ours.is_empty() && !self.write(Reason::Rotation, ours).await {
            self.alone = self.alone.take().or(why);
            self.settle();
        }
        if self.alone.is_none() {
            tracing::info!(message_id = messages::STORE_BACK, "the schedule's store is back");
        }
    }
}
