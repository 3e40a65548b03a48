//! What the view looks like in the states that an operator may find a channel in.

use super::*;
use crate::control::status::tests::on_air;
use crate::control::status::{Notice, Part, Quarantined, Rendering, Syncing};
use unicode_width::UnicodeWidthStr;

fn at_80(status: &Status) -> String {
    let text = render_text(status, status.time, 80, false);
    for line in text.lines() {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
    text
}

fn failing() -> Status {
    let mut status = on_air();
    status.phase = Phase::Degraded;
    let youtube = &mut status.destinations[0];
    youtube.failovers = 3;
    youtube.ingests[0].state = IngestState::Waiting;
    youtube.ingests[0].since = Timestamp::from_unix(status.time.unix() - 12);
    youtube.ingests[0].acked_lag_ms = None;
    youtube.ingests[0].failures = 4;
    youtube.ingests[0].last_error =
        Some("connect to a.rtmps.youtube.com:443: no answer within 5 s; this sentence goes on and on".into());
    youtube.ingests[1].state = IngestState::Connecting;
    let mut twitch = status.destinations[0].clone();
    twitch.name = "twitch".into();
    twitch.redundancy = Redundancy::Both;
    twitch.failovers = 1;
    twitch.ingests[0].state = IngestState::Live;
    twitch.ingests[0].acked_lag_ms = Some(4_200);
    twitch.ingests[1].state = IngestState::Draining;
    status.destinations.push(twitch);
    status
}

#[test]
fn a_channel_in_full_swing() {
    insta::assert_snapshot!(at_80(&on_air()));
}

#[test]
fn a_first_boot_on_standby() {
    let mut status = on_air();
    (status.phase, status.standby, status.now) = (Phase::OnAir, true, None);
    status.next.clear();
    status.uptime_s = 4;
    status.library.ready = 0;
    let (bytes, total_bytes) = (48_300_000, 166_000_000);
    status.library.syncing = Some(Syncing { files: 12, total: 41, bytes, total_bytes });
    status.library.complete = false;
    status.library.rendering = Some(Rendering { source: "knalgan-theme.ogg".into(), done: 0.42 });
    insta::assert_snapshot!(at_80(&status));
}

#[test]
fn a_key_of_before_the_restart() {
    let mut status = on_air();
    let reason =
        "youtube has the key of before the restart: cannot read the secret \"nonstop/lofi\": timed out";
    let hint = Some("mend it before the next stop, which forgets that key".into());
    status.troubles = vec![Trouble { part: Part::Key, reason: reason.into(), hint }];
    let said = at_80(&status);
    let told = said.split_once("  ! key").expect("the trouble is told").1;
    assert!(told.starts_with("  what is on air has the one that was kept\n    youtube has"), "{told}");
}

#[test]
fn ingests_that_fail() {
    insta::assert_snapshot!(at_80(&failing()));
}

#[test]
fn broken_files_a_full_disk_and_a_spot_notice() {
    let mut status = on_air();
    status.phase = Phase::Draining;
    status.library.ready = 30;
    status.library.paused = Some("the disk is full (12 MB free in /var/cache/nonstop)".into());
    status.library.quarantined = (1..=7)
        .map(|i| Quarantined {
            source: format!("broken/{i}.mp3"),
            reason: "Invalid data found when processing input".into(),
        })
        .collect();
    status.notice = Some(Notice {
        reason: "spot interruption: terminate".into(),
        deadline: Some(Timestamp::from_unix(status.time.unix() + 118)),
    });
    insta::assert_snapshot!(at_80(&status));
}

#[test]
fn a_bucket_out_of_reach() {
    let mut status = on_air();
    let trouble = |part, reason: &str, hint: Option<&str>| Trouble {
        part,
        reason: reason.into(),
        hint: hint.map(Into::into),
    };
    status.troubles = vec![
        trouble(Part::Music, "the bucket cannot be listed: access denied", None),
        trouble(
            Part::Schedule,
            "this node goes on alone: cannot reach the schedule's store: no answer within 3 s",
            Some("is the address right, and do routes, DNS and firewalls let this machine out to it?"),
        ),
    ];
    insta::assert_snapshot!(at_80(&status));
}

#[test]
fn colours_mark_what_is_good_and_bad() {
    insta::assert_snapshot!(render_text(&failing(), failing().time, 80, true).replace('\x1b', "␛"));
}

#[test]
fn a_narrow_terminal_is_kept_to() {
    for width in [0, 1, 7, 20, 40, 60, 79] {
        for line in render_text(&failing(), failing().time, width, false).lines() {
            assert!(line.width() <= width, "{} columns in {width}: {line}", line.width());
        }
    }
}

#[test]
fn the_bar_follows_the_clock_and_stops_at_the_end() {
    let status = on_air();
    let started = status.now.as_ref().unwrap().started.unix();
    let bar_at = |seconds| {
        let text = render_text(&status, Timestamp::from_unix(started + seconds), 80, false);
        text.lines().nth(4).unwrap().to_owned()
    };
    assert!(bar_at(0).ends_with("0:00 / 3:45   3:45 left") && !bar_at(0).contains('━'));
    assert!(bar_at(9_999).ends_with("3:45 / 3:45   0:00 left") && !bar_at(9_999).contains('─'));
}

#[test]
fn numbers_are_short_and_exact_enough() {
    assert_eq!(
        [0, 999, 1_000, 9_940, 12_345_678_901, 999_600].map(bytes),
        ["0 B", "999 B", "1.0 kB", "9.9 kB", "12 GB", "1.0 MB"]
    );
    assert_eq!(
        [0, 59, 60, 3_599, 3_600, 86_400, 273_900].map(|s| span(Duration::from_secs(s))),
        ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "1 d 0 h", "3 d 4 h"]
    );
    assert_eq!([0, 225, 3_723].map(|s| clock(Duration::from_secs(s))), ["0:00", "3:45", "1:02:03"]);
}
