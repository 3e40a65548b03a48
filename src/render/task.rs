//! Carries out what [`super::queue`] decides: FFmpeg jobs, one at a time on air, and the shelf.

mod disk;
mod fault;
mod ffmpeg;
mod pictures;
mod workshop;

pub use ffmpeg::Patience;

use super::command::{self, Fit, Tool};
use super::profile::{BACKDROP, Profile, backdrop_hash};
use super::quarantine::Quarantine;
use super::queue::{Job, Next, Outcome, Queue};
use super::{Rendering, Shelf};
use crate::config::{Audio, Video};
use crate::library::Library;
use crate::media::{ContentHash, Rendition, RenditionId};
use disk::{Places, Reference, Work};
use fault::Failure;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workshop::{Gauge, Workshop};

/// While something is rendered, the shelf says this often how far it is.
const REPORT: Duration = Duration::from_secs(2);

/// What the stage is given.
pub struct Settings {
    /// The cache folder; `renditions`, `loops` and `quarantine.json` lie in it.
    pub cache: PathBuf,
    /// The FFmpeg to run; a name is looked for in the usual folders.
    pub ffmpeg: PathBuf,
    /// How pictures are encoded.
    pub video: Video,
    /// How sound is encoded.
    pub audio: Audio,
    /// Jobs at a time: one on air.
    pub parallel: NonZeroUsize,
    /// How long FFmpeg is waited for.
    pub patience: Patience,
    /// The pause after the first failure of a file, and while the machine is at fault.
    pub pause: Duration,
    /// Bytes that stay free on the cache's disk.
    pub keep_free: u64,
    /// Renditions that are on air, or will be soon: they are not removed.
    pub in_use: watch::Receiver<Arc<HashSet<RenditionId>>>,
}

impl Settings {
    /// With what suits a daemon on air.
    pub fn new(
        cache: PathBuf,
        video: Video,
        audio: Audio,
        in_use: watch::Receiver<Arc<HashSet<RenditionId>>>,
    ) -> Self {
        Self {
            cache,
            ffmpeg: "ffmpeg".into(),
            video,
            audio,
            parallel: NonZeroUsize::MIN,
            patience: Patience::default(),
            pause: Duration::from_secs(30),
            keep_free: 512 << 20,
            in_use,
        }
    }
}

/// Why the stage cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache cannot be used.
    #[error("cannot use the cache folder {path}: {source}")]
    Cache {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of a rendition cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A rendition is not what it should be.
    #[error("{path} is not a whole rendition: {reason}")]
    Rendition {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no standby rendition in the cache, and none can be made.
    #[error("cannot render the standby card: {0}")]
    Standby(String),
}

/// Opens a rendition: reads its two files once, to index them. Blocks.
pub fn open(renditions_dir: &Path, id: &RenditionId) -> Result<Rendition, Error> {
    disk::open(renditions_dir, id)
}

/// The shelf to start with: the standby rendition, from the cache (in milliseconds, and without an
/// FFmpeg) or rendered now (in a second or two). An error here means that this machine cannot play.
pub async fn first_shelf(settings: &Settings) -> Result<Arc<Shelf>, Error> {
    let (profile, places) = (Profile::new(&settings.video, &settings.audio), Places::below(&settings.cache));
    fs::create_dir_all(&places.renditions)
        .map_err(|source| Error::Cache { path: places.renditions.clone(), source })?;
    let id = profile.standby();
    let whole = |rendition: &Rendition| {
        rendition.meta.profile == *profile.id()
            && rendition.audio.frames() == rendition.meta.cells * profile.grid().audio_frames()
    };
    let standby = match disk::open(&places.renditions, &id).ok().filter(whole) {
        Some(standby) => standby,
        None => {
            let program = settings.ffmpeg.clone();
            let tool = tool(&program, settings.patience).await.map_err(Error::Standby)?;
            let work = Work::new(&places.renditions)
                .map_err(|source| Error::Cache { path: places.renditions.clone(), source })?;
            let (profile, places, patience) = (profile.clone(), places.clone(), settings.patience);
            let shop = Workshop { program, tool, patience, profile, places, work, reference: None };
            shop.standby().await.map_err(|failure| {
                let (Failure::File(reason) | Failure::Passing(reason) | Failure::Host(reason)) = failure;
                Error::Standby(reason)
            })?;
            disk::open(&places_of(settings).renditions, &id)?
        }
    };
    Ok(Arc::new(Shelf {
        profile: profile.id().clone(),
        standby: Arc::new(standby),
        tracks: Vec::new(),
        rendering: None,
        quarantined: Vec::new(),
        paused: None,
        listed: false,
        complete: false,
    }))
}

/// Renders until cancelled. `shelf` holds what [`first_shelf`] gave.
pub async fn run(
    settings: Settings,
    library: watch::Receiver<Arc<Library>>,
    wishes: watch::Receiver<Arc<[ContentHash]>>,
    shelf: watch::Sender<Arc<Shelf>>,
    cancel: CancellationToken,
) -> Result<(), Error> {
    let mut stage = Stage::new(settings, shelf)?;
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
    fn new(settings: Settings, shelf: watch::Sender<Arc<Shelf>>) -> Result<Self, Error> {
        let (profile, places) = (Profile::new(&settings.video, &settings.audio), places_of(&settings));
        let reference = Reference::of(&shelf.borrow().standby);
        let known = disk::scan(&places.renditions, &profile, &reference);
        let quarantine = Quarantine::from_json(&fs::read(&places.quarantine).unwrap_or_default());
        let queue = Queue::new(profile.clone(), known, HashSet::new(), quarantine, settings.pause);
        Ok(Self {
            settings,
            profile,
            places,
            reference,
            queue,
            shelf,
            shop: None,
            jobs: JoinSet::new(),
            running: HashMap::new(),
        })
    }

    async fn serve(
        &mut self,
        mut library: watch::Receiver<Arc<Library>>,
        mut wishes: watch::Receiver<Arc<[ContentHash]>>,
    ) -> std::convert::Infallible {
        let (mut library_open, mut wishes_open) = (true, true);
        self.queue.set_library(Arc::clone(&library.borrow_and_update()));
        self.queue.set_wishes(Arc::clone(&wishes.borrow_and_update()));
        loop {
            let wake = self.start_jobs().await;
            self.publish();
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
                Some(ended) = self.jobs.join_next() => self.ended(ended),
                () = until(wake) => {}
            }
        }
    }

    /// Starts what there is to start. Returns when to look again.
    async fn start_jobs(&mut self) -> Option<Instant> {
        while self.running.len() < self.settings.parallel.get() {
            let job = match self.queue.next(Instant::now()) {
                Next::Wait(until) => return until,
                Next::Start(job) => job,
            };
            let hash = job.hash();
            if let Job::Picture(picture) = &job
                && disk::loop_is_there(&self.places, &self.profile, &hash, &self.reference)
            {
                tracing::debug!(picture = picture.as_ref().map(|p| &p.source), "the loop lies ready");
                self.queue.on(&hash, Outcome::Pictured, Instant::now());
                continue;
            }
            match self.ready_to_work().await {
                Ok(shop) => self.start(job, shop),
                Err(reason) => {
                    if self.queue.paused() != Some(&reason) {
                        tracing::error!(reason, "rendering is paused");
                    }
                    self.queue.on(&hash, Outcome::Held(reason), Instant::now());
                }
            }
        }
        None
    }

    /// The workshop, once there are an FFmpeg and room on the disk.
    async fn ready_to_work(&mut self) -> Result<Arc<Workshop>, String> {
        let mut keep: HashSet<RenditionId> = self.queue.wanted().cloned().collect();
        keep.extend(self.settings.in_use.borrow().iter().cloned());
        keep.insert(self.profile.standby());
        let need = self.settings.keep_free;
        let (gone, free) = disk::make_room(&self.places.renditions, need, &keep)
            .map_err(|e| format!("the cache's disk cannot be looked at: {e}"))?;
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
            self.save_quarantine();
        }
        let work =
            Work::new(&self.places.renditions).map_err(|e| format!("the cache cannot be written: {e}"))?;
        let (profile, places, reference) =
            (self.profile.clone(), self.places.clone(), Some(self.reference.clone()));
        let patience = self.settings.patience;
        let shop = Arc::new(Workshop { program, tool, patience, profile, places, work, reference });
        Ok(Arc::clone(self.shop.insert(shop)))
    }

    fn start(&mut self, job: Job, shop: Arc<Workshop>) {
        let (hash, gauge) = (job.hash(), Arc::new(Gauge::default()));
        self.running.insert(hash.clone(), (job.source().to_owned(), Arc::clone(&gauge)));
        self.jobs.spawn(async move {
            let outcome = match work(&job, &shop, &gauge).await {
                Ok(outcome) => outcome,
                // The built-in picture is not at fault; something is with this machine's FFmpeg.
                Err(Failure::File(reason) | Failure::Passing(reason)) if job == Job::Picture(None) => {
                    Outcome::Held(reason)
                }
                Err(Failure::File(reason)) => Outcome::Refused(reason),
                Err(Failure::Passing(reason)) => Outcome::Failed(reason),
                Err(Failure::Host(reason)) => Outcome::Held(reason),
            };
            (hash, outcome)
        });
    }

    fn ended(&mut self, ended: Result<(ContentHash, Outcome), tokio::task::JoinError>) {
        let (hash, outcome) = match ended {
            Ok(ended) => ended,
            // Nothing aborts a job but the end of this task, so it panicked; so does its owner.
            Err(e) => std::panic::resume_unwind(e.into_panic()),
        };
        let source = self.running.remove(&hash).map(|(source, _)| source).unwrap_or_default();
        match &outcome {
            Outcome::Pictured => tracing::info!(source, "the picture is ready"),
            Outcome::Rendered(known) => {
                tracing::info!(source, rendition = %known.id, cells = known.cells, "rendered a track");
            }
            Outcome::Refused(reason) => tracing::warn!(source, reason, "a file is set aside"),
            Outcome::Failed(reason) => tracing::warn!(source, reason, "a render failed"),
            Outcome::Held(reason) => {
                tracing::error!(source, reason, "rendering is paused");
                // Another FFmpeg may be there when it goes on.
                self.shop = None;
            }
        }
        if self.queue.on(&hash, outcome, Instant::now()) {
            self.save_quarantine();
        }
    }

    fn save_quarantine(&self) {
        let saved = disk::replace(&self.places.quarantine, &self.queue.quarantine().to_json());
        if let Err(error) = saved {
            tracing::warn!(%error, "cannot keep the list of files that are set aside; they will be tried again");
        }
    }

    fn publish(&self) {
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
            paused: self.queue.paused().map(str::to_owned),
            listed: self.queue.listed(),
            complete: self.queue.complete(),
        }));
    }
}

async fn work(job: &Job, shop: &Workshop, gauge: &Gauge) -> Result<Outcome, Failure> {
    match job {
        Job::Picture(Some(picture)) => {
            shop.picture(&picture.hash, &picture.path, Fit::Cover, gauge).await?;
            Ok(Outcome::Pictured)
        }
        Job::Picture(None) => {
            let path = shop.places.loops.with_extension("png");
            disk::replace(&path, BACKDROP)
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
