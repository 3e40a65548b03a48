//! The plan against a naive model, and what it promises whatever it is asked.

use super::*;
use crate::library::cpu::cpu_time;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const FILES: u8 = 12;

fn name(n: u8) -> ContentHash {
    ContentHash::of(&[n; 32])
}

/// Something to plan for. The size of a file belongs to the file.
#[derive(Clone, Debug)]
struct Scene {
    sizes: Vec<u64>,
    /// Each once.
    wants: Vec<u8>,
    /// Part of the size that is here in tenths, and when it was needed.
    local: BTreeMap<u8, (u64, u64)>,
    held: Vec<u8>,
    room: Room,
}

impl Scene {
    fn local(&self) -> HashMap<ContentHash, Local> {
        let here = |(n, (tenths, needed)): (&u8, &(u64, u64))| {
            let size = self.sizes[*n as usize];
            (name(*n), Local { bytes: size * tenths / 10, whole: *tenths == 10, needed: *needed })
        };
        self.local.iter().map(here).collect()
    }

    fn held(&self) -> HashSet<ContentHash> {
        self.held.iter().map(|n| name(*n)).collect()
    }

    /// What the plan says, by number: evict, fetch.
    fn plan(&self) -> (Vec<u8>, Vec<u8>, Option<u8>) {
        let names: Vec<_> = (0..FILES).map(name).collect();
        let number = |hash: &ContentHash| names.iter().position(|known| known == hash).unwrap() as u8;
        let (local, held) = (self.local(), self.held());
        let want = |n: &u8| Want { hash: &names[*n as usize], size: self.sizes[*n as usize] };
        let plan = plan(self.wants.iter().map(want), &local, &held, self.room);
        let fetch = plan.fetch.iter().map(|want| number(want.hash)).collect();
        let evict = plan.evict.iter().map(|hash| number(hash)).collect();
        (evict, fetch, plan.too_large.map(|want| number(want.hash)))
    }

    fn carry_out(&mut self) {
        let (evict, fetch, _) = self.plan();
        for n in evict {
            self.local.remove(&n);
        }
        for n in fetch {
            self.local.insert(n, (10, 99));
        }
    }

    fn size(&self, n: u8) -> u64 {
        self.sizes[n as usize]
    }

    fn bytes(&self, n: u8) -> u64 {
        self.local.get(&n).map_or(0, |(tenths, _)| self.size(n) * tenths / 10)
    }

    fn total(&self) -> u64 {
        self.local.keys().map(|n| self.bytes(*n)).sum()
    }

    fn is_whole(&self, n: u8) -> bool {
        self.local.get(&n).is_some_and(|(tenths, _)| *tenths == 10)
    }

    /// Bytes of these and of what is held, when what is among these is whole.
    fn with(&self, wants: &[u8]) -> u64 {
        let grown: u64 = wants.iter().map(|n| self.size(*n)).sum();
        let held = self.held.iter().filter(|n| !wants.contains(n));
        grown + held.map(|n| self.bytes(*n)).sum::<u64>()
    }

    /// The same by trying: the longest beginning that fits, and one by one the least needed.
    fn naive(&self) -> (Vec<u8>, Vec<u8>, Option<u8>) {
        let can = |n: &u8| self.held.contains(n) || self.with(&[*n]) <= self.room.disk;
        let wants: Vec<u8> = self.wants.iter().copied().filter(can).collect();
        let alone = wants.first().map_or(0, |n| self.with(&[*n]));
        let limit = self.room.cache.max(alone).min(self.room.disk);
        let kept = (0..=wants.len()).rev().map(|k| &wants[..k]);
        let kept = kept
            .into_iter()
            .find(|kept| kept.iter().all(|n| self.held.contains(n)) || self.with(kept) <= limit)
            .unwrap();
        // What lies behind the first that finds no room is not looked at.
        let looked = self.wants.iter().take_while(|n| !can(n) || kept.contains(n));
        let too_large = looked.copied().find(|n| !can(n));
        let fetch = kept.iter().copied().filter(|n| !self.is_whole(*n)).collect();
        let (mut after, mut evict) = (self.local.clone(), Vec::new());
        loop {
            let loose = |n: &&u8| !kept.contains(n) && !self.held.contains(n);
            let total = self.with(kept) + after.keys().filter(loose).map(|n| self.bytes(*n)).sum::<u64>();
            let oldest =
                after.iter().filter(|(n, _)| loose(n)).min_by_key(|(n, (_, needed))| (*needed, name(**n)));
            match oldest.map(|(n, _)| *n) {
                Some(n) if total > limit => {
                    after.remove(&n);
                    evict.push(n);
                }
                _ => return (evict, fetch, too_large),
            }
        }
    }
}

fn scene() -> impl Strategy<Value = Scene> {
    let local = prop::collection::btree_map(0..FILES, (0u64..=10, 0u64..5), 0..8);
    let wants = prop::collection::vec(0..FILES, 0..10);
    let held = prop::collection::vec(0..FILES, 0..3);
    (prop::collection::vec(0u64..=40, FILES as usize), wants, local, held, 0u64..200, 0u64..200).prop_map(
        |(sizes, mut wants, local, mut held, cache, disk)| {
            let mut seen = HashSet::new();
            wants.retain(|n| seen.insert(*n));
            held.retain(|n| local.get(n).is_some_and(|(tenths, _)| *tenths == 10));
            let held = held.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
            Scene { sizes, wants, local, held, room: Room { cache, disk } }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_plan_is_what_trying_would_find(scene in scene()) {
        prop_assert_eq!(scene.plan(), scene.naive());
    }

    #[test]
    fn there_is_never_more_than_there_may_be(scene in scene()) {
        let mut after = scene.clone();
        after.carry_out();
        // But for what is held, and for the first that is wanted, which may be more by itself.
        let first = scene.wants.iter().map(|n| scene.with(&[*n])).find(|alone| *alone <= scene.room.disk);
        let cache = scene.room.cache.max(first.unwrap_or(0));
        prop_assert!(after.total() <= cache.min(scene.room.disk).max(scene.with(&[])), "{}", after.total());
    }

    #[test]
    fn what_is_held_stays_and_nothing_goes_in_vain(scene in scene()) {
        let (evict, fetch, _) = scene.plan();
        prop_assert!(evict.iter().all(|n| !scene.held.contains(n) && !fetch.contains(n)));
        prop_assert!(scene.total() + fetch.iter().map(|n| scene.size(*n)).sum::<u64>() > scene.room.cache.min(scene.room.disk) || evict.is_empty());
        let needed = |n: &u8| scene.local[n].1;
        prop_assert!(evict.is_sorted_by_key(needed), "the least needed goes first");
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(scene in scene()) {
        let mut after = scene.clone();
        after.carry_out();
        let (evict, fetch, _) = after.plan();
        prop_assert_eq!((evict, fetch), (vec![], vec![]));
    }

    /// What is wanted first and can be here comes, however full everything is.
    #[test]
    fn the_most_urgent_is_always_fetched(scene in scene()) {
        let mut after = scene.clone();
        after.carry_out();
        if let Some(first) = scene.wants.iter().find(|n| scene.with(&[**n]) <= scene.room.disk) {
            prop_assert!(after.is_whole(*first));
        }
    }
}

#[test]
fn ten_thousand_wants_are_planned_within_a_tenth_of_a_second() {
    let hash = |n: u32| {
        let mut digest = [7; 32];
        digest[..4].copy_from_slice(&n.to_be_bytes());
        ContentHash::of(&digest)
    };
    let names: Vec<_> = (0..10_000).map(hash).collect();
    let here = |(n, hash): (usize, &ContentHash)| {
        (hash.clone(), Local { bytes: 1 << 20, whole: true, needed: n as u64 })
    };
    let local: HashMap<_, _> = names.iter().enumerate().skip(5_000).map(here).collect();
    let wants = || names.iter().map(|hash| Want { hash, size: 1 << 20 });
    let before = cpu_time();
    let room = Room { cache: 6_000 << 20, disk: 1 << 40 };
    let plan = plan(wants(), &local, &HashSet::new(), room);
    assert_eq!((plan.fetch.len(), plan.evict.len()), (5_000, 4_000));
    let cost = cpu_time() - before;
    assert!(cost < Duration::from_millis(100), "{cost:?}");
}
