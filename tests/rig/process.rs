//! A child process that never outlives its test, with its output kept in a file.

use super::{cpu, wait};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    pub started: Instant,
}

impl Process {
    /// Runs `program`, with both its outputs appended to `log`. The kernel kills it when the thread
    /// that called this ends, so that not even a test that is killed leaves it behind.
    pub fn spawn<S: AsRef<OsStr>>(
        name: &str,
        namespace: Option<&str>,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = S>,
        environment: &[(&str, &OsStr)],
        log: &Path,
    ) -> Self {
        let output = File::options().create(true).append(true).open(log).expect("the log can be written");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if let Some(namespace) = namespace {
            command.args(["ip", "netns", "exec", namespace]);
        }
        command.arg(program).args(args).stdin(Stdio::null());
        command.envs(environment.iter().copied());
        command.stdout(output.try_clone().expect("a file handle can be copied")).stderr(output);
        let started = Instant::now();
        let child = command.spawn().unwrap_or_else(|e| panic!("{name} cannot be started: {e}"));
        Self { child, name: name.to_owned(), log: log.to_owned(), started }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends `signal` by its name without SIG: TERM, STOP, CONT, ABRT.
    pub fn signal(&self, signal: &str) {
        signal_pid(self.pid(), signal);
    }

    /// Kills it with no chance to tidy up, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("our own child can be killed");
        self.child.wait().expect("our own child can be waited for");
    }

    /// Its end, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be waited for")
    }

    #[track_caller]
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        wait::until(&what, within, || self.ended())
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// CPU seconds that it has used so far, in user and kernel mode, its children not counted.
    pub fn cpu_seconds(&self) -> f64 {
        cpu::seconds(self.pid())
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        status_kib(self.pid(), "VmRSS:") * 1024
    }

    /// Memory that is this process's alone, in bytes.
    pub fn private(&self) -> u64 {
        status_kib(self.pid(), "RssAnon:") * 1024
    }

    /// The most that was ever resident, in bytes.
    pub fn peak_resident(&self) -> u64 {
        status_kib(self.pid(), "VmHWM:") * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("---- the last that {} said ({}) ----", self.name, self.log.display());
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

pub fn signal_pid(pid: u32, signal: &str) {
    // The shell's own kill: there is no other way without unsafe code or a dependency.
    let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, &pid.to_string()]).status();
    assert!(status.expect("sh runs").success(), "SIG{signal} to {pid}");
}

fn status_kib(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is alive");
    let line =
        status.lines().find_map(|line| line.strip_prefix(key)).expect("Linux says so for every process");
    line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
}

/// The processes whose parent is `pid`, with theirs.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        let children = processes().into_iter().filter(|p| parent_of(*p) == Some(parent));
        for child in children {
            found.push(child);
            parents.push(child);
        }
    }
    found
}

pub fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("there is a /proc");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything, so what follows it is counted from its end.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
