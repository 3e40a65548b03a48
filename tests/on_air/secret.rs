//! The stream key is sent to the ingest, and is nowhere else.

use crate::rig::corpus::FEW;
use crate::rig::daemon::{Channel, KEY};
use crate::rig::nginx::{Mute, Nginx};
use crate::rig::{process, wait};
use crate::{RENDERED, SOON};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn holds_key(bytes: &[u8]) -> bool {
    bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes())
}

/// Files below `folder` that hold the key.
fn files_with_key(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("it can be read").flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_with_key(&path)),
            Ok(kind) if kind.is_file() && std::fs::read(&path).is_ok_and(|bytes| holds_key(&bytes)) => {
                found.push(path)
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_key_is_in_no_argument_environment_log_status_or_core() {
    // A server that takes it, one that says nothing, and one that is not there.
    let (nginx, mute) = (Nginx::start(), Mute::new());
    let mut channel = Channel::with("secret", &FEW);
    channel.to("good", &nginx.url(), Some("rtmp://127.0.0.1:1/live2"), "");
    channel.to("mute", &mute.url(), None, "");
    let core = channel.path().join("cores");
    std::fs::create_dir(&core).expect("the target folder can be written");
    let folder = format!("cd '{}'", core.display());
    let mut daemon =
        channel.run_by(&[&folder, "ulimit -c unlimited", "export RUST_LOG=trace NONSTOP_LOG=trace"]);

    // FFmpeg is looked at while it works, over and over.
    let pid = daemon.process.pid();
    let mut rendered = 0;
    wait::until("music is on air", RENDERED, || {
        for process in process::descendants(pid).into_iter().chain([pid]) {
            rendered += usize::from(process != pid);
            for file in ["cmdline", "environ"] {
                let bytes = std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
                assert!(!holds_key(&bytes), "the key is in /proc/{process}/{file}");
            }
        }
        daemon.status()?["now"]["source"].as_str().map(drop)
    });
    assert!(rendered > 0, "FFmpeg was never seen at work");
    daemon.wait_for_ingest(0, 0, "live", SOON);
    nginx.drop_publisher();
    daemon.wait_for("a failure is told", Duration::from_secs(30), |s| {
        let of = |d: usize| s["destinations"][d]["ingests"][0]["last_error"].is_string();
        (of(0) && of(1)).then_some(())
    });
    for verb in [&["status"][..], &["status", "--json"], &["plan"]] {
        let output = channel.command(verb, false);
        assert!(!holds_key(&output.stdout) && !holds_key(&output.stderr), "{verb:?} tells the key");
    }
    let check = channel.command(&["check"], true);
    assert!(!holds_key(&check.stdout) && !holds_key(&check.stderr), "check tells the key");

    daemon.process.signal("ABRT");
    daemon.process.wait(SOON);
    let log = daemon.process.log();
    assert!(log.len() > 500, "it said what it did");
    // The file that it was read from is the only one that holds it; a core, if there is one, is
    // in the folder that it was started in.
    assert_eq!(files_with_key(channel.path()), [channel.path().join("stream-key")]);
}
