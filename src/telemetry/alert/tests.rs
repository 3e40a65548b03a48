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
fn what_other_nodes_have_is_not_off_air_until_they_lose_it_and_nobody_takes_it() {
    let elsewhere = |elsewhere| {
        let feed = Feed { name: "tube".to_owned(), elsewhere, ..Feed::default() };
        Look { feeds: vec![feed], ..Look::default() }
    };
    let mut now = Instant::now();
    let mut alerts = Alerts::new(&Look::default(), now);
    assert_eq!(show(&mut alerts, &elsewhere(true), &mut now, 1000), [], "it stands by");
    assert_eq!(show(&mut alerts, &elsewhere(false), &mut now, 9), [], "the other has gone");
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 100), []);
    assert_eq!(show(&mut alerts, &elsewhere(false), &mut now, 100), [(10, off())]);
    let back = Alert::BackOnAir { destination: "tube".to_owned(), seconds: 100 };
    assert_eq!(show(&mut alerts, &elsewhere(true), &mut now, 100), [(5, back)], "another sends it");
}

const UNIX: u64 = 1_795_367_765;

/// Off air for 100 s by the end, of which somebody has heard or nobody.
fn ended_off(heard: bool) -> (Kept, Instant) {
    let (mut alerts, mut now) = begin();
    assert_eq!(show(&mut alerts, &look(&[]), &mut now, 100), [(10, off())]);
    if heard {
        alerts.heard("tube");
    }
    (Kept::of(&alerts, now, UNIX), now)
}

/// The process after it, so many seconds later.
fn next(kept: &Kept, now: &mut Instant, seconds: u64) -> Alerts {
    let text = serde_json::to_vec(kept).unwrap();
    *now += Duration::from_secs(seconds);
    Alerts::new(&Look::default(), *now).recalling(&serde_json::from_slice(&text).unwrap(), UNIX + seconds)
}

#[test]
fn an_outage_that_somebody_has_heard_of_is_told_once_however_often_the_process_starts() {
    let (mut kept, mut now) = ended_off(true);
    for restarts in 0..20 {
        let mut alerts = next(&kept, &mut now, 5);
        assert_eq!(show(&mut alerts, &look(&[]), &mut now, 100), [], "it is known");
        assert_eq!(alerts.off().count(), 1, "after {restarts}");
        kept = Kept::of(&alerts, now, UNIX);
    }
    let mut alerts = next(&kept, &mut now, 0);
    let back = Alert::BackOnAir { destination: "tube".to_owned(), seconds: 100 + 20 * 105 };
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 100), [(5, back)]);
    assert!(Kept::of(&alerts, now, UNIX).off.is_empty());
}

#[test]
fn an_outage_that_nobody_has_heard_of_is_told_again_if_it_lasts() {
    let (kept, mut now) = ended_off(false);
    let mut alerts = next(&kept, &mut now, 10);
    assert_eq!(show(&mut alerts, &look(&[]), &mut now, 30), []);
    // Another start, before it was due.
    let mut alerts = next(&Kept::of(&alerts, now, UNIX), &mut now, 10);
    assert_eq!(show(&mut alerts, &look(&[]), &mut now, 300), [(60, off())]);
    let back = Alert::BackOnAir { destination: "tube".to_owned(), seconds: 450 };
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 100), [(5, back)]);

    let (kept, mut now) = ended_off(false);
    let mut alerts = next(&kept, &mut now, 10);
    assert_eq!(show(&mut alerts, &look(&["primary"]), &mut now, 100), [], "nobody need hear of it now");
    assert_eq!(show(&mut alerts, &look(&[]), &mut now, 100), [(10, off())]);
}

#[test]
fn what_was_kept_counts_for_ten_minutes_by_a_clock_that_goes_on() {
    let (kept, now) = ended_off(true);
    for (seconds, counts) in [(0, true), (600, true), (601, false), (7 * 24 * 3600, false)] {
        let mut now = now;
        let mut alerts = next(&kept, &mut now, seconds);
        assert_eq!(alerts.off().count(), usize::from(counts), "after {seconds} s");
        let told = show(&mut alerts, &look(&[]), &mut now, 100);
        assert_eq!(told, if counts { vec![] } else { vec![(60, off())] }, "after {seconds} s");
    }
    let set_back = Alerts::new(&Look::default(), now).recalling(&kept, UNIX - 3600);
    assert_eq!(set_back.off().count(), 0);
}

#[test]
fn what_is_kept_is_written_when_it_changes_and_each_minute_while_somebody_is_off_air() {
    let (unheard, now) = ended_off(false);
    let (heard, _) = ended_off(true);
    let none = Kept::of(&Alerts::new(&Look::default(), now), now, UNIX);
    let later = |kept: &Kept, seconds| Kept { confirmed: kept.confirmed + seconds, ..kept.clone() };
    for (fresh, written, writes) in [
        (&none, &Kept::default(), false),
        (&unheard, &none, true),
        (&heard, &unheard, true),
        (&none, &heard, true),
        (&later(&heard, 59), &heard, false),
        (&later(&heard, 60), &heard, true),
        (&later(&none, 600), &none, false),
    ] {
        assert_eq!(fresh.replaces(written), writes, "{fresh:?} {written:?}");
    }
}

#[test]
fn a_destination_that_is_no_longer_there_is_not_kept() {
    let (kept, mut now) = ended_off(true);
    let mut alerts = next(&kept, &mut now, 5);
    let mut other = look(&["primary"]);
    other.feeds[0].name = "other".to_owned();
    assert_eq!(show(&mut alerts, &other, &mut now, 100), []);
    assert_eq!(alerts.off().count(), 0);
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
