//! The folder that holds what was fetched, under names that are hashes of version and size. Blocking.
//!
//! `<hash>.<ending>` is whole, `<hash>.part` is begun. A part belongs to one version of an object, so
//! it can be gone on with at any time. Other names are left alone.

use crate::host::kernel;
use crate::library::sync::Local;
use crate::media::ContentHash;
use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Original {
    /// What is here of it.
    pub(super) local: Local,
    /// Its path under its own name, if it has one.
    pub(super) path: Option<PathBuf>,
}

/// Where the object that ends like `key` lies when it is whole.
pub(super) fn path(folder: &Path, hash: &ContentHash, key: &str) -> PathBuf {
    // FFmpeg tells some formats more surely by the ending.
    let ending = key.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    folder.join(format!("{hash}.{ending}"))
}

/// And while it is fetched.
pub(super) fn part(folder: &Path, hash: &ContentHash) -> PathBuf {
    folder.join(format!("{hash}.part"))
}

/// What lies in the folder, which is made if it is not there.
pub(super) fn list(folder: &Path) -> io::Result<HashMap<ContentHash, Original>> {
    fs::create_dir_all(folder)?;
    let mut found: HashMap<ContentHash, Original> = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((stem, ending)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        let Ok(hash) = ContentHash::try_from(stem.to_owned()) else { continue };
        let meta = match entry.metadata() {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => continue,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        // In the order in which they were fetched, before all that is needed from now on.
        let fetched = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let needed = fetched.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let whole = ending != "part";
        let local = Local { bytes: meta.len(), whole, needed };
        let original = Original { local, path: whole.then(|| entry.path()) };
        let before = found.get(&hash).is_some_and(|before| before.local.whole);
        if !before {
            found.insert(hash, original);
        }
    }
    Ok(found)
}

/// Removes what there is of an object.
pub(super) fn remove(folder: &Path, hash: &ContentHash, whole: Option<&Path>) -> io::Result<()> {
    for path in [whole, Some(&part(folder, hash))].into_iter().flatten() {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Bytes that are free on the folder's disk.
pub(super) fn free(folder: &Path) -> io::Result<u64> {
    kernel::free_space(folder)
}
