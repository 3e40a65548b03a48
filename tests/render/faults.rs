//! Programs that pretend to be FFmpeg and misbehave. Nothing that they do may hang the stage, cost
//! it memory, or be blamed on the wrong one.

use crate::bench::{Stage, library, pretend, settings, track};
use crate::rig::corpus;
use nonstop::render::State;
use nonstop::render::task::Settings;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A stage whose standby card was rendered by the real FFmpeg, and which then runs `script`.
async fn stage(folder: &Path, script: &str, more: impl FnOnce(&mut Settings)) -> Stage {
    let (mut settings, in_use) = settings(&folder.join("cache"));
    nonstop::render::task::first_shelf(&settings).await.unwrap();
    settings.ffmpeg = pretend(folder, script);
    more(&mut settings);
    let song = track(&corpus::FEW[1].file(), "song");
    // Nobody tells what is in use any more; what was said last holds.
    drop(in_use);
    Stage::start(settings, library(vec![song], None)).await
}

/// The one that measures a track, which is the first to see a foreign file.
const MEASURES: &str =
    "case \"$*\" in *ebur128*whitelist*|*whitelist*ebur128*) true;; *) exec $real \"$@\";; esac";

async fn reason(stage: &mut Stage) -> String {
    let shelf = stage.until("a verdict", |shelf| !shelf.quarantined.is_empty()).await;
    assert_eq!(shelf.tracks[0].state, State::Quarantined);
    shelf.quarantined[0].reason.clone()
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_its_children_and_given_up_after_three_times() {
    let scratch = tempfile::tempdir().unwrap();
    let pids = scratch.path().join("pids");
    let script = format!("{MEASURES}\nsleep 1000 & echo $! >> {}\nwait", pids.display());
    let patience = |s: &mut Settings| s.patience.stall = Duration::from_millis(300);
    let mut stage = stage(scratch.path(), &script, patience).await;
    assert_eq!(reason(&mut stage).await, "FFmpeg was stopped: it made no progress for 0 s (tried 3 times)");
    let pids = fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 3);
    for pid in pids.lines() {
        // A process that has ended is gone, or waits for its parent to notice.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }
}

#[tokio::test]
async fn one_that_repeats_the_same_position_for_ever_is_stuck_too() {
    let scratch = tempfile::tempdir().unwrap();
    let script = format!(
        "{MEASURES}\nwhile true; do echo out_time_us=1000; echo frame=7; echo progress=continue; sleep 0.02; done"
    );
    let patience = |s: &mut Settings| s.patience.stall = Duration::from_millis(300);
    let mut stage = stage(scratch.path(), &script, patience).await;
    assert!(reason(&mut stage).await.contains("no progress"));
}

#[tokio::test]
async fn one_that_goes_on_without_end_meets_its_deadline() {
    let scratch = tempfile::tempdir().unwrap();
    let script = format!("{MEASURES}\ni=0; while true; do i=$((i+1)); echo out_time_us=$i; sleep 0.02; done");
    let mut stage = stage(scratch.path(), &script, |s| {
        s.patience.least = Duration::from_millis(400);
        s.patience.scale = 0.0;
    })
    .await;
    assert!(reason(&mut stage).await.contains("not done after"));
}

/// Set in the process that runs one test alone.
const ALONE: &str = "NONSTOP_TEST_ALONE";

#[tokio::test]
async fn one_that_floods_its_output_costs_no_memory() {
    // Memory is the whole process's, so this one runs in a process where no other test does.
    if std::env::var_os(ALONE).is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["faults::one_that_floods_its_output_costs_no_memory", "--exact"]).env(ALONE, "1");
        let output = alone.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let script = format!("{MEASURES}\nyes 'a line that is as good as any other' & yes | tr -d '\\n' >&2");
    let flood = |s: &mut Settings| s.patience.output = 32 << 20;
    let mut stage = stage(scratch.path(), &script, flood).await;
    let before = resident();
    assert_eq!(
        reason(&mut stage).await,
        "FFmpeg was stopped: it printed more than 33554432 bytes (tried 3 times)"
    );
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more are resident");
}

#[tokio::test]
async fn a_crash_is_tried_again_and_may_go_right_then() {
    let scratch = tempfile::tempdir().unwrap();
    let once = scratch.path().join("once");
    let script =
        format!("{MEASURES}\n[ -e {0} ] && exec $real \"$@\"\ntouch {0}; kill -SEGV $$", once.display());
    let mut stage = stage(scratch.path(), &script, |_| {}).await;
    let shelf = stage.until("the second try", |shelf| shelf.complete).await;
    assert!(matches!(shelf.tracks[0].state, State::Ready { .. }) && once.exists());
}

#[tokio::test]
async fn what_ffmpeg_says_about_a_file_is_the_reason_and_the_file_is_not_tried_again() {
    let scratch = tempfile::tempdir().unwrap();
    let count = scratch.path().join("count");
    let script = format!(
        "{MEASURES}\necho x >> {}; echo '[mp3 @ 0x1] [error] it is a waltz' >&2; exit 1",
        count.display()
    );
    let mut stage = stage(scratch.path(), &script, |_| {}).await;
    assert_eq!(reason(&mut stage).await, "FFmpeg cannot read it: it is a waltz");
    stage.stop().await;
    // Nor by the next process, as long as FFmpeg is the same.
    let (settings, _in_use) = settings(&scratch.path().join("cache"));
    let song = track(&corpus::FEW[1].file(), "song");
    let mut stage = Stage::start(settings, library(vec![song], None)).await;
    let shelf = stage.until("the verdict, at once", |shelf| shelf.complete).await;
    assert_eq!(shelf.quarantined[0].reason, "FFmpeg cannot read it: it is a waltz");
    assert_eq!(fs::read_to_string(count).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn another_ffmpeg_gets_another_try() {
    let scratch = tempfile::tempdir().unwrap();
    let mut first = stage(scratch.path(), &format!("{MEASURES}\nexit 1"), |_| {}).await;
    reason(&mut first).await;
    first.stop().await;
    let script = "[ \"$1\" = -version ]";
    let (mut settings, _in_use) = settings(&scratch.path().join("cache"));
    settings.ffmpeg = pretend(scratch.path(), script);
    // It says another version, and is the real one otherwise.
    let other =
        "#!/bin/sh\n[ \"$1\" = -version ] && echo ffmpeg version 99 && exit\nexec /usr/bin/ffmpeg \"$@\"\n";
    fs::write(&settings.ffmpeg, other).unwrap();
    let song = track(&corpus::FEW[1].file(), "song");
    let mut second = Stage::start(settings, library(vec![song], None)).await;
    second
        .until(
            "another try",
            |shelf| matches!(shelf.tracks[0..], [ref t] if matches!(t.state, State::Ready { .. })),
        )
        .await;
}

#[tokio::test]
async fn a_missing_ffmpeg_is_nobodys_fault_and_work_goes_on_when_it_is_back() {
    let scratch = tempfile::tempdir().unwrap();
    let away = scratch.path().join("away");
    let mut stage = stage(scratch.path(), "exec $real \"$@\"", |s| {
        fs::rename(&s.ffmpeg, &away).unwrap();
    })
    .await;
    let shelf = stage.until("a pause", |shelf| shelf.paused.is_some()).await;
    let paused = shelf.paused.as_ref().unwrap();
    assert!(paused.starts_with("FFmpeg is missing"), "{paused}");
    assert_eq!((shelf.tracks[0].state.clone(), shelf.quarantined.len()), (State::Pending, 0));
    fs::rename(&away, scratch.path().join("ffmpeg")).unwrap();
    let shelf = stage.until("work", |shelf| shelf.complete).await;
    assert_eq!(shelf.paused, None);
}

#[tokio::test]
async fn a_stage_that_stops_takes_its_ffmpeg_with_it_at_once() {
    let scratch = tempfile::tempdir().unwrap();
    let pid = scratch.path().join("pid");
    let script = format!("{MEASURES}\necho $$ > {}.new; mv {0}.new {0}; exec sleep 1000", pid.display());
    let mut stage = stage(scratch.path(), &script, |_| {}).await;
    stage.until("a start", |shelf| shelf.rendering.is_some() && pid.exists()).await;
    let (stat, begun) = (format!("/proc/{}/stat", fs::read_to_string(&pid).unwrap().trim()), Instant::now());
    stage.stop().await;
    // It has been killed; the kernel takes a moment to end it.
    loop {
        let stat = fs::read_to_string(&stat).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{stat}");
        std::thread::yield_now();
    }
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
