//! What a schedule does whose log and renditions are far away, as in a bucket.

use super::*;
use crate::store;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A store far away: every request takes its time, and is counted.
#[derive(Clone)]
struct Far {
    near: Memory,
    away: Duration,
    reads: Arc<AtomicUsize>,
    listings: Arc<AtomicUsize>,
}

impl Store for Far {
    async fn list(&self, prefix: &str, after: &str) -> Result<Vec<String>, store::Error> {
        self.listings.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.away).await;
        self.near.list(prefix, after).await
    }

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, store::Version)>, store::Error> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.away).await;
        self.near.get(key).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Vec<u8>) -> Result<store::Put, store::Error> {
        tokio::time::sleep(self.away).await;
        self.near.put_if_absent(key, bytes).await
    }

    async fn put_if_match(
        &self,
        key: &str,
        bytes: Vec<u8>,
        version: &store::Version,
    ) -> Result<store::Put, store::Error> {
        self.near.put_if_match(key, bytes, version).await
    }

    async fn remove(&self, key: &str) -> Result<(), store::Error> {
        tokio::time::sleep(self.away).await;
        self.near.remove(key).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_reads_the_end_of_a_long_log_and_remembers_the_rest_later() {
    let world = World::new();
    let near = Memory::default();
    // Somebody skips every minute for seven hours: as many pages.
    let node = world.node("a", near.another(), world.shelf(20, 20)).await;
    for _ in 0..420 {
        node.ask(|reply| Command::Skip { reply }).await.unwrap();
        watch_for(MINUTE, || {}).await;
    }
    let plan = node.ask(|reply| Command::Plan { count: 5, reply }).await.scheduled;
    let at = node.now().plus(3);
    let before = node.on_air(at);
    drop(node);
    let far = Far {
        near: near.another(),
        away: Duration::from_millis(100),
        reads: Arc::default(),
        listings: Arc::default(),
    };
    let start = Instant::now();
    let node = world.node("b", far.clone(), world.shelf(20, 20)).await;
    assert!(start.elapsed() < Duration::from_millis(500), "on air after {:?}", start.elapsed());
    assert!(far.reads.load(Ordering::Relaxed) < 40, "{:?} pages", far.reads);
    assert_eq!(node.on_air(at), before);
    assert_eq!(node.ask(|reply| Command::Plan { count: 5, reply }).await.scheduled, plan);
    watch_for(MINUTE, || {}).await;
    assert!(far.reads.load(Ordering::Relaxed) > 400, "{:?} pages", far.reads);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_air_is_opened_first_and_what_comes_late_is_joined_in_place() {
    let world = World::new();
    let store = Memory::default();
    let node = world.node("a", store.another(), world.shelf(20, 20)).await;
    let plan = node.ask(|reply| Command::Plan { count: 3, reply }).await.scheduled;
    drop(node);
    // From a bucket, opening takes a while: two seconds here, but for what is on air a minute.
    let (first, slow) = (plan[0].rendition.clone(), Duration::from_secs(60));
    let delay = |id: &RenditionId| if *id == first { slow } else { Duration::from_secs(2) };
    world.delays.lock().unwrap().extend((0..20).map(|n| {
        let id = RenditionId::of(&digest(n));
        (id.clone(), delay(&id))
    }));
    let start = Instant::now();
    let node = world.node("b", store.another(), world.shelf(20, 20)).await;
    assert!(start.elapsed() < Duration::from_secs(4), "on air after {:?}", start.elapsed());
    assert_eq!(node.on_air(node.now()), None, "the card is on until then");
    watch_for(Duration::from_secs(30), || {}).await;
    for entry in &plan[1..] {
        let opened = (entry.rendition.clone(), entry.start);
        assert_eq!(node.on_air(entry.start), Some(opened), "what comes next does not wait for it");
    }
    watch_for(Duration::from_secs(32), || {}).await;
    assert_eq!(node.on_air(node.now()), Some((plan[0].rendition.clone(), plan[0].start)));
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_reach_is_asked_for_until_it_comes_and_plays_then() {
    let world = World::new();
    let store = Memory::default();
    let node = world.node("a", store.another(), world.shelf(20, 20)).await;
    let plan = node.ask(|reply| Command::Plan { count: 3, reply }).await.scheduled;
    drop(node);
    world.away.lock().unwrap().push(plan[0].rendition.clone());
    let node = world.node("b", store.another(), world.shelf(20, 20)).await;
    watch_for(Duration::from_secs(20), || {}).await;
    assert_eq!(node.on_air(node.now()), None);
    assert!(node.broken.borrow().is_empty(), "it is not rendered anew");
    world.away.lock().unwrap().clear();
    watch_for(Duration::from_secs(40), || {}).await;
    assert_eq!(node.on_air(node.now()), Some((plan[0].rendition.clone(), plan[0].start)));
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_plays_what_is_on_its_own_disk() {
    let world = World::new();
    let store = Memory::default();
    let mut shelf = Shelf::clone(&world.shelf(20, 20));
    let away: Vec<_> = (5..20).map(|n| RenditionId::of(&digest(n))).collect();
    for track in &mut shelf.tracks {
        if let State::Ready { id, here, .. } = &mut track.state {
            *here = !away.contains(id);
        }
    }
    let node = world.node("a", store.clone(), Arc::new(shelf)).await;
    watch_for(MINUTE, || {}).await;
    store.set_fault(Fault::Refuses);
    *world.away.lock().unwrap() = away;
    let mut cards = 0;
    watch_for(3 * 60 * MINUTE, || cards += usize::from(node.on_air(node.now()).is_none())).await;
    assert_eq!(cards, 0, "seconds of the standby card");
    store.set_fault(Fault::None);
    world.away.lock().unwrap().clear();
    watch_for(25 * MINUTE, || {}).await;
    let plan = node.ask(|reply| Command::Plan { count: 20, reply }).await.scheduled;
    let far = |entry: &crate::schedule::Entry| entry.source.as_str() >= "005.ogg";
    assert!(plan.iter().any(far), "and everything again when the store is back");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_log_is_found_within_the_store_s_patience_however_long_it_is() {
    // What nobody could remove stays: weeks, months and years of it, with a hole at its beginning.
    for (pages, most) in
        [(0, 1), (1, 1), (999, 1), (1000, 1), (1500, 2), (2050, 4), (10_000, 8), (300_000, 22)]
    {
        let store = Memory::default();
        let numbers = (1..=pages).filter(|number| *number != 7);
        for number in numbers {
            let put = store.put_if_absent(&format!("schedule/p/{number:012}.json"), Vec::new()).await;
            assert!(matches!(put, Ok(store::Put::Written(_))));
        }
        let listings = Arc::new(AtomicUsize::new(0));
        let away = Duration::from_millis(100);
        let far = Far { near: store.another(), away, reads: Arc::default(), listings: listings.clone() };
        let mut log = crate::schedule::task::Log::new(far, "schedule/p".to_owned());
        // None of these pages can be read, so all that it may read is asked for, in vain.
        let _ = log.load(Cell(0)).await;
        assert_eq!(log.next_number(), pages + 1, "{pages} pages");
        let asked = listings.load(Ordering::Relaxed);
        println!("{pages} pages: {asked} listings");
        assert!(asked <= most, "{asked} listings of {pages} pages");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_with_much_to_read_is_no_schedule_that_stands_still() {
    let world = World::new();
    let near = Memory::default();
    let first = world.node("a", near.another(), world.shelf(20, 20)).await;
    let far = Far {
        near: near.another(),
        away: Duration::from_millis(2_500),
        reads: Arc::default(),
        listings: Arc::default(),
    };
    let second = world.node("b", far.clone(), world.shelf(20, 20)).await;
    far.near.set_fault(Fault::Refuses);
    for _ in 0..60 {
        first.ask(|reply| Command::Skip { reply }).await.unwrap();
        watch_for(Duration::from_secs(5), || {}).await;
    }
    far.near.set_fault(Fault::None);
    let read = far.reads.load(Ordering::Relaxed);
    watch_for(5 * MINUTE, || {}).await;
    assert!(far.reads.load(Ordering::Relaxed) > read + 60, "it has read on");
    let beats = second.beats.lock().unwrap();
    let longest = beats.windows(2).map(|two| two[1] - two[0]).max().expect("it has beaten");
    assert!(longest < Duration::from_secs(10), "no beat for {longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_without_the_store_goes_on_with_what_this_machine_knew_and_others_air() {
    let world = World::new();
    let store = Memory::default();
    let (mine, other) = (store.another(), store.another());
    let other = world.node("b", other, world.shelf(20, 20)).await;
    let node = world.node("a", mine.clone(), world.shelf(20, 20)).await;
    watch_for(7 * MINUTE, || {}).await;
    drop(node);
    mine.set_fault(store::memory::Fault::Hangs);
    watch_for(MINUTE, || {}).await;
    let node = world.node("a", mine.clone(), world.shelf(20, 20)).await;
    // As far as had been planned then.
    watch_for(10 * MINUTE, || {
        assert!(node.on_air(node.now()).is_some());
        assert_eq!(node.on_air(node.now()), other.on_air(node.now()));
    })
    .await;
    mine.set_fault(store::memory::Fault::None);
    watch_for(10 * MINUTE, || {}).await;
    assert_eq!(node.on_air(node.now()), other.on_air(node.now()), "it has rejoined");
}
