//! Lists the source, reads files in it, and keeps the manifest. Blocking.

use super::files::{self, Kind, is_passed_over};
use crate::library::Motion;
use crate::library::scan::{About, Content, Found, Job, Listing, Outcome, RootId, Stamp};
use crate::library::{Problem, tags};
use crate::media::ContentHash;
use sha2::{Digest, Sha256};
use std::collections::{HashSet, VecDeque};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Files that a library may have; a wrong source (`/`) is noticed and not walked for hours.
const MOST_FILES: usize = 200_000;
/// Folders and other entries that may be looked at in all.
const MOST_ENTRIES: usize = 2_000_000;
/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;
/// Bytes of the largest manifest that is read: a kilobyte for each of [`MOST_FILES`].
const MOST_MANIFEST: u64 = 200 << 20;

/// Lists every file below `root` that counts. Symbolic links are followed, and a folder counts
/// once however many ways lead to it; the way without links is preferred.
pub(super) fn look(root: &Path, background: Option<&str>) -> Listing {
    let mut walk = Walk { background, listing: Listing::default(), seen: HashSet::new(), entries: 0 };
    match fs::metadata(root) {
        Ok(meta) if meta.is_dir() => {
            walk.listing.root = Some(id(&meta));
            walk.all(root, &meta);
        }
        Ok(_) => walk.blind(".", &io::Error::from(ErrorKind::NotADirectory)),
        Err(error) => walk.blind(".", &error),
    }
    walk.listing
}

struct Walk<'a> {
    background: Option<&'a str>,
    listing: Listing,
    seen: HashSet<(u64, u64)>,
    entries: usize,
}

impl Walk<'_> {
    fn all(&mut self, root: &Path, meta: &Metadata) {
        self.seen.insert((meta.dev(), meta.ino()));
        // Folders to list, and links to follow when there is no folder left.
        let mut folders = VecDeque::from([(root.to_owned(), String::new())]);
        let mut links = VecDeque::new();
        while let Some((path, source)) = folders.pop_front() {
            self.folder(&path, &source, &mut folders, &mut links);
            while folders.is_empty() {
                let Some((path, source)) = links.pop_front() else { break };
                self.link(path, source, &mut folders);
            }
        }
    }

    fn folder(&mut self, path: &Path, source: &str, folders: &mut Ways, links: &mut Ways) {
        let place = if source.is_empty() { "." } else { source };
        let entries = match fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound && !source.is_empty() => return,
            Err(error) => return self.blind(place, &error),
        };
        self.entries += entries.len();
        if self.entries > MOST_ENTRIES || self.listing.files.len() > MOST_FILES {
            let reason = format!("there are more than {MOST_FILES} files; what lies here is left out");
            return self.problem(place.to_owned(), reason);
        }
        let mut entries = entries;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let lossy = name.to_string_lossy();
            let below = if source.is_empty() { lossy.to_string() } else { format!("{source}/{lossy}") };
            if is_passed_over(&lossy) {
                continue;
            }
            let Ok(kind) = entry.file_type() else { continue };
            let counts = files::kind(&below, self.background);
            if name.to_str().is_none() && (counts.is_some() || kind.is_dir()) {
                self.problem(below, "its name is not UTF-8; rename it".to_owned());
            } else if kind.is_symlink() {
                links.push_back((entry.path(), below));
            } else if kind.is_dir() {
                match entry.metadata() {
                    Ok(meta) if self.seen.insert((meta.dev(), meta.ino())) => {
                        folders.push_back((entry.path(), below));
                    }
                    _ => {}
                }
            } else if let Some(kind) = counts {
                self.file(below, kind, entry.metadata());
            }
        }
    }

    fn link(&mut self, path: PathBuf, source: String, folders: &mut Ways) {
        let meta = fs::metadata(&path);
        match (&meta, files::kind(&source, self.background)) {
            (Ok(meta), _) if meta.is_dir() => {
                if self.seen.insert((meta.dev(), meta.ino())) {
                    folders.push_back((path, source));
                }
            }
            (Err(error), Some(_)) if error.kind() == ErrorKind::NotFound => {
                self.problem(source, "it is a link to nothing".to_owned());
            }
            (_, Some(kind)) => self.file(source, kind, meta),
            // A link to something that does not count, or that leads nowhere or in a circle.
            (_, None) => {}
        }
    }

    fn file(&mut self, source: String, kind: Kind, meta: io::Result<Metadata>) {
        match meta {
            Ok(meta) if meta.is_file() => {
                self.listing.files.push(Found { source, kind, stamp: stamp(&meta) })
            }
            Ok(_) => self.problem(source, "it is not a file".to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.blind(&source, &error),
        }
    }

    fn blind(&mut self, source: &str, error: &io::Error) {
        self.listing
            .blind
            .push(Problem { source: source.to_owned(), reason: format!("it cannot be looked at: {error}") });
    }

    fn problem(&mut self, source: String, reason: String) {
        self.listing.problems.push(Problem { source, reason });
    }
}

type Ways = VecDeque<(PathBuf, String)>;

fn id(meta: &Metadata) -> RootId {
    RootId { device: meta.dev(), inode: meta.ino() }
}

fn stamp(meta: &Metadata) -> Stamp {
    let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    Stamp {
        size: meta.size(),
        modified: nanos(meta.mtime(), meta.mtime_nsec()),
        changed: nanos(meta.ctime(), meta.ctime_nsec()),
        inode: meta.ino(),
    }
}

/// Carries a job out. `None`: it was told to stop.
pub(super) fn read(root: &Path, job: &Job, stop: impl Fn() -> bool) -> Option<Outcome> {
    let path = root.join(&job.source);
    match read_file(&path, job, stop) {
        Ok(outcome) => outcome,
        Err(error) if error.kind() == ErrorKind::NotFound => Some(Outcome::Gone),
        Err(error) => Some(Outcome::Failed(format!("it cannot be read: {error}"))),
    }
}

fn read_file(path: &Path, job: &Job, stop: impl Fn() -> bool) -> io::Result<Option<Outcome>> {
    // Should a pipe have taken its place, opening it does not wait.
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let before = stamp(&file.metadata()?);
    if before != job.stamp {
        return Ok(Some(Outcome::Changed(before)));
    }
    let Some((hash, head)) = hash(&mut file, stop)? else { return Ok(None) };
    let about = match job.kind {
        Kind::Track => {
            file.rewind()?;
            About::Track(tags::read(&job.source, &mut file))
        }
        Kind::Background { .. } if files::is_clip(&job.source, &head) => About::Background(Motion::Clip),
        Kind::Background { .. } => About::Background(Motion::Still),
    };
    // By its path: another file may have taken its place.
    let after = stamp(&fs::metadata(path)?);
    Ok(Some(if after == job.stamp {
        Outcome::Read(Content { hash, about })
    } else {
        Outcome::Changed(after)
    }))
}

/// The hash of a file and its first bytes.
fn hash(file: &mut File, stop: impl Fn() -> bool) -> io::Result<Option<(ContentHash, Vec<u8>)>> {
    let (mut hasher, mut chunk, mut head) = (Sha256::new(), vec![0; CHUNK], Vec::new());
    loop {
        if stop() {
            return Ok(None);
        }
        let length = match file.read(&mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if length == 0 {
            return Ok(Some((ContentHash::of(&hasher.finalize().into()), head)));
        }
        hasher.update(&chunk[..length]);
        head.extend_from_slice(&chunk[..length.min(32usize.saturating_sub(head.len()))]);
    }
}

/// The manifest's text, if there is one.
pub(super) fn load(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(MOST_MANIFEST).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Puts the manifest in the place of the old one, in one step.
pub(super) fn save(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension("json.new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}
