//! What is being fetched, what comes next, and how far it is.

use super::fetch::{self, Failure, Fetched, Job};
use super::{Keeper, PUBLISH, SAVE, SOON, originals};
use crate::library::Syncing;
use crate::library::bucket::Listed;
use crate::library::pauses::Scope;
use crate::library::sync::{self, Local, Room, Want};
use crate::library::task::{Done, blocking};
use crate::media::ContentHash;
use crate::store::Objects;
use crate::telemetry::messages;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the log says how far it is.
const REPORT: Duration = Duration::from_secs(10);

/// One that has ended, with the bytes that are here of it then.
pub(super) struct Ended {
    job: Job,
    here: u64,
    fetched: Result<Fetched, Failure>,
}

/// See the module's head.
pub(super) struct Fetching {
    jobs: JoinSet<Ended>,
    running: HashMap<ContentHash, Running>,
    /// What comes next.
    queue: VecDeque<Job>,
    /// Bytes of the queue.
    queued: u64,
    /// What came since nothing was to be fetched the last time.
    files: u64,
    bytes: u64,
    /// What was here of it then.
    began_with: u64,
    since: Instant,
    reported: Instant,
    too_large: Option<(String, u64)>,
    /// MD5s of objects that came and were not what their ETag says.
    odd: HashMap<ContentHash, [u8; 16]>,
    /// Plain ETags are MD5s.
    plain: bool,
}

struct Running {
    size: u64,
    gauge: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Fetching {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            jobs: JoinSet::new(),
            running: HashMap::new(),
            queue: VecDeque::new(),
            queued: 0,
            files: 0,
            bytes: 0,
            began_with: 0,
            since: now,
            reported: now,
            too_large: None,
            odd: HashMap::new(),
            plain: true,
        }
    }

    /// The next one that has ended; `None` if none is under way.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        let ended = match self.jobs.join_next().await? {
            Ok(ended) => ended,
            // Nothing aborts a job but the end of this task, so it panicked; so does its owner.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.running.remove(&ended.job.hash);
        Some(ended)
    }

    /// Lets none go on, and waits for what they are writing.
    pub(super) async fn stop_all(&mut self) {
        self.queue.clear();
        self.running.values().for_each(|running| running.stop.cancel());
        while self.jobs.join_next().await.is_some() {}
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    pub(super) fn too_large(&self) -> Option<(&str, u64)> {
        self.too_large.as_ref().map(|(source, size)| (source.as_str(), *size))
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Option<Syncing> {
        let open = (self.running.len() + self.queue.len()) as u64;
        let here: u64 = self.running.values().map(|running| running.gauge.load(Ordering::Relaxed)).sum();
        let running: u64 = self.running.values().map(|running| running.size).sum();
        (open > 0).then(|| Syncing {
            files: self.files,
            total: self.files + open,
            bytes: self.bytes + here,
            total_bytes: self.bytes + running + self.queued,
        })
    }

    /// Says in the log how far it is, every so often.
    fn report(&mut self, now: Instant) {
        if now < self.reported + REPORT {
            return;
        }
        let Some(Syncing { files, total, bytes, total_bytes }) = self.progress() else { return };
        self.reported = now;
        let seconds = (now - self.since).as_secs_f64();
        let rate = (bytes.saturating_sub(self.began_with)) as f64 / seconds.max(0.001);
        let left = total_bytes.saturating_sub(bytes) as f64 / rate.max(1.0);
        tracing::info!(
            message_id = messages::FETCHING,
            files,
            total,
            mb = bytes / 1_000_000,
            total_mb = total_bytes / 1_000_000,
            kb_per_s = (rate / 1000.0) as u64,
            eta_s = left as u64,
            "fetching music from the bucket"
        );
    }

    /// Nothing is to be fetched any more.
    fn finish(&mut self, now: Instant) {
        if self.files > 1 {
            let seconds = (now - self.since).as_secs();
            tracing::info!(
                message_id = messages::FETCHED,
                files = self.files,
                mb = self.bytes / 1_000_000,
                seconds,
                "fetched what is wanted of the bucket"
            );
        }
        (self.files, self.bytes) = (0, 0);
    }
}

impl<O: Objects> Keeper<O> {
    /// Sees to it that what is planned happens, and that others know.
    pub(super) async fn settle(&mut self, wants: &Receiver<Arc<[ContentHash]>>) -> Done<()> {
        let now = self.now();
        let may = !self.pauses.all_paused(now);
        // A pause that is over is a reason to plan.
        let is_idle = self.fetching.running.is_empty() && self.fetching.queue.is_empty();
        if std::mem::take(&mut self.unplanned)
            || may && is_idle && self.pauses.deadline(Duration::ZERO).is_some()
        {
            let wants = Arc::clone(&wants.borrow());
            self.plan(&wants).await?;
        }
        if may {
            self.start_jobs();
        }
        if self.fetching.running.is_empty() && self.fetching.queue.is_empty() && self.fetching.files > 0 {
            self.fetching.finish(Instant::now());
            self.unpublished = true;
        }
        let is_due = self.published.elapsed() >= PUBLISH;
        if is_due && (self.unpublished || self.fetching.is_busy()) {
            self.publish();
            self.fetching.report(Instant::now());
        }
        if self.unsaved && self.saved.elapsed() >= SAVE {
            self.save().await?;
        }
        Ok(())
    }

    async fn plan(&mut self, wants: &[ContentHash]) -> Done<()> {
        let (now, wall) = (self.now(), wall());
        let folder = self.settings.originals.clone();
        let free = blocking(move || originals::free(&folder)).await?;
        let used: u64 = self.originals.values().map(|original| original.local.bytes).sum();
        // If the disk cannot be asked, writing will say what is wrong with it.
        let free = free.unwrap_or(u64::MAX / 2);
        let room =
            Room { cache: self.settings.cache, disk: (used + free).saturating_sub(self.settings.keep_free) };

        let listed = self.catalogue.by_hash();
        let picture = self.catalogue.picture();
        let mut seen = HashSet::new();
        let wanted: Vec<Listed> = picture
            .into_iter()
            .chain(wants.iter().filter_map(|hash| listed.get(hash).copied()))
            .filter(|listed| seen.insert(listed.hash))
            .collect();
        for listed in &wanted {
            if let Some(original) = self.originals.get_mut(listed.hash) {
                original.local.needed = wall;
            }
        }
        let local: HashMap<ContentHash, Local> =
            self.originals.iter().map(|(hash, original)| (hash.clone(), original.local)).collect();
        // The picture, which each render of a clip may read, and what is being rendered.
        let in_use = wanted.iter().take(2).map(|listed| listed.hash);
        let in_use = in_use.filter(|hash| local.get(*hash).is_some_and(|here| here.whole));
        let held: HashSet<ContentHash> = in_use.cloned().collect();
        let open = wanted.iter().filter(|listed| !self.pauses.is_paused(listed.hash, now));
        let plan =
            sync::plan(open.map(|listed| Want { hash: listed.hash, size: listed.size }), &local, &held, room);

        let kept: HashSet<&ContentHash> = plan.fetch.iter().map(|want| want.hash).collect();
        let stopped = self.fetching.running.iter().filter(|(hash, _)| !kept.contains(hash));
        stopped.for_each(|(_, running)| running.stop.cancel());
        let job = |want: &Want| {
            let Listed { key, version, size, hash, kind } = listed[want.hash];
            let (key, version, hash) = (key.to_owned(), version.clone(), hash.clone());
            Job { key, version, size, hash, kind, before: None, plain: true }
        };
        let next = plan.fetch.iter().filter(|want| !self.fetching.running.contains_key(want.hash));
        let queue: VecDeque<Job> = next.map(job).collect();
        let too_large = plan.too_large.map(|want| (listed[want.hash].key.to_owned(), want.size));
        let evict: Vec<ContentHash> = plan.evict.into_iter().cloned().collect();
        if self.fetching.too_large != too_large {
            self.unpublished = true;
        }
        self.fetching.queued = queue.iter().map(|job| job.size).sum();
        (self.fetching.queue, self.fetching.too_large) = (queue, too_large);
        self.evict(evict).await
    }

    /// Lets go of originals, after everyone was told.
    async fn evict(&mut self, hashes: Vec<ContentHash>) -> Done<()> {
        // One that is being stopped goes with a later plan.
        let hashes = hashes.into_iter().filter(|hash| !self.fetching.running.contains_key(hash));
        let gone: Vec<(ContentHash, Option<PathBuf>)> =
            hashes.filter_map(|hash| Some((hash.clone(), self.originals.remove(&hash)?.path))).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.publish();
        let folder = self.settings.originals.clone();
        blocking(move || {
            for (hash, path) in gone {
                match originals::remove(&folder, &hash, path.as_deref()) {
                    Ok(()) => tracing::debug!(%hash, "let go of an original, to make room"),
                    Err(error) => tracing::debug!(%hash, %error, "cannot let go of an original"),
                }
            }
        })
        .await
    }

    fn start_jobs(&mut self) {
        while self.fetching.running.len() < self.settings.parallel {
            let Some(mut job) = self.fetching.queue.pop_front() else { return };
            self.fetching.queued -= job.size;
            let here = self.originals.get(&job.hash).map_or(0, |original| original.local.bytes);
            if self.fetching.files == 0 && self.fetching.running.is_empty() {
                let now = Instant::now();
                (self.fetching.since, self.fetching.reported, self.fetching.began_with) = (now, now, here);
            } else {
                self.fetching.began_with += here;
            }
            (job.before, job.plain) = (self.fetching.odd.get(&job.hash).copied(), self.fetching.plain);
            let (gauge, stop) = (Arc::new(AtomicU64::new(here)), self.cancel.child_token());
            let running = Running { size: job.size, gauge: gauge.clone(), stop: stop.clone() };
            self.fetching.running.insert(job.hash.clone(), running);
            let (objects, folder) = (self.settings.objects.clone(), self.settings.originals.clone());
            self.fetching.jobs.spawn(async move {
                let fetched = fetch::fetch(objects, job.clone(), folder, gauge.clone(), stop).await;
                Ended { job, here: gauge.load(Ordering::Relaxed), fetched }
            });
        }
    }

    pub(super) fn on_fetched(&mut self, Ended { job, here, fetched }: Ended) {
        let now = self.now();
        let failure = match fetched {
            Ok(Fetched { path, about, odd }) => {
                tracing::debug!(source = job.key, bytes = job.size, hash = %job.hash, "fetched an original");
                let local = Local { bytes: job.size, whole: true, needed: wall() };
                self.originals.insert(job.hash.clone(), originals::Original { local, path: Some(path) });
                self.catalogue.on_read(&job.hash, &about, now);
                self.unplanned |= self.pauses.on_success(&job.hash);
                self.fetching.odd.remove(&job.hash);
                if odd && std::mem::take(&mut self.fetching.plain) {
                    tracing::debug!(
                        "the bucket's ETags are not MD5s, as with keys of KMS; lengths are checked alone"
                    );
                }
                self.fetching.files += 1;
                self.fetching.bytes += job.size;
                (self.unsaved, self.unpublished) = (true, true);
                return;
            }
            Err(failure) => failure,
        };
        self.unplanned = true;
        let local = Local { bytes: here, whole: false, needed: wall() };
        self.originals.insert(job.hash.clone(), originals::Original { local, path: None });
        let (scope, reason) = match failure {
            Failure::Stopped => return,
            Failure::Other(sum) => {
                let is_first = self.fetching.odd.insert(job.hash.clone(), sum).is_none();
                if is_first {
                    tracing::debug!(
                        source = job.key,
                        "what came is not what the ETag says; fetching it again"
                    );
                    return;
                }
                (
                    Scope::File,
                    "what comes is not what the bucket says it has, and another each time".to_owned(),
                )
            }
            Failure::Gone(reason) => {
                self.look_at = self.look_at.min(Instant::now() + SOON);
                (Scope::File, reason)
            }
            Failure::Failed { scope, reason } => (scope, reason),
        };
        tracing::debug!(source = job.key, reason, ?scope, "an original was not fetched");
        self.pauses.on_failure(&job.hash, scope, reason, now);
        self.unpublished = true;
    }
}

/// The scale on which originals were needed: seconds since the Unix epoch, as their files have it.
fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
