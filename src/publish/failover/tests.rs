//! Scenarios: what the table of faults in the design promises, step by step.

mod endings;

use super::*;
use crate::publish::backoff::Backoff;
use crate::publish::status::IngestState;
use Event::{Boundary, Drain, Ended, Failed, Permit, Progress, Ready, Tick};
use Role::{Backup, Primary};
use std::time::Duration;

/// `millis` into the scenario.
fn t(millis: u64) -> MediaTime {
    MediaTime::from_samples(1 << 40).plus(Duration::from_millis(millis))
}

/// The product's rules, without chance.
fn rules(redundancy: Redundancy) -> Rules {
    let fixed = |backoff: Backoff| Backoff::new(backoff.first(), backoff.most(), 0).unwrap();
    let rules = Rules::new(redundancy);
    Rules { retry: fixed(rules.retry), probe: fixed(rules.probe), ..rules }
}

fn failover() -> Failover {
    Failover::new(rules(Redundancy::Failover), true, 1)
}

/// A machine whose primary is live, moving and settled; the scenario is at 10 s.
fn on_primary() -> Failover {
    let mut machine = failover();
    run(
        &mut machine,
        &[
            (0, Tick, &[Action::Open(Primary)]),
            (100, Ready(Primary), &[Action::Start(Primary, t(100))]),
            (500, Progress(Primary, t(1_000)), &[]),
            (10_000, Progress(Primary, t(10_500)), &[]),
        ],
    );
    machine
}

/// The same on backup, after a failure of primary at 10 s; the scenario is at 10.1 s.
fn on_backup() -> Failover {
    let mut machine = on_primary();
    run(
        &mut machine,
        &[
            (10_000, Failed(Primary), &[Action::Open(Backup)]),
            (10_050, Ready(Backup), &[Action::Start(Backup, t(9_500))]),
            (10_100, Progress(Backup, t(10_600)), &[]),
        ],
    );
    machine
}

fn run(machine: &mut Failover, steps: &[(u64, Event, &[Action])]) {
    for (millis, event, expected) in steps {
        assert_eq!(machine.on(*event, t(*millis)), *expected, "at {millis} ms, after {event:?}");
        assert!(
            machine.deadline().is_none_or(|deadline| deadline > t(*millis)),
            "{event:?} leaves a past deadline"
        );
    }
}

#[test]
fn primary_comes_first_and_the_programme_starts_now() {
    let machine = on_primary();
    assert_eq!((machine.state(Primary), machine.state(Backup)), (IngestState::Live, IngestState::Idle));
    assert_eq!(machine.deadline(), Some(t(100).plus(Renewal::DEFAULT.after())));
}

#[test]
fn a_reset_opens_backup_at_once_a_second_before_what_was_acknowledged() {
    let machine = on_backup();
    assert_eq!((machine.state(Primary), machine.state(Backup)), (IngestState::Waiting, IngestState::Live));
    assert_eq!(machine.failovers(), 1);
}

#[test]
fn nothing_acknowledged_yet_means_from_the_start_again() {
    let mut machine = failover();
    run(
        &mut machine,
        &[
            (0, Tick, &[Action::Open(Primary)]),
            (100, Ready(Primary), &[Action::Start(Primary, t(100))]),
            (3_000, Failed(Primary), &[Action::Open(Backup)]),
            (3_200, Ready(Backup), &[Action::Start(Backup, t(100))]),
        ],
    );
}

#[test]
fn primary_is_taken_back_make_before_break() {
    let mut machine = on_backup();
    assert_eq!(machine.deadline(), Some(t(12_000)), "the first probe comes 2 s after the failure");
    run(
        &mut machine,
        &[
            (12_000, Tick, &[Action::Open(Primary)]),
            (12_100, Progress(Backup, t(12_500)), &[]),
            (12_100, Ready(Primary), &[Action::Start(Primary, t(11_500))]),
            (12_300, Progress(Primary, t(12_600)), &[]),
            (17_299, Tick, &[]),
            (17_300, Tick, &[Action::Close(Backup, t(17_300))]),
            (17_400, Ended(Backup, t(18_000)), &[]),
        ],
    );
    assert_eq!((machine.state(Primary), machine.state(Backup)), (IngestState::Live, IngestState::Idle));
    assert_eq!(machine.failovers(), 1, "going back is not a failover");
}

#[test]
fn a_primary_that_fails_before_it_settled_leaves_backup_as_it_is_and_waits_longer() {
    let mut machine = on_backup();
    run(
        &mut machine,
        &[
            (12_000, Tick, &[Action::Open(Primary)]),
            (12_100, Ready(Primary), &[Action::Start(Primary, t(9_600))]),
            (12_300, Progress(Primary, t(12_600)), &[]),
            (16_000, Progress(Backup, t(16_500)), &[]),
            (16_000, Failed(Primary), &[]),
            (19_999, Progress(Backup, t(20_500)), &[]),
            (20_000, Tick, &[Action::Open(Primary)]),
            (20_010, Failed(Primary), &[]),
        ],
    );
    assert_eq!(machine.deadline(), Some(t(28_010)));
    assert_eq!(machine.failovers(), 1);
}

#[test]
fn a_flapping_primary_is_damped_and_a_stable_one_is_forgiven() {
    let mut machine = on_backup();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let due = machine.deadline().unwrap();
        machine.on(Progress(Backup, due), due);
        assert_eq!(machine.state(Primary), IngestState::Connecting);
        assert_eq!(machine.on(Failed(Primary), due).len(), 0);
        waits.push(machine.deadline().unwrap().since(due).as_secs());
    }
    assert_eq!(waits, [4, 8, 16, 32, 64, 128, 256, 300, 300]);

    let due = machine.deadline().unwrap();
    machine.on(Tick, due);
    machine.on(Ready(Primary), due);
    machine.on(Progress(Primary, due), due);
    let settled = due.plus(Duration::from_secs(5));
    assert_eq!(machine.on(Tick, settled), [Action::Close(Backup, settled)]);
    machine.on(Ended(Backup, settled), settled);
    let stable = due.plus(Duration::from_secs(300));
    machine.on(Progress(Primary, stable), stable);
    assert_eq!(machine.on(Failed(Primary), stable), [Action::Open(Backup)]);
    machine.on(Ready(Backup), stable);
    assert_eq!(machine.deadline(), Some(stable.plus(Duration::from_secs(2))), "as after a first failure");
}

#[test]
fn primary_is_probed_sooner_when_backup_is_about_to_lose_media() {
    let mut machine = on_backup();
    run(
        &mut machine,
        &[
            (12_000, Tick, &[Action::Open(Primary)]),
            (12_010, Failed(Primary), &[]),
            (14_000, Progress(Backup, t(10_000)), &[]),
            // It would be 4 s after the failure, but now half of the 10 s are gone.
            (14_700, Tick, &[Action::Open(Primary)]),
        ],
    );
}

#[test]
fn two_dead_ingests_are_tried_in_turn_and_one_that_hangs_holds_up_the_other_for_3_s() {
    let mut machine = on_primary();
    run(
        &mut machine,
        &[
            (10_000, Failed(Primary), &[Action::Open(Backup)]),
            (10_010, Failed(Backup), &[]),
            (10_250, Tick, &[Action::Open(Primary)]),
            (10_260, Failed(Primary), &[Action::Open(Backup)]),
            // Backup hangs; primary, due at 10.75 s, waits for it no longer than 3 s.
            (10_750, Tick, &[]),
            (13_259, Tick, &[]),
            (13_260, Tick, &[Action::Open(Primary)]),
            (13_270, Failed(Primary), &[]),
            (14_270, Tick, &[Action::Open(Primary)]),
            // Ten seconds are enough for any opening.
            (20_260, Tick, &[Action::Expire(Backup)]),
        ],
    );
}

#[test]
fn after_an_outage_media_older_than_10_s_is_skipped() {
    let mut machine = on_primary();
    machine.on(Failed(Primary), t(10_000));
    machine.on(Failed(Backup), t(10_010));
    let back = t(60_000);
    assert!(machine.on(Tick, back).contains(&Action::Open(Primary)));
    assert_eq!(machine.on(Ready(Primary), back), [Action::Start(Primary, t(50_000))]);
    assert_eq!(machine.failovers(), 0, "primary took over from itself");
}

#[test]
fn when_both_come_back_primary_wins() {
    let mut machine = on_primary();
    run(
        &mut machine,
        &[
            (10_000, Failed(Primary), &[Action::Open(Backup)]),
            (13_000, Tick, &[Action::Open(Primary)]),
            (13_100, Ready(Primary), &[Action::Start(Primary, t(9_500))]),
            (13_200, Progress(Primary, t(10_600)), &[Action::Abort(Backup)]),
        ],
    );
}

#[test]
fn a_single_ingest_is_tried_again_for_ever() {
    let mut machine = Failover::new(rules(Redundancy::Failover), false, 1);
    let mut waits = Vec::new();
    let mut now = t(0);
    for _ in 0..10 {
        assert_eq!(machine.on(Tick, now), [Action::Open(Primary)]);
        assert_eq!(machine.on(Failed(Primary), now), []);
        let due = machine.deadline().unwrap();
        waits.push(due.since(now).as_millis());
        now = due;
    }
    assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 25_000, 25_000, 25_000]);
}

#[test]
fn both_carry_the_stream_each_on_its_own() {
    let mut machine = Failover::new(rules(Redundancy::Both), true, 1);
    run(
        &mut machine,
        &[
            (0, Tick, &[Action::Open(Primary), Action::Open(Backup)]),
            (100, Ready(Primary), &[Action::Start(Primary, t(100))]),
            (200, Ready(Backup), &[Action::Start(Backup, t(200))]),
            (500, Progress(Primary, t(1_000)), &[]),
            (500, Progress(Backup, t(1_000)), &[]),
            (20_000, Progress(Primary, t(20_500)), &[]),
            (20_000, Failed(Backup), &[]),
            (20_250, Tick, &[Action::Open(Backup)]),
            // What primary was given does not count here: this one resumes what it had itself.
            (20_300, Ready(Backup), &[Action::Start(Backup, t(10_300))]),
        ],
    );
    assert_eq!(machine.failovers(), 0);
}

#[test]
fn a_forbidden_ingest_is_left_and_the_other_takes_over() {
    let mut machine = on_primary();
    run(
        &mut machine,
        &[
            (11_000, Permit(Primary, false), &[Action::Close(Primary, t(11_000)), Action::Open(Backup)]),
            (11_100, Ready(Backup), &[Action::Start(Backup, t(9_500))]),
            (11_200, Ended(Primary, t(11_700)), &[]),
            (20_000, Tick, &[]),
            (21_000, Permit(Primary, true), &[Action::Open(Primary)]),
        ],
    );
}

#[test]
fn answers_of_sessions_that_are_gone_change_nothing() {
    let mut machine = on_primary();
    let deadline = machine.deadline();
    run(
        &mut machine,
        &[
            (10_000, Ready(Backup), &[]),
            (10_000, Failed(Backup), &[]),
            (10_000, Progress(Backup, t(99_000)), &[]),
            (10_000, Ended(Backup, t(99_000)), &[]),
            (10_000, Ended(Primary, t(99_000)), &[]),
            (10_000, Boundary(t(99_000)), &[]),
        ],
    );
    assert_eq!(machine.deadline(), deadline);
}
