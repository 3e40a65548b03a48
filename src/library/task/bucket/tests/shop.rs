//! A bucket that does what a test wants of it.

use super::super::*;
use crate::store::{self, Body, Kind, Object, PAGE, Page, Version};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Refused(Kind),
    /// The connection breaks after so many more bytes.
    Breaks(usize),
    /// Nothing more comes after so many.
    Hangs(usize),
    /// It ends as if it were whole.
    Ends(usize),
    /// A byte more than listed.
    RunsOn,
    /// The first byte is another, and another each time.
    Garbled,
}

#[derive(Default)]
pub struct State {
    /// Content and version.
    pub objects: BTreeMap<String, (Vec<u8>, String)>,
    pub faults: BTreeMap<String, Fault>,
    pub everything: Option<Kind>,
    /// What was fetched, from which byte on.
    pub fetched: Vec<(String, u64)>,
    pub pages: usize,
}

#[derive(Clone, Default)]
pub struct Shop(pub Arc<Mutex<State>>);

impl Shop {
    pub fn put(&self, key: &str, content: &[u8]) {
        let sum: String = Md5::digest(content).iter().map(|b| format!("{b:02x}")).collect();
        self.put_as(key, content, &format!("\"{sum}\""));
    }

    pub fn put_as(&self, key: &str, content: &[u8], version: &str) {
        self.0.lock().unwrap().objects.insert(key.into(), (content.to_vec(), version.into()));
    }

    pub fn remove(&self, key: &str) {
        self.0.lock().unwrap().objects.remove(key);
    }

    pub fn break_off(&self, kind: impl Into<Option<Kind>>) {
        self.0.lock().unwrap().everything = kind.into();
    }

    pub fn fault(&self, key: &str, fault: impl Into<Option<Fault>>) {
        let mut state = self.0.lock().unwrap();
        match fault.into() {
            Some(fault) => state.faults.insert(key.into(), fault),
            None => state.faults.remove(key),
        };
    }

    pub fn fetched(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut self.0.lock().unwrap().fetched)
    }

    pub fn pages(&self) -> usize {
        std::mem::take(&mut self.0.lock().unwrap().pages)
    }
}

fn error(kind: Kind) -> store::Error {
    store::Error::new(kind, "read", "s3://shop", format!("{kind:?}"))
}

/// The rest of an object, and what comes then.
pub struct Rest(Bytes, End);

enum End {
    Whole,
    Broken,
    Never,
}

impl Body for Rest {
    async fn next(&mut self) -> Result<Option<Bytes>, store::Error> {
        tokio::task::yield_now().await;
        let piece = self.0.split_to(self.0.len().min(1000));
        match self.1 {
            _ if !piece.is_empty() => Ok(Some(piece)),
            End::Whole => Ok(None),
            End::Broken => Err(error(Kind::Unreachable)),
            End::Never => std::future::pending().await,
        }
    }
}

impl Objects for Shop {
    type Body = Rest;

    async fn objects(&self, _: &str) -> Result<Vec<Object>, store::Error> {
        unreachable!("the library lists pages")
    }

    async fn page(&self, after: &str) -> Result<Page, store::Error> {
        tokio::task::yield_now().await;
        let mut state = self.0.lock().unwrap();
        state.pages += 1;
        if let Some(kind) = state.everything {
            return Err(error(kind));
        }
        let mut rest = state.objects.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        let object = |(key, (content, version)): (&String, &(Vec<u8>, String))| Object {
            key: key.clone(),
            size: content.len() as u64,
            version: Version(version.clone()),
        };
        let objects = rest.by_ref().take(PAGE).map(object).collect();
        Ok(Page { objects, last: rest.next().is_none() })
    }

    async fn fetch(&self, key: &str, version: &Version, from: u64) -> Result<Rest, store::Error> {
        tokio::task::yield_now().await;
        let mut state = self.0.lock().unwrap();
        state.fetched.push((key.to_owned(), from));
        if let Some(kind) = state.everything {
            return Err(error(kind));
        }
        let times = state.fetched.iter().filter(|(k, _)| k == key).count();
        let (content, current) = state.objects.get(key).ok_or_else(|| error(Kind::Missing))?;
        if *current != version.0 {
            return Err(error(Kind::Changed));
        }
        let mut rest = content[from as usize..].to_vec();
        let cut = |n: usize| n.min(rest.len());
        let end = match state.faults.get(key) {
            None => End::Whole,
            Some(Fault::Refused(kind)) => return Err(error(*kind)),
            Some(Fault::Breaks(n)) => {
                rest.truncate(cut(*n));
                End::Broken
            }
            Some(Fault::Hangs(n)) => {
                rest.truncate(cut(*n));
                End::Never
            }
            Some(Fault::Ends(n)) => {
                rest.truncate(cut(*n));
                End::Whole
            }
            Some(Fault::RunsOn) => {
                rest.push(0);
                End::Whole
            }
            Some(Fault::Garbled) => {
                rest[0] = rest[0].wrapping_add(times as u8);
                End::Whole
            }
        };
        Ok(Rest(rest.into(), end))
    }

    async fn upload(&self, _: &str, _: &Path) -> Result<Version, store::Error> {
        unreachable!("the library uploads nothing")
    }
}

/// A machine that keeps the library of a shop.
pub struct House {
    pub shop: Shop,
    pub folder: tempfile::TempDir,
    pub settings: Bucket<Shop>,
    wants: watch::Sender<Arc<[ContentHash]>>,
    pub library: watch::Receiver<Arc<Library>>,
    running: Option<(CancellationToken, JoinHandle<Result<(), Error>>)>,
}

impl House {
    pub fn new() -> Self {
        let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::default());
        let (wants, wanted) = watch::channel([].into());
        let mut settings =
            Bucket::new(shop.clone(), "s3://shop/x".into(), None, folder.path(), 1_000_000, wanted);
        settings.keep_free = 0;
        let library = watch::channel(Arc::default()).1;
        Self { shop, folder, settings, wants, library, running: None }
    }

    /// Starts, or starts again.
    pub async fn start(&mut self) {
        self.stop().await;
        let (sender, receiver) = watch::channel(Arc::default());
        self.library = receiver;
        let cancel = CancellationToken::new();
        let task = tokio::spawn(run_bucket(self.settings.clone(), sender, cancel.clone()));
        self.running = Some((cancel, task));
    }

    pub async fn stop(&mut self) {
        if let Some((cancel, task)) = self.running.take() {
            cancel.cancel();
            task.await.unwrap().unwrap();
        }
    }

    /// Waits for a library, for ten minutes at most.
    pub async fn until(&mut self, what: &str, is: impl Fn(&Library) -> bool) -> Arc<Library> {
        let found = timeout(Duration::from_secs(600), self.library.wait_for(|library| is(library))).await;
        let found = found.map(|found| found.map(|library| Arc::clone(&library)));
        match found {
            Ok(Ok(library)) => library,
            _ => panic!("{what}: {:#?}", self.library.borrow()),
        }
    }

    /// The first listing.
    pub async fn listed(&mut self) -> Arc<Library> {
        self.until("a whole listing", |library| library.complete).await
    }

    /// The renderer wants these, which are in the library.
    pub fn want(&self, sources: &[&str]) {
        let library = self.library.borrow();
        let hash = |source: &&str| {
            let track = library.tracks.iter().find(|track| track.source == *source);
            track.unwrap_or_else(|| panic!("{source} is not in the library")).hash.clone()
        };
        let wants: Vec<_> = sources.iter().map(hash).collect();
        self.wants.send_replace(wants.into());
    }

    /// Until these are here, and only these.
    pub async fn here(&mut self, sources: &[&str]) -> Arc<Library> {
        self.until("these are here", |library| here(library) == sources).await
    }
}

/// What is here.
pub fn here(library: &Library) -> Vec<&str> {
    library.tracks.iter().filter(|track| track.path.is_some()).map(|track| track.source.as_str()).collect()
}

pub fn problems(library: &Library) -> Vec<String> {
    library.problems.iter().map(|problem| format!("{}: {}", problem.source, problem.reason)).collect()
}
