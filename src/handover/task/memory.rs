//! What a machine knows of its own earlier processes: their names, and which slots they had. Losing
//! it costs a restart some time, and nothing else.

use crate::handover::record::Identity;
use crate::publish::Role;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};

/// How many earlier processes are known: more than can have ended since one of them took a slot.
const LIVES: usize = 32;

/// Where it is kept.
#[derive(Clone, Debug)]
pub struct Memory {
    folder: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct Lives {
    lives: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct Held {
    held: Vec<Role>,
}

impl Memory {
    /// In the state folder. There is one process of a channel on a machine at a time.
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join("handover") }
    }

    /// Begins the life of a process on `node`. Blocking.
    pub fn begin(&self, node: &str) -> Identity {
        let Lives { mut lives } = self.read("lives");
        let before = lives.clone();
        // Random keys, from the system, make it unlike any other's.
        let life = format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1));
        lives.push(life.clone());
        lives.drain(..lives.len().saturating_sub(LIVES));
        // If it cannot be written, the next process does not know this one, and waits for it to expire.
        self.write("lives", &Lives { lives });
        Identity { node: node.to_owned(), life, before }
    }

    /// Which slots of a destination the last process had. Blocking.
    pub fn held(&self, destination: &str) -> Vec<Role> {
        self.read::<Held>(&format!("held-{destination}")).held
    }

    /// Notes which slots of a destination this process has. Blocking.
    pub fn hold(&self, destination: &str, held: &[Role]) {
        self.write(&format!("held-{destination}"), &Held { held: held.to_vec() });
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

    #[test]
    fn a_process_knows_those_before_it_and_what_they_had() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(folder.path());
        let first = memory.begin("i-1");
        assert!(first.before.is_empty() && memory.held("youtube").is_empty());
        memory.hold("youtube", &[Role::Backup]);
        let second = memory.begin("i-1");
        assert_eq!(second.before, std::slice::from_ref(&first.life));
        assert_ne!(second.life, first.life);
        assert_eq!(memory.held("youtube"), [Role::Backup]);
        for _ in 0..100 {
            memory.begin("i-1");
        }
        assert_eq!(memory.begin("i-1").before.len(), LIVES);
    }
}
