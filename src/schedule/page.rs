//! Pages and entries: the immutable facts of the schedule, as they are stored.

use crate::media::{Cell, ContentHash, Credits, RenditionId};
use serde::{Deserialize, Serialize};

/// The version of the stored form that this program writes and reads.
pub const FORMAT: u32 = 1;
/// The most entries that a page may hold; a larger one is damaged.
pub const MAX_ENTRIES: usize = 1000;

/// One rendition with the cell at which it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts the schedule's entries; with the seed it decides a shuffle.
    pub number: u64,
    /// Its first cell.
    pub start: Cell,
    /// How many cells it lasts, if no later page cuts it short; at least one.
    pub cells: u64,
    /// What plays.
    pub rendition: RenditionId,
    /// The track's path below the media source.
    pub source: String,
    /// The track's content.
    pub track: ContentHash,
    /// Who made what.
    #[serde(flatten)]
    pub credits: Credits,
    /// An operator asked for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
}

impl Entry {
    /// The first cell after it.
    pub fn end(&self) -> Cell {
        self.start.plus(self.cells)
    }
}

/// Why a page was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The schedule was to be kept ahead.
    Rotation,
    /// An operator skipped.
    Skip,
    /// An operator queued a track.
    Queue,
    /// A scheduled track left the library.
    Removal,
}

/// One immutable object of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// [`FORMAT`].
    pub format: u32,
    /// Its place in the log, from 1.
    pub number: u64,
    /// Who wrote it.
    pub node: String,
    /// Why.
    pub reason: Reason,
    /// In order, each starting at or after the end of the one before.
    pub entries: Vec<Entry>,
}

/// Why bytes are not a page. Every node that reads them passes them over alike.
#[derive(Debug, thiserror::Error)]
pub enum BadPage {
    /// Not JSON, or not a page's.
    #[error("it is not a page: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a version that this one does not know.
    #[error("it has format {0}, and this version reads {FORMAT}")]
    Format(u32),
    /// It stands at another place than it says.
    #[error("it calls itself page {0}")]
    Number(u64),
    /// None, too many, empty, or overlapping.
    #[error("its entries are {0}")]
    Entries(&'static str),
}

impl Page {
    /// Reads the page that stands at `number`.
    pub fn parse(number: u64, bytes: &[u8]) -> Result<Self, BadPage> {
        let page: Self = serde_json::from_slice(bytes)?;
        let entries = &page.entries;
        let wrong = match () {
            () if page.format != FORMAT => return Err(BadPage::Format(page.format)),
            () if page.number != number => return Err(BadPage::Number(page.number)),
            () if entries.is_empty() => "none",
            () if entries.len() > MAX_ENTRIES => "too many",
            () if entries.iter().any(|e| e.cells == 0) => "empty",
            () if entries.windows(2).any(|w| w[1].start < w[0].end()) => "overlapping",
            () => return Ok(page),
        };
        Err(BadPage::Entries(wrong))
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a page has only strings, numbers and booleans")
    }
}
