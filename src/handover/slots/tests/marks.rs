//! Who stands by unseen, and for how long that counts.

use super::*;

/// A lone node on a single ingest, in whose slot another has said that it stands by, at 10 s.
fn wanted() -> (Scene, Record) {
    let mut scene = Scene::new(Redundancy::Failover, false);
    scene.at(10, Event::Read(Primary, None));
    scene.at(20, Event::Wrote(Primary, version(0)));
    scene.uses(500, Primary, true);
    scene.at(600, Event::Wrote(Primary, version(1)));
    let written = scene.slots.slots[0].record().cloned().unwrap();
    let marked = Record { wanted: Some("i-other".into()), wanted_serial: 1, ..written };
    scene.at(10_000, Event::Tick);
    scene.at(10_600, Event::Tick);
    scene.at(10_700, Event::Refused(Primary));
    scene.at(10_800, Event::Read(Primary, Some((marked.clone(), version(2)))));
    assert!(scene.slots.view().relieved, "it is wanted");
    (scene, marked)
}

#[test]
fn whoever_stands_by_counts_for_as_long_as_it_says_so() {
    let (mut scene, marked) = wanted();
    let mut millis = 10_900;
    scene.at(millis, Event::Wrote(Primary, version(3)));
    // The other says it no more, and the holder goes on renewing.
    while millis < 40_700 {
        assert!(scene.slots.view().relieved, "at {millis}");
        millis = scene.next().min(40_700);
        if !puts(&scene.at(millis, Event::Tick)).is_empty() {
            scene.at(millis, Event::Wrote(Primary, version(millis)));
        }
    }
    let seconds = |seconds| scene.base + Duration::from_secs(seconds);
    let (leave, deadline) = (seconds(130), seconds(140));
    let mut actions = scene.at(40_900, Event::Drain { leave, deadline });
    assert!(!scene.slots.view().relieved, "the other may be dead");
    for second in 41..130 {
        actions.extend(scene.at(second * 1_000, Event::Wrote(Primary, version(second))));
        actions.extend(scene.at(second * 1_000, Event::Tick));
    }
    assert_eq!(permits(&actions), None, "it stays for as long as it can");
    assert_eq!(permits(&scene.at(130_000, Event::Tick)), Some([Leave, Leave]));

    // Said again, it counts again.
    let (mut scene, _) = wanted();
    scene.at(10_900, Event::Wrote(Primary, version(3)));
    scene.at(45_000, Event::Tick);
    scene.at(45_100, Event::Refused(Primary));
    assert!(!scene.slots.view().relieved);
    let again = Record { wanted_serial: 2, ..marked };
    scene.at(45_200, Event::Read(Primary, Some((again, version(4)))));
    assert!(scene.slots.view().relieved);
}

#[test]
fn whoever_stands_by_says_so_as_often_as_a_slot_is_renewed() {
    let mut scene = Scene::new(Redundancy::Failover, false);
    let marks = |actions: &[Action]| -> Vec<(Option<String>, u64)> {
        let put = |action: &Action| match action {
            Action::Put(_, record, _) => Some((record.wanted.clone(), record.wanted_serial)),
            _ => None,
        };
        actions.iter().filter_map(put).collect()
    };
    let ours = |serial| vec![(Some("i-me".to_owned()), serial)];
    let actions = scene.at(0, Event::Read(Primary, Some((other(Use::Active), version(0)))));
    assert_eq!(marks(&actions), ours(1));
    scene.at(100, Event::Wrote(Primary, version(1)));
    let mut serial = 1;
    let mut said = Vec::new();
    while scene.millis < 31_000 {
        let millis = scene.next();
        let mut actions = scene.at(millis, Event::Tick);
        if actions.contains(&Action::Get(Primary)) {
            let lives = Record { serial: millis, ..other(Use::Active) };
            let record = Record { wanted: Some("i-me".into()), wanted_serial: serial, ..lives };
            actions.extend(scene.at(millis, Event::Read(Primary, Some((record, version(millis))))));
        }
        if let [(wanted, next)] = &marks(&actions)[..] {
            assert_eq!((wanted.as_deref(), *next), (Some("i-me"), serial + 1));
            serial = *next;
            said.push(millis);
            scene.at(millis, Event::Wrote(Primary, version(millis)));
        }
    }
    assert_eq!(said.len(), 3, "{said:?}");
}

#[test]
fn a_mark_that_refuses_a_claim_does_not_take_the_slot_from_its_holder() {
    // The machine stood still for so long that another may have taken the slot, or marked it.
    let claim = |scene: &mut Scene| {
        let actions = scene.at(50_000, Event::Ask(Primary));
        assert_eq!(puts(&actions), [(Primary, Use::Active, 1)]);
        let actions = scene.at(50_100, Event::Refused(Primary));
        assert_eq!(actions, [Action::Get(Primary)], "it is not known yet which");
    };
    let (mut scene, marked) = wanted();
    scene.at(10_900, Event::Wrote(Primary, version(3)));
    claim(&mut scene);
    let again = Record { wanted_serial: 2, ..marked };
    let actions = scene.at(50_200, Event::Read(Primary, Some((again, version(4)))));
    assert_eq!(puts(&actions), [(Primary, Use::Active, 1)], "it is claimed over the mark");
    assert!(scene.at(50_300, Event::Wrote(Primary, version(5))).contains(&Action::Answer(Primary, true)));

    let (mut scene, _) = wanted();
    scene.at(10_900, Event::Wrote(Primary, version(3)));
    claim(&mut scene);
    let actions = scene.at(50_200, Event::Read(Primary, Some((other(Use::Active), version(4)))));
    assert!(actions.contains(&Action::Answer(Primary, false)));
    assert_eq!(permits(&actions).map(|permits| permits[0]), Some(Lost));
}
