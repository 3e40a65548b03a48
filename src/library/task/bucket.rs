//! Keeps the library in step with a bucket, and what the renderer wants of it on this machine.
//!
//! The bucket is listed every [`POLL`], a large one less often; in between nothing happens unless the renderer wants
//! something. What it wants is fetched as [`sync`](crate::library::sync) plans it, a few objects at
//! a time. Whatever the bucket does, what is known stays, and a problem of the library says what is
//! wrong: nothing on air depends on it.

mod fetch;
mod fetching;
mod originals;
#[cfg(test)]
mod tests;

use super::{Done, Error, blocking, disk};
use crate::library::bucket::{Catalogue, Next, manifest};
use crate::library::pauses::Pauses;
use crate::library::{Library, Problem};
use crate::media::ContentHash;
use crate::store::{self, Objects, Page};
use crate::telemetry::messages;
use fetching::Fetching;
use originals::Original;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::{Receiver, Sender};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// From the end of one listing to the next, for each page of a thousand objects that it had: what
/// changes is noticed within a minute, and 43,800 pages a month cost 0.22 US$ whatever the size …
const POLL: Duration = Duration::from_secs(60);
/// … up to this: nobody should have to wait longer for music that was added. From 10,000 files on
/// each further thousand costs two cents a month.
const RARELY: Duration = Duration::from_secs(600);
/// After a listing has failed: from this, doubling to [`POLL`].
const RELIST: Duration = Duration::from_secs(2);
/// When a listing is doubted, or an object is not the one that was listed.
const SOON: Duration = Duration::from_secs(5);
/// A page of a listing comes within this.
const PAGE: Duration = Duration::from_secs(40);
/// How often the library is published while objects come, and how far fetching is.
const PUBLISH: Duration = Duration::from_secs(1);
/// How often what is known is saved while objects come; a crash loses no more.
const SAVE: Duration = Duration::from_secs(5);

/// What [`run_bucket`] needs to know.
#[derive(Clone, Debug)]
pub struct Bucket<O> {
    /// The bucket; its keys are relative to the channel's prefix.
    pub objects: O,
    /// What to call it: `s3://bucket/prefix`. What is known of another one is not taken.
    pub source: String,
    /// The configured background, relative to the prefix.
    pub background: Option<String>,
    /// The folder that holds what was fetched; nothing else should lie in it.
    pub originals: PathBuf,
    /// The file that keeps what is known of the bucket from one start to the next.
    pub manifest: PathBuf,
    /// Bytes that may lie in `originals`: `[media] cache`.
    pub cache: u64,
    /// Bytes that stay free on its disk. More than the renderer keeps free, so that it finds room
    /// when there is no more for originals.
    pub keep_free: u64,
    /// Objects that are fetched at a time.
    pub parallel: usize,
    /// The tracks that the renderer needs the bytes of, the most urgent first. What it is reading
    /// stays at the front until it is done with it. Hashes that nothing has are passed over.
    pub wants: Receiver<Arc<[ContentHash]>>,
}

impl<O> Bucket<O> {
    /// With what suits a daemon on air: `originals` and `bucket.json` in the folder `cache`, and
    /// at most `bytes` of the bucket's music on this machine.
    pub fn new(
        objects: O,
        source: String,
        background: Option<String>,
        cache: &Path,
        bytes: u64,
        wants: Receiver<Arc<[ContentHash]>>,
    ) -> Self {
        let (originals, manifest) = (cache.join("originals"), cache.join("bucket.json"));
        let (keep_free, parallel) = (768 << 20, 4);
        Self { objects, source, background, originals, manifest, cache: bytes, keep_free, parallel, wants }
    }
}

/// Publishes the library of a bucket and every change of it until it is told to stop. What is wrong
/// with the bucket or with objects in it is a [`Problem`] in the library and no error.
///
/// What an earlier run knew is published before the bucket is asked. Tracks come with the first
/// listing, `complete`; where the bytes of one lie is said when the renderer wanted them and they
/// are here.
pub async fn run_bucket<O: Objects>(
    settings: Bucket<O>,
    library: Sender<Arc<Library>>,
    cancel: CancellationToken,
) -> Result<(), Error> {
    let root = PathBuf::from(&settings.source);
    let mut keeper = Keeper::new(settings, library, cancel);
    keeper.run().await.map_err(|source| Error::Broken { root, source })
}

struct Keeper<O> {
    settings: Bucket<O>,
    library: Sender<Arc<Library>>,
    cancel: CancellationToken,
    catalogue: Catalogue,
    /// What is here.
    originals: HashMap<ContentHash, Original>,
    pauses: Pauses,
    fetching: Fetching,
    pages: JoinSet<Result<Page, store::Error>>,
    /// Pages of the listing that is under way, or of the last one.
    asked: u32,
    start: Instant,
    /// When the next listing begins, if none is under way.
    look_at: Instant,
    /// The pause after the last listing, while they fail.
    failing: Option<Duration>,
    /// Why the bucket cannot be listed.
    blind: Option<String>,
    /// What may have changed since the last plan, publication, save.
    unplanned: bool,
    unpublished: bool,
    unsaved: bool,
    published: Instant,
    saved: Instant,
    wants_open: bool,
}

impl<O: Objects> Keeper<O> {
    fn new(settings: Bucket<O>, library: Sender<Arc<Library>>, cancel: CancellationToken) -> Self {
        let now = Instant::now();
        Self {
            catalogue: Catalogue::new(settings.background.clone()),
            settings,
            library,
            cancel,
            originals: HashMap::new(),
            pauses: Pauses::default(),
            fetching: Fetching::new(now),
            pages: JoinSet::new(),
            asked: 0,
            start: now,
            look_at: now,
            failing: None,
            blind: None,
            unplanned: true,
            unpublished: true,
            unsaved: false,
            published: now.checked_sub(PUBLISH).unwrap_or(now),
            saved: now,
            wants_open: true,
        }
    }

    async fn run(&mut self) -> Result<(), JoinError> {
        self.recall().await?;
        let mut wants = self.settings.wants.clone();
        while !self.cancel.is_cancelled() {
            self.look();
            self.settle(&wants).await?;
            let due = self.deadline();
            tokio::select! {
                () = self.cancel.cancelled() => {}
                changed = wants.changed(), if self.wants_open => {
                    self.wants_open = changed.is_ok();
                    self.unplanned = true;
                }
                Some(page) = self.pages.join_next() => self.on_page(page?).await?,
                Some(ended) = self.fetching.next() => self.on_fetched(ended),
                () = sleep_until(due) => {}
            }
        }
        self.fetching.stop_all().await;
        self.save().await
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Begins a listing, if it is time to.
    fn look(&mut self) {
        if self.pages.is_empty() && Instant::now() >= self.look_at {
            self.catalogue.begin();
            self.asked = 0;
            self.ask(String::new());
        }
    }

    fn ask(&mut self, after: String) {
        self.asked += 1;
        let objects = self.settings.objects.clone();
        self.pages.spawn(async move {
            let page = timeout(PAGE, objects.page(&after)).await;
            page.unwrap_or_else(|_| {
                let reason = format!("no answer within {} s", PAGE.as_secs());
                Err(store::Error::new(store::Kind::Unreachable, "list", "the bucket", reason))
            })
        });
    }

    async fn on_page(&mut self, page: Result<Page, store::Error>) -> Done<()> {
        let now = self.now();
        let next = match page {
            Ok(page) => self.catalogue.on_page(page, now),
            Err(error) => {
                self.blinded(error.reason);
                return Ok(());
            }
        };
        let mut pause = POLL.saturating_mul(self.asked).min(RARELY);
        match next {
            Next::After(key) => {
                self.ask(key);
                return Ok(());
            }
            Next::Unfit(reason) => {
                self.blinded(reason.to_owned());
                return Ok(());
            }
            Next::Doubted => {
                pause = SOON;
                tracing::warn!(
                    message_id = messages::BUCKET_EMPTY,
                    source = self.settings.source,
                    "no music is left in the bucket; looking again"
                );
            }
            Next::Changed => {
                (self.unsaved, self.unplanned, self.unpublished) = (true, true, true);
                let known = self.catalogue.by_hash();
                self.pauses.retain(|hash| known.contains_key(hash));
            }
            Next::Same => {}
        }
        self.failing = None;
        if self.blind.take().is_some() {
            tracing::info!(
                message_id = messages::BUCKET_BACK,
                source = self.settings.source,
                "the bucket can be listed again"
            );
            self.pauses.on_return();
            (self.unplanned, self.unpublished) = (true, true);
        }
        self.look_at = Instant::now() + pause;
        if !self.settings.wants.borrow().is_empty() {
            self.take_stock().await?;
        }
        Ok(())
    }

    /// The listing has failed. What is known stays.
    fn blinded(&mut self, reason: String) {
        let pause = self.failing.map_or(RELIST, |last| (last * 2).min(POLL));
        self.failing = Some(pause);
        self.look_at = Instant::now() + pause;
        if self.blind.as_ref() != Some(&reason) {
            self.unpublished = true;
            self.blind = Some(reason);
        }
    }

    /// Looks at what is here: someone may have cleared the cache.
    async fn take_stock(&mut self) -> Done<()> {
        let folder = self.settings.originals.clone();
        let mut found = match blocking(move || originals::list(&folder)).await? {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, "the originals cannot be looked at");
                return Ok(());
            }
        };
        let sizes = self.catalogue.by_hash();
        for (hash, original) in &mut found {
            if let Some(known) = self.originals.get(hash) {
                original.local.needed = known.local.needed;
            }
            // A file that was torn by hand or by its disk is fetched again.
            let is_torn = sizes.get(hash).is_some_and(|listed| listed.size != original.local.bytes);
            original.local.whole &= !is_torn;
        }
        if found != self.originals {
            self.originals = found;
            (self.unplanned, self.unpublished) = (true, true);
        }
        Ok(())
    }

    /// When something is to be done again, whatever happens.
    fn deadline(&self) -> Instant {
        let look = self.pages.is_empty().then_some(self.look_at);
        let pause = self.pauses.deadline(self.now()).map(|at| self.start + at);
        let is_busy = self.unpublished || self.fetching.is_busy();
        let publish = is_busy.then(|| self.published + PUBLISH);
        let save = self.unsaved.then(|| self.saved + SAVE);
        let last = Instant::now() + POLL;
        [look, pause, publish, save].into_iter().flatten().min().unwrap_or(last)
    }

    fn publish(&mut self) {
        let now = self.now();
        let path = |hash: &ContentHash| {
            let original = self.originals.get(hash).filter(|original| original.local.whole)?;
            original.path.clone()
        };
        self.catalogue.place(path, now);
        let mut new = self.catalogue.library();
        new.syncing = self.fetching.progress();
        self.add_problems(&mut new);
        (self.unpublished, self.published) = (false, Instant::now());
        let old = self.library.borrow().clone();
        if *old == new {
            return;
        }
        for Problem { source, reason } in
            new.problems.iter().filter(|problem| !old.problems.contains(problem))
        {
            tracing::warn!(
                message_id = messages::BUCKET_TROUBLE,
                source,
                reason,
                "trouble with the bucket; what is known stays"
            );
        }
        if new.complete && (!old.complete || old.tracks.len() != new.tracks.len()) {
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
    }

    fn add_problems(&self, library: &mut Library) {
        let whole = |reason| Problem { source: ".".to_owned(), reason };
        let blind = self.blind.as_ref().map(|reason| whole(format!("the bucket cannot be listed: {reason}")));
        let trouble = self.pauses.trouble().map(|reason| whole(format!("music cannot be fetched: {reason}")));
        let too_large = self.fetching.too_large().map(|(source, size)| Problem {
            source: source.to_owned(),
            reason: format!(
                "it cannot be fetched: the disk has no room for its {} MB",
                size.div_ceil(1_000_000)
            ),
        });
        library.problems.extend([blind, trouble, too_large].into_iter().flatten());
        let by_hash = self.catalogue.by_hash();
        library.problems.extend(self.pauses.files().filter_map(|(hash, reason)| {
            let source = by_hash.get(hash)?.key.to_owned();
            Some(Problem { source, reason: format!("it cannot be fetched: {reason}") })
        }));
        library.problems.sort();
    }

    async fn recall(&mut self) -> Done<()> {
        let path = self.settings.manifest.clone();
        match blocking(move || disk::load(&path)).await? {
            Ok(Some(text)) if !manifest::recall(&text, &self.settings.source, &mut self.catalogue) => {
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
        self.take_stock().await
    }

    /// Saves what is known, if it changed.
    async fn save(&mut self) -> Done<()> {
        if !std::mem::take(&mut self.unsaved) {
            return Ok(());
        }
        let text = manifest::to_text(&self.catalogue, &self.settings.source);
        let path = self.settings.manifest.clone();
        if let Err(error) = blocking(move || disk::save(&path, &text)).await? {
            tracing::warn!(message_id = messages::BUCKET_UNSAVED, path = %self.settings.manifest.display(), %error, "what is known of the bucket cannot be saved: the next start has to ask it");
        }
        self.saved = Instant::now();
        Ok(())
    }
}
