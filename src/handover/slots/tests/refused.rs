//! A claim that was refused while nobody could read why, and one that merely failed.

use super::*;
use crate::publish::task::gate::BOUND;

/// A lone node that stood still until 50 s and asks for primary then. Its claim is refused.
fn refused(redundancy: Redundancy, backup: bool) -> Scene {
    let mut scene = Scene::new(redundancy, backup);
    let roles = || [Primary, Backup].into_iter().take(1 + usize::from(backup));
    for event in roles().map(|role| Event::Read(role, None)) {
        scene.at(10, event);
    }
    for event in roles().map(|role| Event::Wrote(role, version(0))) {
        scene.at(20, event);
    }
    scene.uses(500, Primary, true);
    scene.at(600, Event::Wrote(Primary, version(1)));
    scene.at(600, Event::Wrote(Backup, version(1)));
    assert!(puts(&scene.at(50_000, Event::Ask(Primary))).contains(&(Primary, Use::Active, 1)));
    scene.at(50_100, Event::Refused(Primary));
    scene
}

fn answers(actions: &[Action]) -> Vec<bool> {
    let answer = |action: &Action| match action {
        Action::Answer(Primary, answer) => Some(*answer),
        _ => None,
    };
    actions.iter().filter_map(answer).collect()
}

#[test]
fn a_claim_that_was_refused_is_no_yes_because_it_cannot_be_read_why() {
    for (redundancy, backup) in [(Redundancy::Failover, false), (Redundancy::Both, true)] {
        let mut scene = refused(redundancy, backup);
        assert_eq!(answers(&scene.at(50_200, Event::Failed(Primary))), [false]);
        // Nor to the next attempt.
        assert!(scene.at(50_500, Event::Ask(Primary)).contains(&Action::Get(Primary)));
        assert_eq!(answers(&scene.at(50_600, Event::Failed(Primary))), [false]);

        // Nor when nothing is heard at all, and in time for who asked.
        let mut scene = refused(redundancy, backup);
        let mut actions = Vec::new();
        while actions.is_empty() {
            let millis = scene.next();
            actions = answers(&scene.at(millis, Event::Tick));
        }
        assert_eq!((scene.millis, actions), (50_400, vec![false]));
        assert!(Rules::new(redundancy).answer < BOUND);
    }
    // Where each has an ingest it was a no at once; and it is one still.
    let mut scene = refused(Redundancy::Failover, true);
    scene.at(50_200, Event::Failed(Primary));
    scene.at(50_400, Event::Ask(Primary));
    assert_eq!(answers(&scene.at(50_500, Event::Failed(Primary))), [false]);
}

#[test]
fn what_was_refused_is_not_waited_for_longer_than_a_slot_takes_to_expire() {
    let mut scene = refused(Redundancy::Failover, false);
    scene.at(50_200, Event::Failed(Primary));
    for second in (53..80).step_by(3) {
        scene.at(second * 1_000, Event::Tick);
        scene.at(second * 1_000 + 500, Event::Failed(Primary));
    }
    scene.at(80_000, Event::Ask(Primary));
    assert_eq!(answers(&scene.at(80_090, Event::Failed(Primary))), [false]);
    scene.at(80_100, Event::Ask(Primary));
    assert_eq!(answers(&scene.at(80_200, Event::Failed(Primary))), [true], "the store stops nobody");
}

#[test]
fn a_read_that_comes_says_who_has_it() {
    let mut scene = refused(Redundancy::Failover, false);
    scene.at(50_200, Event::Failed(Primary));
    let actions = scene.at(50_300, Event::Ask(Primary));
    assert_eq!(actions, [Action::Get(Primary)]);
    let there = scene.slots.slots[0].record().cloned().map(|record| (record, version(7)));
    let actions = scene.at(50_350, Event::Read(Primary, there));
    assert_eq!(puts(&actions), [(Primary, Use::Active, 1)], "nobody took it");
    assert_eq!(answers(&scene.at(50_600, Event::Failed(Primary))), [true], "what fails is no refusal");
}

#[test]
fn what_is_refused_while_it_is_surely_ours_was_taken_by_nobody() {
    let mut scene = Scene::new(Redundancy::Failover, false);
    scene.at(10, Event::Read(Primary, None));
    scene.at(20, Event::Wrote(Primary, version(0)));
    scene.uses(500, Primary, true);
    scene.at(600, Event::Wrote(Primary, version(1)));
    // Somebody writes that it stands by, and then the store is gone.
    scene.at(10_600, Event::Tick);
    scene.at(10_700, Event::Refused(Primary));
    scene.at(12_700, Event::Failed(Primary));
    for millis in [15_000, 30_000] {
        let mut actions = scene.at(millis, Event::Ask(Primary));
        if answers(&actions).is_empty() {
            actions = scene.at(millis + 100, Event::Failed(Primary));
        }
        scene.at(millis + 2_000, Event::Failed(Primary));
        assert_eq!(answers(&actions), [true], "at {millis}");
    }
}
