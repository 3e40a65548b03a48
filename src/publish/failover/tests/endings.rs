//! Sessions that end because they are to: renewal and drain.

use super::*;

fn short_lived(redundancy: Redundancy, backup: bool) -> Failover {
    let renewal = Renewal::new(Duration::from_secs(60), Duration::from_secs(120)).unwrap();
    let mut machine = Failover::new(Rules { renewal, ..rules(redundancy) }, backup, 1);
    machine.on(Tick, t(0));
    for role in [Primary, Backup] {
        machine.on(Ready(role), t(0));
        machine.on(Progress(role, t(500)), t(0));
    }
    machine
}

#[test]
fn a_session_is_renewed_through_the_other_ingest_at_an_entry_boundary() {
    let mut machine = short_lived(Redundancy::Failover, true);
    assert_eq!(machine.deadline(), Some(t(60_000)));
    run(
        &mut machine,
        &[
            (60_000, Progress(Primary, t(60_500)), &[Action::FindBoundary(t(70_000))]),
            (60_000, Boundary(t(80_000)), &[]),
            (70_000, Tick, &[Action::Open(Backup)]),
            (70_100, Progress(Primary, t(70_500)), &[]),
            (70_100, Ready(Backup), &[Action::Start(Backup, t(69_500))]),
            (70_200, Progress(Backup, t(70_900)), &[]),
            (75_200, Tick, &[Action::Close(Primary, t(80_000))]),
            (80_100, Ended(Primary, t(80_000)), &[Action::Open(Primary)]),
            (80_200, Ready(Primary), &[Action::Start(Primary, t(80_000))]),
            (80_300, Progress(Primary, t(80_900)), &[]),
            (85_300, Tick, &[Action::Close(Backup, t(85_300))]),
        ],
    );
}

#[test]
fn a_session_that_cannot_be_handed_over_is_renewed_alone_in_time() {
    let mut machine = short_lived(Redundancy::Failover, true);
    machine.on(Tick, t(60_000));
    machine.on(Boundary(t(80_000)), t(60_000));
    let mut now = t(60_000);
    while now < t(120_000) {
        now = machine.deadline().unwrap();
        for action in machine.on(Tick, now) {
            match action {
                Action::Open(Backup) => assert_eq!(machine.on(Failed(Backup), now), []),
                action => assert_eq!((action, now), (Action::Close(Primary, t(120_000)), t(120_000))),
            }
        }
    }
    assert_eq!(machine.state(Primary), IngestState::Draining);
}

#[test]
fn a_single_ingest_is_renewed_at_the_boundary_and_resumes_there() {
    let mut machine = short_lived(Redundancy::Failover, false);
    run(
        &mut machine,
        &[
            (60_000, Tick, &[Action::FindBoundary(t(70_000))]),
            (60_000, Boundary(t(80_000)), &[]),
            (70_000, Tick, &[Action::Close(Primary, t(80_000))]),
            (79_500, Ended(Primary, t(80_000)), &[Action::Open(Primary)]),
            (79_600, Ready(Primary), &[Action::Start(Primary, t(80_000))]),
        ],
    );
}

#[test]
fn of_two_that_always_run_one_is_renewed_at_a_time() {
    let mut machine = short_lived(Redundancy::Both, true);
    run(
        &mut machine,
        &[
            (60_000, Tick, &[Action::FindBoundary(t(70_000))]),
            (60_000, Boundary(t(75_000)), &[]),
            (65_000, Tick, &[Action::Close(Primary, t(75_000))]),
            (75_100, Ended(Primary, t(75_000)), &[Action::FindBoundary(t(85_100)), Action::Open(Primary)]),
            (75_100, Boundary(t(90_000)), &[]),
            (75_200, Ready(Primary), &[Action::Start(Primary, t(75_000))]),
            (80_000, Progress(Primary, t(80_500)), &[]),
            (80_000, Tick, &[]),
            (84_999, Tick, &[]),
            (85_000, Tick, &[Action::Close(Backup, t(90_000))]),
        ],
    );
}

#[test]
fn a_boundary_beyond_the_limit_does_not_count() {
    let mut machine = short_lived(Redundancy::Failover, false);
    run(
        &mut machine,
        &[
            (60_000, Tick, &[Action::FindBoundary(t(70_000))]),
            (60_000, Boundary(t(7_000_000)), &[]),
            (110_000, Tick, &[Action::Close(Primary, t(120_000))]),
        ],
    );
}

#[test]
fn a_drain_ends_sessions_in_order_and_attempts_at_once_and_starts_nothing() {
    let mut machine = on_backup();
    machine.on(Tick, t(12_000));
    run(
        &mut machine,
        &[
            (12_500, Drain(t(15_000)), &[Action::Abort(Primary), Action::Close(Backup, t(12_500))]),
            (12_600, Tick, &[]),
            (12_700, Ended(Backup, t(13_000)), &[]),
        ],
    );
    assert!(machine.drained());
    assert_eq!(machine.deadline(), None);
}

#[test]
fn a_drain_that_does_not_end_is_forced() {
    let mut machine = on_primary();
    run(
        &mut machine,
        &[
            (12_500, Drain(t(15_000)), &[Action::Close(Primary, t(12_500))]),
            (15_000, Tick, &[Action::Expire(Primary)]),
        ],
    );
    assert!(machine.drained());
}
