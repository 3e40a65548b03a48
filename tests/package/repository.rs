//! The signed repository, as another host serves it over HTTP.

use crate::machine::{Machine, said};
use crate::rig::nginx::Nginx;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A release of the package, and the repository that holds it and those before it. `run` makes them.
pub struct Releases(PathBuf);

impl Releases {
    pub fn new() -> Self {
        let folder =
            std::env::var_os("NONSTOP_PACKAGE").expect("`make test-package` makes what is tested here");
        Self(folder.into())
    }

    /// Makes the repository with the previous release alone what `host` serves.
    pub fn publish_previous(&self, host: &Nginx) {
        self.publish("previous", host);
    }

    /// Makes the repository with both releases what `host` serves.
    pub fn publish_current(&self, host: &Nginx) {
        self.publish("current", host);
    }

    /// The package itself, as it was built.
    pub fn deb(&self) -> PathBuf {
        self.0.join("nonstop.deb")
    }

    fn publish(&self, which: &str, host: &Nginx) {
        let www = host.www();
        std::fs::remove_dir_all(&www).expect("it is there");
        copy(&self.0.join(which), &www);
    }

    /// Has `machine`'s apt know the repository, the way the documentation says.
    pub fn introduce(&self, machine: &Machine) {
        let sources = std::fs::read_to_string(self.0.join("previous/nonstop.sources")).expect("it was made");
        machine.write("/etc/apt/sources.list.d/nonstop.sources", &sources);
    }
}

/// Changes a byte of the signed index that `host` serves, somewhere in a checksum.
pub fn tamper(host: &Nginx) {
    let indexes: Vec<PathBuf> = files(&host.www()).into_iter().filter(|p| p.ends_with("InRelease")).collect();
    assert_eq!(indexes.len(), 1, "{indexes:?}");
    let mut index = std::fs::read(&indexes[0]).expect("it is there");
    let at = index.windows(8).position(|w| w == b"\nSHA256:").expect("an index has checksums") + 10;
    index[at] = if index[at] == b'0' { b'1' } else { b'0' };
    std::fs::write(&indexes[0], index).expect("the target folder can be written");
}

fn copy(from: &Path, to: &Path) {
    let output = Command::new("cp").arg("--archive").arg(from).arg(to).output().expect("cp runs");
    assert!(output.status.success(), "{}", said(&output));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("it can be read").flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found
}
