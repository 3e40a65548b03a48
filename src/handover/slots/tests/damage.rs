//! A store that holds nonsense, or does not write.

use super::*;

#[test]
fn damage_takes_nothing_from_its_holder_who_writes_it_anew() {
    let garbage = || Record::read(b"{", Duration::from_secs(30));
    let mut scene = Scene::alone();
    scene.at(10_600, Event::Tick);
    assert!(scene.at(10_700, Event::Refused(Primary)).contains(&Action::Get(Primary)));
    let actions = scene.at(10_800, Event::Read(Primary, Some((garbage(), version(7)))));
    assert_eq!(permits(&actions), None, "the stream goes on");
    assert_eq!(puts(&actions), [(Primary, Use::Active, 2)]);
    assert!(matches!(&actions[..], [Action::Put(_, _, Some(over))] if *over == version(7)), "{actions:?}");
    scene.at(10_900, Event::Wrote(Primary, version(8)));
    assert!(scene.slots.view().slots[0].mine);

    // Whoever stands by does not write over it: the holder may live.
    let mut scene = Scene::new(Redundancy::Failover, false);
    assert_eq!(puts(&scene.at(10, Event::Read(Primary, Some((garbage(), version(7)))))), []);
    // What a newer version wrote is another's right.
    let newer = Record::read(br#"{"format":2}"#, Duration::from_secs(30));
    let mut scene = Scene::alone();
    scene.at(10_600, Event::Tick);
    scene.at(10_700, Event::Refused(Primary));
    let actions = scene.at(10_800, Event::Read(Primary, Some((newer, version(7)))));
    assert_eq!(permits(&actions), Some([Lost, Granted]));
}

#[test]
fn writes_that_fail_are_tried_ever_more_seldom_and_the_slot_is_looked_at_meanwhile() {
    let mut scene = Scene::alone();
    let (mut written, mut looked) = (Vec::new(), Vec::new());
    let mut troubled = false;
    while scene.millis < 150_000 {
        let millis = scene.next();
        for action in scene.at(millis, Event::Tick) {
            match action {
                Action::Put(Primary, ..) => {
                    written.push(millis / 1_000);
                    scene.at(millis, Event::Failed(Primary));
                    troubled = true;
                }
                Action::Get(role) => {
                    let there = scene.slots.slots[role as usize].record().cloned().map(|r| (r, version(1)));
                    looked.extend((role == Primary).then_some(millis));
                    for action in scene.at(millis, Event::Read(role, there)) {
                        assert!(matches!(action, Action::Put(Primary, ..)), "{action:?}");
                        written.push(millis / 1_000);
                        scene.at(millis, Event::Failed(Primary));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(scene.slots.view().unreachable, troubled, "at {millis}: it does not come and go");
    }
    // Often until the last renewal has expired, at 30 s.
    assert_eq!(written, [10, 13, 16, 19, 22, 25, 28, 58, 88, 118, 148]);
    // A write tells as well whether another has taken it.
    let mut asked: Vec<_> = written.iter().map(|second| second * 1_000 + 500).chain(looked).collect();
    asked.sort_unstable();
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 3_000), "{asked:?}");
    // Once it is written, all is well.
    let millis = scene.millis + 40_000;
    let mut actions = scene.at(millis, Event::Tick);
    if actions.contains(&Action::Get(Primary)) {
        let there = scene.slots.slots[0].record().cloned().map(|record| (record, version(1)));
        actions = scene.at(millis, Event::Read(Primary, there));
    }
    assert_eq!(puts(&actions).len(), 1);
    scene.at(millis, Event::Wrote(Primary, version(2)));
    scene.at(millis, Event::Read(Backup, None));
    assert!(!scene.slots.view().unreachable);
}

#[test]
fn who_leaves_goes_on_trying_to_give_back_what_it_does_not_need() {
    let mut scene = Scene::alone();
    let seconds = |seconds| scene.base + Duration::from_secs(seconds);
    let (leave, deadline) = (seconds(110), seconds(120));
    let actions = scene.at(7_000, Event::Drain { leave, deadline });
    assert!(puts(&actions).contains(&(Backup, Use::Free, 1)), "{actions:?}");
    scene.at(9_000, Event::Failed(Backup));
    assert!(scene.slots.view().slots[1].mine, "it is still in the store");
    assert!(scene.at(12_000, Event::Tick).contains(&Action::Get(Backup)));
    let there = scene.slots.slots[1].record().cloned().map(|record| (record, version(0)));
    let actions = scene.at(12_100, Event::Read(Backup, there));
    assert!(puts(&actions).contains(&(Backup, Use::Free, 1)), "{actions:?}");
}

#[test]
fn what_failed_while_the_process_stood_still_tells_nothing_of_the_store_now() {
    let mut scene = Scene::alone();
    assert!(!puts(&scene.at(10_600, Event::Tick)).is_empty());
    assert_eq!(scene.at(50_000, Event::Ask(Primary)), []);
    assert_eq!(scene.at(50_000, Event::Failed(Primary)), [Action::Get(Primary)], "it is asked at once");
    let actions = scene.at(50_100, Event::Read(Primary, Some((other(Use::Active), version(9)))));
    assert_eq!(permits(&actions), Some([Lost, Granted]));
    assert_eq!(actions.last(), Some(&Action::Answer(Primary, false)));
}
