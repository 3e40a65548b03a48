//! The render stage on its own: a folder of music, a cache, and a real or a pretended FFmpeg.

use nonstop::config::{Audio, Bitrate, FrameRate, FrameSize, Keyframe, Loudness, Rate, Video};
use nonstop::library::{Library, Motion, Picture, Track};
use nonstop::media::{ContentHash, Credits, Rendition, RenditionId};
use nonstop::render::task::{self, Settings};
use nonstop::render::{Shelf, Shelved, State};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Small pictures: these tests are about sound and joins.
pub fn video() -> Video {
    Video {
        size: FrameSize { width: 640, height: 360 },
        fps: FrameRate::new(30).unwrap(),
        keyframe: Keyframe(2000),
        bitrate: Bitrate::from_bits(800_000),
        rate: Rate::Capped,
    }
}

pub fn audio() -> Audio {
    Audio { bitrate: Bitrate::from_bits(128_000), loudness: Loudness::Lufs(-14.0) }
}

/// Settings without patience: what a test pretends to happen happens soon.
pub fn settings(cache: &Path) -> (Settings, watch::Sender<Arc<HashSet<RenditionId>>>) {
    let (in_use, uses) = watch::channel(Arc::default());
    let broken = watch::channel(Arc::default()).1;
    let mut settings = Settings::new(cache.to_owned(), video(), audio(), uses, broken);
    settings.pause = Duration::from_millis(20);
    settings.keep_free = 1 << 20;
    (settings, in_use)
}

/// A stage that runs, until dropped.
pub struct Stage {
    pub library: watch::Sender<Arc<Library>>,
    pub wishes: watch::Sender<Arc<[ContentHash]>>,
    pub shelf: watch::Receiver<Arc<Shelf>>,
    pub renditions: PathBuf,
    task: tokio::task::JoinHandle<Result<(), task::Error>>,
    cancel: CancellationToken,
    _guard: DropGuard,
}

impl Stage {
    pub async fn start(settings: Settings, library: Library) -> Self {
        let first = task::first_shelf(&settings).await.expect("the standby card can be rendered");
        let (library, libraries) = watch::channel(Arc::new(library));
        let (wishes, wish_lists) = watch::channel(Arc::from([]));
        let (shelves, shelf) = watch::channel(first);
        let (cancel, renditions) = (CancellationToken::new(), settings.cache.join("renditions"));
        let task = tokio::spawn(task::run(settings, libraries, wish_lists, shelves, cancel.clone()));
        Self { library, wishes, shelf, renditions, task, _guard: cancel.clone().drop_guard(), cancel }
    }

    /// Waits for the shelf to be so.
    pub async fn until(&mut self, what: &str, so: impl FnMut(&Arc<Shelf>) -> bool) -> Arc<Shelf> {
        self.within(Duration::from_secs(90), what, so).await
    }

    /// Waits so long for the shelf to be so.
    pub async fn within(
        &mut self,
        patience: Duration,
        what: &str,
        so: impl FnMut(&Arc<Shelf>) -> bool,
    ) -> Arc<Shelf> {
        let found = tokio::time::timeout(patience, self.shelf.wait_for(so)).await;
        let found = found.ok().map(|shelf| Arc::clone(&shelf.expect("the stage runs")));
        found.unwrap_or_else(|| {
            let shelf = self.shelf.borrow();
            let (tracks, quarantined, paused) = (&shelf.tracks, &shelf.quarantined, &shelf.paused);
            panic!("{what} did not happen: {tracks:#?} {quarantined:#?} {paused:?}")
        })
    }

    pub async fn stop(self) {
        self.cancel.cancel();
        self.task.await.expect("it does not panic").expect("it ends well");
    }

    pub fn open(&self, shelved: &Shelved) -> Rendition {
        let State::Ready { id, cells, .. } = &shelved.state else { panic!("{shelved:?} is not ready") };
        let rendition = task::open(&self.renditions, id).expect("what is ready can be opened");
        assert_eq!(rendition.meta.cells, *cells);
        rendition
    }

    pub fn folder(&self, shelved: &Shelved) -> PathBuf {
        let State::Ready { id, .. } = &shelved.state else { panic!("{shelved:?} is not ready") };
        self.renditions.join(id.as_str())
    }
}

pub fn hash(path: &Path) -> ContentHash {
    ContentHash::of(&Sha256::digest(fs::read(path).expect("a file of the test's")).into())
}

pub fn track(path: &Path, source: &str) -> Arc<Track> {
    Arc::new(Track {
        source: source.to_owned(),
        path: Some(path.to_owned()),
        hash: hash(path),
        size: fs::metadata(path).expect("a file of the test's").len(),
        credits: Credits { title: source.to_owned(), ..Credits::default() },
    })
}

pub fn picture(path: &Path) -> Picture {
    let source = path.file_name().expect("a file").to_string_lossy().into_owned();
    Picture { source, path: Some(path.to_owned()), hash: hash(path), motion: Motion::Still }
}

pub fn library(tracks: Vec<Arc<Track>>, background: Option<Picture>) -> Library {
    Library { tracks, background, complete: true, ..Library::default() }
}

/// Makes a file with FFmpeg.
pub fn make(path: &Path, args: &str) -> PathBuf {
    fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("it can be made");
    let output = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(args.split_whitespace())
        .arg(path)
        .output()
        .expect("FFmpeg is installed");
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    path.to_owned()
}

/// A program that pretends to be FFmpeg: answers `-version`, and does `script` otherwise. `$real`
/// is the real one.
pub fn pretend(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("ffmpeg");
    let text =
        format!("#!/bin/sh\nreal=/usr/bin/ffmpeg\n[ \"$1\" = -version ] && exec $real -version\n{script}\n");
    // Under another name first: a file that is open for writing cannot be executed.
    fs::write(folder.join("new"), text).expect("it can be written");
    fs::set_permissions(folder.join("new"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::rename(folder.join("new"), &path).expect("it is ours");
    path
}
