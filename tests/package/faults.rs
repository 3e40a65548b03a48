//! What goes wrong on a machine.

use crate::operate::ON_AIR_AGAIN;
use crate::rig::corpus::{LONG, SOUND};
use crate::rig::wait;
use crate::story::{MUSIC, RENDERED, SOON, Stage};
use std::time::{Duration, Instant};

/// The music, and the files that were added.
const TRACKS: usize = LONG.len() + 2;
/// A watchdog that would be starved by an ingest that is down has bitten after this: a stage's time
/// to stand still, the watchdog's own, and some to spare.
const DOWN: Duration = Duration::from_secs(60 + 15 + 10);
/// Longer than systemd waits before it starts a unit again.
const NOT_RETRIED: Duration = Duration::from_secs(2);

pub fn killed_it_comes_back(stage: &Stage) {
    stage.chapter("kill -9");
    let unit = stage.unit();
    let kill = "systemctl kill --signal=KILL --kill-whom=main nonstop";
    let (restarts, hole) = (unit.number("NRestarts"), stage.air().hole(SOON, kill));
    stage.cost("kill -9", hole, ON_AIR_AGAIN);
    assert_eq!(unit.number("NRestarts"), restarts + 1);
    let journal = unit.journal();
    assert!(journal.contains("code=killed, status=9/KILL"), "{journal}");
}

pub fn frozen_it_is_brought_back_by_the_watchdog(stage: &Stage) {
    let unit = stage.unit();
    let watchdog = unit.show("WatchdogUSec");
    stage.chapter(&format!("frozen, with a watchdog of {watchdog}"));
    let watchdog = watchdog.trim_end_matches('s').parse().map(Duration::from_secs).expect("whole seconds");
    let freeze = "systemctl kill --signal=STOP --kill-whom=main nonstop";
    let restarts = unit.number("NRestarts");
    let hole = stage.air().hole(watchdog * 2, freeze);
    stage.cost("frozen until the watchdog", hole, watchdog + ON_AIR_AGAIN);
    assert_eq!(unit.number("NRestarts"), restarts + 1);
    let journal = unit.journal();
    assert!(journal.contains("Watchdog timeout"), "{journal}");
}

pub fn a_full_disk_is_not_felt_on_air(stage: &Stage) {
    stage.chapter("a full disk");
    let machine = &stage.machine;
    let full = machine.disk().fill();
    machine.refuses("echo full >/var/tmp/full");
    machine.sh("rm -f /var/tmp/full");
    stage.air().unbroken(|| {
        // The music lies on a disk of its own.
        SOUND[0].put(&machine.path(MUSIC));
        wait::until("the status tells of the full disk", SOON, || {
            stage.told("")["library"]["paused"].as_str()?.contains("the disk is full").then_some(())
        });
    });
    // And it comes back on a full disk as on any other.
    let hole = stage.air().hole(SOON, "systemctl restart nonstop");
    stage.cost("restart on a full disk", hole, ON_AIR_AGAIN);
    stage.air().unbroken(|| {
        drop(full);
        wait::until("it renders again", RENDERED, || {
            let library = &stage.told("")["library"];
            (library["tracks"] == TRACKS && library["ready"] == TRACKS && library["paused"].is_null())
                .then_some(())
        });
    });
}

pub fn an_unreadable_configuration_is_refused_once(stage: &Stage) {
    stage.chapter("an unreadable configuration");
    stage.machine.sh("chmod 000 /etc/nonstop/nonstop.toml");
    let said = refused(stage);
    for part in ["/etc/nonstop/nonstop.toml", "ermission denied", "hint:"] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    stage.machine.sh("chmod 644 /etc/nonstop/nonstop.toml");
    back(stage);
}

pub fn an_unknown_key_is_named_with_its_line(stage: &Stage) {
    stage.chapter("a configuration with an unknown key");
    stage.configure("redundncy = \"both\"\n");
    let line = stage.machine.read("/etc/nonstop/nonstop.toml").lines().count();
    let said = refused(stage);
    for part in ["redundncy", "redundancy", "hint:", &format!("nonstop.toml:{line}")] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    stage.configure("");
    back(stage);
}

/// Restarts the first channel, which has to fail for good, and gives what `systemctl status` then
/// shows.
#[track_caller]
fn refused(stage: &Stage) -> String {
    let unit = stage.unit();
    let restarts = unit.number("NRestarts");
    stage.machine.refuses("systemctl restart nonstop");
    assert_eq!((unit.state().as_str(), unit.number("ExecMainStatus")), ("failed failed", 78));
    wait::let_pass(NOT_RETRIED);
    assert_eq!((unit.state().as_str(), unit.number("NRestarts")), ("failed failed", restarts));
    // It ends with the unit's last lines from the journal.
    crate::machine::said(&stage.machine.shell("systemctl status --no-pager --full nonstop"))
}

#[track_caller]
fn back(stage: &Stage) {
    let sessions = stage.air().sessions();
    stage.unit().systemctl("start");
    stage.air().wait_for_session(sessions, SOON);
}

pub fn the_second_channels_ingest_goes_down(stage: &Stage) -> Instant {
    stage.chapter("the second channel's ingest goes down");
    stage.other.lock().expect("one thread tells the story").kill();
    stage.second().wait_for_line("it is off air", SOON, |line| line.contains("here: off air"));
    Instant::now()
}

pub fn an_ingest_that_is_down_is_no_reason_to_restart(stage: &Stage, since: Instant) {
    stage.chapter("an ingest that is down");
    let second = stage.second();
    wait::let_pass(DOWN.saturating_sub(since.elapsed()));
    assert_eq!((second.state().as_str(), second.number("NRestarts")), ("active running", 0));
    assert!(second.show("StatusText").contains("here: off air"), "{}", second.status());
    stage.other.lock().expect("one thread tells the story").start_again();
    second.wait_for_line("it is on air again", 2 * SOON, |line| line.contains("here: primary"));
}
