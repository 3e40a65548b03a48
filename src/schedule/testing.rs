//! Entries and names for tests.

use super::page::Entry;
use crate::media::synthetic::digest;
use crate::media::{Cell, ContentHash, Credits, RenditionId};

pub fn entry(number: u64, start: u64, cells: u64) -> Entry {
    Entry {
        number,
        start: Cell(start),
        cells,
        rendition: RenditionId::of(&digest(number)),
        source: format!("{number}.ogg"),
        track: ContentHash::of(&digest(number)),
        credits: Credits { title: format!("Track {number}"), ..Credits::default() },
        queued: false,
    }
}
