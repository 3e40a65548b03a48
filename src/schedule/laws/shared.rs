//! Two nodes that air one schedule send the same, whatever is changed and whenever they look.

use super::*;
use crate::store::{self, Put, Version};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A publisher's lead.
const LEAD: Duration = Duration::from_millis(750);
/// Less than the patience with a store.
const SLOWEST: u64 = 2_900;

/// A store whose answers take their time, another one each time.
#[derive(Clone)]
struct Slow {
    near: Memory,
    random: Arc<Mutex<u64>>,
    /// The longest that a read takes, in milliseconds.
    reads: Arc<AtomicU64>,
    /// The longest that a write takes, in milliseconds.
    writes: u64,
}

impl Slow {
    fn new(near: Memory, seed: u64, writes: u64) -> Self {
        Self { near, random: Arc::new(Mutex::new(seed | 1)), reads: Arc::new(1.into()), writes }
    }

    /// Takes up to `most` ms, of which any part is the way there.
    async fn on_the_way<T>(&self, most: u64, work: impl Future<Output = T>) -> T {
        let (whole, there) = {
            let mut random = self.random.lock().unwrap();
            let whole = below(&mut random, most);
            // Half of the time it is all the way back: what is told is as old as it may be.
            (whole, below(&mut random, 2) * below(&mut random, whole + 1))
        };
        tokio::time::sleep(Duration::from_millis(there)).await;
        let done = work.await;
        tokio::time::sleep(Duration::from_millis(whole - there)).await;
        done
    }
}

/// A number below `limit`, by xorshift.
fn below(random: &mut u64, limit: u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random % limit
}

impl Store for Slow {
    async fn list(&self, prefix: &str, after: &str) -> Result<Vec<String>, store::Error> {
        self.on_the_way(SLOWEST, self.near.list(prefix, after)).await
    }

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, store::Error> {
        self.on_the_way(self.reads.load(Relaxed), self.near.get(key)).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Vec<u8>) -> Result<Put, store::Error> {
        self.on_the_way(self.writes, self.near.put_if_absent(key, bytes)).await
    }

    async fn put_if_match(&self, key: &str, bytes: Vec<u8>, version: &Version) -> Result<Put, store::Error> {
        self.on_the_way(self.writes, self.near.put_if_match(key, bytes, version)).await
    }

    async fn remove(&self, key: &str) -> Result<(), store::Error> {
        self.on_the_way(self.writes, self.near.remove(key)).await
    }
}

/// What is sent at each cell, from where it begins: its rendition, and where that stands.
type Sent = BTreeMap<Cell, Option<(RenditionId, Cell)>>;

/// Sends for so long what is due meanwhile, as publishers do.
async fn send(nodes: [&Node; 2], sent: &mut [Sent; 2], time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        for (node, sent) in nodes.into_iter().zip(sent.iter_mut()) {
            let cell = grid().cell_at(node.clock.now().plus(LEAD));
            sent.entry(cell).or_insert_with(|| node.on_air(cell));
        }
        tokio::time::sleep(Duration::from_millis(125)).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn what_an_operator_changes_on_one_node_reaches_the_air_of_both_at_one_cell(
        seeds in any::<(u64, u64)>(),
        changes in prop::collection::vec((0usize..2, 30_000u64..90_000), 8..16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let margin = task::shared_margin(POLL, LEAD);
            let mut world = World::new();
            world.rules = Rules { margin: grid().cells_in(margin), must: cells(20), ..rules() };
            let store = Memory::default();
            // The writer's writes may take as long as its reads. The other's are in time for its next look.
            let (one, other) = (Slow::new(store.another(), seeds.0, SLOWEST), Slow::new(store.another(), seeds.1, 200));
            let reads = [one.reads.clone(), other.reads.clone()];
            let one = world.node("one", one, world.shelf(20, 20)).await;
            tokio::time::sleep(Duration::from_millis(seeds.0 % 5_000)).await;
            let other = world.node("other", other, world.shelf(20, 20)).await;
            reads.iter().for_each(|reads| reads.store(SLOWEST, Relaxed));
            let mut sent = [Sent::new(), Sent::new()];
            for (change, wait) in changes {
                send([&one, &other], &mut sent, Duration::from_millis(wait)).await;
                let change = async {
                    match change {
                        0 => drop(one.ask(|reply| Command::Skip { reply }).await.unwrap()),
                        _ => drop(one.ask(|reply| Command::Queue { track: "007.ogg".into(), reply }).await.unwrap()),
                    }
                };
                let sending = send([&one, &other], &mut sent, Duration::from_secs(30));
                tokio::join!(change, sending);
                let differ = sent[0].iter().zip(&sent[1]).find(|(one, other)| one != other);
                assert_eq!(differ, None);
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_early_enough_and_no_earlier_than_that() {
    let margin = task::shared_margin(POLL, LEAD);
    assert_eq!(margin, Duration::from_millis(12_750));
    let mut world = World::new();
    world.rules = Rules { margin: grid().cells_in(margin), must: cells(20), ..rules() };
    let node = world.node("a", Memory::default(), world.shelf(20, 20)).await;
    watch_for(MINUTE, || {}).await;
    let asked = node.clock.now();
    let next = node.ask(|reply| Command::Skip { reply }).await.unwrap();
    let wait = grid().start(next.start).since(asked);
    assert!(wait + grid().duration(1) > margin && wait < margin + grid().duration(1), "in {wait:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_old_pages_to_be_removed() {
    let world = World::new();
    let node = world.node("a", Slow::new(Memory::default(), 5, 1), world.shelf(20, 20)).await;
    for page in 0..110 {
        let asked = Instant::now();
        node.ask(|reply| Command::Skip { reply }).await.unwrap();
        assert!(asked.elapsed() < Duration::from_millis(50), "{:?} at {page}", asked.elapsed());
        watch_for(Duration::from_secs(20), || {}).await;
    }
}
