//! A Debian, booted with systemd as its first process, on a network of its own.
//!
//! Its root is an overlay over one that is made once (`roots`); what it writes lies in memory, on a
//! disk of [`SIZE`] that a test can fill, and is gone with it.

use crate::rig::process::{Process, processes};
use crate::rig::{Scratch, wait};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// What a machine can write before its disk is full. The renderer leaves half a gigabyte free.
const SIZE: &str = "size=1g";
/// It takes half a second where nothing else goes on.
const BOOT: Duration = Duration::from_secs(60);
/// And goes as fast.
const OFF: Duration = Duration::from_secs(10);
/// What a login shell of root has; systemd and the services in it never see it.
const ENVIRONMENT: [&str; 4] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "HOME=/root",
    "DEBIAN_FRONTEND=noninteractive",
];

/// What it is a machine of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debian {
    pub version: &'static str,
    pub codename: &'static str,
}

/// Runs until dropped.
pub struct Machine {
    pub debian: Debian,
    leader: u32,
    // In the order in which they have to go.
    nspawn: Process,
    disk: Disk,
    _cgroups: Cgroups,
}

/// What a machine is put together from.
pub struct Parts<'a> {
    pub debian: Debian,
    /// No two machines of a test have the same.
    pub name: &'a str,
    /// The layers of its root, the uppermost first.
    pub layers: &'a [PathBuf],
    /// The network namespace it is in.
    pub namespace: &'a str,
}

impl Machine {
    /// Boots a Debian whose root is in `roots`, in a network namespace.
    pub fn boot(debian: Debian, roots: &Path, namespace: &str) -> Self {
        let layers = [roots.join(debian.codename)];
        let parts = Parts { debian, name: debian.codename, layers: &layers, namespace };
        let mut machine = Self::power_on(&parts, |_| {});
        machine.wait_until_running(BOOT);
        machine
    }

    /// Gives a machine as soon as systemd answers on it. `prepare` gets its root before it boots.
    pub fn power_on(parts: &Parts, prepare: impl FnOnce(&Path)) -> Self {
        let disk = Disk::over(parts.layers);
        prepare(&disk.root);
        let cgroups = Cgroups::new(parts.name);
        // The machine's processes are counted where its first process is.
        let line = format!("{} exec systemd-nspawn \"$@\"", cgroups.enter());
        let machine = format!("--machine={}-{}", parts.name, std::process::id());
        let namespace = format!("--network-namespace-path=/run/netns/{}", parts.namespace);
        let args: [&OsStr; 15] = [
            "-c".as_ref(),
            line.as_ref(),
            "sh".as_ref(),
            "--directory".as_ref(),
            disk.root.as_ref(),
            "--register=no".as_ref(),
            "--keep-unit".as_ref(),
            namespace.as_ref(),
            machine.as_ref(),
            "--hostname=studio".as_ref(),
            "--resolv-conf=off".as_ref(),
            "--timezone=off".as_ref(),
            "--console=pipe".as_ref(),
            "--quiet".as_ref(),
            "--boot".as_ref(),
        ];
        // As on a Debian that nobody has changed, where the mixed hierarchy is long gone.
        let environment = [("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", OsStr::new("1"))];
        let console = disk.folder.path().join("console.log");
        let mut nspawn = Process::spawn(parts.name, None, "sh", args, &environment, &console);
        let leader = wait::until("a machine starts", BOOT, || {
            if let Some(status) = nspawn.ended() {
                panic!("systemd-nspawn ended with {status}");
            }
            // Until the machine stands, this is a child of systemd-nspawn's that makes it.
            let leader = only_child(nspawn.pid())?;
            is_system_running(leader).filter(|state| state != "offline").map(|_| leader)
        });
        Self { debian: parts.debian, leader, nspawn, disk, _cgroups: cgroups }
    }

    /// Waits until all that it starts at boot has been started, and fails if a part of it has failed.
    pub fn wait_until_running(&mut self, within: Duration) {
        wait::until("a machine boots", within, || {
            if let Some(status) = self.nspawn.ended() {
                panic!("systemd-nspawn ended with {status}");
            }
            let state = is_system_running(self.leader)?;
            assert_ne!(state, "degraded", "{}", text(&enter(self.leader, "systemctl --failed").output()));
            (state == "running").then_some(())
        });
    }

    /// Runs a line of shell as root on it.
    pub fn shell(&self, line: &str) -> Output {
        enter(self.leader, line).output().expect("nsenter runs")
    }

    /// Runs a line of shell that has to succeed, and gives what it said on its standard output.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        let output = self.shell(line);
        assert!(output.status.success(), "{line}\n{}\n{}", output.status, said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a line of shell that has to fail, and gives all it said.
    #[track_caller]
    pub fn refuses(&self, line: &str) -> String {
        let output = self.shell(line);
        assert!(!output.status.success(), "{line} succeeded:\n{}", said(&output));
        said(&output)
    }

    /// Where a path of the machine's is for us. No absolute link on the way is followed as the
    /// machine would.
    pub fn path(&self, path: &str) -> PathBuf {
        Path::new("/proc").join(self.leader.to_string()).join("root").join(path.trim_start_matches('/'))
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Its processes, by our numbers for them.
    pub fn processes(&self) -> Vec<u32> {
        let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let its = namespace(self.leader);
        processes().into_iter().filter(|pid| namespace(*pid) == its).collect()
    }

    /// The paths, from its root, of all that it has made or changed and that is still there.
    pub fn written(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        walk(&self.disk.upper(), "", &mut found);
        // A folder of the root beneath is there again as soon as anything in it has changed.
        found.retain(|path| !self.disk.layers.iter().any(|layer| layer.join(path).is_dir()));
        found
    }

    /// Those of them that hold `bytes`.
    pub fn files_that_hold(&self, bytes: &[u8]) -> Vec<String> {
        let upper = self.disk.upper();
        let holds = |path: &String| {
            let content = std::fs::read(upper.join(path)).unwrap_or_default();
            content.windows(bytes.len()).any(|window| window == bytes)
        };
        self.written().into_iter().filter(holds).collect()
    }

    /// Its disk, to be filled from outside.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let journal = self.shell("journalctl --no-pager --lines=40 -o short-precise");
            eprintln!(
                "---- the last of the journal of Debian {} ----\n{}",
                self.debian.version,
                said(&journal)
            );
        }
        // Its plug is pulled; systemd-nspawn ends once the last process in it is gone.
        let _ = Command::new("kill").args(["-s", "KILL", &self.leader.to_string()]).status();
        let _ = wait::until_or(OFF, || self.nspawn.ended());
    }
}

/// What a machine writes, over what it began with.
pub struct Disk {
    folder: Scratch,
    layers: Vec<PathBuf>,
    writes: PathBuf,
    root: PathBuf,
}

impl Disk {
    fn over(layers: &[PathBuf]) -> Self {
        let folder = Scratch::new("machine");
        let (writes, root) = (folder.folder("writes"), folder.folder("root"));
        let disk = Self { folder, layers: layers.to_owned(), writes, root };
        mount(&["-t", "tmpfs", "-o", &format!("{SIZE},mode=755"), "tmpfs"], &disk.writes);
        for name in ["upper", "work"] {
            std::fs::create_dir(disk.writes.join(name)).expect("the disk is empty");
        }
        let (below, writes) = (layers.iter().map(|layer| layer.display().to_string()), disk.writes.display());
        let below = below.collect::<Vec<_>>().join(":");
        let layers = format!("lowerdir={below},upperdir={writes}/upper,workdir={writes}/work");
        mount(&["-t", "overlay", "-o", &layers, "overlay"], &disk.root);
        disk
    }

    fn upper(&self) -> PathBuf {
        self.writes.join("upper")
    }

    /// Leaves nobody a byte to write until what it gives is dropped.
    pub fn fill(&self) -> Full<'_> {
        let used = Command::new("df").args(["--output=used", "--block-size=4096"]).arg(&self.writes).output();
        let used = said(&used.expect("df runs"));
        let used = used.split_whitespace().last().and_then(|n| n.parse::<u64>().ok());
        self.resize(&format!("size={}k", used.expect("df says a number") * 4));
        Full(self)
    }

    fn resize(&self, size: &str) {
        mount(&["-o", &format!("remount,{size}")], &self.writes);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for mounted in [&self.root, &self.writes] {
            // Lazily, because what was killed a moment ago may hold it for another.
            let _ = Command::new("umount").arg("--lazy").arg(mounted).status();
        }
    }
}

/// A disk is full as long as this is there.
pub struct Full<'a>(&'a Disk);

impl Drop for Full<'_> {
    fn drop(&mut self) {
        self.0.resize(SIZE);
    }
}

/// A group of its own in every hierarchy in which systemd counts processes: two machines in one
/// group would take each other's for theirs.
struct Cgroups(Vec<PathBuf>);

impl Cgroups {
    fn new(name: &str) -> Self {
        let name = format!("nonstop-test-{name}-{}", std::process::id());
        let ours = std::fs::read_to_string("/proc/self/cgroup").expect("Linux says so");
        let folders = ours.lines().filter_map(|line| {
            let (controllers, below) = line.split_once(':')?.1.split_once(':')?;
            let mounted = match controllers {
                "" if Path::new("/sys/fs/cgroup/cgroup.procs").exists() => "/sys/fs/cgroup",
                "" => "/sys/fs/cgroup/unified",
                "name=systemd" => "/sys/fs/cgroup/systemd",
                _ => return None,
            };
            Some(PathBuf::from(format!("{mounted}{below}")).join(&name))
        });
        let folders: Vec<PathBuf> = folders.collect();
        assert!(!folders.is_empty(), "systemd-nspawn needs a control group, and this process is in none");
        for folder in &folders {
            std::fs::create_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        }
        Self(folders)
    }

    /// A line of shell that moves the shell into it.
    fn enter(&self) -> String {
        self.0.iter().map(|folder| format!("echo 0 >'{}/cgroup.procs';", folder.display())).collect()
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        fn remove(folder: &Path) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    remove(&entry.path());
                }
            }
            // One that a process is still leaving stays behind empty, and costs nothing.
            let _ = std::fs::remove_dir(folder);
        }
        self.0.iter().for_each(|folder| remove(folder));
    }
}

/// Files, folders and links below `folder`. What was deleted of the root beneath is a device there.
fn walk(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), found);
        }
        if !kind.is_char_device() {
            found.insert(path);
        }
    }
}

fn mount(what: &[&str], on: &Path) {
    let output = Command::new("mount").args(what).arg(on).output().expect("mount runs");
    assert!(output.status.success(), "{}: {}", on.display(), said(&output));
}

fn enter(leader: u32, line: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &leader.to_string(), "--all", "env", "-i"]).args(ENVIRONMENT);
    command.args(["sh", "-c", line]).stdin(Stdio::null());
    command
}

/// What systemd says of the machine whose first process is `leader`, if it says something.
fn is_system_running(leader: u32) -> Option<String> {
    let state = enter(leader, "systemctl is-system-running").output().expect("nsenter runs");
    let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
    (!state.is_empty()).then_some(state)
}

fn only_child(pid: u32) -> Option<u32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?.trim().parse().ok()
}

/// All that a command said.
pub fn said(output: &Output) -> String {
    let of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    of(&output.stdout) + &of(&output.stderr)
}

fn text(output: &std::io::Result<Output>) -> String {
    output.as_ref().map(said).unwrap_or_else(|error| error.to_string())
}
