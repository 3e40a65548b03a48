//! What an administrator does every day.

use crate::machine::said;
use crate::rig::corpus::{LATE, LONG};
use crate::rig::daemon::KEY;
use crate::rig::wait;
use crate::story::{MUSIC, RENDERED, SOON, Stage, configuration};
use std::time::{Duration, Instant};

/// What is promised of a restart, an upgrade and a crash.
pub const ON_AIR_AGAIN: Duration = Duration::from_secs(2);
/// And of a stop, until the ingest knows: a moment, and what the test takes to ask for it.
const TOLD_OF_A_STOP: Duration = Duration::from_secs(5);

pub fn it_goes_on_air_with_a_key_from_systemd(stage: &Stage) {
    stage.chapter("it goes on air");
    let (machine, unit) = (&stage.machine, stage.unit());
    machine.sh(&format!("mkdir {MUSIC} && mount -t tmpfs -o size=64m,mode=755 tmpfs {MUSIC}"));
    LONG.iter().for_each(|item| drop(item.put(&machine.path(MUSIC))));
    stage.give_key("/etc/nonstop/stream-key");
    stage.configure("");
    unit.systemctl("enable --quiet --now");
    assert_eq!(unit.state(), "active running");
    unit.wait_for_line("music is on air", RENDERED, |line| {
        line.contains("The Rig – ") && line.contains("here: primary")
    });
    wait::until("all is rendered", RENDERED, || {
        (stage.told("")["library"]["ready"] == LONG.len()).then_some(())
    });
    let status = unit.status();
    for part in ["Active: active (running)", "Status: \"The Rig – ", "here: primary", "Main PID"] {
        assert!(status.contains(part), "{part:?} is not in:\n{status}");
    }
    stage.host.wait_for_more(SOON);
    stage.air().unbroken(|| ());
    let told = machine.sh("nonstop status");
    assert!(told.contains("The Rig"), "{told}");
    let journal = unit.journal();
    assert!(!journal.contains("others may read"), "a credential is nobody else's:\n{journal}");
}

pub fn a_second_channel_has_all_of_its_own(stage: &Stage) {
    stage.chapter("a second channel");
    let (machine, unit) = (&stage.machine, stage.second());
    stage.give_key("/etc/nonstop/second.stream-key");
    let url = stage.other.lock().expect("one thread tells the story").url();
    machine.write("/etc/nonstop/second.toml", &configuration(&url, "stream-key"));
    unit.systemctl("enable --quiet --now");
    unit.wait_for_line("music is on air", RENDERED, |line| {
        line.contains("The Rig – ") && line.contains("here: primary")
    });
    assert_eq!(stage.unit().state(), "active running");
    assert_eq!(stage.told("--config /etc/nonstop/second.toml")["channel"], "second");
    assert_eq!(stage.told("")["channel"], "nonstop");
}

pub fn a_new_file_is_rendered_and_nobody_sees_the_key(stage: &Stage) {
    stage.chapter("a new file is rendered under the hardening, and the key is in no process or file");
    let (machine, unit) = (&stage.machine, stage.unit());
    let main = unit.number("MainPID");
    let line = format!("pgrep -P {main} | while read -r p; do nice=$(ps -o ni= -p $p); echo $nice; done");
    let mut renders = Vec::new();
    stage.air().unbroken(|| {
        LATE.put(&machine.path(MUSIC));
        wait::until("the new file is ready", RENDERED, || {
            for pid in machine.processes() {
                for file in ["cmdline", "environ"] {
                    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                    assert!(!holds_key(&bytes), "the key is in {file} of process {pid}");
                }
            }
            renders.extend(machine.sh(&line).split_whitespace().map(str::to_owned));
            (stage.told("")["library"]["ready"] == LONG.len() + 1).then_some(())
        });
    });
    assert!(!renders.is_empty(), "FFmpeg was never seen at work");
    assert!(renders.iter().all(|nice| nice == "19"), "renders run beneath the daemon: {renders:?}");
    nothing_holds_the_key(stage);
    let denied =
        machine.sh("journalctl --no-pager -o cat | grep -iE 'denied|not permitted|SIGSYS|seccomp' || true");
    // D-Bus's own, about a limit of files that a machine of this kind has anyway.
    let denied: Vec<_> = denied.lines().filter(|line| !line.contains("Failed to set fd limit")).collect();
    assert!(denied.is_empty(), "{denied:#?}");
}

/// The key is in its own files, and in nothing else that was written or is told.
pub fn nothing_holds_the_key(stage: &Stage) {
    let machine = &stage.machine;
    for (what, line) in [
        ("the journal", "journalctl --all -o export"),
        ("the status", "nonstop status --json; systemctl show nonstop; systemctl status -l nonstop"),
    ] {
        assert!(!holds_key(&machine.shell(line).stdout), "{what} tells the key");
    }
    let holders = machine.files_that_hold(KEY.as_bytes());
    assert!(holders.iter().all(|path| path.ends_with("stream-key")) && !holders.is_empty(), "{holders:?}");
}

fn holds_key(bytes: &[u8]) -> bool {
    bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes())
}

pub fn reloads_are_not_felt_on_air(stage: &Stage) {
    stage.chapter("reloads, with a good and with a bad configuration");
    let unit = stage.unit();
    let main = unit.show("MainPID");
    let reload = |what: &str, more: &str, sentence: &str, part: &str| {
        unit.mark();
        stage.air().unbroken(|| {
            stage.configure(more);
            let reloaded = stage.machine.shell("systemctl reload nonstop");
            assert_eq!(reloaded.status.success(), part.is_empty(), "{what}: {}", said(&reloaded));
            unit.wait_for_journal(what, SOON, |said| said.contains(sentence) && said.contains(part));
        });
        assert_eq!((unit.show("MainPID").as_str(), unit.state().as_str()), (main.as_str(), "active running"));
    };
    reload("a good one", "\n[rotation]\norder = \"sequential\"\n", "the configuration was read again", "");
    reload("a bad one", "redundncy = \"both\"\n", "the new configuration is refused", "redundncy");
    unit.wait_for_line("the status tells of it", SOON, |line| {
        line.contains("the new configuration is refused") && line.contains("here: primary")
    });
    reload("the first", "", "the configuration was read again", "");
    unit.wait_for_line("that is forgotten", SOON, |line| !line.contains("refused"));
}

pub fn a_restart_costs_next_to_nothing(stage: &Stage) {
    stage.chapter("a restart");
    let main = stage.unit().show("MainPID");
    let hole = stage.air().hole(SOON, "systemctl restart nonstop");
    assert_ne!(stage.unit().show("MainPID"), main);
    assert!(hole.kept && hole.lost.is_zero(), "systemd has kept the connection: {hole:?}");
    stage.cost("restart", hole, ON_AIR_AGAIN);
}

pub fn over_tls_a_restart_begins_another_session(stage: &Stage) {
    stage.chapter("a restart with RTMPS");
    let (machine, air) = (&stage.machine, stage.air());
    let restart = || {
        let sessions = air.sessions();
        stage.unit().systemctl("restart");
        air.wait_for_session(sessions, SOON);
    };
    const AUTHORITY: &str = "/etc/nonstop/ingest-authority.pem";
    machine.write(AUTHORITY, stage.front.authority());
    let safe = configuration(&stage.front.url(), "stream-key") + &format!("ca_file = \"{AUTHORITY}\"\n");
    machine.write("/etc/nonstop/nonstop.toml", &safe);
    restart();
    let hole = air.hole(SOON, "systemctl restart nonstop");
    assert!(!hole.kept, "what TLS knows of a connection cannot be handed on");
    stage.cost("restart with RTMPS", hole, ON_AIR_AGAIN);
    stage.configure("");
    restart();
}

pub fn stopped_it_ends_in_good_order(stage: &Stage) {
    stage.chapter("a stop");
    let unit = stage.unit();
    let group = stage.machine.path(&format!("/sys/fs/cgroup{}", unit.show("ControlGroup")));
    assert!(group.join("cgroup.procs").exists(), "its processes are counted in {}", group.display());
    let (machine, host) = (&stage.machine, &stage.host);
    let (farewells, asked) = (host.farewells(), Instant::now());
    let told = std::thread::scope(|scope| {
        let stop = scope.spawn(|| machine.sh("systemctl stop nonstop"));
        wait::until("the ingest is told", SOON, || (host.farewells() > farewells).then_some(()));
        let told = asked.elapsed();
        stop.join().expect("it stops");
        told
    });
    assert!(told < TOLD_OF_A_STOP, "the ingest was told after {told:?}");
    assert_eq!(unit.state(), "inactive dead");
    assert_eq!((unit.show("Result").as_str(), unit.number("ExecMainStatus")), ("success", 0));
    let journal = unit.journal();
    assert!(journal.contains("drained") && !journal.contains("left to the next process"), "{journal}");
    wait::until("no process of it is left", SOON, || (!group.exists()).then_some(()));
    let sessions = stage.air().sessions();
    unit.systemctl("start");
    stage.air().wait_for_session(sessions, SOON);
}
