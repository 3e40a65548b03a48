//! What a look at the source gives: which files are there, in which version, and what could not be
//! seen.

use super::super::Problem;
use super::super::files::Kind;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a file system says of a file's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When its bytes were last modified, in nanoseconds since the Unix epoch.
    pub modified: i64,
    /// When its bytes, name or rights were last changed, likewise.
    pub changed: i64,
    /// Its number in the file system.
    pub inode: u64,
}

/// What identifies the root's file system and folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootId {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

/// A file that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path below the source, with `/`.
    pub source: String,
    /// What it is.
    pub kind: Kind,
    /// Its version.
    pub stamp: Stamp,
}

/// What one look at the source found.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Every file that counts, each source once.
    pub files: Vec<Found>,
    /// Files and folders that could not be looked at; `.` for the root.
    pub blind: Vec<Problem>,
    /// What else is wrong.
    pub problems: Vec<Problem>,
    /// Which folder was listed.
    pub root: Option<RootId>,
}

/// The time, from both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The wall clock, in nanoseconds since the Unix epoch: what stamps are compared with.
    pub wall: i64,
    /// The monotonic clock, since some start: what waiting is measured by.
    pub steady: Duration,
}

impl Stamp {
    /// Whether two versions of one path most likely have the same bytes.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.size, self.modified) == (other.size, other.modified)
    }

    /// What stays when a file is renamed or linked.
    pub(super) fn link(&self) -> (u64, u64, i64) {
        (self.inode, self.size, self.modified)
    }
}

/// Whether `source` is `place` or lies below it; everything lies below `.`.
pub(super) fn is_below(source: &str, place: &str) -> bool {
    place == "." || source.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
