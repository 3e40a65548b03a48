//! The renditions on disk: what lies there, what must go, and how a new one gets there whole.
//! Everything here blocks.

use super::Error;
use crate::host::{file, kernel};
use crate::media::flv::{self, TagKind};
use crate::media::rendition::{AUDIO_FILE, FORMAT, META_FILE, VIDEO_FILE};
use crate::media::{ContentHash, Meta, Rendition, RenditionId, Stream};
use crate::render::profile::Profile;
use crate::render::queue::Known;
use crate::telemetry::messages;
use bytes::Bytes;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// `rendition.json` is about a kilobyte.
const MAX_META: u64 = 64 << 10;
/// Folders of unfinished work begin so; no rendition's name does.
const WORK: &str = ".work-";
/// Held locked in a work folder while its process lives.
const LOCK: &str = "lock";

/// Where the render stage keeps what it makes.
#[derive(Clone, Debug)]
pub struct Places {
    /// One folder a rendition.
    pub renditions: PathBuf,
    /// One file a picture.
    pub loops: PathBuf,
    /// What is set aside.
    pub quarantine: PathBuf,
}

impl Places {
    /// Below the cache folder.
    pub fn below(cache: &Path) -> Self {
        Self {
            renditions: cache.join("renditions"),
            loops: cache.join("loops"),
            quarantine: cache.join("quarantine.json"),
        }
    }
}

/// The codec headers that all renditions of a profile share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Of the sound.
    pub audio: Bytes,
    /// Of the pictures.
    pub video: Bytes,
}

impl Reference {
    /// Those of a rendition.
    pub fn of(rendition: &Rendition) -> Self {
        Self { audio: rendition.audio.header.clone(), video: rendition.video.header.clone() }
    }
}

/// A folder for unfinished work, which goes with its owner.
pub struct Work {
    path: PathBuf,
    _lock: File,
}

impl Work {
    /// A new one below `renditions`. Those of dead processes are removed.
    pub fn new(renditions: &Path) -> io::Result<Self> {
        clean(renditions);
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = renditions.join(format!("{WORK}{}-{stamp}", std::process::id()));
        fs::create_dir(&path)?;
        let lock = File::create_new(path.join(LOCK))?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    /// Where a folder of this name lies in it.
    pub fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        let path = std::mem::take(&mut self.path);
        let remove = move || drop(fs::remove_dir_all(path));
        // On a disk that hangs this would hold up everybody else on the runtime's thread.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Removes the unfinished work of processes that are gone.
fn clean(renditions: &Path) {
    for entry in fs::read_dir(renditions).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(WORK) {
            continue;
        }
        let alive = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
        if !alive && let Err(error) = remove(&entry.path()) {
            tracing::warn!(message_id = messages::UNFINISHED_LEFT, %error, folder = %entry.path().display(), "cannot remove unfinished work");
        }
    }
}

/// Opens a rendition and indexes its two files, each read once.
pub fn open(renditions: &Path, id: &RenditionId) -> Result<Rendition, Error> {
    let folder = renditions.join(id.as_str());
    let meta = read_meta(&folder, id)?;
    let audio = index(TagKind::Audio, &folder.join(AUDIO_FILE))?;
    let video = index(TagKind::Video, &folder.join(VIDEO_FILE))?;
    if meta.cells == 0 || audio.frames() % meta.cells != 0 {
        return Err(Error::Rendition { path: folder, reason: "its sound does not fill its cells".into() });
    }
    Ok(Rendition { meta, audio, video })
}

/// Notes that a rendition is needed now; [`make_room`] goes by it. That it cannot be noted costs
/// fetching it again.
pub fn touch(renditions: &Path, id: &RenditionId) {
    let now = SystemTime::now();
    let _ = File::open(renditions.join(id.as_str())).and_then(|folder| folder.set_modified(now));
}

/// Indexes one of a rendition's files.
pub fn index(kind: TagKind, path: &Path) -> Result<Stream, Error> {
    let open = || File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source });
    Stream::index(kind, BufReader::with_capacity(64 << 10, open()?), open()?)
        .map_err(|e| Error::Rendition { path: path.to_owned(), reason: e.to_string() })
}

fn read_meta(folder: &Path, id: &RenditionId) -> Result<Meta, Error> {
    let path = folder.join(META_FILE);
    let mut json = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(MAX_META).read_to_end(&mut json))
        .map_err(|source| Error::Read { path: path.clone(), source })?;
    let meta: Meta = serde_json::from_slice(&json)
        .map_err(|e| Error::Rendition { path: path.clone(), reason: e.to_string() })?;
    if meta.format != FORMAT || meta.id != *id {
        return Err(Error::Rendition {
            path,
            reason: "it is another rendition's, or another version's".into(),
        });
    }
    Ok(meta)
}

/// Checks a rendition without reading it all: that it is of this profile, has the reference's
/// headers, and has its last audio frame where its length says.
pub fn check(
    renditions: &Path,
    id: &RenditionId,
    profile: &Profile,
    reference: &Reference,
) -> Result<Known, Error> {
    let folder = renditions.join(id.as_str());
    let wrong = |reason: &str| Error::Rendition { path: folder.clone(), reason: reason.into() };
    let meta = read_meta(&folder, id)?;
    if meta.profile != *profile.id() {
        return Err(wrong("it is of another profile"));
    }
    for (file, header) in [(AUDIO_FILE, &reference.audio), (VIDEO_FILE, &reference.video)] {
        let path = folder.join(file);
        let read = |source| Error::Read { path: path.clone(), source };
        let mut file = File::open(&path).map_err(read)?;
        // A reader of its own for the header alone, so that little is read ahead.
        let first = flv::Reader::new(BufReader::with_capacity(512, &mut file)).and_then(|mut r| r.next_tag());
        if !first.is_ok_and(|tag| tag.is_some_and(|tag| tag.body == header[..])) {
            return Err(wrong("its codec headers are not those of the profile"));
        }
        if path.ends_with(AUDIO_FILE) {
            let frames = meta.cells * profile.grid().audio_frames();
            let last =
                frames.saturating_sub(1) * crate::media::FRAME_SAMPLES * 1000 / crate::media::SAMPLE_RATE;
            if last_timestamp(&mut file).map_err(read)? != Some(last as u32) {
                return Err(wrong("its sound does not end where it should"));
            }
        }
    }
    Ok(Known { id: id.clone(), cells: meta.cells, track: meta.source_hash })
}

/// The time of the file's last tag, found by the size that stands behind it.
fn last_timestamp(file: &mut File) -> io::Result<Option<u32>> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut size = [0; 4];
    file.seek(SeekFrom::Start(end.saturating_sub(4)))?;
    file.read_exact(&mut size)?;
    let Some(start) = end.checked_sub(4 + u64::from(u32::from_be_bytes(size))) else { return Ok(None) };
    let mut header = [0; flv::TAG_HEADER as usize];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut header)?;
    Ok((header[0] == TagKind::Audio as u8)
        .then(|| u32::from_be_bytes([header[7], header[4], header[5], header[6]])))
}

/// The renditions that lie there and are of this profile.
pub fn scan(renditions: &Path, profile: &Profile, reference: &Reference) -> Vec<Known> {
    let mut found = Vec::new();
    for id in ids(renditions) {
        match check(renditions, &id, profile, reference) {
            Ok(known) => found.push(known),
            Err(error) => tracing::debug!(%error, "a rendition is passed over"),
        }
    }
    found
}

fn ids(renditions: &Path) -> impl Iterator<Item = RenditionId> {
    let entries = fs::read_dir(renditions).into_iter().flatten().flatten();
    entries.filter_map(|entry| RenditionId::try_from(entry.file_name().into_string().ok()?).ok())
}

/// Where the loop of a picture lies.
pub fn loop_path(places: &Places, profile: &Profile, picture: &ContentHash) -> PathBuf {
    places.loops.join(format!("{}.flv", profile.picture_loop(picture)))
}

/// Gives `from` a second name, or a copy where that cannot be.
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => fs::copy(from, to).and_then(|_| sync(to)),
        other => other,
    }
}

/// Writes `rendition.json`, makes everything in `folder` durable, and gives it its name. If it is
/// there already, another has made it, and this one goes.
pub fn shelve(folder: &Path, meta: &Meta, renditions: &Path) -> io::Result<()> {
    file::write(&folder.join(META_FILE), &serde_json::to_vec_pretty(meta)?)?;
    sync(&folder.join(AUDIO_FILE))?;
    sync(&folder.join(VIDEO_FILE))?;
    sync(folder)?;
    let target = renditions.join(meta.id.as_str());
    match fs::rename(folder, &target) {
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {
            // What lies there was found unfit, or we would not be here.
            fs::remove_dir_all(&target)?;
            fs::rename(folder, &target)?;
        }
        other => other?,
    }
    sync(renditions)
}

/// Makes `folder` a new, empty one.
pub fn empty(folder: PathBuf) -> io::Result<PathBuf> {
    remove(&folder)?;
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// Removes a folder; that it is gone already is as well.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes room until `need` bytes are free: loops of pictures but the one `shown`, if that is known,
/// and renditions that need not be kept, those first that were needed longest ago. Returns those removed, and the bytes that are free then.
pub fn make_room(
    places: &Places,
    need: u64,
    keep: &HashSet<RenditionId>,
    shown: Option<&Path>,
) -> io::Result<(Vec<RenditionId>, u64)> {
    let renditions = &places.renditions;
    let mut free = kernel::free_space(renditions)?;
    let mut gone = Vec::new();
    if free >= need {
        return Ok((gone, free));
    }
    if let Some(shown) = shown {
        for entry in fs::read_dir(&places.loops).into_iter().flatten().flatten() {
            if entry.path() != shown {
                fs::remove_file(entry.path())?;
            }
        }
    }
    let mut useless: Vec<_> = ids(renditions).filter(|id| !keep.contains(id)).collect();
    useless
        .sort_by_key(|id| fs::metadata(renditions.join(id.as_str())).and_then(|meta| meta.modified()).ok());
    for id in useless {
        fs::remove_dir_all(renditions.join(id.as_str()))?;
        tracing::info!(message_id = messages::ROOM_MADE, rendition = %id, "removed a rendition that nobody wants, to make room");
        gone.push(id);
        free = kernel::free_space(renditions)?;
        if free >= need {
            break;
        }
    }
    Ok((gone, free))
}

#[cfg(test)]
mod tests;
