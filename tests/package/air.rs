//! What the ingest has recorded, held against the programme that lies on the machine's disk.

use crate::machine::Machine;
use crate::rig::nginx::Nginx;
use crate::rig::programme::Programme;
use crate::rig::recording::{self, Proof};
use crate::rig::wait;
use crate::unit::Unit;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Bytes of a recording that begin with codec headers and end with media.
const MEDIA: u64 = 20_000;
/// How much of a new session is recorded before it is looked for in the programme.
const SOME: Duration = Duration::from_secs(2);
/// Pictures per second, in every test.
pub const FPS: u64 = 30;

/// One channel's ingest, and the folders of the unit that publishes to it.
pub struct Air<'a> {
    pub nginx: &'a Nginx,
    machine: &'a Machine,
    unit: &'static str,
}

/// An interruption, as it is seen from the ingest.
#[derive(Clone, Copy, Debug)]
pub struct Hole {
    /// The longest time without a byte. Between two bursts it is 250 ms at any time.
    pub dark: Duration,
    /// What nobody recorded, of the programme.
    pub lost: Duration,
    /// What was recorded twice, of the programme.
    pub twice: Duration,
    /// Whether the session went on over it.
    pub kept: bool,
}

impl<'a> Air<'a> {
    pub fn new(nginx: &'a Nginx, machine: &'a Machine, unit: &'static str) -> Self {
        Self { nginx, machine, unit }
    }

    /// How many sessions were recorded until now.
    pub fn sessions(&self) -> usize {
        self.nginx.recordings().len()
    }

    /// Waits until there is media of a session after the first `sessions`.
    #[track_caller]
    pub fn wait_for_session(&self, sessions: usize, within: Duration) {
        wait::until("it is on air", within, || {
            let media = |path: &PathBuf| path.metadata().is_ok_and(|meta| meta.len() > MEDIA);
            self.nginx.recordings().iter().skip(sessions).any(media).then_some(())
        });
    }

    /// Holds every session after the first `passed` against the programme.
    #[track_caller]
    pub fn prove(&self, passed: usize) -> Proof {
        let folder = |kind: &str| self.machine.path(&format!("/var/{kind}/{}", self.unit));
        let mut programme = Programme::load(&folder("lib"), &folder("cache"), FPS);
        recording::prove(&self.nginx.recordings()[passed..], &mut programme)
    }

    /// Runs a line of shell after which another process has to publish, waits until it does, and says
    /// what that cost. The line may still be at work when the stream goes on.
    #[track_caller]
    pub fn hole(&self, within: Duration, line: &str) -> Hole {
        let (machine, unit) = (self.machine, Unit::new(self.machine, self.unit));
        let (before, main) = (self.sessions(), unit.show("MainPID"));
        let dark = std::thread::scope(|scope| {
            // The first burst after this is the old process's.
            self.nginx.wait_for_more(within);
            scope.spawn(move || machine.sh(line));
            let (mut dark, mut recorded, mut since) = (Duration::ZERO, self.nginx.recorded(), Instant::now());
            let mut others = None;
            wait::until("another process publishes", within, || {
                let now = self.nginx.recorded();
                if now > recorded {
                    dark = dark.max(since.elapsed());
                    (recorded, since) = (now, Instant::now());
                }
                if others.is_none() {
                    let pid = unit.show("MainPID");
                    others = (pid != "0" && pid != main).then_some(now);
                }
                others.is_some_and(|at| now > at + MEDIA).then_some(dark)
            })
        });
        wait::let_pass(SOME);
        let proof = self.prove(before - 1);
        assert!(proof.spans.len() <= 2, "one session ended and one began:\n{}", proof.describe());
        Hole {
            dark,
            lost: Duration::from_secs_f64(proof.missing()),
            twice: Duration::from_secs_f64(proof.overlap().max(0.0)),
            kept: proof.spans.len() == 1,
        }
    }

    /// Does something that must not be felt on air, and fails if it was: one session, and every unit
    /// of it the programme's.
    #[track_caller]
    pub fn unbroken<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = self.sessions();
        let done = act();
        self.nginx.wait_for_more(Duration::from_secs(10));
        assert_eq!(self.sessions(), before, "the session was broken");
        self.prove(before - 1).unbroken();
        done
    }
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_millis();
        let session = if self.kept { "goes on" } else { "another" };
        write!(f, "{session:>8} {:>8} {:>8} {:>8}", ms(self.dark), ms(self.lost), ms(self.twice))
    }
}
