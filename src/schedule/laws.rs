//! The laws of the running schedule, in virtual time, with a store that fails.

mod far;
mod shared;

use super::command::{Command, Queued, Refusal};
use super::task::{self, Notes, Outputs, Settings};
use super::{Programme, Rules};
use crate::config::Order;
use crate::config::units::FrameRate;
use crate::host::Clock;
use crate::media::synthetic::{self, Recipe, digest};
use crate::media::{Cell, ContentHash, Credits, Grid, ProfileId, Rendition, RenditionId};
use crate::render::{Shelf, Shelved, State, Unopened};
use crate::store::Store;
use crate::store::memory::{Fault, Memory};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_secs(60);
/// Between two looks at the store.
const POLL: Duration = Duration::from_secs(5);

fn grid() -> Grid {
    Grid::new(FrameRate::new(30).unwrap())
}

fn cells(seconds: u64) -> u64 {
    grid().cells_for(seconds * 48_000)
}

fn rules() -> Rules {
    Rules {
        order: Order::Shuffle,
        seed: 1,
        low: cells(900),
        high: cells(1200),
        must: cells(10),
        margin: cells(3),
    }
}

struct World {
    dir: tempfile::TempDir,
    standby: Arc<Rendition>,
    start: Instant,
    rules: Rules,
    /// Renditions that cannot be opened.
    lost: Arc<Mutex<Vec<RenditionId>>>,
    /// Those that are out of reach.
    away: Arc<Mutex<Vec<RenditionId>>>,
    /// How long it takes to open some.
    delays: Arc<Mutex<HashMap<RenditionId, Duration>>>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let recipe = Recipe { number: 9_999, cells: 4, pictures: 60, gop: 60, key_bytes: 0 };
        let standby = Arc::new(synthetic::rendition(dir.path(), grid(), recipe).unwrap());
        Self {
            dir,
            standby,
            start: Instant::now(),
            rules: rules(),
            lost: Arc::default(),
            away: Arc::default(),
            delays: Arc::default(),
        }
    }

    fn clock(&self) -> Clock {
        let start = self.start;
        Clock::on(move || UNIX_EPOCH + Duration::from_secs(1_700_000_000) + start.elapsed())
    }

    /// Tracks of 2 to 5 minutes; the first `ready` of them rendered.
    fn shelf(&self, tracks: u64, ready: u64) -> Arc<Shelf> {
        let track = |n: u64| Shelved {
            source: format!("{n:03}.ogg"),
            hash: ContentHash::of(&digest(n)),
            credits: Credits { title: format!("Track {n:03}"), ..Credits::default() },
            state: if n < ready {
                State::Ready { id: RenditionId::of(&digest(n)), cells: cells(120 + n * 37 % 180), here: true }
            } else {
                State::Pending
            },
        };
        Arc::new(Shelf {
            profile: ProfileId::of(&digest(0)),
            standby: self.standby.clone(),
            tracks: (0..tracks).map(track).collect(),
            rendering: None,
            quarantined: Vec::new(),
            paused: None,
            without: None,
            listed: true,
            complete: tracks == ready,
        })
    }

    async fn node(&self, name: &str, store: impl Store, shelf: Arc<Shelf>) -> Node {
        let (shelves, receiver) = watch::channel(shelf);
        let (wishes, wished) = watch::channel([].into());
        let (in_use, _) = watch::channel(Arc::default());
        let dir = self.dir.path().join(format!("{name}-{}", self.start.elapsed().as_millis()));
        std::fs::create_dir_all(&dir).unwrap();
        let (lost, away, delays) = (self.lost.clone(), self.away.clone(), self.delays.clone());
        let open = move |id: &RenditionId| -> task::Opening {
            let number = u64::from_str_radix(&id.as_str()[..16], 16).unwrap();
            let recipe = Recipe { number, cells: 1, pictures: 1, gop: 1, key_bytes: 0 };
            let opened = match () {
                () if lost.lock().unwrap().contains(id) => Err(Unopened::Broken("it is lost".into())),
                () if away.lock().unwrap().contains(id) => Err(Unopened::Away("it is far away".into())),
                () => Ok(synthetic::rendition(&dir, grid(), recipe).unwrap()),
            };
            let delay = delays.lock().unwrap().get(id).copied();
            Box::pin(async move {
                if let Some(delay) = delay {
                    tokio::time::sleep(delay).await;
                }
                opened
            })
        };
        let (node, poll, rules) = (name.into(), POLL, self.rules);
        let path = self.dir.path().join(format!("{name}.json"));
        let recall = Some(Notes { path, source: "s3://bucket/lofi".into() });
        let settings = Settings { node, grid: grid(), rules, poll, open, recall };
        let (broken, told) = watch::channel(Arc::default());
        let outputs = Outputs { wishes, in_use, broken };
        let profile = receiver.borrow().profile.clone();
        let ((), begun) = task::begin(store, &profile, grid(), &self.clock(), async {}).await;
        let (task, programme) = task::start(settings, begun, self.clock(), receiver, outputs).await;
        let (commands, receiver) = mpsc::channel(4);
        let cancel = CancellationToken::new();
        let beats: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let beating = beats.clone();
        let beat = Box::new(move || beating.lock().unwrap().push(Instant::now()));
        let running = tokio::spawn(task.run(receiver, beat, cancel.clone()));
        Node {
            shelves,
            programme,
            wished,
            broken: told,
            commands,
            beats,
            clock: self.clock(),
            _stop: cancel.drop_guard(),
            _running: running,
        }
    }
}

struct Node {
    shelves: watch::Sender<Arc<Shelf>>,
    programme: watch::Receiver<Arc<Programme>>,
    wished: watch::Receiver<Arc<[ContentHash]>>,
    broken: watch::Receiver<Arc<std::collections::HashSet<RenditionId>>>,
    commands: mpsc::Sender<Command>,
    beats: Arc<Mutex<Vec<Instant>>>,
    clock: Clock,
    _stop: tokio_util::sync::DropGuard,
    _running: tokio::task::JoinHandle<()>,
}

impl Node {
    fn now(&self) -> Cell {
        grid().cell_at(self.clock.now())
    }

    /// Entry numbers on air at `cell`; `None` for the standby card.
    fn on_air(&self, cell: Cell) -> Option<(RenditionId, Cell)> {
        let programme = self.programme.borrow();
        let span = programme.span_at(cell);
        (!Arc::ptr_eq(&span.rendition, &programme.standby))
            .then(|| (span.rendition.meta.id.clone(), span.anchor))
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> T {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.unwrap();
        answer.await.unwrap()
    }
}

/// Lets `time` pass, second by second, and looks at every second.
async fn watch_for(time: Duration, mut look: impl FnMut()) {
    for _ in 0..time.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        look();
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_has_no_hole_and_is_always_scheduled_a_quarter_of_an_hour_ahead() {
    let world = World::new();
    let node = world.node("a", Memory::default(), world.shelf(20, 20)).await;
    assert!(node.on_air(node.now()).is_some(), "nothing was sent yet, so it begins with music");
    watch_for(24 * 60 * MINUTE, || {
        for ahead in [0, 5, 300, 890] {
            assert!(node.on_air(node.now().plus(cells(ahead))).is_some(), "a hole {ahead} s ahead");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_ready_track_goes_on_air_within_seconds_and_what_comes_next_is_wished_for() {
    let world = World::new();
    let node = world.node("a", Memory::default(), world.shelf(20, 0)).await;
    assert!(node.on_air(node.now()).is_none());
    assert_eq!(node.wished.borrow().len(), 8);
    node.shelves.send_replace(world.shelf(20, 1));
    watch_for(Duration::from_secs(4), || {}).await;
    assert!(node.on_air(node.now()).is_some());
    // Nineteen are not ready: rather than play the one again and again, it waits for them …
    assert_eq!(node.on_air(node.now().plus(cells(130))), None);
    // … but not into a hole.
    let mut holes = 0;
    watch_for(10 * MINUTE, || holes += usize::from(node.on_air(node.now()).is_none())).await;
    assert_eq!(holes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_the_same_entry() {
    let world = World::new();
    let store = Memory::default();
    let node = world.node("a", store.another(), world.shelf(20, 20)).await;
    watch_for(7 * MINUTE, || {}).await;
    let (start, at) = (Instant::now(), node.now().plus(60));
    let before = node.on_air(at);
    drop(node);
    let node = world.node("a", store.another(), world.shelf(20, 20)).await;
    assert!(node.on_air(node.now()).is_some() && start.elapsed() < Duration::from_secs(1));
    watch_for(Duration::from_secs(1), || {}).await;
    assert_eq!(node.on_air(at), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn nodes_that_share_a_store_agree_and_one_that_is_cut_off_goes_on_and_rejoins(
        ready in 3u64..20,
        faults in prop::collection::vec((0usize..3, prop::sample::select(vec![Fault::Refuses, Fault::Hangs, Fault::LosesAnswers]), 1u64..50), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let store = Memory::default();
            let stores = [store.another(), store.another(), store.another()];
            // The nodes have rendered different parts of the library.
            let nodes = [
                world.node("a", stores[0].clone(), world.shelf(20, ready)).await,
                world.node("b", stores[1].clone(), world.shelf(20, 20)).await,
                world.node("c", stores[2].clone(), world.shelf(20, 20)).await,
            ];
            for (who, fault, minutes) in faults {
                stores[who].set_fault(fault);
                watch_for(minutes as u32 * MINUTE, || {
                    for node in &nodes {
                        assert!(node.on_air(node.now()).is_some(), "a hole");
                    }
                }).await;
                stores[who].set_fault(Fault::None);
                // The store is asked again within seconds, and what is then on air ends in minutes.
                watch_for(7 * MINUTE, || {}).await;
                for minute in 0..14 {
                    let cell = nodes[0].now().plus(cells(minute * 60));
                    assert_eq!(nodes[0].on_air(cell), nodes[1].on_air(cell), "in {minute} minutes");
                    assert_eq!(nodes[1].on_air(cell), nodes[2].on_air(cell), "in {minute} minutes");
                }
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_wrong_clock_has_planned_for_later_keeps_nothing_off_the_air() {
    let world = World::new();
    let store = Memory::default();
    let early = World { start: Instant::now() - 60 * MINUTE, ..World::new() };
    drop(early.node("a", store.another(), world.shelf(20, 20)).await);
    let node = world.node("a", store.another(), world.shelf(20, 20)).await;
    watch_for(Duration::from_secs(2), || {}).await;
    for ahead in [0, 300, 890] {
        assert!(node.on_air(node.now().plus(cells(ahead))).is_some(), "a hole {ahead} s ahead");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_opened_is_replaced_within_seconds_and_told_to_the_renderer() {
    let world = World::new();
    let node = world.node("a", Memory::default(), world.shelf(20, 20)).await;
    let lost = node.ask(|reply| Command::Plan { count: 2, reply }).await.scheduled;
    drop(node);
    let store = Memory::default();
    *world.lost.lock().unwrap() = lost.iter().map(|entry| entry.rendition.clone()).collect();
    let node = world.node("b", store, world.shelf(20, 20)).await;
    watch_for(Duration::from_secs(8), || {}).await;
    assert!(node.on_air(node.now()).is_some());
    let plan = node.ask(|reply| Command::Plan { count: 5, reply }).await.scheduled;
    let told = node.broken.borrow().clone();
    assert!(!told.is_empty() && plan[1..].iter().all(|entry| !told.contains(&entry.rendition)));
    assert!(told.iter().all(|id| world.lost.lock().unwrap().contains(id)));
}

#[tokio::test(start_paused = true)]
async fn skip_ends_what_is_on_air_within_seconds_at_a_cell_and_goes_on_with_what_was_next() {
    let world = World::new();
    let node = world.node("a", Memory::default(), world.shelf(20, 20)).await;
    watch_for(MINUTE, || {}).await;
    let plan = node.ask(|reply| Command::Plan { count: 4, reply }).await;
    let asked = node.clock.now();
    let next = node.ask(|reply| Command::Skip { reply }).await.unwrap();
    assert_eq!(next.track, plan.scheduled[1].track);
    let at = grid().start(next.start);
    assert!(at.since(asked) < Duration::from_secs(4) && at > asked, "in {:?}", at.since(asked));
    watch_for(Duration::from_secs(4), || {}).await;
    assert_eq!(node.on_air(node.now()), Some((next.rendition, next.start)));
    let after = node.ask(|reply| Command::Plan { count: 4, reply }).await;
    assert_eq!(after.scheduled[1].track, plan.scheduled[2].track);
}

#[tokio::test(start_paused = true)]
async fn a_track_that_was_removed_is_not_begun_any_more() {
    let world = World::new();
    let node = world.node("a", Memory::default(), world.shelf(20, 20)).await;
    let plan = node.ask(|reply| Command::Plan { count: 5, reply }).await.scheduled;
    let mut shelf = Shelf::clone(&world.shelf(20, 20));
    shelf.tracks.retain(|track| ![0, 2].map(|i| &plan[i].track).contains(&&track.hash));
    node.shelves.send_replace(Arc::new(shelf.clone()));
    watch_for(Duration::from_secs(5), || {}).await;
    let after = node.ask(|reply| Command::Plan { count: 5, reply }).await.scheduled;
    // What is on air plays to its end, and the rest moves up.
    assert_eq!((&after[0], &after[1]), (&plan[0], &plan[1]));
    assert_eq!((&after[2].track, after[2].start), (&plan[3].track, plan[1].end()));
    shelf.tracks.clear();
    shelf.listed = false;
    node.shelves.send_replace(Arc::new(shelf));
    watch_for(Duration::from_secs(5), || {}).await;
    let same = node.ask(|reply| Command::Plan { count: 5, reply }).await.scheduled;
    assert_eq!(same, after, "a library that is not listed yet says nothing about what exists");
}

#[tokio::test(start_paused = true)]
async fn queued_tracks_play_next_in_the_order_in_which_they_were_queued() {
    let world = World::new();
    let node = world.node("a", Memory::default(), world.shelf(20, 19)).await;
    let plan = node.ask(|reply| Command::Plan { count: 30, reply }).await;
    let queue = async |track: &str| {
        let track = track.to_owned();
        node.ask(|reply| Command::Queue { track, reply }).await
    };
    let Ok(Queued::Scheduled(first)) = queue("005.ogg").await else { panic!() };
    let Ok(Queued::Scheduled(second)) = queue("track 006").await else { panic!() };
    assert_eq!(first.start, plan.scheduled[0].end());
    assert_eq!(second.start, first.end());
    assert!(matches!(queue("019.ogg").await, Ok(Queued::Rendering { .. })));
    assert!(matches!(queue("track").await, Err(Refusal::Ambiguous { .. })));
    assert!(matches!(queue("nothing like it").await, Err(Refusal::NoSuchTrack { nearest: None, .. })));
    let typo = Refusal::NoSuchTrack { asked: "trakc 005".into(), nearest: Some("005.ogg".into()) };
    assert_eq!(queue("trakc 005").await, Err(typo));
    assert_eq!(node.wished.borrow()[0], ContentHash::of(&digest(19)));
    node.shelves.send_replace(world.shelf(20, 20));
    watch_for(Duration::from_secs(1), || {}).await;
    let after = node.ask(|reply| Command::Plan { count: 30, reply }).await;
    let order: Vec<_> = after.scheduled.iter().map(|entry| entry.source.as_str()).take(4).collect();
    assert_eq!(order, [&plan.scheduled[0].source, "005.ogg", "006.ogg", "019.ogg"]);
    assert_eq!(after.scheduled[4].track, plan.scheduled[1].track);
}
