//! Laws that hold for any schedule of starts, ends, frosts and faults of several nodes that share a
//! store, in virtual time.

mod world;

use super::*;
use proptest::prelude::*;
use world::{Chance, Store, World};

/// What befalls a node, and how long after the last one, in milliseconds.
type Step = (u64, usize, Fate);

#[derive(Clone, Copy, Debug)]
enum Fate {
    Start,
    Kill,
    Freeze(u64),
    Drain(u64),
    Store(Store, u64),
    Ingest(Role, u64),
}

fn fate(faults: bool) -> impl Strategy<Value = Fate> {
    let store = prop::sample::select(vec![Store::Refuses, Store::Hangs, Store::LosesAnswers, Store::Slow]);
    let role = prop::sample::select(vec![Role::Primary, Role::Backup]);
    let rest = u32::from(faults);
    prop_oneof![
        8 => Just(Fate::Start),
        3 => Just(Fate::Kill),
        3 => (500u64..60_000).prop_map(Fate::Freeze),
        3 => (0u64..60_000).prop_map(Fate::Drain),
        3 * rest => (store, 500u64..50_000).prop_map(|(store, millis)| Fate::Store(store, millis)),
        3 => (role, 500u64..30_000).prop_map(|(role, millis)| Fate::Ingest(role, millis)),
    ]
}

fn steps(faults: bool) -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![0u64..500, 500u64..5_000, 5_000u64..50_000];
    prop::collection::vec((pause, 0usize..3, fate(faults)), 1..25)
}

fn live(world: &mut World, steps: &[Step]) {
    for (pause, node, fate) in steps {
        world.run(*pause);
        match *fate {
            Fate::Start => world.start(*node),
            Fate::Kill => world.kill(*node),
            Fate::Freeze(millis) => world.freeze(*node, millis),
            Fate::Drain(millis) => world.drain(*node, millis),
            Fate::Store(store, millis) => world.store(*node, store, millis),
            Fate::Ingest(role, millis) => world.break_ingest(role, millis),
        }
    }
}

/// As it ends when all is well again: who is there carries the stream, and each ingest has one.
fn settles(world: &mut World) -> Result<(), TestCaseError> {
    world.calm();
    // Who was told to leave has left by then, and what was held by the dead has expired.
    world.run(65_000);
    world.start(0);
    world.run(60_000);
    world.start(1);
    world.run(60_000);
    let mut nodes = Vec::new();
    for role in [Role::Primary, Role::Backup] {
        let writers = world.writers(role);
        prop_assert_eq!(writers.len(), 1, "{} in calm: {:?}\n{}", role, writers, world.tell());
        nodes.extend(writers);
    }
    prop_assert!(nodes[0] != nodes[1], "one node has both\n{}", world.tell());
    Ok(())
}

proptest! {
    // `PROPTEST_CASES=5000 cargo test --release --lib handover` runs more of them.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn two_nodes_are_never_on_one_ingest_unless_the_store_is_out_of_reach_of_one(
        steps in steps(true), both: bool, seed: u64,
    ) {
        let mut world = World::new(both, Chance(seed));
        live(&mut world, &steps);
        settles(&mut world)?;
        prop_assert!(world.crimes().is_empty(), "{:?}\n{}", world.crimes(), world.tell());
    }

    #[test]
    fn with_a_store_that_answers_no_two_nodes_are_ever_on_one_ingest(
        steps in steps(false), both: bool, seed: u64,
    ) {
        let mut world = World::new(both, Chance(seed));
        live(&mut world, &steps);
        settles(&mut world)?;
        prop_assert!(world.doubles().is_empty(), "{:?}\n{}", world.doubles(), world.tell());
    }

    #[test]
    fn a_newcomer_is_on_air_at_once_whatever_the_others_did(
        before in 0u64..90_000, kill: bool, gap in 0u64..60_000, seed: u64,
    ) {
        let mut world = World::new(false, Chance(seed));
        world.start(0);
        world.until_ready(0);
        world.run(3_000 + before);
        if kill {
            world.kill(0);
        }
        world.run(gap);
        world.start(1);
        world.until_ready(1);
        world.run(2_000);
        prop_assert!(world.writes(1), "{}", world.tell());
    }

    #[test]
    fn a_node_that_is_started_again_is_on_air_at_once(before in 0u64..90_000, both: bool, away: bool, seed: u64) {
        let mut world = World::new(both, Chance(seed));
        world.start(0);
        world.until_ready(0);
        world.run(3_000 + before);
        world.kill(0);
        if away {
            world.store(0, Store::Hangs, 60_000);
        }
        world.start(0);
        world.until_ready(0);
        world.run(2_000);
        prop_assert!(world.writes(0), "{}", world.tell());
    }

    #[test]
    fn while_one_node_follows_another_the_stream_never_stops(
        order in prop::collection::vec((0u64..20_000, 0u64..60_000), 1..6), both: bool, late: bool, seed: u64,
    ) {
        let mut world = World::new(both, Chance(seed));
        world.start(0);
        world.until_ready(0);
        world.run(5_000);
        for (i, (pause, deadline)) in order.into_iter().enumerate() {
            let (old, new) = (i % 2, (i + 1) % 2);
            world.run(pause);
            if late {
                world.drain(old, 30_000 + deadline);
                world.start(new);
            } else {
                world.start(new);
                world.until_ready(new);
                // It is on air, and has said so.
                world.run(5_000);
                world.drain(old, 10_000 + deadline);
            }
            let within = world.drained(old, 30_000);
            prop_assert!(within.is_some_and(|millis| millis <= 10_000 || both || late), "{:?}\n{}", within, world.tell());
        }
        prop_assert_eq!(world.silence(5_000), 0, "{}", world.tell());
        prop_assert!(world.doubles().is_empty(), "{:?}\n{}", world.doubles(), world.tell());
    }
}
