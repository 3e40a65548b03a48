//! A disk that lives in memory, on which people do what they do, and an index that follows it.

use super::super::listing::is_below;
use super::super::*;
use crate::library::Motion;
use crate::library::manifest;
use crate::library::tags::Tags;
use crate::media::ContentHash;
use proptest::prelude::*;
use std::collections::BTreeSet;

pub(super) const SETTLE: Duration = Duration::from_secs(4);
pub(super) const ROOT: &str = "/music";

/// A file system in memory, which stamps files as a real one does.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) files: BTreeMap<String, DiskFile>,
    /// Folders that cannot be listed.
    pub(super) closed: BTreeSet<String>,
    pub(super) inodes: u64,
    /// Both clocks, in milliseconds.
    pub(super) now: u64,
    pub(super) device: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct DiskFile {
    pub(super) content: u64,
    pub(super) size: u64,
    pub(super) modified: u64,
    pub(super) changed: u64,
    pub(super) inode: u64,
    pub(super) readable: bool,
    /// It was changed without a trace in size and time, and not looked at since.
    pub(super) hidden: bool,
    /// It was renamed, and not looked at since.
    pub(super) renamed: bool,
}

impl DiskFile {
    pub(super) fn stamp(&self) -> Stamp {
        let nanos = |millis: u64| millis as i64 * 1_000_000;
        Stamp {
            size: self.size,
            modified: nanos(self.modified),
            changed: nanos(self.changed),
            inode: self.inode,
        }
    }

    pub(super) fn hash(&self) -> ContentHash {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&self.content.to_be_bytes());
        digest[8..16].copy_from_slice(&self.size.to_be_bytes());
        ContentHash::of(&digest)
    }
}

impl Disk {
    pub(super) fn now(&self) -> Now {
        Now { wall: self.now as i64 * 1_000_000, steady: Duration::from_millis(self.now) }
    }

    pub(super) fn look(&self) -> Listing {
        let seen = |source: &&String| !self.closed.iter().any(|folder| is_below(source, folder));
        let found = |source: &String| Found {
            source: source.clone(),
            kind: crate::library::files::kind(source, None).unwrap(),
            stamp: self.files[source].stamp(),
        };
        Listing {
            files: self.files.keys().filter(seen).map(found).collect(),
            blind: self.closed.iter().map(|folder| problem(folder)).collect(),
            problems: Vec::new(),
            root: Some(RootId { device: self.device, inode: 2 }),
        }
    }

    pub(super) fn read(&self, job: &Job) -> Outcome {
        match self.files.get(&job.source) {
            None => Outcome::Gone,
            Some(file) if !file.readable => Outcome::Failed("no right to read it".to_owned()),
            Some(file) if file.stamp() != job.stamp => Outcome::Changed(file.stamp()),
            Some(file) => {
                let about = match job.kind {
                    Kind::Track => About::Track(Tags::default()),
                    Kind::Background { .. } => About::Background(Motion::Still),
                };
                Outcome::Read(Content { hash: file.hash(), about })
            }
        }
    }
}

pub(super) fn problem(source: &str) -> Problem {
    Problem { source: source.to_owned(), reason: "closed".to_owned() }
}

/// The disk, and the index that follows it as the task would.
pub(super) struct House {
    pub(super) disk: Disk,
    pub(super) index: Index,
    pub(super) reads: usize,
}

impl House {
    pub(super) fn new(disk: Disk) -> Self {
        Self { disk, index: Index::new(ROOT.into(), None, SETTLE), reads: 0 }
    }

    pub(super) fn look(&mut self) -> Plan {
        let listing = self.disk.look();
        for found in &listing.files {
            let file = self.disk.files.get_mut(&found.source).unwrap();
            (file.hidden, file.renamed) = (false, false);
        }
        self.index.on_listing(listing, self.disk.now())
    }

    /// Looks, and reads at most so many files of the plan.
    pub(super) fn follow(&mut self, most: usize) -> Plan {
        let plan = self.look();
        for job in plan.read.iter().take(most) {
            self.reads += 1;
            let outcome = self.disk.read(job);
            self.index.on_read(job, outcome, self.disk.now());
        }
        plan
    }

    /// Follows until there is nothing left to wait for.
    pub(super) fn rest(&mut self) {
        for _ in 0..20 {
            let plan = self.follow(usize::MAX);
            match plan.look_again {
                Some(at) => self.disk.now = self.disk.now.max(at.as_millis() as u64 + 1),
                None if plan.read.is_empty() => return,
                None => {}
            }
        }
        panic!("it never rests");
    }

    pub(super) fn restart(&mut self) {
        let text = manifest::to_text(&self.index, Path::new(ROOT));
        self.index = Index::new(ROOT.into(), None, SETTLE);
        assert!(manifest::recall(&text, Path::new(ROOT), &mut self.index));
    }

    pub(super) fn tracks(&self) -> BTreeMap<String, ContentHash> {
        self.index.library().tracks.iter().map(|track| (track.source.clone(), track.hash.clone())).collect()
    }

    /// The tracks, and those that were read and are held back, even if they are to be read again to
    /// be sure.
    pub(super) fn known(&self) -> BTreeMap<String, ContentHash> {
        let known = self.index.files.iter().filter_map(|(source, file)| match &file.state.known()?.item {
            Item::Track(track) => Some((source.clone(), track.hash.clone())),
            Item::Background(_) => None,
        });
        known.collect()
    }

    pub(super) fn write(&mut self, source: &str, content: u64, size: u64) {
        let now = self.disk.now;
        self.disk.inodes += 1;
        let inode = self.disk.inodes;
        let new = DiskFile {
            content,
            size,
            modified: now,
            changed: now,
            inode,
            readable: true,
            hidden: false,
            renamed: false,
        };
        self.disk.files.insert(source.to_owned(), new);
    }
}

/// What people and programs do in a folder of music.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Writes a new file, or one in place of another (by rename: a new inode).
    Write(usize, u64),
    /// Copies a file in that was last modified long ago.
    CopyOld(usize, u64),
    /// Writes on in the same file.
    Append(usize),
    /// Rewrites the bytes in place and puts size and time back, as tag editors can.
    EditQuietly(usize, u64),
    Rename(usize, usize),
    Remove(usize),
    /// Changes rights: not the bytes.
    Chmod(usize, bool),
    Close(usize, bool),
    Wait(u64),
    /// Looks and reads so many files.
    Follow(usize),
    Restart,
}

pub(super) const NAMES: [&str; 7] =
    ["a.mp3", "b.ogg", "x/a.mp3", "x/y/c.flac", "x-1.mp3", "background.jpg", "background.png"];
pub(super) const FOLDERS: [&str; 3] = ["x", "x/y", "."];

pub(super) fn deed() -> impl Strategy<Value = Deed> {
    let name = || 0..NAMES.len();
    prop_oneof![
        3 => (name(), 0u64..9).prop_map(|(name, content)| Deed::Write(name, content)),
        1 => (name(), 0u64..9).prop_map(|(name, content)| Deed::CopyOld(name, content)),
        2 => name().prop_map(Deed::Append),
        1 => (name(), 0u64..9).prop_map(|(name, content)| Deed::EditQuietly(name, content)),
        2 => (name(), name()).prop_map(|(from, to)| Deed::Rename(from, to)),
        1 => name().prop_map(Deed::Remove),
        1 => (name(), any::<bool>()).prop_map(|(name, readable)| Deed::Chmod(name, readable)),
        1 => (0..FOLDERS.len(), any::<bool>()).prop_map(|(folder, closed)| Deed::Close(folder, closed)),
        4 => prop_oneof![1u64..100, 1000u64..6000, Just(60_000)].prop_map(Deed::Wait),
        5 => prop_oneof![0usize..3, Just(99)].prop_map(Deed::Follow),
        1 => Just(Deed::Restart),
    ]
}

pub(super) fn apply(house: &mut House, deed: &Deed) {
    let now = house.disk.now;
    match deed {
        Deed::Write(name, content) => house.write(NAMES[*name], *content, 100 + content),
        Deed::CopyOld(name, content) => {
            house.write(NAMES[*name], *content, 100 + content);
            house.disk.files.get_mut(NAMES[*name]).unwrap().modified = now - 500_000 - content;
        }
        Deed::Append(name) => {
            if let Some(file) = house.disk.files.get_mut(NAMES[*name]) {
                (file.content, file.size, file.modified, file.changed) =
                    (file.content + 10, file.size + 1, now, now);
            }
        }
        // Both of these without a look in between are the one thing that goes unseen.
        Deed::EditQuietly(name, content) => {
            if let Some(file) = house.disk.files.get_mut(NAMES[*name]).filter(|file| !file.renamed) {
                (file.content, file.changed, file.hidden) = (*content, now, true);
            }
        }
        Deed::Rename(from, to) => {
            let is_background = |name: &usize| NAMES[*name].starts_with("background");
            let may = house.disk.files.get(NAMES[*from]).is_some_and(|file| !file.hidden);
            if may && from != to && is_background(from) == is_background(to) {
                let file = house.disk.files.remove(NAMES[*from]).unwrap();
                let file = DiskFile { changed: now, renamed: true, ..file };
                house.disk.files.insert(NAMES[*to].to_owned(), file);
            }
        }
        Deed::Remove(name) => drop(house.disk.files.remove(NAMES[*name])),
        Deed::Chmod(name, readable) => {
            if let Some(file) = house.disk.files.get_mut(NAMES[*name]).filter(|file| !file.renamed) {
                (file.readable, file.changed, file.hidden) = (*readable, now, true);
            }
        }
        Deed::Close(folder, true) => drop(house.disk.closed.insert(FOLDERS[*folder].to_owned())),
        Deed::Close(folder, false) => drop(house.disk.closed.remove(FOLDERS[*folder])),
        Deed::Wait(millis) => house.disk.now += millis,
        Deed::Follow(most) => drop(house.follow(*most)),
        Deed::Restart => house.restart(),
    }
    // Time passes between any two deeds, and stamps are finer than that.
    house.disk.now += 1;
}
