//! What a machine does that cannot play: the end of user data, with programs of our own in the place
//! of the system's.

use crate::{executable, root};
use std::fs;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A machine on which dpkg says this of the package, and systemd this of the service.
struct Case {
    package: &'static str,
    starts: bool,
    failed: bool,
}

/// What was said, and what was asked of `shutdown`, if it was called.
fn started(case: &Case) -> (String, Option<String>) {
    let folder = TempDir::new().unwrap();
    let program = |name: &str, body: &str| {
        executable(&folder.path().join(name), &format!("#!/bin/sh\n{body}\n"));
    };
    let code = |success: bool| i32::from(!success);
    program("dpkg-query", &format!("printf '{}'", case.package));
    program(
        "systemctl",
        &format!(
            "case $1 in enable) exit {};; is-failed) exit {};; esac; exit 99",
            code(case.starts),
            code(case.failed)
        ),
    );
    program("sleep", "");
    program("journalctl", "echo 'unknown key `fsp`'");
    program("shutdown", &format!("echo \"$@\" >{}/asked", folder.path().display()));
    let done = Command::new("sh")
        .args(["-c", &fs::read_to_string(root().join("terraform/modules/user-data/start.sh")).unwrap()])
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    let shutdown = fs::read_to_string(folder.path().join("asked")).ok();
    (String::from_utf8(said).unwrap(), shutdown)
}

const INSTALLED: &str = "install ok installed";

#[test]
fn a_machine_that_will_never_play_says_why_and_makes_room_for_another() {
    for (case, why) in [
        (Case { package: "", starts: false, failed: false }, "could not be installed"),
        (Case { package: "install ok unpacked", starts: true, failed: false }, "could not be installed"),
        (Case { package: INSTALLED, starts: false, failed: true }, "refuses its configuration"),
        // It ends and is started anew, or systemd cannot be asked.
        (Case { package: INSTALLED, starts: false, failed: false }, "does not come up"),
    ] {
        let (said, shutdown) = started(&case);
        assert!(said.contains(why), "{said}");
        let shutdown = shutdown.expect("it turns itself off");
        assert!(shutdown.starts_with("--poweroff +5 ") && shutdown.contains(why), "{shutdown}");
    }
    let (said, _) = started(&Case { package: INSTALLED, starts: false, failed: true });
    assert!(said.contains("unknown key `fsp`"), "what the daemon said is on the console: {said}");
}

#[test]
fn a_machine_that_plays_stays() {
    let case = Case { package: INSTALLED, starts: true, failed: false };
    assert_eq!(started(&case), (String::new(), None));
}
