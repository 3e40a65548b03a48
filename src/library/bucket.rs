//! What lies in a bucket: a listing, laid against the one before it, becomes tracks and a picture.
//!
//! A listing comes a page at a time and is compared as it comes, so that one in which nothing has
//! changed leaves nothing behind. The rules:
//!
//! - Everything below the channel's prefix counts as it would in a folder, but for nonstop's own
//!   [`OWN`] folders, which a listing steps over.
//! - An object's hash is one of its version and its size: two nodes agree on it, and on the names of
//!   renditions, without fetching anything. A renamed object keeps its version, and so everything
//!   that is known of it.
//! - A listing counts when it is whole. One that breaks off, or that comes out of order, is none. One
//!   in which all music is gone counts when the next one says the same.
//! - A background that is gone is shown on for [`GONE`], because replacing it by one of another name
//!   takes two requests, and each change of it renders everything anew.

mod entry;
pub mod manifest;
#[cfg(test)]
mod tests;

use super::background::{Background, Best};
use super::files::{self, Kind};
use super::scan::About;
use super::{Library, Picture, Problem};
use crate::media::ContentHash;
use crate::store::{Object, Page, Version};
use entry::{Entry, Item};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// Folders directly below the prefix that are not music.
pub const OWN: [&str; 3] = ["renditions/", "schedule/", "slots/"];
/// How long a background is shown that is not in the bucket any more: longer than a look takes.
const GONE: Duration = Duration::from_secs(60);
/// Tracks that a library may have, as in a folder.
const MOST_FILES: usize = 200_000;
/// Pages that are asked for at most: a prefix that holds a whole archive is noticed.
const MOST_PAGES: usize = 2_000;

/// Everything that is known of a bucket.
pub struct Catalogue {
    background: Background,
    /// By key, each once.
    entries: Vec<Entry>,
    look: Option<Look>,
    /// Whether the last listing was one that is not believed.
    doubted: bool,
    complete: bool,
    problem: Option<Problem>,
}

/// A listing under way.
#[derive(Default)]
struct Look {
    /// Entries before this one have been met, or passed.
    at: usize,
    /// The entries up to here, once they differ from those before.
    fresh: Option<Vec<Entry>>,
    last: String,
    pages: usize,
    files: usize,
}

/// What follows from a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask for the page after this key.
    After(String),
    /// The listing is whole, and nothing has changed.
    Same,
    /// The listing is whole, and something has changed.
    Changed,
    /// Nothing is left of what was there; look again soon.
    Doubted,
    /// It is no listing, and why.
    Unfit(&'static str),
}

/// An object that may be wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Its key, relative to the channel's prefix.
    pub key: &'a str,
    /// Its version.
    pub version: &'a Version,
    /// In bytes.
    pub size: u64,
    /// What stands for its bytes.
    pub hash: &'a ContentHash,
    /// What it is.
    pub kind: Kind,
}

impl Catalogue {
    /// Nothing known yet. `background` is the configured one.
    pub fn new(background: Option<String>) -> Self {
        let (background, entries) = (Background::new(background), Vec::new());
        Self { background, entries, look: None, doubted: false, complete: false, problem: None }
    }

    /// Puts in what an earlier life of the program knew of the same bucket, in any order.
    pub fn remember(&mut self, objects: impl IntoIterator<Item = (Object, Option<About>)>) {
        let known = objects.into_iter().filter_map(|(object, about)| {
            let kind = kind(&object.key, self.background.configured())?;
            let mut entry = Entry::new(object, kind);
            about.into_iter().for_each(|about| entry.learn(&about));
            Some(entry)
        });
        self.entries = known.collect();
        self.entries.sort_by(|a, b| a.key().cmp(b.key()));
        self.choose_background(Duration::ZERO);
    }

    /// What there is to remember.
    pub fn known(&self) -> impl Iterator<Item = (Listed<'_>, Option<About>)> {
        self.entries.iter().map(|entry| (entry.listed(), entry.about()))
    }

    /// A listing begins, with the first page.
    pub fn begin(&mut self) {
        self.look = Some(Look::default());
    }

    /// Takes in a page of the listing that was begun.
    pub fn on_page(&mut self, page: Page, now: Duration) -> Next {
        let Some(mut look) = self.look.take() else { return Next::Unfit("nobody asked for it") };
        let is_last = page.last || page.objects.is_empty();
        look.pages += 1;
        for object in page.objects {
            if object.key <= look.last {
                return Next::Unfit("its keys are out of order");
            }
            look.last.clone_from(&object.key);
            if let Some(kind) = kind(&object.key, self.background.configured()) {
                look.files += 1;
                if look.files <= MOST_FILES {
                    look.meet(&self.entries, object, kind);
                }
            }
        }
        if !is_last && look.pages < MOST_PAGES {
            let own = OWN.iter().find(|folder| look.last.starts_with(**folder));
            let after = own.map_or_else(|| look.last.clone(), |folder| past(folder));
            look.last.clone_from(&after);
            self.look = Some(look);
            return Next::After(after);
        }
        self.conclude(look, is_last, now)
    }

    fn conclude(&mut self, mut look: Look, is_whole: bool, now: Duration) -> Next {
        let is_empty = look.files == 0 && !self.entries.is_empty();
        if is_empty && !std::mem::replace(&mut self.doubted, is_empty) {
            return Next::Doubted;
        }
        self.doubted = false;
        if look.at < self.entries.len() {
            look.fresh.get_or_insert_with(|| self.entries[..look.at].to_vec());
        }
        let too_many = (!is_whole || look.files > MOST_FILES).then(|| Problem {
            source: look.last.clone(),
            reason: format!("there are more than {MOST_FILES} files; those after this one are left out"),
        });
        let mut changed = look.fresh.is_some() || too_many != self.problem || !self.complete;
        (self.problem, self.complete) = (too_many, true);
        if let Some(fresh) = look.fresh {
            let old = std::mem::replace(&mut self.entries, fresh);
            self.inherit(&old);
        }
        let shown = self.background.shown().cloned();
        self.choose_background(now);
        changed |= self.background.shown() != shown.as_ref();
        if changed { Next::Changed } else { Next::Same }
    }

    /// What was known of an object is known of it under its new name.
    fn inherit(&mut self, old: &[Entry]) {
        if self.entries.iter().all(Entry::is_read) {
            return;
        }
        let known: HashMap<_, _> =
            old.iter().filter_map(|entry| Some((entry.listed().hash, entry.about()?))).collect();
        for entry in self.entries.iter_mut().filter(|entry| !entry.is_read()) {
            if let Some(about) = known.get(entry.listed().hash) {
                entry.learn(about);
            }
        }
    }

    /// The object's bytes were read.
    pub fn on_read(&mut self, hash: &ContentHash, about: &About, now: Duration) {
        for entry in self.entries.iter_mut().filter(|entry| entry.listed().hash == hash) {
            entry.learn(about);
        }
        self.choose_background(now);
    }

    /// Says of each object where its bytes lie on this machine.
    pub fn place(&mut self, path: impl Fn(&ContentHash) -> Option<PathBuf>, now: Duration) {
        self.entries.iter_mut().for_each(|entry| entry.place(&path));
        self.choose_background(now);
    }

    /// The library as it is known now.
    pub fn library(&self) -> Library {
        let tracks = self.entries.iter().filter_map(|entry| match &entry.item {
            Item::Track { track, .. } => Some(track.clone()),
            Item::Background { .. } => None,
        });
        let problems = self.problem.iter().cloned().chain(self.background.problem());
        Library {
            tracks: tracks.collect(),
            background: self.background.shown().cloned(),
            problems: problems.collect(),
            complete: self.complete,
            syncing: None,
        }
    }

    /// What the picture that is shown is in the bucket, if it still is there.
    pub fn picture(&self) -> Option<Listed<'_>> {
        let shown = self.background.shown()?;
        self.entries
            .iter()
            .map(Entry::listed)
            .find(|listed| listed.key == shown.source && *listed.hash == shown.hash)
    }

    /// All objects by what they hold; of several with the same, any.
    pub fn by_hash(&self) -> HashMap<&ContentHash, Listed<'_>> {
        self.entries.iter().map(|entry| (entry.listed().hash, entry.listed())).collect()
    }

    fn choose_background(&mut self, now: Duration) {
        let candidates = self.entries.iter().filter_map(|entry| match &entry.item {
            Item::Background { rank, picture, .. } => Some((*rank, picture)),
            Item::Track { .. } => None,
        });
        let best = candidates
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, picture): (u8, &Picture)| Best::Known(picture.clone()));
        // Before the first look nobody knows that there is none.
        let is_to_come = !self.complete && self.background.configured().is_some();
        self.background.on_best(best.or(is_to_come.then_some(Best::Awaited)), now, GONE);
    }
}

impl Look {
    /// An object that counts, behind all that were met.
    fn meet(&mut self, before: &[Entry], object: Object, kind: Kind) {
        while before.get(self.at).is_some_and(|entry| entry.key() < object.key.as_str()) {
            self.fresh.get_or_insert_with(|| before[..self.at].to_vec());
            self.at += 1;
        }
        let known = before.get(self.at).filter(|entry| entry.key() == object.key);
        match known {
            Some(entry) if entry.is(&object, kind) => {
                if let Some(fresh) = &mut self.fresh {
                    fresh.push(entry.clone());
                }
            }
            _ => {
                let fresh = self.fresh.get_or_insert_with(|| before[..self.at].to_vec());
                fresh.push(Entry::new(object, kind));
            }
        }
        self.at += usize::from(known.is_some());
    }
}

/// What an object is, if it counts.
fn kind(key: &str, background: Option<&str>) -> Option<Kind> {
    if is_passed_over(key) { None } else { files::kind(key, background) }
}

/// Whether an object counts for nothing, whatever it is called: it is nonstop's own, hidden, or
/// another program's.
pub fn is_passed_over(key: &str) -> bool {
    OWN.iter().any(|folder| key.starts_with(folder)) || key.split('/').any(files::is_passed_over)
}

/// What comes after all keys in a folder.
fn past(folder: &str) -> String {
    // `0` is the character after `/`.
    format!("{}0", folder.trim_end_matches('/'))
}
