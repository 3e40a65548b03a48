//! What follows from a look: files to read, and what comes of reading them.

use super::super::Motion;
use super::super::files::Kind;
use super::super::tags::Tags;
use super::listing::Stamp;
use crate::media::ContentHash;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// What reading a file gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// What else its bytes say.
    #[serde(flatten)]
    pub about: About,
}

/// See [`Content`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// A track's tags.
    Track(Tags),
    /// Whether a background moves.
    Background(Motion),
}

impl About {
    pub(super) fn suits(&self, kind: Kind) -> bool {
        matches!((self, kind), (Self::Track(_), Kind::Track) | (Self::Background(_), Kind::Background { .. }))
    }
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its path below the source.
    pub source: String,
    /// What it is.
    pub kind: Kind,
    /// The version to read; another one is to be reported as [`Outcome::Changed`].
    pub stamp: Stamp,
}

/// How a [`Job`] ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Read, and its stamp was the job's before and after.
    Read(Content),
    /// It has another stamp now.
    Changed(Stamp),
    /// It is not there any more.
    Gone,
    /// It cannot be read, and why.
    Failed(String),
}

/// What follows from a listing.
#[derive(Debug, Default)]
pub struct Plan {
    /// What to read: the background first, then by source, last what is read only to be sure.
    pub read: VecDeque<Job>,
    /// When to look again, on the steady clock, because something may be whole by then.
    pub look_again: Option<Duration>,
}
