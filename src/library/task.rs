//! Keeps the library in step with a folder: looks, reads what the plan says, publishes, and waits.
//!
//! It looks again when the kernel says that something changed (a hint that tells only *when* to
//! look), when a file that was being written may be whole, and every minute, for what the kernel
//! does not tell (network file systems, lost events). Looking costs one `stat` a file; the pauses
//! grow with its cost, so that it stays a small part of the time.

mod bucket;
mod disk;
mod watch;

pub use bucket::{Bucket, run_bucket};

use super::files;
use super::manifest;
use super::scan::{Index, Job, Now, Outcome, Plan};
use super::{Library, Problem};
use crate::telemetry::messages;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch::Sender;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use watch::Watch;

/// How long a file has to stay as it is before it counts as whole. Longer than the pauses that
/// copying over a network makes, shorter than a person likes to wait.
pub const SETTLE: Duration = Duration::from_secs(4);
/// The longest pause between two looks while the kernel reports changes.
const RESCAN: Duration = Duration::from_secs(60);
/// And while it does not, or the folder is not there.
const POLL: Duration = Duration::from_secs(15);
/// Looking may take this part of the time: one thousandth.
const SHARE: u32 = 1000;
/// But a change is found within ten minutes, however slow the disk is.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// After a hint, this long without another ends the wait …
const QUIET: Duration = Duration::from_millis(100);
/// … which never lasts longer than this: copying gives hints without end.
const LONGEST_HINTING: Duration = Duration::from_secs(1);
/// How often the library is published while files are being read.
const PUBLISH: Duration = Duration::from_millis(250);
/// How often what is known is saved while files are being read; a crash loses no more.
const SAVE: Duration = Duration::from_secs(5);

/// What [`run`] needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder with the music.
    pub root: PathBuf,
    /// The configured background, relative to `root`, with `/`.
    pub background: Option<String>,
    /// The file that keeps what is known of the folder from one start to the next.
    pub manifest: PathBuf,
    /// How long a file has to stay as it is: [`SETTLE`], but in tests.
    pub settle: Duration,
}

impl Settings {
    /// The settings for the music in `root`, with `library.json` in the folder `cache`.
    pub fn new(root: PathBuf, background: Option<String>, cache: &Path) -> Self {
        Self { root, background, manifest: cache.join("library.json"), settle: SETTLE }
    }
}

/// Why the library cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A piece of blocking work panicked.
    #[error("looking at the music in {} failed", root.display())]
    Broken {
        /// The folder with the music.
        root: PathBuf,
        /// The panic.
        source: tokio::task::JoinError,
    },
}

/// Publishes the library and every change of it until it is told to stop. What is wrong with the
/// folder or with files in it is a [`Problem`] in the library and no error.
///
/// What an earlier run knew is published before the folder is looked at. The first tracks are
/// published as soon as they are read, the whole library, `complete`, when
/// all that was there at the start has been.
pub async fn run(
    settings: Settings,
    library: Sender<Arc<Library>>,
    cancel: CancellationToken,
) -> Result<(), Error> {
    let root = settings.root.clone();
    let mut keeper = Keeper::new(settings, library, cancel);
    keeper.run().await.map_err(|source| Error::Broken { root, source })
}

/// Blocking work ends, or panics.
type Done<T> = Result<T, tokio::task::JoinError>;

struct Keeper {
    settings: Settings,
    library: Sender<Arc<Library>>,
    cancel: CancellationToken,
    index: Index,
    watch: Watch,
    start: Instant,
    /// When looks, publications and saves were last.
    looked: Instant,
    published: Instant,
    saved: Instant,
    /// How long the last look took.
    cost: Duration,
    unsaved: bool,
    unsavable: bool,
}

impl Keeper {
    fn new(settings: Settings, library: Sender<Arc<Library>>, cancel: CancellationToken) -> Self {
        let index = Index::new(settings.root.clone(), settings.background.clone(), settings.settle);
        let watch = Watch::new(settings.root.clone(), settings.background.clone());
        let now = Instant::now();
        let (looked, published, saved) = (now, now, now);
        let cost = Duration::ZERO;
        let (unsaved, unsavable) = (false, false);
        Self {
            settings,
            library,
            cancel,
            index,
            watch,
            start: now,
            looked,
            published,
            saved,
            cost,
            unsaved,
            unsavable,
        }
    }

    async fn run(&mut self) -> Done<()> {
        self.recall().await?;
        // The disk may hang; what was known yesterday plays meanwhile.
        self.publish();
        while !self.cancel.is_cancelled() {
            let plan = self.look().await?;
            let look_again = plan.look_again;
            if self.read(plan).await? == Next::Wait {
                self.wait(look_again).await;
            }
        }
        self.save().await
    }

    /// Lists the folder, and sees to it that the folder is watched.
    async fn look(&mut self) -> Done<Plan> {
        self.watch.take_hint();
        let before = Instant::now();
        let (root, background) = (self.settings.root.clone(), self.settings.background.clone());
        let listing = blocking(move || disk::look(&root, background.as_deref())).await?;
        self.looked = Instant::now();
        self.cost = self.looked - before;
        self.watch.follow(listing.root).await?;
        tracing::debug!(
            files = listing.files.len(),
            micros = self.cost.as_micros() as u64,
            "looked at the folder"
        );
        let plan = self.index.on_listing(listing, self.now());
        self.publish();
        Ok(plan)
    }

    /// Reads what the plan says, until it is done or it is time to look again.
    async fn read(&mut self, mut plan: Plan) -> Done<Next> {
        let due = self.deadline(plan.look_again);
        let mut next = Next::Wait;
        while let Some(job) = plan.read.pop_front() {
            let (root, stop) = (self.settings.root.clone(), self.cancel.clone());
            let outcome = blocking({
                let job = job.clone();
                move || disk::read(&root, &job, || stop.is_cancelled())
            });
            let Some(outcome) = outcome.await? else { return Ok(Next::Look) };
            self.note(&job, &outcome);
            if matches!(outcome, Outcome::Changed(_)) {
                next = Next::Look; // Which says when it may be whole.
            }
            self.index.on_read(&job, outcome, self.now());
            if self.published.elapsed() >= PUBLISH || self.library.borrow().tracks.is_empty() {
                self.publish();
            }
            if self.saved.elapsed() >= SAVE {
                self.save().await?;
            }
            if self.watch.has_hint() && self.looked.elapsed() >= LONGEST_HINTING || Instant::now() >= due {
                return Ok(Next::Look);
            }
        }
        self.publish();
        self.save().await?;
        Ok(next)
    }

    /// Until something may have changed.
    async fn wait(&mut self, look_again: Option<Duration>) {
        let due = self.deadline(look_again);
        tokio::select! {
            () = self.cancel.cancelled() => return,
            () = sleep_until(due) => return,
            () = self.watch.hint() => {}
        }
        let longest = Instant::now() + LONGEST_HINTING.max(self.cost * 20);
        loop {
            let quiet = Instant::now() + QUIET;
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = sleep_until(quiet.min(longest)) => return,
                () = self.watch.hint() => {}
            }
        }
    }

    /// When to look again at the latest.
    fn deadline(&self, look_again: Option<Duration>) -> Instant {
        let pause = if self.watch.is_live() { RESCAN } else { POLL };
        let rescan = self.looked + pause.max(self.cost * SHARE).min(LONGEST_PAUSE);
        // A file's clock may be a tick behind ours.
        const TICK: Duration = Duration::from_millis(5);
        look_again.map_or(rescan, |at| rescan.min(self.start + at + TICK))
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Now { wall: i64::try_from(wall).unwrap_or(i64::MAX), steady: self.start.elapsed() }
    }

    fn publish(&mut self) {
        let new = self.index.library();
        let old = self.library.borrow().clone();
        if *old == new {
            return;
        }
        for Problem { source, reason } in
            new.problems.iter().filter(|problem| !old.problems.contains(problem))
        {
            tracing::warn!(message_id = messages::PASSED_OVER, source, reason, "passed over in the library");
        }
        if new.complete {
            let (tracks, problems) = (new.tracks.len(), new.problems.len());
            let background = new.background.as_ref().map(|picture| picture.source.as_str());
            tracing::info!(
                message_id = messages::LIBRARY_COMPLETE,
                tracks,
                problems,
                background,
                "the library is complete"
            );
        }
        self.library.send_replace(Arc::new(new));
        self.published = Instant::now();
    }

    fn note(&mut self, job: &Job, outcome: &Outcome) {
        self.unsaved |= matches!(outcome, Outcome::Read(_));
        match outcome {
            Outcome::Read(content) => {
                tracing::debug!(source = job.source, bytes = job.stamp.size, hash = %content.hash, "read a file");
            }
            other => tracing::debug!(source = job.source, ?other, "a file was not read"),
        }
    }

    async fn recall(&mut self) -> Done<()> {
        let path = self.settings.manifest.clone();
        match blocking(move || disk::load(&path)).await? {
            Ok(Some(text)) if !manifest::recall(&text, &self.settings.root, &mut self.index) => {
                tracing::info!(
                    message_id = messages::LIBRARY_OTHER,
                    "what is known of the library is about another folder or version, and is made anew"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(message_id = messages::LIBRARY_UNREADABLE, path = %self.settings.manifest.display(), %error, "what is known of the library cannot be read, and is made anew");
            }
        }
        Ok(())
    }

    /// Saves what is known, if it changed.
    async fn save(&mut self) -> Done<()> {
        if !std::mem::take(&mut self.unsaved) {
            return Ok(());
        }
        let text = manifest::to_text(&self.index, &self.settings.root);
        let path = self.settings.manifest.clone();
        let outcome = blocking(move || disk::save(&path, &text)).await?;
        if let (Err(error), false) = (&outcome, self.unsavable) {
            tracing::warn!(message_id = messages::LIBRARY_UNSAVED, path = %self.settings.manifest.display(), %error, "what is known of the library cannot be saved: the next start reads every file");
        }
        self.unsavable = outcome.is_err();
        self.unsaved = self.unsavable;
        self.saved = Instant::now();
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Look,
    Wait,
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Done<T> {
    spawn_blocking(work).await
}
