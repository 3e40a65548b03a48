//! The kernel's word that something below the source changed. Only a hint: when it is lost, the
//! next regular look finds the change.

use super::files;
use crate::library::scan::RootId;
use crate::telemetry::messages;
use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use tokio::task::{JoinError, spawn_blocking};

/// Watches the source while it is there.
pub(super) struct Watch {
    root: PathBuf,
    /// The configured background.
    background: Option<String>,
    hints: Arc<Hints>,
    /// Which folder is watched: another one may take its place, by a mount for example.
    watched: Option<RootId>,
    watcher: Option<RecommendedWatcher>,
    /// Whether it was said that the folder cannot be watched.
    told: bool,
}

#[derive(Default)]
struct Hints {
    given: AtomicBool,
    wake: Notify,
}

impl Hints {
    fn give(&self) {
        self.given.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

impl Watch {
    /// Watches nothing yet.
    pub(super) fn new(root: PathBuf, background: Option<String>) -> Self {
        Self { root, background, hints: Arc::default(), watched: None, watcher: None, told: false }
    }

    /// Sees to it that the folder that was just listed is watched. If that is another one than
    /// before there is a hint at once, for what happened in between. If there is none, nothing is
    /// watched: a watch stays with a folder that was moved away.
    pub(super) async fn follow(&mut self, root: Option<RootId>) -> Result<(), JoinError> {
        if root.is_none() {
            self.watcher = None;
        }
        if root.is_none() || (self.watched == root && self.watcher.is_some()) {
            return Ok(());
        }
        let (path, background, hints) = (self.root.clone(), self.background.clone(), self.hints.clone());
        let old = self.watcher.take();
        let outcome = spawn_blocking(move || {
            drop(old);
            watch(&path, background, hints)
        });
        match outcome.await? {
            Ok(watcher) => {
                (self.watcher, self.watched, self.told) = (Some(watcher), root, false);
                self.hints.give();
            }
            Err(error) if !self.told => {
                self.told = true;
                tracing::warn!(message_id = messages::LIBRARY_UNWATCHED, %error, "changes in the folder with the music are found by looking only: it cannot be watched");
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Whether the kernel reports changes.
    pub(super) fn is_live(&self) -> bool {
        self.watcher.is_some()
    }

    /// Whether there is a hint that has not been taken.
    pub(super) fn has_hint(&self) -> bool {
        self.hints.given.load(Ordering::Acquire)
    }

    /// Takes the hint, if there is one.
    pub(super) fn take_hint(&self) -> bool {
        self.hints.given.swap(false, Ordering::AcqRel)
    }

    /// Waits for a hint, and takes it.
    pub(super) async fn hint(&self) {
        while !self.take_hint() {
            self.hints.wake.notified().await;
        }
    }
}

fn watch(root: &Path, background: Option<String>, hints: Arc<Hints>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.as_ref().map_or(true, |event| matters(event, background.as_deref())) {
            hints.give();
        }
    })?;
    watcher.watch(root, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// Whether an event may change the library: not that someone reads a file, nor that bytes are
/// written to one that does not count.
fn matters(event: &Event, background: Option<&str>) -> bool {
    let background = background.and_then(|source| source.rsplit('/').next());
    let counts = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !files::is_passed_over(name) && files::kind(name, background).is_some()
    };
    match event.kind {
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(_)) => event.paths.is_empty() || event.paths.iter().any(counts),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind, DataChange};

    #[test]
    fn only_what_may_change_the_library_is_a_hint() {
        let event = |kind, path: &str| Event::new(kind).add_path(path.into());
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        for (kind, path, hint) in [
            (written, "/music/a.mp3", true),
            (written, "/music/a.mp3.part", false),
            (written, "/music/.a.mp3", false),
            (written, "/music/art/card.png", true),
            (written, "/music/art/other.png", false),
            (EventKind::Access(AccessKind::Read), "/music/a.mp3", false),
            (EventKind::Create(CreateKind::Folder), "/music/new", true),
            (EventKind::Modify(ModifyKind::Name(notify::event::RenameMode::To)), "/music/a.mp3", true),
        ] {
            assert_eq!(matters(&event(kind, path), Some("art/card.png")), hint, "{kind:?} {path}");
        }
        assert!(matters(&Event::new(EventKind::Other), None), "events were lost");
    }
}
