//! The daemon itself, as an operator runs it: a config file, folders, a process, and the command
//! line to talk to it.

use super::corpus::{self, Item};
use super::process::Process;
use super::programme::Programme;
use super::{Scratch, wait};
use serde_json::Value;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// The stream key of every test. No other file or process may hold it while a test looks for it.
pub const KEY: &str = "k3y7-q9zx-w2vb-n5tr";

/// A channel with its folders. What it is configured to be is public, for tests to change.
pub struct Channel {
    scratch: Scratch,
    pub music: PathBuf,
    pub background: &'static str,
    pub size: (u32, u32),
    pub fps: u32,
    pub keyframe: &'static str,
    pub bitrate: &'static str,
    pub rate: &'static str,
    pub order: &'static str,
    pub namespace: Option<String>,
    /// The media source, if it is not the folder with the music.
    pub source: Option<String>,
    /// FFmpeg's program, if it is not the usual one.
    pub ffmpeg: Option<PathBuf>,
    /// Variables of the daemon's environment.
    pub environment: Vec<(&'static str, String)>,
    /// Further sections of the configuration.
    pub more: String,
    pub destinations: String,
}

impl Channel {
    /// With a background picture, and no music yet.
    pub fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let music = scratch.folder("music");
        std::fs::copy(corpus::background(), music.join("background.jpg")).expect("it can be copied");
        Self {
            scratch,
            music,
            background: "background.jpg",
            size: (640, 360),
            fps: 30,
            keyframe: "2s",
            bitrate: "600k",
            rate: "capped",
            order: "shuffle",
            namespace: None,
            source: None,
            ffmpeg: None,
            environment: Vec::new(),
            more: String::new(),
            destinations: String::new(),
        }
    }

    /// With the music given.
    pub fn with(name: &str, items: &[Item]) -> Self {
        let channel = Self::new(name);
        items.iter().for_each(|item| drop(item.put(&channel.music)));
        channel
    }

    /// Adds a destination; `more` is further lines of its table.
    pub fn to(&mut self, name: &str, primary: &str, backup: Option<&str>, more: &str) -> &mut Self {
        let key = self.scratch.path().join("stream-key");
        std::fs::write(&key, KEY).expect("the target folder can be written");
        let backup = backup.map(|url| format!("backup = \"{url}\"\n")).unwrap_or_default();
        let _ = write!(
            self.destinations,
            "\n[[destination]]\nname = \"{name}\"\nprimary = \"{primary}\"\n{backup}key = {{ file = \"{}\" }}\n{more}\n",
            key.display()
        );
        self
    }

    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    pub fn state(&self) -> PathBuf {
        self.scratch.folder("state")
    }

    pub fn cache(&self) -> PathBuf {
        self.scratch.folder("cache")
    }

    pub fn runtime(&self) -> PathBuf {
        self.scratch.folder("run")
    }

    pub fn log(&self) -> PathBuf {
        self.scratch.path().join("daemon.log")
    }

    fn write_config(&self) -> PathBuf {
        let path = self.scratch.path().join("nonstop.toml");
        let text = format!(
            "channel = \"rig\"\n\n[media]\nsource = \"{}\"\nbackground = \"{}\"\n\n[rotation]\norder = \"{}\"\n\n\
             [video]\nsize = \"{}x{}\"\nfps = {}\nkeyframe = \"{}\"\nbitrate = \"{}\"\nrate = \"{}\"\n\n\
             [audio]\nbitrate = \"128k\"\nloudness = -14\n{}\n{}",
            self.source.clone().unwrap_or_else(|| self.music.display().to_string()),
            self.background,
            self.order,
            self.size.0,
            self.size.1,
            self.fps,
            self.keyframe,
            self.bitrate,
            self.rate,
            self.destinations,
            self.more,
        );
        std::fs::write(&path, text).expect("the target folder can be written");
        path
    }

    fn folders(&self) -> Vec<PathBuf> {
        let of = |flag: &str, folder: PathBuf| [flag.into(), folder];
        [
            of("--state-dir", self.state()),
            of("--cache-dir", self.cache()),
            of("--runtime-dir", self.runtime()),
        ]
        .concat()
    }

    /// Starts the daemon.
    pub fn run(&self) -> Daemon<'_> {
        self.run_by(&[])
    }

    /// Starts the daemon through a shell that first does `setup`, a line of it each.
    pub fn run_by(&self, setup: &[&str]) -> Daemon<'_> {
        let config = self.write_config();
        let mut args: Vec<PathBuf> = Vec::new();
        let mut program: &OsStr = OsStr::new(binary());
        if !setup.is_empty() {
            program = OsStr::new("sh");
            args.extend([
                "-c".into(),
                format!("{}; exec \"$0\" \"$@\"", setup.join("; ")).into(),
                binary().into(),
            ]);
        }
        args.extend(["run".into(), "--config".into(), config]);
        args.extend(self.folders());
        if let Some(ffmpeg) = &self.ffmpeg {
            args.extend(["--ffmpeg".into(), ffmpeg.clone()]);
        }
        let mut environment = vec![("RUST_BACKTRACE", OsStr::new("1")), ("NO_COLOR", OsStr::new("1"))];
        environment.extend(self.environment.iter().map(|(name, value)| (*name, OsStr::new(value))));
        let process =
            Process::spawn("nonstop", self.namespace.as_deref(), program, args, &environment, &self.log());
        Daemon { channel: self, process }
    }

    /// Runs another verb of the command to its end. `verb`'s words come first; it gets the folders,
    /// and the config file if it `needs_config`.
    pub fn command(&self, verb: &[&str], needs_config: bool) -> Output {
        let mut command = Command::new(binary());
        command.args(verb).args(self.folders()).stdin(std::process::Stdio::null());
        if needs_config {
            command.arg("--config").arg(self.write_config());
        }
        command.output().expect("nonstop can be started")
    }

    /// Renders all there is, as `nonstop render` does.
    #[track_caller]
    pub fn render(&self) {
        let output = self.command(&["render"], true);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The programme by what lies on disk now.
    pub fn programme(&self) -> Programme {
        Programme::load(&self.state(), &self.cache(), u64::from(self.fps))
    }
}

/// The daemon, running. Killed when dropped.
pub struct Daemon<'a> {
    channel: &'a Channel,
    pub process: Process,
}

impl Daemon<'_> {
    /// `nonstop status --json`; none while nobody answers.
    pub fn status(&self) -> Option<Value> {
        let output = self.channel.command(&["status", "--json"], false);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("the status is JSON"))
    }

    /// Looks at the status until it is as wanted.
    #[track_caller]
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut wanted: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        wait::until(what, within, || {
            if let Some(status) = self.process.ended() {
                panic!("the daemon ended with {status}");
            }
            self.status().as_ref().and_then(&mut wanted)
        })
    }

    /// Waits until an ingest of a destination is in a state.
    #[track_caller]
    pub fn wait_for_ingest(&mut self, destination: usize, ingest: usize, state: &str, within: Duration) {
        let what = format!("ingest {ingest} of destination {destination} is {state}");
        self.wait_for(&what, within, |s| {
            (s["destinations"][destination]["ingests"][ingest]["state"] == state).then_some(())
        });
    }

    /// Waits until music and not the standby is on air.
    #[track_caller]
    pub fn wait_for_music(&mut self, within: Duration) {
        self.wait_for("music is on air", within, |s| (s["now"]["source"].is_string()).then_some(()));
    }

    /// Asks for an orderly end, and gives the exit code.
    #[track_caller]
    pub fn stop(mut self) -> i32 {
        self.process.signal("TERM");
        let status = self.process.wait(Duration::from_secs(20));
        status.code().unwrap_or_else(|| panic!("the daemon was ended by a signal: {status}"))
    }
}

pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_nonstop")
}
