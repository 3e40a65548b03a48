//! What a machine knows of its own earlier processes: their names, and which slots they had. Losing
//! it costs a restart some time, and nothing else.

use crate::handover::record::Identity;
use crate::host::kernel;
use crate::publish::Role;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many earlier processes are known: more than can have ended since one of them took a slot.
const LIVES: usize = 32;

/// Where it is kept, and whose it is.
#[derive(Clone, Debug)]
pub struct Memory {
    folder: PathBuf,
    node: String,
}

/// When something was noted: by both clocks, since one may be set back and the other begins again at
/// a boot.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Moment {
    since_boot_ms: u64,
    unix_ms: u64,
}

impl Moment {
    fn now() -> Option<Self> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let since_boot = kernel::since_boot().ok()?;
        Some(Self { since_boot_ms: since_boot.as_millis() as u64, unix_ms: unix.as_millis() as u64 })
    }

    /// Whether it was before `now`, and by no more than `age`.
    fn is_within(self, age: Duration, now: Self) -> bool {
        let young =
            |then: u64, now: u64| now.checked_sub(then).is_some_and(|ms| u128::from(ms) <= age.as_millis());
        young(self.since_boot_ms, now.since_boot_ms) && young(self.unix_ms, now.unix_ms)
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Lives {
    lives: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct Held {
    node: String,
    noted: Moment,
    held: Vec<Role>,
}

impl Memory {
    /// That of `node`, in its state folder. There is one process of a channel on a machine at a time.
    pub fn new(state: &Path, node: &str) -> Self {
        Self { folder: state.join("handover"), node: node.to_owned() }
    }

    /// Begins the life of a process. Blocking.
    pub fn begin(&self) -> Identity {
        let Lives { mut lives } = self.read("lives");
        let before = lives.clone();
        // Random keys, from the system, make it unlike any other's.
        let life = format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1));
        lives.push(life.clone());
        lives.drain(..lives.len().saturating_sub(LIVES));
        // If it cannot be written, the next process does not know this one, and waits for it to expire.
        self.write("lives", &Lives { lives });
        Identity { node: self.node.clone(), life, before }
    }

    /// Which slots of a destination the last process had, if it noted that on this node and within
    /// the last `age`: others may have taken since what it had before. Blocking.
    pub fn held(&self, destination: &str, age: Duration) -> Vec<Role> {
        Moment::now().map(|now| self.held_at(destination, age, now)).unwrap_or_default()
    }

    fn held_at(&self, destination: &str, age: Duration, now: Moment) -> Vec<Role> {
        let Held { node, noted, held } = self.read(&format!("held-{destination}"));
        // A disk may have been copied from another machine.
        if node == self.node && noted.is_within(age, now) { held } else { Vec::new() }
    }

    /// Notes which slots of a destination this process has now. Blocking.
    pub fn hold(&self, destination: &str, held: &[Role]) {
        let Some(noted) = Moment::now() else { return };
        let held = Held { node: self.node.clone(), noted, held: held.to_vec() };
        self.write(&format!("held-{destination}"), &held);
    }

    fn read<T: Default + for<'a> Deserialize<'a>>(&self, name: &str) -> T {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn write(&self, name: &str, value: &impl Serialize) {
        let write = || -> io::Result<()> {
            fs::create_dir_all(&self.folder)?;
            let temporary = self.folder.join(format!(".{name}"));
            fs::write(&temporary, serde_json::to_vec(value)?)?;
            fs::rename(&temporary, self.path(name))
        };
        if let Err(error) = write() {
            tracing::debug!(name, %error, "cannot be kept");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(30);

    #[test]
    fn a_process_knows_those_before_it_and_what_they_had() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(folder.path(), "i-1");
        let first = memory.begin();
        assert!(first.before.is_empty() && memory.held("youtube", AGE).is_empty());
        memory.hold("youtube", &[Role::Backup]);
        let second = memory.begin();
        assert_eq!(second.before, std::slice::from_ref(&first.life));
        assert_ne!(second.life, first.life);
        assert_eq!(memory.held("youtube", AGE), [Role::Backup]);
        for _ in 0..100 {
            memory.begin();
        }
        assert_eq!(memory.begin().before.len(), LIVES);
    }

    #[test]
    fn what_is_old_or_was_noted_on_another_machine_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(folder.path(), "i-1");
        memory.hold("youtube", &[Role::Primary]);
        assert_eq!(Memory::new(folder.path(), "i-2").held("youtube", AGE), []);
        let now = Moment::now().unwrap();
        let later = |boot: i64, unix: i64| Moment {
            since_boot_ms: now.since_boot_ms.saturating_add_signed(boot * 1_000),
            unix_ms: now.unix_ms.saturating_add_signed(unix * 1_000),
        };
        for (moment, counts) in [
            (later(20, 20), true),
            (later(31, 31), false),
            // The wall clock was set back, and forward.
            (later(31, 5), false),
            (later(5, 31), false),
            // The machine was booted meanwhile.
            (Moment { since_boot_ms: 0, ..later(0, 20) }, false),
        ] {
            assert_eq!(!memory.held_at("youtube", AGE, moment).is_empty(), counts, "{moment:?}");
        }
        // What an earlier version noted has no date.
        fs::write(folder.path().join("handover/held-youtube.json"), r#"{"held":["primary"]}"#).unwrap();
        assert_eq!(memory.held("youtube", AGE), []);
    }
}
