//! The store as a folder on this machine.
//!
//! An object is a file that appears whole: written under a temporary name, synced, and then linked
//! to its own name, which the kernel refuses if that name exists. Versions are hashes of contents.
//! `put_if_match` is atomic among the processes of one machine through a lock file.
//!
//! A disk that hangs holds up whoever waits for it, and nobody else: a request that was given up
//! goes on holding its thread, so only [`AT_ONCE`] may hold one.

use super::{Error, Kind, PAGE, Put, Store, Version};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// Requests that the disk may have before it at a time. The others wait for their turn.
const AT_ONCE: usize = 4;

/// A folder; it is made when it is first written to.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    turns: Arc<Semaphore>,
}

impl Folder {
    /// The store in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        key: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let path = self.root.join(key);
        let object = path.display().to_string();
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("it is never closed");
        let work = move || {
            let _turn = turn;
            work(&path)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|e| Err(io::Error::other(e))).map_err(|e| {
            let kind = match e.kind() {
                io::ErrorKind::PermissionDenied => Kind::Denied,
                _ => Kind::Other,
            };
            Error::new(kind, action, object, e.to_string())
        })
    }
}

impl Store for Folder {
    async fn list(&self, prefix: &str, after: &str) -> Result<Vec<String>, Error> {
        let prefix = prefix.trim_end_matches('/').to_owned();
        let (under, after) = (prefix.clone(), after.to_owned());
        self.blocking("list", &prefix, move |dir| {
            let mut keys = Vec::new();
            for entry in ignore_absence(fs::read_dir(dir))?.into_iter().flatten() {
                let entry = entry?;
                if let Some(name) = entry.file_name().to_str()
                    && !name.starts_with('.')
                    && entry.file_type()?.is_file()
                {
                    let key = format!("{under}/{name}");
                    keys.extend(Some(key).filter(|key| *key > after));
                }
            }
            keys.sort();
            keys.truncate(PAGE);
            Ok(keys)
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        self.blocking("read", key, read).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Vec<u8>) -> Result<Put, Error> {
        self.blocking("write", key, move |path| {
            let temporary = write_temporary(path, &bytes)?;
            match fs::hard_link(&temporary.0, path) {
                Ok(()) => sync_folder_of(path).map(|()| Put::Written(version(&bytes))),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Refused),
                Err(e) => Err(e),
            }
        })
        .await
    }

    async fn put_if_match(&self, key: &str, bytes: Vec<u8>, expected: &Version) -> Result<Put, Error> {
        let expected = expected.clone();
        self.blocking("write", key, move |path| {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let lock = File::create(hidden(path, "lock"))?;
            lock.lock()?;
            match read(path)? {
                Some((_, current)) if current == expected => {}
                _ => return Ok(Put::Refused),
            }
            let temporary = write_temporary(path, &bytes)?;
            fs::rename(&temporary.0, path)?;
            sync_folder_of(path)?;
            Ok(Put::Written(version(&bytes)))
        })
        .await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.blocking("remove", key, |path| ignore_absence(fs::remove_file(path)).map(drop)).await
    }
}

fn read(path: &Path) -> io::Result<Option<(Vec<u8>, Version)>> {
    Ok(ignore_absence(fs::read(path))?.map(|bytes| {
        let version = version(&bytes);
        (bytes, version)
    }))
}

fn version(bytes: &[u8]) -> Version {
    Version(Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect())
}

/// A file that is removed when this is dropped, if it still has this name.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn write_temporary(path: &Path, bytes: &[u8]) -> io::Result<Temporary> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let unique = format!("{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
    let temporary = Temporary(hidden(path, &unique));
    let mut file = File::create(&temporary.0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(temporary)
}

/// `.name.suffix` beside `path`; such names are never listed.
fn hidden(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{suffix}"))
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn ignore_absence<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on(work: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
    }

    #[test]
    fn a_folder_is_a_store() {
        let dir = tempfile::tempdir().unwrap();
        let one = Folder::new(dir.path().join("not/yet/there"));
        block_on(super::super::laws::store(&one, &one.clone()));
    }

    #[test]
    fn requests_that_a_hung_disk_never_answers_use_up_a_few_threads_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("hangs");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let store = Folder::new(dir.path());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(AT_ONCE + 1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let moment = std::time::Duration::from_millis(5);
            for _ in 0..3 * AT_ONCE {
                assert!(tokio::time::timeout(moment, store.get("hangs")).await.is_err());
            }
            let others = tokio::task::spawn_blocking(|| "go on");
            let long = std::time::Duration::from_secs(20);
            assert_eq!(tokio::time::timeout(long, others).await.expect("a thread is left").unwrap(), "go on");
            // Who comes to read a pipe goes on when somebody writes to it.
            drop(File::options().read(true).write(true).open(&pipe).unwrap());
            let answered = tokio::time::timeout(long, store.get("other")).await;
            assert_eq!(answered.expect("the disk is back, and so are the turns").unwrap(), None);
        });
    }
}
