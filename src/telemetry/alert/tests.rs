use super::*;
use proptest::prelude::*;

fn look(live: &[&'static str]) -> Look {
    let feed = Feed { name: "tube".to_owned(), live: live.to_vec(), ..Feed::default() };
    Look { feeds: vec![feed], ..Look::default() }
}

/// Shows the same look once a second for so long, and gives what was told and after how many seconds.
fn show(alerts: &mut Alerts, look: &Look, now: &mut Instant, seconds: u64) -> Vec<(u64, Alert)> {
    let mut told = Vec::new();
    for second in 0..seconds {
        told.extend(alerts.on(look, *now).into_iter().map(|alert| (second, alert)));
        *now += Duration::from_secs(1);
    }
    told
}

fn begin() -> (Alerts, Instant) {
    let mut now = Instant::now();
    let mut alerts = Alerts::new(&Look::default(), now);
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 100), []);
    (alerts, now)
}

fn off() -> Alert {
    Alert::OffAir { destination: "tube".to_owned(), error: None }
}

#[test]
fn off_air_is_told_when_it_lasts_and_the_return_when_it_holds() {
    let (mut alerts, mut now) = begin();
    assert_eq!(show(&mut alerts, &look(&[]), &mut now, 9), [], "a reconnect");
    assert_eq!(show(&mut alerts, &look(&["backup"]), &mut now, 100), []);
    assert_eq!(show(&mut alerts, &look(&[]), &mut now, 100), [(10, off())]);
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 3), [], "it may not hold");
    assert_eq!(show(&mut alerts, &look(&[]), &mut now, 7), []);
    let back = Alert::BackOnAir { destination: "tube".to_owned(), seconds: 110 };
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 100), [(5, back)]);
}

#[test]
fn the_return_of_what_an_earlier_process_told_to_be_off_is_told() {
    let (mut alerts, mut now) = begin();
    assert_eq!(show(&mut alerts, &look(&[]), &mut now, 100), [(10, off())]);
    let told = alerts.off(now);
    assert_eq!(told, BTreeMap::from([("tube".to_owned(), 100)]));
    // Another process, and nothing has changed.
    let mut alerts = Alerts::new(&Look::default(), now).recalling(&told);
    assert_eq!(show(&mut alerts, &look(&[]), &mut now, 100), [], "it is known");
    let back = Alert::BackOnAir { destination: "tube".to_owned(), seconds: 200 };
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 100), [(5, back)]);
    assert!(alerts.off(now).is_empty());
}

#[test]
fn who_never_gets_on_air_is_told_after_a_minute() {
    let mut now = Instant::now();
    let mut alerts = Alerts::new(&Look::default(), now);
    assert_eq!(show(&mut alerts, &look(&[]), &mut now, 300), [(60, off())]);
}

#[test]
fn failovers_are_told_at_once_and_then_together() {
    let (mut alerts, mut now) = begin();
    let mut backup = look(&["backup"]);
    backup.feeds[0].failovers = 1;
    backup.feeds[0].error = Some("reset".to_owned());
    let failover = |times| Alert::Failover {
        destination: "tube".to_owned(),
        ingests: vec!["backup"],
        times,
        error: Some("reset".to_owned()),
    };
    assert_eq!(show(&mut alerts, &backup, &mut now, 50), [(0, failover(1))]);
    backup.feeds[0].failovers = 4;
    assert_eq!(show(&mut alerts, &backup, &mut now, 600), [(250, failover(3))]);
}

#[test]
fn files_that_are_set_aside_are_told_together_and_once() {
    let mut now = Instant::now();
    let mut look = look(&["primary"]);
    look.quarantined = vec![("old".to_owned(), "broken".to_owned())];
    let mut alerts = Alerts::new(&look, now);
    assert_eq!(show(&mut alerts, &look, &mut now, 100), [], "what was so before the start is no news");
    let mut told = Vec::new();
    for file in 0..7 {
        look.quarantined.push((format!("{file}"), "broken".to_owned()));
        told.extend(show(&mut alerts, &look, &mut now, 3));
    }
    assert_eq!(told, []);
    let told = show(&mut alerts, &look, &mut now, 100);
    let [(7, Alert::Quarantine { files: 7, named })] = &told[..] else { panic!("{told:?}") };
    assert_eq!((named.len(), named[0].0.as_str()), (NAMED, "0"));
    look.quarantined.pop();
    assert_eq!(show(&mut alerts, &look, &mut now, 100), []);
    look.quarantined.push(("6".to_owned(), "broken".to_owned()));
    assert_eq!(show(&mut alerts, &look, &mut now, 100).len(), 1, "it changed, and is broken again");
}

#[test]
fn a_notice_is_told_at_once_and_so_is_its_withdrawal() {
    let (mut alerts, mut now) = begin();
    let mut going = look(&["primary"]);
    going.notice = Some(("spot interruption".to_owned(), Some(120)));
    let notice = Alert::Notice { reason: "spot interruption".to_owned(), deadline: Some(120) };
    assert_eq!(show(&mut alerts, &going, &mut now, 30), [(0, notice)]);
    let withdrawn = Alert::Withdrawn { reason: "spot interruption".to_owned() };
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 30), [(0, withdrawn)]);
    let mut drained = look(&[]);
    (drained.draining, drained.standby) = (true, true);
    assert_eq!(show(&mut alerts, &drained, &mut now, 300), [], "falling silent on the way out is no trouble");
}

#[test]
fn the_card_is_told_when_it_stays() {
    let (mut alerts, mut now) = begin();
    let mut card = look(&["primary"]);
    card.standby = true;
    assert_eq!(show(&mut alerts, &card, &mut now, 59), []);
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 10), []);
    assert_eq!(show(&mut alerts, &card, &mut now, 200), [(60, Alert::Standby)]);
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 10), [(0, Alert::Music)]);
}

proptest! {
    /// Whatever a destination does: off air and back come in turn, and off air never within the time
    /// that it has.
    #[test]
    fn off_and_back_come_in_turn(spells in prop::collection::vec((any::<bool>(), 1u64..40), 1..40)) {
        let mut now = Instant::now();
        let mut alerts = Alerts::new(&Look::default(), now);
        let mut told_off = false;
        for (live, seconds) in spells {
            let look = look(if live { &["primary"] } else { &[] });
            for (_, alert) in show(&mut alerts, &look, &mut now, seconds) {
                match alert {
                    Alert::OffAir { .. } => prop_assert!(!std::mem::replace(&mut told_off, true) && !live),
                    Alert::BackOnAir { .. } => prop_assert!(std::mem::replace(&mut told_off, false) && live),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
