//! The render stage: every track of the library becomes a rendition, by FFmpeg, once, ahead of air.
//!
//! In goes the [`Library`](crate::library::Library), out comes the [`Shelf`]: which tracks can be
//! put on air, under which names, and why the others cannot. What is on the shelf as ready has been
//! verified and will not change.

pub mod command;
pub mod exchange;
pub mod lines;
pub mod loudness;
pub mod notes;
pub mod pack;
pub mod picture;
pub mod profile;
pub mod progress;
pub mod quarantine;
pub mod queue;
pub mod task;

use crate::media::{ContentHash, Credits, ProfileId, Rendition, RenditionId};
use std::sync::Arc;

/// What can be put on air at one moment.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// The profile that every rendition here was made under.
    pub profile: ProfileId,
    /// The built-in card with silence; also the reference for the profile's codec headers.
    pub standby: Arc<Rendition>,
    /// Every track of the library, in the library's order.
    pub tracks: Vec<Shelved>,
    /// What FFmpeg works at.
    pub rendering: Option<Rendering>,
    /// What cannot be played, and why.
    pub quarantined: Vec<Quarantined>,
    /// Why nothing is rendered although there is something to render.
    pub paused: Option<String>,
    /// That rendering goes on without the background, and why.
    pub without: Option<String>,
    /// The library has been gone through to its end: a track that is not here does not exist.
    pub listed: bool,
    /// The library is complete, and everything in it is ready or quarantined.
    pub complete: bool,
}

/// One track on the shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelved {
    /// Path below the source, separated by `/`.
    pub source: String,
    /// Hash of the file's bytes.
    pub hash: ContentHash,
    /// Who made what.
    pub credits: Credits,
    /// Whether it can be played.
    pub state: State,
}

/// See [`Shelved`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not rendered yet.
    Pending,
    /// Rendered and verified.
    Ready {
        /// The rendition's folder in the renditions folder.
        id: RenditionId,
        /// How long it is, in cells of the profile's frame rate.
        cells: u64,
        /// Its files lie on this machine; else they are fetched from the bucket when it is opened.
        here: bool,
    },
    /// Not playable; [`Shelf::quarantined`] says why.
    Quarantined,
}

impl State {
    /// Whether it can be played now.
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }
}

/// Why a rendition is not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It cannot be reached at the moment; another time it may be.
    #[error("{0}")]
    Away(String),
    /// It is gone, or not what it should be; only another one will do.
    #[error("{0}")]
    Broken(String),
}

/// A render that is under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendering {
    /// Path below the source, separated by `/`.
    pub source: String,
    /// How far it is, from 0 to 1.
    pub done: f32,
}

/// A track or picture that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Path below the source, separated by `/`.
    pub source: String,
    /// One sentence, with FFmpeg's own reason where there is one.
    pub reason: String,
}
