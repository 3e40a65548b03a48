use super::*;
use proptest::prelude::*;
use std::time::UNIX_EPOCH;

const SECOND: Duration = Duration::from_secs(1);
/// 2026-11-22T17:16:05Z
const NOW: u64 = 1_795_367_765;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn stamp(seconds: u64) -> String {
    Timestamp::from_unix(seconds).to_string()
}

fn action(action: &str, seconds: u64) -> String {
    format!(r#"{{"action":"{action}","time":"{}"}}"#, stamp(seconds))
}

/// What one look at a path gives.
fn first(path: Path, text: &str) -> Vec<Change> {
    let mut machine = Interruption::default();
    machine.on(path, None, at(NOW - 2));
    machine.on(path, Some(text), at(NOW))
}

fn only(changes: Vec<Change>) -> Notice {
    match &changes[..] {
        [Change::Announced(notice)] => notice.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_service_says_becomes_notices() {
    use Urgency::{Drain, Prepare, Yield};
    let soon = action("terminate", NOW + 120);
    let advice = format!(r#"{{"noticeTime":"{}"}}"#, stamp(NOW - 1));
    let event = r#"[{"NotBefore":"21 Jan 2027 09:00:43 GMT","Code":"system-reboot","EventId":"instance-event-0d59937288b749b32",
        "NotAfter":"21 Jan 2027 09:17:23 GMT","State":"active","Description":"scheduled reboot"}]"#;
    for (path, text, urgency, when, reason) in [
        (Path::Spot, soon.as_str(), Drain, Some(NOW + 120), "spot interruption: terminate"),
        (Path::Spot, &action("stop", NOW + 60), Drain, Some(NOW + 60), "spot interruption: stop"),
        // It begins at once.
        (Path::Spot, &action("hibernate", NOW + 60), Drain, Some(NOW), "spot interruption: hibernate"),
        // In the past, and farther ahead than there is ever warning.
        (Path::Spot, &action("terminate", NOW - 3600), Drain, Some(NOW), "spot interruption: terminate"),
        (
            Path::Spot,
            &action("terminate", NOW + 3600),
            Drain,
            Some(NOW + 120),
            "spot interruption: terminate",
        ),
        // A word that nobody knows yet.
        (Path::Spot, &action("freeze", NOW + 60), Drain, Some(NOW + 60), "spot interruption: freeze"),
        (
            Path::Spot,
            r#"{"action":"terminate","time":"soon"}"#,
            Drain,
            Some(NOW + 120),
            "spot interruption: terminate",
        ),
        (Path::Spot, r#"{"action":"stop"}"#, Drain, Some(NOW + 120), "spot interruption: stop"),
        (Path::Spot, r#"{"action":"term"#, Drain, Some(NOW + 120), "spot interruption: unreadable"),
        (Path::Group, "Terminated", Yield, None, "the Auto Scaling group lets this machine go: Terminated"),
        (Path::Group, "\"Standby\"\n", Yield, None, "the Auto Scaling group lets this machine go: Standby"),
        (Path::Group, "Detached", Yield, None, "the Auto Scaling group lets this machine go: Detached"),
        (
            Path::Group,
            "Warmed:Stopped",
            Yield,
            None,
            "the Auto Scaling group lets this machine go: Warmed:Stopped",
        ),
        (
            Path::Rebalance,
            &advice,
            Prepare,
            Some(NOW - 1),
            "advice to rebalance: a spot interruption is likelier than elsewhere",
        ),
        (
            Path::Maintenance,
            event,
            Prepare,
            Some(1_800_522_043),
            "scheduled maintenance: system-reboot, by 2027-01-21T09:17:23Z",
        ),
    ] {
        let notice = only(first(path, text));
        assert_eq!(notice.urgency(), urgency, "{text}");
        assert_eq!(notice.at, when.map(at), "{text}");
        assert_eq!(notice.reason(), reason, "{text}");
    }
}

#[test]
fn what_announces_nothing_announces_nothing() {
    let done = r#"[{"NotBefore":"21 Jan 2019 09:00:43 GMT","Code":"system-reboot","State":"completed","Description":"[Completed] x"}]"#;
    for (path, text) in [
        (Path::Group, "InService"),
        (Path::Group, "Pending"),
        (Path::Maintenance, "[]"),
        (Path::Maintenance, " [ ] \n"),
        (Path::Maintenance, done),
    ] {
        assert_eq!(first(path, text), [], "{path:?} {text}");
    }
}

#[test]
fn what_nobody_can_read_is_told_once_word_for_word_and_changes_nothing() {
    for path in Path::ALL {
        for text in ["", "<html>sign in to the network</html>", "{}", "null", "\u{fffd}\u{fffd}"] {
            let mut machine = Interruption::default();
            let told = machine.on(path, Some(text), at(NOW));
            assert_eq!(told, [Change::Unreadable(path, Unreadable(text.into()))], "{path:?}");
            assert_eq!(machine.on(path, Some(text), at(NOW + 2)), []);
            assert_eq!(machine.notices(), []);
        }
    }
    // An interruption that was understood stays one while the service talks nonsense.
    let mut machine = Interruption::default();
    only(machine.on(Path::Spot, Some(&action("terminate", NOW + 100)), at(NOW)));
    for second in 1..100 {
        machine.on(Path::Spot, Some("<html>"), at(NOW + second));
        assert_eq!(machine.notices().len(), 1);
    }
}

#[test]
fn seen_again_it_is_the_same_event_and_a_new_time_moves_it() {
    let mut machine = Interruption::default();
    let notice = only(machine.on(Path::Spot, Some(&action("terminate", NOW + 120)), at(NOW)));
    for second in 1..60 {
        assert_eq!(machine.on(Path::Spot, Some(&action("terminate", NOW + 120)), at(NOW + second)), []);
    }
    let moved = Notice { at: Some(at(NOW + 90)), raw: action("terminate", NOW + 90), ..notice.clone() };
    assert_eq!(
        machine.on(Path::Spot, Some(&action("terminate", NOW + 90)), at(NOW + 60)),
        [Change::Moved(moved.clone())]
    );
    assert_eq!((moved.id, machine.notices().len()), (notice.id, 1));
    // A time that cannot be read does not run away from us with every look.
    let mut machine = Interruption::default();
    let garbled = Some(r#"{"action":"stop","time":0}"#);
    only(machine.on(Path::Spot, garbled, at(NOW)));
    assert_eq!(machine.on(Path::Spot, garbled, at(NOW + 100)), []);
    assert_eq!(machine.notices()[0].at, Some(at(NOW + 120)));
}

#[test]
fn advice_that_nothing_follows_is_forgotten_and_not_heard_again() {
    let advice = format!(r#"{{"noticeTime":"{}"}}"#, stamp(NOW));
    let mut machine = Interruption::default();
    let notice = only(machine.on(Path::Rebalance, Some(&advice), at(NOW)));
    let end = NOW + REBALANCE_HOLDS.as_secs();
    assert_eq!(machine.tick(at(end - 1)), []);
    assert_eq!(machine.tick(at(end)), [Change::Forgotten(notice)]);
    assert_eq!(machine.notices(), []);
    // The service goes on saying it for days.
    for hour in 0..48 {
        assert_eq!(machine.on(Path::Rebalance, Some(&advice), at(end + hour * 3600)), []);
    }
    // New advice is new.
    let newer = format!(r#"{{"noticeTime":"{}"}}"#, stamp(end + 200_000));
    only(machine.on(Path::Rebalance, Some(&newer), at(end + 200_001)));
}

#[test]
fn an_interruption_that_does_not_come_true_is_forgotten() {
    let mut machine = Interruption::default();
    let said = action("terminate", NOW + 120);
    let notice = only(machine.on(Path::Spot, Some(&said), at(NOW)));
    let outlived = NOW + 120 + OUTLIVED.as_secs();
    assert_eq!(machine.on(Path::Spot, Some(&said), at(outlived - 1)), []);
    assert_eq!(machine.on(Path::Spot, Some(&said), at(outlived)), [Change::Forgotten(notice)]);
    assert_eq!(machine.on(Path::Spot, Some(&said), at(outlived + 60)), []);
    assert_eq!(machine.notices(), []);
    // A machine that was hibernated wakes up with the old notice, and hours later.
    let mut machine = Interruption::default();
    let said = action("hibernate", NOW);
    only(machine.on(Path::Spot, Some(&said), at(NOW)));
    assert!(matches!(machine.on(Path::Spot, Some(&said), at(NOW + 9000))[..], [Change::Forgotten(_)]));
    // And a second interruption is one.
    only(machine.on(Path::Spot, Some(&action("terminate", NOW + 9200)), at(NOW + 9100)));
}

#[test]
fn one_look_without_it_does_not_take_a_notice_back_and_thirty_seconds_do() {
    let mut machine = Interruption::default();
    let said = action("terminate", NOW + 120);
    let notice = only(machine.on(Path::Spot, Some(&said), at(NOW)));
    assert_eq!(machine.on(Path::Spot, None, at(NOW + 2)), []);
    assert_eq!(machine.on(Path::Spot, Some(&said), at(NOW + 4)), []);
    for second in 5..35 {
        assert_eq!(machine.on(Path::Spot, None, at(NOW + second)), [], "after {second} s");
    }
    assert_eq!(machine.on(Path::Spot, None, at(NOW + 35)), [Change::Withdrawn(notice)]);
    // Said anew, it is news.
    only(machine.on(Path::Spot, Some(&said), at(NOW + 60)));
}

#[test]
fn a_group_is_believed_for_as_long_as_it_says_so() {
    let mut machine = Interruption::default();
    let notice = only(machine.on(Path::Group, Some("Standby"), at(NOW)));
    assert_eq!(machine.on(Path::Group, Some("Standby"), at(NOW + 86_400)), []);
    assert_eq!(machine.on(Path::Group, Some("InService"), at(NOW + 86_402)), []);
    assert_eq!(machine.on(Path::Group, Some("InService"), at(NOW + 86_432)), [Change::Withdrawn(notice)]);
    // Whoever is detached has no state in the group any more.
    only(machine.on(Path::Group, Some("Detached"), at(NOW + 90_000)));
    assert_eq!(machine.on(Path::Group, None, at(NOW + 190_000)), []);
    assert_eq!(machine.on(Path::Group, None, at(NOW + 190_100)), []);
    assert_eq!(machine.on(Path::Group, Some("InService"), at(NOW + 190_200)), []);
    assert_eq!(machine.on(Path::Group, Some("InService"), at(NOW + 190_300)).len(), 1);
    assert_eq!(machine.notices(), []);
}

#[test]
fn what_was_over_before_this_process_began_is_ignored() {
    let old = action("stop", NOW - OUTLIVED.as_secs());
    let mut machine = Interruption::default();
    assert!(matches!(machine.on(Path::Spot, Some(&old), at(NOW))[..], [Change::Stale(_)]));
    assert_eq!(machine.on(Path::Spot, Some(&old), at(NOW + 2)), []);
    assert_eq!(machine.notices(), []);
    let advice = format!(r#"{{"noticeTime":"{}"}}"#, stamp(NOW - REBALANCE_HOLDS.as_secs()));
    assert!(matches!(machine.on(Path::Rebalance, Some(&advice), at(NOW))[..], [Change::Stale(_)]));
    // But a process that has seen nothing there before knows it for new, whatever its own clock says.
    let mut machine = Interruption::default();
    machine.on(Path::Spot, None, at(NOW));
    let notice = only(machine.on(Path::Spot, Some(&old), at(NOW + 2)));
    assert_eq!(notice.at, Some(at(NOW + 2)));
}

#[test]
fn the_most_urgent_comes_first() {
    let mut machine = Interruption::default();
    let event =
        r#"[{"NotBefore":"22 Nov 2026 17:16:06 GMT","Code":"system-reboot","EventId":"a","State":"active"}]"#;
    machine.on(Path::Maintenance, Some(event), at(NOW));
    machine.on(Path::Group, Some("Terminated"), at(NOW));
    machine.on(Path::Spot, Some(&action("terminate", NOW + 100)), at(NOW));
    let reasons: Vec<_> = machine.notices().iter().map(Notice::reason).collect();
    assert_eq!(
        reasons,
        [
            "spot interruption: terminate",
            "the Auto Scaling group lets this machine go: Terminated",
            "scheduled maintenance: system-reboot"
        ]
    );
}

fn a_path() -> impl Strategy<Value = Path> {
    prop::sample::select(Path::ALL.to_vec())
}

/// What a service may say, good and bad.
fn a_text() -> impl Strategy<Value = Option<String>> {
    let times = prop::sample::select(vec![NOW - 4000, NOW, NOW + 60, NOW + 120, NOW + 4000]);
    prop_oneof![
        Just(None),
        (prop::sample::select(vec!["terminate", "stop", "hibernate", "?"]), times.clone())
            .prop_map(|(word, time)| Some(action(word, time))),
        times.prop_map(|time| Some(format!(r#"{{"noticeTime":"{}"}}"#, stamp(time)))),
        prop::sample::select(vec!["InService", "Terminated", "Standby", "[]", "[{}]", "", "x\0y"])
            .prop_map(|text| Some(text.to_owned())),
        "\\PC{0,60}".prop_map(Some),
    ]
}

proptest! {
    /// Whatever is said when: every notice is announced before it ends, ends once, and what is
    /// listed is what was announced and has not ended.
    #[test]
    fn notices_begin_once_and_end_once(
        said in prop::collection::vec((a_path(), a_text(), 0u64..400), 1..80),
    ) {
        let mut machine = Interruption::default();
        let mut open: Vec<String> = Vec::new();
        let mut now = NOW;
        for (path, text, pause) in said {
            now += pause;
            for change in machine.on(path, text.as_deref(), at(now)) {
                match change {
                    Change::Announced(notice) => {
                        prop_assert!(!open.contains(&notice.id), "{} twice", notice.id);
                        if let Kind::Interruption(_) = notice.kind {
                            let when = notice.at.expect("an interruption has a time");
                            prop_assert!(when >= at(now) && when <= at(now) + SPOT_WARNING);
                        }
                        open.push(notice.id);
                    }
                    Change::Moved(notice) => prop_assert!(open.contains(&notice.id)),
                    Change::Withdrawn(notice) | Change::Forgotten(notice) => {
                        prop_assert!(open.contains(&notice.id));
                        open.retain(|id| *id != notice.id);
                    }
                    Change::Stale(notice) => prop_assert!(!open.contains(&notice.id)),
                    Change::Unreadable(..) => {}
                }
            }
            let mut listed: Vec<_> = machine.notices().into_iter().map(|notice| notice.id).collect();
            let mut expected = open.clone();
            listed.sort();
            expected.sort();
            prop_assert_eq!(listed, expected);
        }
        // When the service says nothing more, everything ends.
        for later in [1, 2, 40] {
            for path in Path::ALL {
                machine.on(path, Some("[]").filter(|_| path == Path::Maintenance), at(now) + SECOND * later);
                machine.on(path, Some("InService").filter(|_| path == Path::Group), at(now) + SECOND * later);
            }
        }
        prop_assert_eq!(machine.notices(), []);
    }

    #[test]
    fn no_text_makes_it_panic(path in a_path(), text in "\\PC{0,200}") {
        first(path, &text);
    }
}
