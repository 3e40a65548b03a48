//! A listing of the source, what is known already, and the time make a plan: which files to read.
//!
//! A file is known by its path and its [`Stamp`]. It is read (hashed, its tags decoded) once it is
//! whole, and not again while its stamp stays: so thousands of files start in the time that it
//! takes to list them. The rules:
//!
//! - *Whole* is what was last modified at least the settle time ago, or was seen unchanged for that
//!   long. Because of that no file is read within a tick of the file system's clock of a change,
//!   where two versions could have one stamp.
//! - A file with the size, time and inode of a known one was renamed or linked: not read.
//! - Where size and time are known but the inode or the change time is not (a restored backup, a
//!   tag editor that puts the time back), the file stays known and is read once more to be sure.
//! - A file that is there in another version stays what it was until the new one has been read: a
//!   `touch` or a restored backup of the whole folder takes nothing off the air.
//! - What cannot be seen is not gone: below a folder that cannot be listed everything stays as it
//!   was, and so does all of it when the root has become an empty folder of another disk, which is
//!   what an unmounted disk looks like.
//!
//! What goes unseen: bytes changed in place with size and time put back, or rights taken away, *and*
//! the file renamed, all between two looks.
//!
//! Rejected: trusting the change time alone (every rename would be a read), hashing only the ends
//! of files (a tag edit in the middle would go unseen), and dropping a background at once when it
//! goes (replacing it would render everything with the built-in card in between).

mod job;
mod listing;
#[cfg(test)]
mod tests;

pub use job::{About, Content, Job, Outcome, Plan};
pub use listing::{Found, Listing, Now, RootId, Stamp};

use super::background::{Background, Best};
use super::credits::credits;
use super::files::{self, Kind};
use super::{Library, Picture, Problem, Track};
use listing::is_below;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long what could not be read is left alone before it is tried again.
const RETRY: Duration = Duration::from_secs(50);
/// Times the settle time that the first look may wait for files that are being written.
const PATIENCE: u32 = 10;

/// Everything that is known of the source.
pub struct Index {
    root: PathBuf,
    settle: Duration,
    files: BTreeMap<String, File>,
    background: Background,
    problems: Vec<Problem>,
    id: Option<RootId>,
    /// When the first look was.
    first: Option<Duration>,
    /// How many files the last look left open: settling or to be read.
    open: usize,
    complete: bool,
}

struct File {
    kind: Kind,
    stamp: Stamp,
    /// When this stamp was first seen.
    since: Duration,
    /// Whether the last look saw it: where nothing can be seen there is nothing to read.
    seen: bool,
    state: State,
}

enum State {
    /// Perhaps still being written; the version before it counts meanwhile.
    Settling(Option<Known>),
    /// Whole, and not read yet; likewise.
    Unread(Option<Known>),
    Known(Known),
    Unreadable {
        reason: String,
        at: Duration,
    },
}

/// A file that was read.
#[derive(Clone)]
struct Known {
    /// The version that was read.
    stamp: Stamp,
    content: Content,
    item: Item,
}

/// What a known file is to the rest of the house.
#[derive(Clone)]
enum Item {
    Track(Arc<Track>),
    Background(Picture),
}

impl Index {
    /// Nothing known yet of the source in the folder `root`. `background` is the configured one.
    pub fn new(root: PathBuf, background: Option<String>, settle: Duration) -> Self {
        Self {
            root,
            settle,
            files: BTreeMap::new(),
            background: Background::new(background),
            problems: Vec::new(),
            id: None,
            first: None,
            open: 0,
            complete: false,
        }
    }

    /// Puts in what an earlier life of the program knew of the same source. It counts until the
    /// first look, which may be long in coming.
    pub fn remember(
        &mut self,
        id: Option<RootId>,
        files: impl IntoIterator<Item = (String, Stamp, Content)>,
    ) {
        self.id = id;
        for (source, stamp, content) in files {
            // As it is configured now.
            let kind = files::kind(&source, self.background.configured());
            let Some(kind) = kind.filter(|kind| content.about.suits(*kind)) else { continue };
            let state = State::Known(known(&self.root, &source, stamp, content));
            self.files.insert(source, File { kind, stamp, since: Duration::ZERO, seen: true, state });
        }
        self.choose_background(Duration::ZERO);
    }

    /// What there is to remember: see [`Index::remember`]. Not what is to be read to be sure.
    pub fn known(&self) -> (Option<RootId>, impl Iterator<Item = (&str, Stamp, &Content)>) {
        let is_sure =
            |file: &File, known: &Known| known.stamp == file.stamp || !known.stamp.is_like(&file.stamp);
        let known = self.files.iter().filter_map(move |(source, file)| {
            let known = file.state.known().filter(|known| is_sure(file, known))?;
            Some((source.as_str(), known.stamp, &known.content))
        });
        (self.id, known)
    }

    /// Takes in a look at the source, and plans.
    pub fn on_listing(&mut self, mut listing: Listing, now: Now) -> Plan {
        self.first.get_or_insert(now.steady);
        let moved = listing.root.is_some() && self.id.is_some() && self.id != listing.root;
        if moved && listing.files.is_empty() && listing.blind.is_empty() && !self.files.is_empty() {
            let reason =
                "the folder is empty and on another disk than before: is the disk not mounted?".to_owned();
            listing.blind.push(Problem { source: ".".to_owned(), reason });
        } else if listing.root.is_some() {
            self.id = listing.root;
        }

        let mut old = std::mem::take(&mut self.files);
        let linked = linked(&old, &listing.files);
        for found in listing.files {
            let before = old.remove(&found.source);
            let state = self.state_of(&found, before, &linked, now);
            self.files.insert(found.source, state);
        }
        let blind = |source: &str| listing.blind.iter().any(|place| is_below(source, &place.source));
        for (source, mut file) in old.into_iter().filter(|(source, _)| blind(source)) {
            if let Some(known) = file.state.take_known() {
                (file.seen, file.state) = (false, State::Known(known));
                self.files.insert(source, file);
            }
        }

        self.problems = listing.problems;
        self.problems.extend(listing.blind);
        self.plan(now)
    }

    /// Takes in what came of a job, if it is still about the file's last known version.
    pub fn on_read(&mut self, job: &Job, outcome: Outcome, now: Now) {
        let Some(file) = self.files.get_mut(&job.source).filter(|file| file.stamp == job.stamp) else {
            return;
        };
        let was_open = file.is_open();
        match outcome {
            Outcome::Read(content) => {
                file.state = State::Known(known(&self.root, &job.source, job.stamp, content));
            }
            Outcome::Changed(stamp) => {
                let last = file.state.take_known();
                (file.stamp, file.since, file.state) = (stamp, now.steady, State::Settling(last));
            }
            // Perhaps its disk is gone; the next look knows.
            Outcome::Gone if file.state.known().is_some() => {}
            Outcome::Gone => {
                self.files.remove(&job.source);
            }
            Outcome::Failed(reason) => file.state = State::Unreadable { reason, at: now.steady },
        }
        let is_open = self.files.get(&job.source).is_some_and(File::is_open);
        if was_open && !is_open {
            self.open -= 1;
        } else if is_open && !was_open {
            self.open += 1;
        }
        if job.kind != Kind::Track {
            self.choose_background(now.steady);
        }
        self.conclude(now);
    }

    /// The library as it is known now.
    pub fn library(&self) -> Library {
        let mut library = Library { complete: self.complete, ..Library::default() };
        if !self.is_held() {
            library.background = self.background.shown().cloned();
            let items = self.files.values().filter_map(|file| Some(&file.state.known()?.item));
            library.tracks.extend(items.filter_map(|item| match item {
                Item::Track(track) => Some(track.clone()),
                Item::Background(_) => None,
            }));
        }
        library.problems.extend(self.problems.iter().cloned());
        library.problems.extend(self.files.iter().filter_map(|(source, file)| match &file.state {
            State::Unreadable { reason, .. } => {
                Some(Problem { source: source.clone(), reason: reason.clone() })
            }
            _ => None,
        }));
        library.problems.extend(self.background.problem());
        library.problems.sort();
        library
    }

    /// Whether the tracks are held back, so that none is rendered with the built-in card only to
    /// be rendered again when the background has been read.
    fn is_held(&self) -> bool {
        !self.complete && self.background.is_awaited()
    }

    fn state_of(&self, found: &Found, mut before: Option<File>, linked: &Linked, now: Now) -> File {
        let Found { source, kind, stamp } = found;
        let (kind, stamp) = (*kind, *stamp);
        let fresh = |state| File { kind, stamp, since: now.steady, seen: true, state };
        let last = before.as_mut().and_then(|file| file.state.take_known());
        let mut last = last.filter(|known| known.content.about.suits(kind));
        if let Some(known) = last.take_if(|known| known.stamp.is_like(&stamp)) {
            return fresh(State::Known(known));
        }
        if let Some(content) = linked.get(&stamp.link()).filter(|content| content.about.suits(kind)) {
            return fresh(State::Known(known(&self.root, source, stamp, content.clone())));
        }
        let before = before.filter(|file| file.stamp == stamp && file.kind == kind);
        let since = before.as_ref().map_or(now.steady, |file| file.since);
        let state = match before.map(|file| file.state) {
            Some(State::Unreadable { reason, at }) if now.steady < at + RETRY => {
                State::Unreadable { reason, at }
            }
            _ if self.whole_in(&stamp, since, now).is_zero() => State::Unread(last),
            _ => State::Settling(last),
        };
        File { kind, stamp, since, seen: true, state }
    }

    /// How long until a file that has this stamp since then is whole.
    fn whole_in(&self, stamp: &Stamp, since: Duration, now: Now) -> Duration {
        let seen = now.steady.saturating_sub(since);
        // Negative if the file's time lies in the future, by another machine's clock.
        let age = u64::try_from(now.wall.saturating_sub(stamp.modified)).unwrap_or(0);
        self.settle.saturating_sub(seen.max(Duration::from_nanos(age)))
    }

    fn plan(&mut self, now: Now) -> Plan {
        let mut plan = Plan::default();
        let (mut backgrounds, mut checks) = (Vec::new(), Vec::new());
        self.open = 0;
        for (source, file) in &self.files {
            self.open += usize::from(file.is_open());
            let job = || Job { source: source.clone(), kind: file.kind, stamp: file.stamp };
            match &file.state {
                State::Unread(_) if file.kind == Kind::Track => plan.read.push_back(job()),
                State::Unread(_) => backgrounds.push(job()),
                State::Known(known) if file.seen && known.stamp != file.stamp => checks.push(job()),
                State::Settling(_) => {
                    let at = now.steady + self.whole_in(&file.stamp, file.since, now);
                    plan.look_again = plan.look_again.into_iter().chain([at]).min();
                }
                _ => {}
            }
        }
        for job in backgrounds.into_iter().rev() {
            plan.read.push_front(job);
        }
        plan.read.extend(checks);
        self.choose_background(now.steady);
        self.conclude(now);
        plan.look_again = plan.look_again.into_iter().chain(self.background.deadline(self.settle)).min();
        plan
    }

    fn choose_background(&mut self, now: Duration) {
        let candidates = self.files.values().filter_map(|file| match file.kind {
            Kind::Background { rank } => Some((rank, &file.state)),
            Kind::Track => None,
        });
        let best = candidates.min_by_key(|(rank, _)| *rank).map(|(_, state)| match state {
            State::Known(Known { item: Item::Background(picture), .. }) => Best::Known(picture.clone()),
            State::Unreadable { .. } => Best::Unreadable,
            _ => Best::Awaited,
        });
        // Before the first look nobody knows that there is none.
        let is_to_come = self.first.is_none() && self.background.configured().is_some();
        let best = best.or(is_to_come.then_some(Best::Awaited));
        self.background.on_best(best, now, self.settle);
    }

    /// Whether the first look is over.
    fn conclude(&mut self, now: Now) {
        let patient = self.first.is_some_and(|first| now.steady < first + self.settle * PATIENCE);
        self.complete |= self.open == 0 || !patient;
    }
}

impl File {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Settling(_) | State::Unread(_))
    }
}

impl State {
    /// What counts of the file now: the last version that was read.
    fn known(&self) -> Option<&Known> {
        match self {
            Self::Known(known) | Self::Settling(Some(known)) | Self::Unread(Some(known)) => Some(known),
            _ => None,
        }
    }

    /// Takes out what [`State::known`] is; what is left is not for use if there was any.
    fn take_known(&mut self) -> Option<Known> {
        self.known()?;
        match std::mem::replace(self, Self::Settling(None)) {
            Self::Known(known) => Some(known),
            Self::Settling(last) | Self::Unread(last) => last,
            Self::Unreadable { .. } => None,
        }
    }
}

/// Known contents by what stays when a file is renamed.
type Linked = HashMap<(u64, u64, i64), Content>;

fn linked(old: &BTreeMap<String, File>, found: &[Found]) -> Linked {
    let is_new = |found: &Found| old.get(&found.source).is_none_or(|file| file.stamp != found.stamp);
    if !found.iter().any(is_new) {
        return Linked::new();
    }
    let known = old.values().filter_map(|file| match &file.state {
        State::Known(known) if known.stamp == file.stamp => Some((known.stamp.link(), known.content.clone())),
        _ => None,
    });
    known.collect()
}

fn known(root: &Path, source: &str, stamp: Stamp, content: Content) -> Known {
    let (source, path, hash) = (source.to_owned(), Some(root.join(source)), content.hash.clone());
    let item = match &content.about {
        About::Track(tags) => {
            let credits = credits(tags, &source);
            Item::Track(Arc::new(Track { source, path, hash, size: stamp.size, credits }))
        }
        About::Background(motion) => Item::Background(Picture { source, path, hash, motion: *motion }),
    };
    Known { stamp, content, item }
}
