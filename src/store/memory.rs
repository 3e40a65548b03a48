//! The store in memory, which can fail on script: the fake that stands in for a bucket in tests.

use super::{Body, Error, Kind, Object, Objects, PAGE, Page, Put, Store, Version};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// How a handle's requests fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    #[default]
    None,
    /// At once.
    Refuses,
    /// They are never answered.
    Hangs,
    /// Reads work, and writes happen, but their answers are lost.
    LosesAnswers,
}

/// Keys to contents and how often they were replaced.
type Contents = BTreeMap<String, (Vec<u8>, u64)>;

/// One node's handle on a store that other handles may share.
#[derive(Clone, Default)]
pub struct Memory {
    objects: Arc<Mutex<Contents>>,
    fault: Arc<Mutex<Fault>>,
}

impl Memory {
    /// Another node's handle on the same objects, with faults of its own.
    pub fn another(&self) -> Self {
        Self { objects: self.objects.clone(), fault: Arc::default() }
    }

    /// From now on this handle's requests fail like this.
    pub fn set_fault(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    async fn answer<T>(&self, writes: bool, work: impl FnOnce() -> T) -> Result<T, Error> {
        // A request is answered at another moment than it is made.
        tokio::task::yield_now().await;
        let error = |reason| Error::new(Kind::Unreachable, "reach", "memory", reason);
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::Refuses => Err(error("refused")),
            Fault::Hangs => std::future::pending().await,
            Fault::LosesAnswers if writes => {
                work();
                Err(error("the answer was lost"))
            }
            Fault::None | Fault::LosesAnswers => Ok(work()),
        }
    }
}

impl Store for Memory {
    async fn list(&self, prefix: &str, after: &str) -> Result<Vec<String>, Error> {
        let folder = format!("{prefix}/");
        self.answer(false, || {
            let objects = self.objects.lock().unwrap();
            let keys = objects.keys().filter(|key| key.starts_with(&folder) && key.as_str() > after);
            keys.take(PAGE).cloned().collect()
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        self.answer(false, || {
            let objects = self.objects.lock().unwrap();
            objects.get(key).map(|(bytes, version)| (bytes.clone(), Version(version.to_string())))
        })
        .await
    }

    async fn put_if_absent(&self, key: &str, bytes: Vec<u8>) -> Result<Put, Error> {
        self.answer(true, || {
            let mut objects = self.objects.lock().unwrap();
            if objects.contains_key(key) {
                return Put::Refused;
            }
            objects.insert(key.to_owned(), (bytes, 0));
            Put::Written(Version("0".into()))
        })
        .await
    }

    async fn put_if_match(&self, key: &str, bytes: Vec<u8>, version: &Version) -> Result<Put, Error> {
        self.answer(true, || match self.objects.lock().unwrap().get_mut(key) {
            Some((old, current)) if current.to_string() == version.0 => {
                (*old, *current) = (bytes, *current + 1);
                Put::Written(Version(current.to_string()))
            }
            _ => Put::Refused,
        })
        .await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.answer(true, || drop(self.objects.lock().unwrap().remove(key))).await
    }
}

/// A file's rest, in pieces of at most 64 KiB.
pub struct Pieces(Bytes);

impl Body for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        tokio::task::yield_now().await;
        let piece = self.0.split_to(self.0.len().min(64 << 10));
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

fn object((key, (bytes, version)): (&String, &(Vec<u8>, u64))) -> Object {
    Object { key: key.clone(), size: bytes.len() as u64, version: Version(version.to_string()) }
}

impl Objects for Memory {
    type Body = Pieces;

    async fn objects(&self, prefix: &str) -> Result<Vec<Object>, Error> {
        self.answer(false, || {
            let objects = self.objects.lock().unwrap();
            objects.iter().filter(|(key, _)| key.starts_with(prefix)).map(object).collect()
        })
        .await
    }

    async fn page(&self, after: &str) -> Result<Page, Error> {
        self.answer(false, || {
            let objects = self.objects.lock().unwrap();
            let mut rest = objects.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
            let page = rest.by_ref().take(PAGE).map(object).collect();
            Page { objects: page, last: rest.next().is_none() }
        })
        .await
    }

    async fn fetch(&self, key: &str, version: &Version, from: u64) -> Result<Pieces, Error> {
        let found = self.answer(false, || {
            let objects = self.objects.lock().unwrap();
            let (bytes, current) = objects.get(key)?;
            (current.to_string() == version.0).then(|| Bytes::copy_from_slice(&bytes[from as usize..]))
        });
        let gone = || Error::new(Kind::Changed, "read", key, "it is another by now");
        found.await?.map(Pieces).ok_or_else(gone)
    }

    async fn upload(&self, key: &str, file: &Path) -> Result<Version, Error> {
        let error = |e: std::io::Error| Error::new(Kind::Other, "write", key, e.to_string());
        let bytes = std::fs::read(file).map_err(error)?;
        self.answer(true, || {
            let mut objects = self.objects.lock().unwrap();
            let version = objects.get(key).map_or(0, |(_, version)| version + 1);
            objects.insert(key.to_owned(), (bytes, version));
            Version(version.to_string())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    #[test]
    fn memory_is_a_store_and_a_place_for_files() {
        let folder = tempfile::tempdir().unwrap();
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let memory = Memory::default();
            laws::store(&memory, &memory.another()).await;
            laws::objects(&Memory::default(), folder.path()).await;
        });
    }
}
