//! The programme, worked out once more from what lies on disk: schedule pages, renditions, and the
//! arithmetic of cells.
//!
//! At 48 kHz an audio frame is 1024 samples and a picture is 48000 / fps samples. A cell is the
//! least common multiple of both. Cells, audio frames and pictures all count from the Unix epoch.
//! An entry's frames count from its start; its pictures are a loop. Of two pages the one with the
//! higher number holds from its first entry on. Where no entry is on air the standby is, counted
//! from the end of the entry before it, or from the epoch.

use super::flv::{self, Kind};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub const RATE: u64 = 48_000;

/// What is on air from a cell on.
#[derive(Clone, Debug)]
pub struct Entry {
    pub start: u64,
    pub cells: u64,
    pub rendition: String,
    pub source: String,
}

pub struct Frames {
    pub audio: Vec<Vec<u8>>,
    pub video: Vec<Vec<u8>>,
    pub headers: (Vec<u8>, Vec<u8>),
}

pub struct Programme {
    pub fps: u64,
    /// By their start.
    pub entries: Vec<Entry>,
    renditions: PathBuf,
    standby: Option<String>,
    open: HashMap<String, Rc<Frames>>,
}

impl Programme {
    /// Reads the only profile's schedule below `state`, and renditions below `cache`.
    pub fn load(state: &Path, cache: &Path, fps: u64) -> Self {
        let mut pages: Vec<(u64, serde_json::Value)> = Vec::new();
        let profiles = list(&state.join("schedule"));
        assert!(profiles.len() <= 1, "one profile was used: {profiles:?}");
        for page in profiles.iter().flat_map(|profile| list(profile)) {
            let stem = page.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let Ok(number) = stem.parse() else { continue };
            let text = std::fs::read(&page).expect("a page can be read");
            pages.push((number, serde_json::from_slice(&text).expect("a page is JSON")));
        }
        pages.sort_by_key(|(number, _)| *number);
        let mut entries: Vec<Entry> = Vec::new();
        for (number, page) in &pages {
            let of = |value: &serde_json::Value, key: &str| {
                value[key].as_u64().unwrap_or_else(|| panic!("page {number}: {key}"))
            };
            let new = page["entries"].as_array().expect("a page has entries").iter().map(|e| Entry {
                start: of(e, "start"),
                cells: of(e, "cells"),
                rendition: e["rendition"].as_str().expect("an entry names its rendition").to_owned(),
                source: e["source"].as_str().expect("an entry names its source").to_owned(),
            });
            let new: Vec<Entry> = new.collect();
            let from = new[0].start;
            entries.retain(|entry| entry.start < from);
            if let Some(last) = entries.last_mut() {
                last.cells = last.cells.min(from - last.start);
            }
            entries.extend(new);
        }
        let renditions = cache.join("renditions");
        let standby = list(&renditions).iter().find_map(|folder| {
            let meta: serde_json::Value =
                serde_json::from_slice(&std::fs::read(folder.join("rendition.json")).ok()?).ok()?;
            let named = meta["source"].as_str()?;
            // What the daemon made itself has no path below a media source.
            (named.is_empty() || named.contains("standby")).then(|| meta["id"].as_str().map(str::to_owned))?
        });
        Self { fps, entries, renditions, standby, open: HashMap::new() }
    }

    pub fn cell_samples(&self) -> u64 {
        let picture = RATE / self.fps;
        let (mut a, mut b) = (1024, picture);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        1024 / a * picture
    }

    /// The rendition on air in a cell, and the cell from which its frames count.
    fn on_air(&self, cell: u64) -> (Option<&str>, u64) {
        match self.entries.iter().rev().find(|entry| entry.start <= cell) {
            Some(entry) if cell < entry.start + entry.cells => (Some(&entry.rendition), entry.start),
            Some(entry) => (self.standby.as_deref(), entry.start + entry.cells),
            None => (self.standby.as_deref(), 0),
        }
    }

    fn frames(&mut self, id: &str) -> Rc<Frames> {
        let folder = self.renditions.join(id);
        let open = self.open.entry(id.to_owned()).or_insert_with(|| {
            let read = |name: &str, kind: Kind| {
                let (tags, rest) = flv::read(&folder.join(name));
                assert_eq!(rest, 0, "{name} of {} is whole", folder.display());
                let header = tags
                    .iter()
                    .find(|t| t.kind == kind && t.is_header())
                    .expect("a codec header")
                    .body
                    .clone();
                let frames: Vec<_> =
                    tags.into_iter().filter(|t| t.kind == kind && t.is_frame()).map(|t| t.body).collect();
                assert!(!frames.is_empty(), "{name} of {} holds something", folder.display());
                (header, frames)
            };
            let ((aac, audio), (avc, video)) =
                (read("audio.flv", Kind::Audio), read("video.flv", Kind::Video));
            Rc::new(Frames { audio, video, headers: (aac, avc) })
        });
        open.clone()
    }

    /// The body of the `n`th audio frame since the epoch.
    pub fn audio(&mut self, n: u64) -> Option<Vec<u8>> {
        let (frames, offset) = self.look(n * 1024)?;
        Some(frames.audio[(offset / 1024) as usize % frames.audio.len()].clone())
    }

    /// The body of the `n`th picture since the epoch.
    pub fn video(&mut self, n: u64) -> Option<Vec<u8>> {
        let picture = RATE / self.fps;
        let (frames, offset) = self.look(n * picture)?;
        Some(frames.video[(offset / picture) as usize % frames.video.len()].clone())
    }

    /// Audio and video codec headers of what is on air at a sample.
    pub fn headers(&mut self, sample: u64) -> Option<(Vec<u8>, Vec<u8>)> {
        Some(self.look(sample)?.0.headers.clone())
    }

    /// What is on air at a sample, and how many samples into it that is.
    fn look(&mut self, sample: u64) -> Option<(Rc<Frames>, u64)> {
        let cell = self.cell_samples();
        let (id, from) = self.on_air(sample / cell);
        let id = id?.to_owned();
        Some((self.frames(&id), sample - from * cell))
    }

    /// The source on air at a sample, for messages.
    pub fn source_at(&self, sample: u64) -> String {
        let cell = sample / self.cell_samples();
        let entry = self.entries.iter().rev().find(|e| e.start <= cell && cell < e.start + e.cells);
        entry.map_or_else(|| "the standby".to_owned(), |entry| entry.source.clone())
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}
