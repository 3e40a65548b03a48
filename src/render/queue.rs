//! What to render next, and what the shelf shows. Pure; [`super::task`] carries it out.
//!
//! The picture comes first, because every rendition needs it; then what the schedule wishes for,
//! in its order; then the library, in its order. What failed for a passing reason is tried again
//! later, a few times, and what cannot be reached until it can; what the machine is to blame for (no FFmpeg, no disk space) holds up
//! everything and nobody's count. The sound of a track is rendered once: under another picture it
//! is taken over from the rendition that has it.
//!
//! What lies in the bucket is ready without being rendered: neither its original nor the picture is
//! needed for it. A background that does not come holds up nobody for long: see `stand_in`.

use super::exchange::There;
use super::profile::{Profile, backdrop_hash};
use super::quarantine::Quarantine;
use crate::library::{Library, Picture, Track};
use crate::media::{ContentHash, RenditionId};
use stand_in::StandIn;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Attempts that may fail for a passing reason before the file is set aside.
const MOST_ATTEMPTS: u32 = 3;
/// The pause doubles so often while a file cannot be reached: from half a minute to eight.
const MOST_DOUBLINGS: u32 = 4;

/// A rendition that lies on the shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub id: RenditionId,
    /// Its length.
    pub cells: u64,
    /// The track's content.
    pub track: ContentHash,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Make the loop of a picture; `None` is the built-in one.
    Picture(Option<Picture>),
    /// Make a rendition of a track.
    Track {
        /// Of this.
        track: Arc<Track>,
        /// To be named so.
        id: RenditionId,
        /// The content of the picture that goes with it.
        picture: ContentHash,
        /// A rendition of the same track with another picture.
        like: Option<RenditionId>,
    },
}

impl Job {
    /// The content that the job is about.
    pub fn hash(&self) -> ContentHash {
        match self {
            Self::Picture(picture) => picture.as_ref().map_or_else(backdrop_hash, |p| p.hash.clone()),
            Self::Track { track, .. } => track.hash.clone(),
        }
    }

    /// The file that the job is about, for a person.
    pub fn source(&self) -> &str {
        match self {
            Self::Picture(picture) => picture.as_ref().map_or("(built-in picture)", |p| &p.source),
            Self::Track { track, .. } => &track.source,
        }
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The picture's loop lies ready.
    Pictured,
    /// The rendition lies on the shelf.
    Rendered(Known),
    /// The file is at fault.
    Refused(String),
    /// Something went wrong that may go right another time.
    Failed(String),
    /// The file cannot be reached; nobody knows for how long.
    Away(String),
    /// The machine is at fault; no job would fare better.
    Held(String),
    /// The picture's loop has gone.
    Unpictured(String),
    /// Another node has made it meanwhile.
    Elsewhere,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This.
    Start(Job),
    /// Nothing, until something happens or this time comes.
    Wait(Option<Instant>),
}

struct Retry {
    attempts: u32,
    /// Times in a row that the file could not be reached; they count for nothing but the pause.
    away: u32,
    not_before: Instant,
}

/// The state of the render stage.
pub struct Queue {
    profile: Profile,
    library: Arc<Library>,
    wishes: Arc<[ContentHash]>,
    /// The content of the picture that renditions are made with.
    picture: ContentHash,
    /// The rendition wanted of each track of the library.
    wanted: Vec<RenditionId>,
    known: HashMap<RenditionId, Known>,
    /// What lies in the bucket.
    there: Arc<There>,
    /// By track, some rendition of it under this profile.
    heard: HashMap<ContentHash, RenditionId>,
    /// Its loop lies ready.
    pictured: bool,
    stand_in: StandIn,
    running: HashSet<ContentHash>,
    retries: HashMap<ContentHash, Retry>,
    held: Option<(String, Instant)>,
    quarantine: Quarantine,
    ffmpeg: String,
    pause: Duration,
}

impl Queue {
    /// With what lies on the shelf already, and a first pause after a failure.
    pub fn new(profile: Profile, known: Vec<Known>, quarantine: Quarantine, pause: Duration) -> Self {
        let mut queue = Self {
            profile,
            library: Arc::default(),
            wishes: Arc::from([]),
            picture: backdrop_hash(),
            wanted: Vec::new(),
            known: HashMap::new(),
            there: Arc::default(),
            heard: HashMap::new(),
            pictured: false,
            stand_in: StandIn::default(),
            running: HashSet::new(),
            retries: HashMap::new(),
            held: None,
            quarantine,
            ffmpeg: String::new(),
            pause,
        };
        known.into_iter().for_each(|known| queue.add(known));
        queue
    }

    /// The library has changed.
    pub fn set_library(&mut self, library: Arc<Library>) {
        self.library = library;
        self.settle();
    }

    /// The schedule wishes for other tracks.
    pub fn set_wishes(&mut self, wishes: Arc<[ContentHash]>) {
        self.wishes = wishes;
    }

    /// More is known of the bucket.
    pub fn set_there(&mut self, there: Arc<There>) {
        self.there = there;
    }

    /// A rendition lies here now that was not rendered here.
    pub fn take_in(&mut self, known: Known) {
        self.add(known);
    }

    /// Which FFmpeg renders from now on: what another one could not render is tried again. Whether
    /// the quarantine has changed.
    pub fn set_ffmpeg(&mut self, version: &str) -> bool {
        self.ffmpeg = version.to_owned();
        let changed = self.quarantine.release_others(version);
        self.settle();
        changed
    }

    /// The files that are set aside.
    pub fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// Whether this rendition lies on the shelf.
    pub fn knows(&self, id: &RenditionId) -> bool {
        self.known.contains_key(id)
    }

    /// A rendition has been removed from disk.
    pub fn forget(&mut self, id: &RenditionId) {
        if let Some(known) = self.known.remove(id)
            && self.heard.get(&known.track) == Some(id)
        {
            self.heard.remove(&known.track);
        }
    }

    /// What to do now. What is started must end in [`Queue::on`].
    pub fn next(&mut self, now: Instant) -> Next {
        if let Some((_, until)) = self.held.as_ref().filter(|(_, until)| *until > now) {
            return Next::Wait(Some(*until));
        }
        // Until the first scan is over, a picture may still turn up that belongs to every track.
        if self.library.tracks.is_empty() || !self.library.complete && self.library.background.is_none() {
            return Next::Wait(None);
        }
        let mut open = self.open_track(now);
        match open {
            Ok(_) => {
                if let Some(until) = self.awaits_picture(now) {
                    return Next::Wait(Some(until));
                }
                // Where another picture stands in, fewer tracks need one.
                open = self.open_track(now);
            }
            Err(_) => self.awaits_nothing(),
        }
        match open {
            Ok(_) if !self.has_loop() => self.next_picture(now),
            Ok(i) => {
                let track = Arc::clone(&self.library.tracks[i]);
                self.running.insert(track.hash.clone());
                let like = self.heard.get(&track.hash).cloned();
                let (id, picture) = (self.name(i).clone(), self.picture());
                Next::Start(Job::Track { id, picture, like, track })
            }
            Err(until) => Next::Wait(until),
        }
    }

    /// The picture first.
    fn next_picture(&mut self, now: Instant) -> Next {
        let hash = self.picture();
        let wait = self.retries.get(&hash).map(|retry| retry.not_before);
        match wait.filter(|until| *until > now) {
            Some(until) => Next::Wait(Some(until)),
            None if self.running.insert(hash) => {
                Next::Start(Job::Picture(self.background().filter(|_| !self.is_stood_in()).cloned()))
            }
            None => Next::Wait(None),
        }
    }

    /// The first track, wishes first, that can be rendered now; else when one can be.
    fn open_track(&self, now: Instant) -> Result<usize, Option<Instant>> {
        let mut soonest: Option<Instant> = None;
        let mut can = |i: usize| {
            let Track { hash, path, .. } = &*self.library.tracks[i];
            // What is not here yet comes with another library.
            if self.is_done(i) || self.makes_do(i) || path.is_none() || self.running.contains(hash) {
                return false;
            }
            match self.retries.get(hash).map(|retry| retry.not_before).filter(|at| *at > now) {
                Some(at) => {
                    soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
                    false
                }
                None => true,
            }
        };
        self.in_order().find(|i| can(*i)).ok_or(soonest)
    }

    /// A job has ended. Whether the quarantine has changed.
    pub fn on(&mut self, hash: &ContentHash, outcome: Outcome, now: Instant) -> bool {
        self.running.remove(hash);
        let refused = match outcome {
            Outcome::Held(reason) => {
                self.held = Some((reason, now + self.pause));
                return false;
            }
            Outcome::Failed(reason) => {
                let attempts = self.retries.get(hash).map_or(0, |retry| retry.attempts) + 1;
                if attempts < MOST_ATTEMPTS {
                    let not_before = now + self.pause * 4u32.pow(attempts - 1);
                    self.retries.insert(hash.clone(), Retry { attempts, away: 0, not_before });
                }
                (attempts >= MOST_ATTEMPTS).then(|| format!("{reason} (tried {attempts} times)"))
            }
            Outcome::Away(_) => {
                let (attempts, away) =
                    self.retries.get(hash).map_or((0, 0), |retry| (retry.attempts, retry.away));
                let not_before = now + self.pause * (1 << away.min(MOST_DOUBLINGS));
                self.retries.insert(hash.clone(), Retry { attempts, away: away + 1, not_before });
                None
            }
            Outcome::Refused(reason) => Some(reason),
            Outcome::Pictured => {
                self.pictured |= *hash == self.picture;
                if *hash == backdrop_hash() {
                    self.on_built_in();
                }
                None
            }
            Outcome::Unpictured(_) => {
                match self.is_stood_in() {
                    true => self.on_loop_gone(),
                    false => self.pictured = false,
                }
                None
            }
            Outcome::Rendered(known) => {
                self.add(known);
                None
            }
            Outcome::Elsewhere => None,
        };
        self.held = None;
        let Some(reason) = refused else { return false };
        self.retries.remove(hash);
        self.quarantine.insert(hash.clone(), self.profile.id().clone(), &self.ffmpeg, reason);
        self.settle();
        true
    }

    /// Why nothing is rendered although there is something to render.
    pub fn paused(&self) -> Option<String> {
        self.held.as_ref().map(|(reason, _)| reason.clone()).or_else(|| self.waiting())
    }

    /// The library has been gone through to its end.
    pub fn listed(&self) -> bool {
        self.library.complete
    }

    /// The library is complete, and everything in it is ready or quarantined.
    pub fn complete(&self) -> bool {
        self.library.complete && (0..self.wanted.len()).all(|i| self.is_done(i))
    }

    fn add(&mut self, known: Known) {
        self.heard.insert(known.track.clone(), known.id.clone());
        self.known.insert(known.id.clone(), known);
    }

    fn reason(&self, hash: &ContentHash) -> Option<&str> {
        self.quarantine.reason(hash, self.profile.id())
    }

    /// The background, unless it cannot be shown.
    fn background(&self) -> Option<&Picture> {
        self.library.background.as_ref().filter(|picture| self.reason(&picture.hash).is_none())
    }

    /// Library or quarantine have changed.
    fn settle(&mut self) {
        let picture = self.background().map_or_else(backdrop_hash, |picture| picture.hash.clone());
        let mut last = None;
        if picture != self.picture {
            // The loop of one that was shown before may have gone to make room.
            let was_ready = std::mem::take(&mut self.pictured);
            last = Some(std::mem::replace(&mut self.picture, picture)).filter(|_| was_ready);
        }
        let wanted = |track: &Arc<Track>| self.profile.rendition(&track.hash, &self.picture);
        self.wanted = self.library.tracks.iter().map(wanted).collect();
        let there: HashSet<&ContentHash> = self.library.tracks.iter().map(|track| &track.hash).collect();
        let pictures = [self.picture.clone(), backdrop_hash()];
        self.retries.retain(|hash, _| there.contains(hash) || pictures.contains(hash));
        self.settle_stand_in(last);
    }
}

mod shown;
mod stand_in;
#[cfg(test)]
mod tests;
