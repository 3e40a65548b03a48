//! The part of systemd that keeps descriptors for a service over its restarts.

use super::process::Process;
use super::wait;
use std::path::{Path, PathBuf};
use std::time::Duration;

const START: Duration = Duration::from_secs(20);
/// Takes what comes on the socket, and says after each message what is kept.
const PROGRAM: &str = r#"
import os, socket, sys
taken = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
taken.bind(sys.argv[1])
kept = []
while True:
    print("kept", os.getpid(), *[f"{name}={fd}" for name, fd in kept], flush=True)
    message, fds, _, _ = socket.recv_fds(taken, 65536, 16)
    said = dict(line.split("=", 1) for line in message.decode().splitlines())
    if "FDSTOREREMOVE" in said:
        for fd in [fd for name, fd in kept if name == said["FDNAME"]]:
            os.close(fd)
        kept = [(name, fd) for name, fd in kept if name != said["FDNAME"]]
    elif "FDSTORE" in said:
        kept += [(said["FDNAME"], fd) for fd in fds]
"#;

/// It, running.
pub struct Keeper {
    process: Process,
    /// For `NOTIFY_SOCKET`.
    pub socket: PathBuf,
}

/// A descriptor that it keeps.
#[derive(Clone, Debug)]
pub struct Kept {
    pub name: String,
    /// What opens the same.
    pub path: PathBuf,
}

impl Keeper {
    pub fn start(folder: &Path) -> Self {
        let socket = folder.join("notify");
        let args = ["-c".as_ref(), PROGRAM.as_ref(), socket.as_os_str()];
        let process = Process::spawn("keeper", None, "python3", args, &[], &folder.join("keeper.log"));
        let keeper = Self { process, socket };
        wait::until("the keeper listens", START, || keeper.latest().map(drop));
        keeper
    }

    /// What it keeps, in the order in which it came.
    pub fn kept(&self) -> Vec<Kept> {
        self.latest().expect("it has said so at its start")
    }

    fn latest(&self) -> Option<Vec<Kept>> {
        let log = self.process.log();
        // The last line may be under way.
        let whole = &log[..log.rfind('\n')?];
        let line = whole.lines().rev().find_map(|line| line.strip_prefix("kept "))?;
        let mut words = line.split(' ');
        let pid = words.next()?;
        let one = |word: &str| {
            let (name, fd) = word.rsplit_once('=').expect("a name and a number");
            Kept { name: name.to_owned(), path: format!("/proc/{pid}/fd/{fd}").into() }
        };
        Some(words.map(one).collect())
    }

    /// Lines for [`Channel::run_by`](super::daemon::Channel::run_by) that pass all of it on. Sealed
    /// memory only: what is no file cannot be opened again.
    pub fn pass(&self) -> Vec<String> {
        let kept = self.kept();
        let names: Vec<_> = kept.iter().map(|kept| kept.name.as_str()).collect();
        let opened = kept.iter().zip(3..).map(|(kept, fd)| format!("exec {fd}<{}", kept.path.display()));
        let told = [
            format!("export LISTEN_FDS={} LISTEN_FDNAMES={}", kept.len(), names.join(":")),
            "export LISTEN_PID=$$".to_owned(),
        ];
        opened.chain(told).collect()
    }
}
