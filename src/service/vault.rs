//! The stream keys that were read, kept over a restart in memory that the service manager holds.
//!
//! Only keys from Secrets Manager are in here: those in files and credentials are there at every start.
//! They lie in sealed memory without a name in any file system, which goes when the service stops,
//! and are as far from disks, arguments, the environment and the log as in the daemon itself.

use crate::config::{KeySource, Secret};
use crate::host::{Notifier, kernel, key};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The memory that is looked into holds no more than this many bytes; it is longer than any key.
const LONGEST: usize = 4 << 10;

/// Who keeps memory for the next process: the service manager.
pub trait Holder: Send + Sync {
    /// Keeps it under that name, beside what has the name already. Whether that was said.
    fn hold(&self, name: &str, memory: &OwnedFd) -> bool;
    /// Drops what it keeps under that name.
    fn release(&self, name: &str);
}

impl Holder for Notifier {
    fn hold(&self, name: &str, memory: &OwnedFd) -> bool {
        self.hold(name, memory)
    }

    fn release(&self, name: &str) {
        self.release(name);
    }
}

/// The kept keys. Clones are the same.
#[derive(Clone)]
pub struct Vault {
    kept: Arc<Mutex<Kept>>,
    holder: Option<Arc<dyn Holder>>,
    region: String,
}

#[derive(Default)]
struct Kept {
    keys: BTreeMap<String, Entry>,
    /// The sources that the configuration names, once that is known.
    wanted: Option<BTreeSet<String>>,
}

/// The key of one source. What the holder has is named after source and version, so that a new one is
/// there before the old one goes, and the newest is known whatever else is left.
struct Entry {
    key: Secret,
    /// The version that the holder has, perhaps of an older key.
    held: Option<u64>,
    /// Whether that is this key.
    safe: bool,
    /// Whether this process has read it.
    read: bool,
}

impl Vault {
    /// With what the process before has kept. What is put in goes to `holder`, if there is one. The
    /// `region` is the one that the configuration names, if it names one: a machine's own stays.
    pub fn open(passed: Vec<(String, OwnedFd)>, holder: Option<Arc<dyn Holder>>, region: String) -> Self {
        let mut keys: BTreeMap<String, Entry> = BTreeMap::new();
        let release = |name: &str| holder.iter().for_each(|holder| holder.release(name));
        for (name, memory) in passed {
            let (Some((source, version)), Some(key)) = (split(&name), unseal(memory)) else {
                release(&name);
                continue;
            };
            let before = keys.get(source).and_then(|entry| entry.held);
            if before.is_some_and(|before| before >= version) {
                release(&name);
                continue;
            }
            if let Some(before) = before {
                release(&versioned(source, before));
            }
            let entry = Entry { key, held: Some(version), safe: true, read: false };
            keys.insert(source.to_owned(), entry);
        }
        let kept = Kept { keys, wanted: None };
        Self { kept: Arc::new(Mutex::new(kept)), holder, region }
    }

    /// The key that was last read from there.
    pub(super) fn known(&self, source: &KeySource) -> Option<Secret> {
        Some(self.kept().keys.get(&name(source, &self.region)?)?.key.clone())
    }

    /// Keeps a key that was read, in place of an older one. What the holder did not take is given to it
    /// again the next time. Waits for the holder.
    pub(super) fn keep(&self, source: &KeySource, key: &Secret) {
        let Some(name) = name(source, &self.region) else { return };
        let (held, safe) = {
            let mut kept = self.kept();
            let before = kept.keys.remove(&name);
            let held = before.as_ref().and_then(|entry| entry.held);
            let safe = before.is_some_and(|entry| entry.safe && entry.key == *key);
            kept.keys.insert(name.clone(), Entry { key: key.clone(), held, safe, read: true });
            (held, safe)
        };
        if let Some(holder) = self.holder.as_ref().filter(|_| !safe) {
            let version = held.map_or(0, |held| held.saturating_add(1));
            match kernel::seal(key.expose().as_bytes()) {
                Ok(memory) if holder.hold(&versioned(&name, version), &memory) => {
                    held.iter().for_each(|held| holder.release(&versioned(&name, *held)));
                    if let Some(entry) = self.kept().keys.get_mut(&name) {
                        (entry.held, entry.safe) = (Some(version), true);
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the stream key cannot be kept over a restart"),
            }
        }
        self.forget();
    }

    /// Forgets the keys of all other sources, once each of these has been read: what a mistake in the
    /// configuration names leaves the right ones where they are.
    pub(super) fn only<'a>(&self, sources: impl Iterator<Item = &'a KeySource>) {
        let wanted = sources.filter_map(|source| name(source, &self.region)).collect();
        self.kept().wanted = Some(wanted);
        self.forget();
    }

    fn forget(&self) {
        let mut gone = Vec::new();
        {
            let Kept { keys, wanted } = &mut *self.kept();
            let Some(wanted) = wanted else { return };
            if wanted.iter().all(|name| keys.get(name).is_some_and(|entry| entry.read)) {
                keys.retain(|name, entry| {
                    let stays = wanted.contains(name);
                    if !stays {
                        gone.extend(entry.held.map(|held| versioned(name, held)));
                    }
                    stays
                });
            }
        }
        let holder = self.holder.iter();
        holder.for_each(|holder| gone.iter().for_each(|name| holder.release(name)));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.kept().keys.keys()).finish()
    }
}

fn versioned(name: &str, version: u64) -> String {
    format!("{name}-{version}")
}

/// The source's part of such a name, and the version.
fn split(name: &str) -> Option<(&str, u64)> {
    let (source, version) = name.rsplit_once('-')?;
    Some((source, version.parse().ok()?)).filter(|(source, _)| source.starts_with("key-"))
}

/// What the key from there is kept under, which says nothing of the key. None where it is not kept.
fn name(source: &KeySource, region: &str) -> Option<String> {
    let KeySource::Secret { secret, field } = source else { return None };
    let mut hasher = Sha256::new();
    // Each with its length, so that no two lists are the same text.
    for part in [Some(region), Some(secret), field.as_deref()].into_iter().flatten() {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut name = "key-".to_owned();
    for byte in &hasher.finalize()[..16] {
        let _ = write!(name, "{byte:02x}");
    }
    Some(name)
}

/// The key in sealed memory, if it is one.
fn unseal(memory: OwnedFd) -> Option<Secret> {
    let file = File::from(memory);
    let length = usize::try_from(file.metadata().ok()?.len()).ok().filter(|length| *length <= LONGEST)?;
    let mut content = vec![0; length];
    let read = file.read_exact_at(&mut content, 0);
    let key = read.ok().and_then(|()| key::first_line(&content).ok());
    content.fill(0);
    std::hint::black_box(&content);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn secret(secret: &str, field: Option<&str>) -> KeySource {
        KeySource::Secret { secret: secret.into(), field: field.map(str::to_owned) }
    }

    #[test]
    fn each_source_has_a_name_of_its_own_that_stays() {
        let sources = [
            (secret("a", None), ""),
            (secret("a", Some("")), ""),
            (secret("a", Some("b")), ""),
            (secret("ab", None), ""),
            (secret("a", None), "eu-west-1"),
            (secret("a", None), "eu-west-2"),
        ];
        let names: BTreeSet<_> =
            sources.iter().map(|(source, region)| name(source, region).unwrap()).collect();
        assert_eq!(names.len(), sources.len());
        assert!(names.iter().all(|name| name.len() == 36 && name.starts_with("key-")));
        // The next version of the program looks for the same.
        assert_eq!(
            name(&secret("nonstop/lofi", Some("youtube")), "").unwrap(),
            "key-3314d7fe191cec350a9a19d233372af7"
        );
        assert_eq!(name(&KeySource::File("/etc/nonstop/stream-key".into()), ""), None);
    }

    /// Keeps what it is given, or nothing.
    #[derive(Default)]
    struct Manager {
        deaf: AtomicBool,
        held: Mutex<Vec<(String, OwnedFd)>>,
    }

    impl Holder for Manager {
        fn hold(&self, name: &str, memory: &OwnedFd) -> bool {
            let deaf = self.deaf.load(Ordering::Relaxed);
            if !deaf {
                self.held.lock().unwrap().push((name.to_owned(), memory.try_clone().unwrap()));
            }
            !deaf
        }

        fn release(&self, name: &str) {
            self.held.lock().unwrap().retain(|(held, _)| held != name);
        }
    }

    impl Manager {
        /// What the next process gets.
        fn passed(&self) -> Vec<(String, OwnedFd)> {
            let held = self.held.lock().unwrap();
            held.iter().map(|(name, memory)| (name.clone(), memory.try_clone().unwrap())).collect()
        }

        fn next(self: &Arc<Self>) -> Vault {
            Vault::open(self.passed(), Some(self.clone()), String::new())
        }
    }

    fn known(vault: &Vault, source: &KeySource) -> Option<String> {
        vault.known(source).map(|key| key.expose().to_owned())
    }

    #[test]
    fn what_was_kept_is_known_and_nothing_else_is() {
        let (one, other) = (secret("one", None), secret("other", Some("youtube")));
        let name = |source, version| versioned(&name(source, "").unwrap(), version);
        let long = vec![b'k'; LONGEST + 1];
        let manager = Arc::new(Manager::default());
        for (name, content) in [
            (name(&one, 0), &b"abcd"[..]),
            ("session-0".to_owned(), b"abcd"),
            (name(&other, 0), &long),
            ("key-0".to_owned(), b"\0"),
        ] {
            manager.hold(&name, &kernel::seal(content).unwrap());
        }
        let vault = manager.next();
        assert_eq!((known(&vault, &one).as_deref(), known(&vault, &other)), (Some("abcd"), None));
        assert_eq!(manager.passed().len(), 1, "the rest is of no use");
    }

    #[test]
    fn a_new_key_is_safe_before_the_old_one_goes_and_the_newest_is_known() {
        let (source, manager) = (secret("one", None), Arc::new(Manager::default()));
        let vault = manager.next();
        vault.keep(&source, &Secret::new("first"));
        vault.keep(&source, &Secret::new("first"));
        assert_eq!(manager.passed().len(), 1);
        manager.deaf.store(true, Ordering::Relaxed);
        vault.keep(&source, &Secret::new("second"));
        assert_eq!(known(&vault, &source).as_deref(), Some("second"));
        assert_eq!(known(&manager.next(), &source).as_deref(), Some("first"), "better than none");
        manager.deaf.store(false, Ordering::Relaxed);
        vault.keep(&source, &Secret::new("second"));
        assert_eq!(known(&manager.next(), &source).as_deref(), Some("second"), "it is tried again");
        // A process that ends in between leaves both, in whatever order.
        let newer = kernel::seal(b"third").unwrap();
        manager.hold(&versioned(&name(&source, "").unwrap(), 7), &newer);
        manager.held.lock().unwrap().reverse();
        let vault = manager.next();
        assert_eq!(known(&vault, &source).as_deref(), Some("third"));
        assert_eq!(manager.passed().len(), 1);
        vault.keep(&source, &Secret::new("fourth"));
        assert_eq!(known(&manager.next(), &source).as_deref(), Some("fourth"));
        assert!(!manager.passed()[0].0.contains("fourth"));
    }

    #[test]
    fn a_source_that_is_wrong_costs_no_key_and_one_that_is_right_forgets_the_others() {
        let (right, wrong) = (secret("right", None), secret("wrong", None));
        let manager = Arc::new(Manager::default());
        manager.next().keep(&right, &Secret::new("abcd"));
        let vault = manager.next();
        vault.only([&wrong].into_iter());
        assert_eq!(known(&manager.next(), &right).as_deref(), Some("abcd"), "it may be a mistake");
        vault.keep(&wrong, &Secret::new("efgh"));
        assert_eq!(known(&manager.next(), &right), None);
        assert_eq!(known(&manager.next(), &wrong).as_deref(), Some("efgh"));
        manager.next().only([].into_iter());
        assert!(manager.passed().is_empty(), "no source is a secret any more");
    }
}
