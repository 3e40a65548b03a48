//! Carries out what [`super::queue`] decides: FFmpeg jobs, one at a time on air, and the shelf.

mod disk;
mod exchange;
mod fault;
mod ffmpeg;
mod first;
mod pictures;
mod renditions;
mod settings;
mod share;
mod told;
mod workshop;

pub use exchange::Exchange;
pub use ffmpeg::Patience;
pub use first::first_shelf;
pub use renditions::Renditions;
pub use settings::{Error, Settings};
pub use share::Share;

use super::command::{self, Fit, Tool};
use super::profile::{BACKDROP, Profile, backdrop_hash};
use super::quarantine::Quarantine;
use super::queue::{Job, Next, Outcome, Queue};
use super::{Rendering, Shelf};
use crate::host::file;
use crate::library::Library;
use crate::media::flv::TagKind;
use crate::media::{ContentHash, Rendition, RenditionId};
use crate::telemetry::messages;
use disk::{Places, Reference, Work};
use fault::Failure;
use share::{Change, Look, News};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workshop::{Gauge, Workshop, blocking};

/// While something is rendered, the shelf says this often how far it is.
const REPORT: Duration = Duration::from_secs(2);

/// Opens a rendition: reads its two files once, to index them. Blocks.
pub fn open(renditions_dir: &Path, id: &RenditionId) -> Result<Rendition, Error> {
    disk::open(renditions_dir, id)
}

/// Renders until cancelled. `shelf` holds what [`first_shelf`] gave.
pub async fn run(
    settings: Settings,
    library: watch::Receiver<Arc<Library>>,
    wishes: watch::Receiver<Arc<[ContentHash]>>,
    shelf: watch::Sender<Arc<Shelf>>,
    cancel: CancellationToken,
) -> Result<(), Error> {
    // Thousands of renditions take a while to look through; what is on air must not wait for it.
    let mut stage = blocking(move || Stage::new(settings, shelf)).await;
    // FFmpeg dies with the future that waits for it, and unfinished work with `Work`.
    tokio::select! {
        () = cancel.cancelled() => Ok(()),
        never = stage.serve(library, wishes) => match never {},
    }
}

struct Stage {
    settings: Settings,
    profile: Profile,
    places: Places,
    reference: Reference,
    queue: Queue,
    shelf: watch::Sender<Arc<Shelf>>,
    shop: Option<Arc<Workshop>>,
    jobs: JoinSet<(ContentHash, Outcome)>,
    running: HashMap<ContentHash, (String, Arc<Gauge>)>,
}

impl Stage {
    fn new(settings: Settings, shelf: watch::Sender<Arc<Shelf>>) -> Self {
        let (profile, places) = (Profile::new(&settings.video, &settings.audio), places_of(&settings));
        let reference = Reference::of(&shelf.borrow().standby);
        let known = disk::scan(&places.renditions, &profile, &reference);
        let quarantine = Quarantine::from_json(&fs::read(&places.quarantine).unwrap_or_default());
        let queue = Queue::new(profile.clone(), known, quarantine, settings.pause);
        Self {
            settings,
            profile,
            places,
            reference,
            queue,
            shelf,
            shop: None,
            jobs: JoinSet::new(),
            running: HashMap::new(),
        }
    }

    async fn serve(
        &mut self,
        mut library: watch::Receiver<Arc<Library>>,
        mut wishes: watch::Receiver<Arc<[ContentHash]>>,
    ) -> std::convert::Infallible {
        let mut share = self.settings.share.take();
        if let Some(share) = &mut share {
            self.queue.set_there(Arc::clone(&share.there.borrow_and_update()));
        }
        let mut broken = self.settings.broken.clone();
        let mut reported: Arc<HashSet<RenditionId>> = Arc::default();
        let (mut library_open, mut wishes_open, mut broken_open) = (true, true, true);
        self.queue.set_library(Arc::clone(&library.borrow_and_update()));
        self.queue.set_wishes(Arc::clone(&wishes.borrow_and_update()));
        self.publish(share.as_ref());
        if !self.queue.quarantined().is_empty() {
            // What another FFmpeg could not read is tried again; if there is none now, all stays.
            if let Ok(tool) = tool(&self.settings.ffmpeg, self.settings.patience).await
                && self.queue.set_ffmpeg(&tool.version)
            {
                self.save_quarantine().await;
            }
        }
        loop {
            let wake = self.start_jobs(share.as_ref()).await;
            self.publish(share.as_ref());
            let report = (!self.running.is_empty()).then(|| Instant::now() + REPORT);
            let wake = [wake, report].into_iter().flatten().min();
            tokio::select! {
                changed = library.changed(), if library_open => {
                    library_open = changed.is_ok();
                    self.queue.set_library(Arc::clone(&library.borrow_and_update()));
                }
                changed = wishes.changed(), if wishes_open => {
                    wishes_open = changed.is_ok();
                    self.queue.set_wishes(Arc::clone(&wishes.borrow_and_update()));
                }
                changed = broken.changed(), if broken_open => {
                    broken_open = changed.is_ok();
                    let before = std::mem::replace(&mut reported, Arc::clone(&broken.borrow_and_update()));
                    self.remove(reported.difference(&before)).await;
                }
                Some(ended) = self.jobs.join_next() => {
                    // What a job has found in the bucket is known before the next one is chosen.
                    if let Some(share) = &mut share {
                        self.queue.set_there(Arc::clone(&share.there.borrow_and_update()));
                    }
                    self.ended(ended).await;
                }
                Some(news) = share::news(&mut share) => match news {
                    News::There(there) => self.queue.set_there(there),
                    News::Change(Change::Here(known)) => self.queue.take_in(known),
                    News::Change(Change::Gone(id)) => self.queue.forget(&id),
                },
                () = until(wake) => {}
            }
        }
    }

    /// Starts what there is to start. Returns when to look again.
    async fn start_jobs(&mut self, share: Option<&Share>) -> Option<Instant> {
        while self.running.len() < self.settings.parallel.get() {
            let job = match self.queue.next(Instant::now()) {
                Next::Wait(until) => return until,
                Next::Start(job) => job,
            };
            let hash = job.hash();
            if let Job::Picture(_) = &job
                && self.loop_is_there(&hash).await
            {
                self.queue.on(&hash, Outcome::Pictured, Instant::now());
                continue;
            }
            match self.ready_to_work().await {
                Ok(shop) => self.start(job, shop, share.map(|share| Arc::clone(&share.look))),
                Err(reason) => {
                    if self.queue.paused().as_ref() != Some(&reason) {
                        tracing::error!(
                            message_id = messages::RENDERING_PAUSED,
                            reason,
                            "rendering is paused"
                        );
                    }
                    self.queue.on(&hash, Outcome::Held(reason), Instant::now());
                }
            }
        }
        None
    }

    /// Takes broken renditions off the shelf, and off the disk first, so that none is found there
    /// and taken for a fit one when its track's turn comes.
    async fn remove(&mut self, broken: impl Iterator<Item = &RenditionId>) {
        // One that the shelf does not call ready may be in the making; standby has no successor.
        for id in broken.filter(|id| **id != self.profile.standby()) {
            if !self.queue.knows(id) {
                continue;
            }
            let folder = self.places.renditions.join(id.as_str());
            match blocking(move || disk::remove(&folder)).await {
                Ok(()) => {
                    tracing::warn!(message_id = messages::RENDITION_ANEW, rendition = %id, "a rendition that cannot be opened is made anew");
                    self.queue.forget(id);
                }
                Err(error) => {
                    tracing::error!(message_id = messages::RENDITION_STUCK, rendition = %id, %error, "a rendition can be neither opened nor removed");
                }
            }
        }
    }

    async fn loop_is_there(&self, picture: &ContentHash) -> bool {
        let path = disk::loop_path(&self.places, &self.profile, picture);
        let header = self.reference.video.clone();
        blocking(move || disk::index(TagKind::Video, &path).is_ok_and(|file| file.header == header)).await
    }

    /// The workshop, once there are an FFmpeg and room on the disk.
    async fn ready_to_work(&mut self) -> Result<Arc<Workshop>, String> {
        let mut keep: HashSet<RenditionId> = self.queue.kept().cloned().collect();
        keep.extend(self.settings.in_use.borrow().iter().cloned());
        keep.insert(self.profile.standby());
        let need = self.settings.keep_free;
        let shown = disk::loop_path(&self.places, &self.profile, &self.queue.picture());
        let places = self.places.clone();
        let look = move || {
            // The cache may be cleared under a stage that runs.
            fs::create_dir_all(&places.renditions)?;
            disk::make_room(&places, need, &keep, Some(&shown))
        };
        let (gone, free) =
            blocking(look).await.map_err(|e| format!("the cache's disk cannot be looked at: {e}"))?;
        gone.iter().for_each(|id| self.queue.forget(id));
        if free < need {
            return Err(format!(
                "the disk is full: {} MB are free, {} MB must stay so",
                free >> 20,
                need >> 20
            ));
        }
        if let Some(shop) = &self.shop {
            return Ok(Arc::clone(shop));
        }
        let program = self.settings.ffmpeg.clone();
        let tool = tool(&program, self.settings.patience).await?;
        if self.queue.set_ffmpeg(&tool.version) {
            self.save_quarantine().await;
        }
        let renditions = self.places.renditions.clone();
        let work = blocking(move || Work::new(&renditions))
            .await
            .map_err(|e| format!("the cache cannot be written: {e}"))?;
        let (profile, places, reference) =
            (self.profile.clone(), self.places.clone(), Some(self.reference.clone()));
        let patience = self.settings.patience;
        let shop = Arc::new(Workshop { program, tool, patience, profile, places, work, reference });
        Ok(Arc::clone(self.shop.insert(shop)))
    }

    fn start(&mut self, job: Job, shop: Arc<Workshop>, look: Option<Arc<Look>>) {
        let (hash, gauge) = (job.hash(), Arc::new(Gauge::default()));
        self.running.insert(hash.clone(), (job.source().to_owned(), Arc::clone(&gauge)));
        self.jobs.spawn(async move {
            if let (Some(look), Job::Track { id, .. }) = (look, &job)
                && look(id.clone()).await
            {
                return (hash, Outcome::Elsewhere);
            }
            let outcome = match work(&job, &shop, &gauge).await {
                Ok(outcome) => outcome,
                // The built-in picture is not at fault; something is with this machine's FFmpeg.
                Err(Failure::File(reason) | Failure::Passing(reason) | Failure::Away(reason))
                    if job == Job::Picture(None) =>
                {
                    Outcome::Held(reason)
                }
                Err(Failure::File(reason)) => Outcome::Refused(reason),
                Err(Failure::Passing(reason)) => Outcome::Failed(reason),
                Err(Failure::Away(reason)) => Outcome::Away(reason),
                Err(Failure::Host(reason)) => Outcome::Held(reason),
                Err(Failure::Unpictured(reason)) => Outcome::Unpictured(reason),
            };
            (hash, outcome)
        });
    }

    async fn ended(&mut self, ended: Result<(ContentHash, Outcome), tokio::task::JoinError>) {
        let (hash, outcome) = match ended {
            Ok(ended) => ended,
            // Nothing aborts a job but the end of this task, so it panicked; so does its owner.
            Err(e) => std::panic::resume_unwind(e.into_panic()),
        };
        let source = self.running.remove(&hash).map(|(source, _)| source).unwrap_or_default();
        told::tell(&source, &outcome);
        if let Outcome::Held(_) = outcome {
            // Another FFmpeg may be there when it goes on.
            self.shop = None;
        }
        if self.queue.on(&hash, outcome, Instant::now()) {
            self.save_quarantine().await;
        }
    }

    async fn save_quarantine(&self) {
        let (path, json) = (self.places.quarantine.clone(), self.queue.quarantine().to_json());
        let saved = blocking(move || file::replace(&path, &json)).await;
        if let Err(error) = saved {
            tracing::warn!(message_id = messages::SET_ASIDE_UNSAVED, %error, "cannot keep the list of files that are set aside; they will be tried again");
        }
    }

    fn publish(&self, share: Option<&Share>) {
        if let Some(share) = share {
            share.show(&self.queue, self.profile.standby(), &self.settings.wants);
        }
        // In an order that does not change from one report to the next.
        let first = self.running.values().min_by(|a, b| a.0.cmp(&b.0));
        let rendering = first.map(|(source, gauge)| Rendering { source: source.clone(), done: gauge.get() });
        let old = Arc::clone(&self.shelf.borrow());
        self.shelf.send_replace(Arc::new(Shelf {
            profile: old.profile.clone(),
            standby: Arc::clone(&old.standby),
            tracks: self.queue.tracks(),
            rendering,
            quarantined: self.queue.quarantined(),
            paused: self.queue.paused(),
            without: self.queue.without(),
            listed: self.queue.listed(),
            complete: self.queue.complete(),
        }));
    }
}

async fn work(job: &Job, shop: &Workshop, gauge: &Gauge) -> Result<Outcome, Failure> {
    match job {
        Job::Picture(Some(picture)) => {
            let path = picture.path.as_deref();
            let path = path.ok_or_else(|| Failure::Away("it is not on this machine".into()))?;
            shop.picture(&picture.hash, path, Fit::Cover, gauge).await?;
            Ok(Outcome::Pictured)
        }
        Job::Picture(None) => {
            let path = shop.places.loops.with_extension("png");
            let written = path.clone();
            blocking(move || file::replace(&written, BACKDROP))
                .await
                .map_err(|e| Failure::Host(format!("the cache cannot be written: {e}")))?;
            shop.picture(&backdrop_hash(), &path, Fit::Contain, gauge).await?;
            Ok(Outcome::Pictured)
        }
        Job::Track { track, id, picture, like } => {
            shop.track(track, id, picture, like.as_ref(), gauge).await.map(Outcome::Rendered)
        }
    }
}

/// Which FFmpeg there is; else why there is none.
async fn tool(program: &Path, patience: Patience) -> Result<Tool, String> {
    let lines = ffmpeg::ask(program, &command::version(), patience).await;
    let lines = lines.map_err(|e| format!("FFmpeg is missing: {e}"))?;
    Tool::read(lines.iter().map(String::as_str))
        .ok_or_else(|| format!("{} is not an FFmpeg", program.display()))
}

fn places_of(settings: &Settings) -> Places {
    Places::below(&settings.cache)
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
