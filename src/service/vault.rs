//! The stream keys that were read, kept over a restart in memory that the service manager holds.
//!
//! Only keys from Secrets Manager are in here: those in files and credentials are there at every start.
//! They lie in sealed memory without a name in any file system, which goes when the service stops,
//! and are as far from disks, arguments, the environment and the log as in the daemon itself.

use crate::config::{KeySource, Secret};
use crate::host::{Notifier, kernel, key};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

/// The memory that is looked into holds no more than this many bytes; it is longer than any key.
const LONGEST: usize = 4 << 10;

/// The kept keys. Clones are the same.
#[derive(Clone, Debug)]
pub struct Vault {
    kept: Arc<Mutex<BTreeMap<String, Secret>>>,
    notifier: Option<Notifier>,
    region: String,
}

impl Vault {
    /// With what the process before has kept. What is put in goes to `notifier`, if there is one. The
    /// `region` is the one that the configuration names, if it names one: a machine's own stays.
    pub fn open(passed: Vec<(String, OwnedFd)>, notifier: Option<Notifier>, region: String) -> Self {
        let mut kept = BTreeMap::new();
        for (name, memory) in passed {
            match unseal(memory).filter(|_| name.starts_with("key-")) {
                Some(key) => drop(kept.insert(name, key)),
                None => notifier.iter().for_each(|notifier| notifier.release(&name)),
            }
        }
        Self { kept: Arc::new(Mutex::new(kept)), notifier, region }
    }

    /// The key that was last read from there.
    pub(super) fn known(&self, source: &KeySource) -> Option<Secret> {
        self.all().get(&name(source, &self.region)?).cloned()
    }

    /// Keeps a key that was read, in place of an older one.
    pub(super) fn keep(&self, source: &KeySource, key: &Secret) {
        let Some(name) = name(source, &self.region) else { return };
        let old = self.all().insert(name.clone(), key.clone());
        let Some(notifier) = self.notifier.as_ref().filter(|_| old.as_ref() != Some(key)) else { return };
        // It takes a second one of the same name beside the first.
        notifier.release(&name);
        match kernel::seal(key.expose().as_bytes()) {
            Ok(memory) => drop(notifier.hold(&name, &memory)),
            Err(error) => tracing::debug!(%error, "the stream key cannot be kept over a restart"),
        }
    }

    /// Forgets the keys of all other sources.
    pub(super) fn only<'a>(&self, sources: impl Iterator<Item = &'a KeySource>) {
        let wanted: BTreeSet<_> = sources.filter_map(|source| name(source, &self.region)).collect();
        self.all().retain(|name, _| {
            let stays = wanted.contains(name);
            if !stays {
                self.notifier.iter().for_each(|notifier| notifier.release(name));
            }
            stays
        });
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Secret>> {
        self.kept.lock().expect("nothing panics while it holds this lock")
    }
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

    fn secret(secret: &str, field: Option<&str>) -> KeySource {
        KeySource::Secret { secret: secret.into(), field: field.map(str::to_owned) }
    }

    fn passed(name: &str, content: &[u8]) -> (String, OwnedFd) {
        (name.to_owned(), kernel::seal(content).unwrap())
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

    #[test]
    fn what_was_kept_is_known_and_nothing_else_is() {
        let (one, other) = (secret("one", None), secret("other", Some("youtube")));
        let name = |source| name(source, "").unwrap();
        let long = vec![b'k'; LONGEST + 1];
        let kept = vec![
            passed(&name(&one), b"abcd"),
            passed("session-0", b"abcd"),
            passed(&name(&other), &long),
            passed("key-", b"\0"),
        ];
        let vault = Vault::open(kept, None, String::new());
        assert_eq!(vault.known(&one).unwrap().expose(), "abcd");
        assert_eq!((vault.known(&other), vault.all().len()), (None, 1));
        vault.keep(&other, &Secret::new("efgh"));
        vault.only([&other].into_iter());
        assert_eq!((vault.known(&one), vault.all().len()), (None, 1));
        assert_eq!(vault.known(&other).unwrap().expose(), "efgh");
        assert!(!format!("{vault:?}").contains("efgh"));
    }
}
