//! Fetches one object: goes on where it was left, checks what came, and gives it its name.
//!
//! The bytes go to `<hash>.part`, and whatever happens stay there for the next time. They get their
//! name when there are as many as the bucket says, and when they are those that it means: a plain
//! ETag is an MD5. What a bucket encrypts under a key of KMS has an ETag of that form that is none;
//! so one that is not the bytes' is believed to be such when they came alike twice. Versions of
//! uploads in parts say nothing about the bytes; there the length has to do, and what the connection
//! (TLS) and the SDK check.

use super::originals;
use crate::library::files::{self, Kind};
use crate::library::pauses::Scope;
use crate::library::scan::About;
use crate::library::{Motion, tags};
use crate::media::ContentHash;
use crate::store::{self, Body, Objects, Version};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// An answer begins within this …
const ANSWER: Duration = Duration::from_secs(40);
/// … and goes on within this. What is slower is given up and gone on with later.
const STALL: Duration = Duration::from_secs(20);
/// Bytes that are written in one go: fewer trips to where blocking is allowed. Four objects at a time
/// hold twice this each at most.
const GATHER: usize = 128 << 10;
/// After so many bytes what came is made durable, so that a part can be relied on up to the last
/// multiple after a power cut.
const SYNC: u64 = 8 << 20;

/// What to fetch.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) key: String,
    pub(super) version: Version,
    pub(super) size: u64,
    pub(super) hash: ContentHash,
    pub(super) kind: Kind,
    /// The MD5 with which it came before, if that was not the one expected.
    pub(super) before: Option<[u8; 16]>,
    /// Whether plain ETags are MD5s in this bucket, as far as is known.
    pub(super) plain: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Fetched {
    /// Where it lies.
    pub(super) path: PathBuf,
    pub(super) about: About,
    /// Its plain ETag turned out to be no MD5.
    pub(super) odd: bool,
}

/// Why it was not fetched. What came of it is kept, unless it is no good.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was told to stop.
    Stopped,
    /// The bucket has another one now, or none.
    Gone(String),
    /// Something else.
    Failed {
        scope: Scope,
        /// A sentence without its beginning and end: why.
        reason: String,
    },
    /// The bytes are not those that the ETag stands for.
    Other([u8; 16]),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        use store::Kind::{Busy, Changed, Clock, Credentials, Denied, Expired, Invalid, Missing, Other};
        use store::Kind::{Region, Unreachable};
        let scope = match error.kind {
            Changed | Missing => return Self::Gone(error.reason),
            Credentials | Expired | Clock | Region | Busy | Unreachable => Scope::All,
            Denied => Scope::Denied,
            Invalid | Other => Scope::File,
        };
        Self::Failed { scope, reason: error.reason }
    }
}

fn on_disk(error: io::Error) -> Failure {
    Failure::Failed { scope: Scope::All, reason: format!("the cache cannot be written: {error}") }
}

fn slow(limit: Duration) -> Failure {
    Failure::Failed { scope: Scope::All, reason: format!("nothing came for {} s", limit.as_secs()) }
}

/// Carries a job out. `gauge` counts the bytes that are here. When this returns, nobody writes to the
/// part any more: the network is given up at once when it is told to stop, the disk is waited for.
pub(super) async fn fetch<O: Objects>(
    objects: O,
    job: Job,
    folder: PathBuf,
    gauge: Arc<AtomicU64>,
    stop: CancellationToken,
) -> Result<Fetched, Failure> {
    let path = originals::part(&folder, &job.hash);
    let sum = job.plain.then(|| plain(&job.version)).flatten().map(|_| Md5::new());
    let size = job.size;
    let mut part = blocking(move || Part::open(&path, size, sum)).await.map_err(on_disk)?;
    gauge.store(part.length, Ordering::Relaxed);
    if part.length < size {
        let request = objects.fetch(&job.key, &job.version, part.length);
        let mut body = within(ANSWER, &stop, request).await?;
        let mut gathered = Gathered::default();
        let mut end = None;
        while end.is_none() {
            match within(STALL, &stop, body.next()).await {
                Ok(Some(piece)) => gathered.push(piece),
                Ok(None) => end = Some(Ok(())),
                Err(failure) => end = Some(Err(failure)),
            }
            if gathered.bytes >= GATHER || end.is_some() {
                part = write(part, std::mem::take(&mut gathered), size).await?;
                gauge.store(part.length, Ordering::Relaxed);
            }
        }
        end.unwrap_or(Ok(()))?;
        if part.length < size {
            let reason = format!("it ended after {} of {size} bytes", part.length);
            return Err(Failure::Failed { scope: Scope::All, reason });
        }
    }
    blocking(move || part.finish(&folder, &job)).await
}

/// An answer from the bucket, within `limit`.
async fn within<T>(
    limit: Duration,
    stop: &CancellationToken,
    answer: impl Future<Output = Result<T, store::Error>>,
) -> Result<T, Failure> {
    tokio::select! {
        () = stop.cancelled() => Err(Failure::Stopped),
        answer = timeout(limit, answer) => Ok(answer.map_err(|_| slow(limit))??),
    }
}

/// Pieces that were not written yet.
#[derive(Default)]
struct Gathered {
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl Gathered {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }
}

async fn write(mut part: Part, Gathered { pieces, bytes }: Gathered, size: u64) -> Result<Part, Failure> {
    if part.length + bytes as u64 > size {
        blocking(move || part.discard()).await.map_err(on_disk)?;
        let reason = format!("more came than the {size} bytes that the bucket says it has");
        return Err(Failure::Failed { scope: Scope::File, reason });
    }
    blocking(move || pieces.iter().try_for_each(|piece| part.append(piece)).map(|()| part))
        .await
        .map_err(on_disk)
}

/// What is here of an object.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    /// Of all of it, where that says something.
    sum: Option<Md5>,
}

impl Part {
    /// Opens what is here of an object of `size` bytes.
    fn open(path: &Path, size: u64, mut sum: Option<Md5>) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut length = file.metadata()?.len();
        if length > size {
            length = 0;
        } else if sum.is_none() {
            // Nothing would tell what a power cut left behind what was made durable.
            length = length.saturating_sub(1) / SYNC * SYNC;
        }
        file.set_len(length)?;
        if let Some(sum) = &mut sum {
            let mut chunk = vec![0; GATHER];
            loop {
                match file.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(length) => sum.update(&chunk[..length]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        file.seek(SeekFrom::Start(length))?;
        Ok(Self { path: path.to_owned(), file, length, sum })
    }

    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        if let Some(sum) = &mut self.sum {
            sum.update(piece);
        }
        let before = self.length;
        self.length += piece.len() as u64;
        if before / SYNC < self.length / SYNC { self.file.sync_data() } else { Ok(()) }
    }

    fn discard(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// All is here: checks it, reads it, and gives it its name.
    fn finish(mut self, folder: &Path, job: &Job) -> Result<Fetched, Failure> {
        let sum: Option<[u8; 16]> = self.sum.take().map(|sum| sum.finalize().into());
        let odd = sum.is_some() && sum != plain(&job.version);
        if odd && sum != job.before {
            self.discard().map_err(on_disk)?;
            return Err(Failure::Other(sum.unwrap_or_default()));
        }
        // The folder is not synced: if the name is lost, the part is still there, or nothing is.
        self.file.sync_data().map_err(on_disk)?;
        self.file.rewind().map_err(on_disk)?;
        let about = match job.kind {
            Kind::Track => About::Track(tags::read(&job.key, &mut self.file)),
            Kind::Background { .. } => {
                let mut head = Vec::new();
                (&mut self.file).take(32).read_to_end(&mut head).map_err(on_disk)?;
                let is_clip = files::is_clip(&job.key, &head);
                About::Background(if is_clip { Motion::Clip } else { Motion::Still })
            }
        };
        let path = originals::path(folder, &job.hash, &job.key);
        fs::rename(&self.path, &path).map_err(on_disk)?;
        Ok(Fetched { path, about, odd })
    }
}

/// The MD5 that a version is, if it has the form of one.
fn plain(version: &Version) -> Option<[u8; 16]> {
    let text = version.0.trim_matches('"');
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut sum = [0; 16];
    for (byte, at) in sum.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(sum)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
