//! A folder of music, the task that keeps a library of it, and what the task says that it read.

use nonstop::library::Library;
use nonstop::library::task::{self, Settings};
use nonstop::media::ContentHash;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

pub const SETTLE: Duration = Duration::from_millis(200);
/// No wait of these tests takes that long, but on a machine that does a hundred things besides.
pub const LONG: Duration = Duration::from_secs(60);

/// A folder of music, a cache, and the sources of all files that were read.
pub struct House {
    pub folder: tempfile::TempDir,
    reads: Reads,
    _log: tracing::subscriber::DefaultGuard,
}

/// The task at work.
pub struct Keeping {
    pub library: watch::Receiver<Arc<Library>>,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), task::Error>>,
}

impl House {
    pub fn new() -> Self {
        let reads = Reads::default();
        let log = tracing::subscriber::set_default(tracing_subscriber::registry().with(reads.clone()));
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("music")).unwrap();
        Self { folder, reads, _log: log }
    }

    pub fn music(&self) -> PathBuf {
        self.folder.path().join("music")
    }

    pub fn path(&self, source: &str) -> PathBuf {
        self.music().join(source)
    }

    /// Writes a file, as of now.
    pub fn write(&self, source: &str, content: &str) {
        fs::create_dir_all(self.path(source).parent().unwrap()).unwrap();
        fs::write(self.path(source), content).unwrap();
    }

    /// Writes a file that has lain there for an hour.
    pub fn old(&self, source: &str, content: &str) {
        self.write(source, content);
        age(&self.path(source));
    }

    pub fn start(&self) -> Keeping {
        self.start_with(None)
    }

    pub fn start_with(&self, background: Option<&str>) -> Keeping {
        self.start_settling(background, SETTLE)
    }

    pub fn start_settling(&self, background: Option<&str>, settle: Duration) -> Keeping {
        let cache = self.folder.path().join("cache");
        let background = background.map(str::to_owned);
        let settings = Settings { settle, ..Settings::new(self.music(), background, &cache) };
        let (sender, library) = watch::channel(Arc::default());
        let cancel = CancellationToken::new();
        let task = tokio::spawn(task::run(settings, sender, cancel.clone()));
        Keeping { library, cancel, task }
    }

    /// How many files were read since the last time this was asked.
    pub fn reads(&self) -> usize {
        self.take_reads().len()
    }

    pub fn take_reads(&self) -> Vec<String> {
        std::mem::take(&mut *self.reads.0.lock().unwrap())
    }
}

impl Keeping {
    /// The first library for which this holds.
    pub async fn until(&mut self, holds: impl Fn(&Library) -> bool) -> Arc<Library> {
        let found = timeout(LONG, self.library.wait_for(|library| holds(library))).await;
        let found = found.map(|library| library.expect("the task runs").clone());
        found.unwrap_or_else(|_| panic!("it never came; the library is {:#?}", self.library.borrow()))
    }

    pub async fn complete(&mut self) -> Arc<Library> {
        self.until(|library| library.complete).await
    }

    pub async fn sources(&mut self, sources: &[&str]) -> Arc<Library> {
        self.until(|library| library.complete && names(library) == sources).await
    }

    pub async fn stop(self) {
        self.cancel.cancel();
        timeout(LONG, self.task).await.expect("it stops when told").unwrap().unwrap();
    }
}

pub fn names(library: &Library) -> Vec<&str> {
    library.tracks.iter().map(|track| track.source.as_str()).collect()
}

pub fn hash(content: &str) -> ContentHash {
    ContentHash::of(&Sha256::digest(content).into())
}

pub fn age(path: &Path) {
    let past = SystemTime::now() - Duration::from_secs(3600);
    File::options().write(true).open(path).unwrap().set_modified(past).unwrap();
}

/// Notes what the task says that it read.
#[derive(Clone, Default)]
pub struct Reads(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Reads {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        #[derive(Default)]
        struct Fields(String, String);
        impl Visit for Fields {
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "source" {
                    self.1 = value.to_owned();
                }
            }
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.0 == "read a file" {
            self.0.lock().unwrap().push(fields.1);
        }
    }
}
