//! The library: which tracks and which picture lie in the source, whole and read.

use crate::media::{ContentHash, Credits};
use std::path::PathBuf;
use std::sync::Arc;

/// What the source holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Library {
    /// Sorted by `source`; only files that are whole, hashed and tag-read.
    pub tracks: Vec<Arc<Track>>,
    /// What is shown; none: the built-in card.
    pub background: Option<Picture>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// False while the first scan still runs.
    pub complete: bool,
}

/// A source audio file and its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Path below the source, separated by `/`.
    pub source: String,
    /// Where the file lies on this machine.
    pub path: PathBuf,
    /// Hash of the file's bytes.
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
    /// From the tags, else from the file name.
    pub credits: Credits,
}

/// A background picture or clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Path below the source, separated by `/`.
    pub source: String,
    /// Where the file lies on this machine.
    pub path: PathBuf,
    /// Hash of the file's bytes.
    pub hash: ContentHash,
    /// Whether it moves.
    pub motion: Motion,
}

/// See [`Picture`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// One picture.
    Still,
    /// A clip or an animation.
    Clip,
}

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path below the source, separated by `/`.
    pub source: String,
    /// One sentence.
    pub reason: String,
}
