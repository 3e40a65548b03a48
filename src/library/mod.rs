//! The library: a folder or a bucket of music becomes a list of tracks with their tags.
//!
//! Invariant: every track of a folder was whole when it was hashed, and its hash, tags and size
//! belong to the same bytes. A track of a bucket is what a whole listing says of it; where its bytes
//! are on this machine (the renderer wanted them), they are whole and of that version. What cannot
//! be read is a [`Problem`], never a track.
//!
//! `task` looks at the disk and asks the bucket; `files` says which names count, `tags` and `credits`
//! say who made what. For a folder, `scan` plans what to read and `manifest` keeps what is known from
//! one start to the next. For a bucket, `bucket` lays a listing against the one before and keeps what
//! is known, `sync` plans what to fetch and what to let go of, and `pauses` says when to try again.

mod background;
pub(crate) mod bucket;
#[cfg(test)]
mod cpu;
mod credits;
pub(crate) mod files;
mod manifest;
mod pauses;
mod scan;
mod sync;
mod tags;
pub mod task;

use crate::media::{ContentHash, Credits};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// What there is to play, at one look. The public type of this stage; a new one is published
/// whenever something changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Library {
    /// Sorted by `source`, each `source` once. The same bytes under two paths are two tracks
    /// with one `hash`.
    pub tracks: Vec<Arc<Track>>,
    /// The picture or clip that goes with the music; `None`: there is none, use the built-in card.
    pub background: Option<Picture>,
    /// What could not be used, sorted by `source`.
    pub problems: Vec<Problem>,
    /// `false` while the first scan still runs: more tracks may follow at once.
    pub complete: bool,
    /// How far fetching from a bucket is; `None` when nothing is to be fetched.
    pub syncing: Option<Syncing>,
}

/// How far fetching is: what the renderer wants that finds room in the cache, since nothing was to
/// be fetched the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Syncing {
    /// Files that are here.
    pub files: u64,
    /// Of so many.
    pub total: u64,
    /// Bytes that are here.
    pub bytes: u64,
    /// Of so many.
    pub total_bytes: u64,
}

/// A source audio file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its path below the media source, parts separated by `/`.
    pub source: String,
    /// Where its bytes lie on this machine; or newer ones, which are not whole or not read yet.
    /// `None`: they are in the bucket, and are fetched when the renderer wants them.
    pub path: Option<PathBuf>,
    /// The hash of its bytes; of a track in a bucket, of what the bucket says of them.
    pub hash: ContentHash,
    /// Its size in bytes.
    pub size: u64,
    /// From its tags, else from its file name.
    pub credits: Credits,
}

/// A background picture or clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its path below the media source, parts separated by `/`.
    pub source: String,
    /// Where its bytes lie on this machine. `None`: they are in the bucket, and on their way.
    pub path: Option<PathBuf>,
    /// As a track's.
    pub hash: ContentHash,
    /// Whether it moves, as far as its name tells while its bytes are not here.
    pub motion: Motion,
}

/// Whether a picture moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Motion {
    /// One picture for ever.
    Still,
    /// A clip that loops.
    Clip,
}

/// A file or folder that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Its path below the media source; `.` for the source itself.
    pub source: String,
    /// Why, in a few words for a person.
    pub reason: String,
}

impl Problem {
    /// Whether it is the source itself that cannot be used, and not a part of it.
    pub fn is_whole(&self) -> bool {
        self.source == "."
    }
}
