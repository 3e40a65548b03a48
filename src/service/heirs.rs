//! Sessions that outlive this process: to the next one of this channel, and from the one before.
//!
//! At a restart the service manager holds the connections, and a file in the state folder says what
//! is known of them. Whatever goes wrong here, the connections are closed, and the stream begins
//! anew as it would without any of this.

use crate::host::Notifier;
use crate::publish::task::bequest::{Bequest, Deed, Heir};
use crate::telemetry::messages;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Another number is another file format, and its sessions are not gone on with.
const FORMAT: u32 = 2;
/// A session on each ingest, and eight destinations.
const MOST: usize = 16;
/// How long the state folder may take; it is small and was used a moment ago.
const DISK: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
struct Will {
    format: u32,
    /// The profile that the sessions' codec headers are of.
    profile: String,
    /// By the names under which the service manager has the connections.
    deeds: Vec<(String, Deed)>,
}

/// What is left to the next process.
pub(super) struct Estate {
    wanted: CancellationToken,
    to: mpsc::Sender<Bequest>,
    left: mpsc::Receiver<Bequest>,
    path: PathBuf,
    profile: String,
}

impl Estate {
    pub(super) fn new(state: &Path, profile: String) -> Self {
        let (to, left) = mpsc::channel(MOST);
        Self { wanted: CancellationToken::new(), to, left, path: path(state), profile }
    }

    /// For a destination's publisher.
    pub(super) fn heir(&self) -> Heir {
        Heir { wanted: self.wanted.clone(), to: self.to.clone() }
    }

    /// From now on a session that ends is left to the next process.
    pub(super) fn open(&self) {
        self.wanted.cancel();
    }

    /// Gives what was left to the service manager. Once all publishers have ended.
    pub(super) async fn settle(mut self, notifier: &Notifier) {
        let mut bequests = Vec::new();
        while let Ok(bequest) = self.left.try_recv() {
            bequests.push((format!("session-{}", bequests.len()), bequest));
        }
        if bequests.is_empty() {
            return;
        }
        let deeds = bequests.iter().map(|(name, bequest)| (name.clone(), bequest.deed.clone())).collect();
        let will = Will { format: FORMAT, profile: self.profile, deeds };
        let path = self.path;
        let written = on_disk(move || {
            let text = serde_json::to_vec(&will)?;
            let temporary = path.with_extension("new");
            std::fs::write(&temporary, text)?;
            std::fs::rename(&temporary, &path)
        });
        match written.await {
            Ok(()) => {
                let held =
                    bequests.iter().filter(|(name, bequest)| notifier.hold(name, &bequest.socket)).count();
                tracing::info!(
                    message_id = messages::SESSIONS_LEFT,
                    sessions = held,
                    "sessions are left to the next process"
                );
            }
            Err(error) => tracing::debug!(%error, "sessions cannot be left to the next process"),
        }
    }
}

/// What the process before has left: of the connections that the service manager has handed over,
/// those that something is known of. All others are closed.
pub(super) async fn inherit(
    passed: Vec<(String, OwnedFd)>,
    state: &Path,
    profile: &str,
    notifier: &Notifier,
) -> Vec<Bequest> {
    // It would otherwise keep the connections open when we close them.
    passed.iter().for_each(|(name, _)| notifier.release(name));
    let path = path(state);
    let read = on_disk(move || {
        let text = std::fs::read(&path)?;
        // Read once: what it says is true only of the connections that came with it.
        std::fs::remove_file(&path)?;
        Ok(serde_json::from_slice::<Will>(&text)?)
    });
    let will = match read.await {
        Ok(will) if will.format == FORMAT && will.profile == profile => will,
        Ok(_) => return Vec::new(),
        Err(error) => {
            if !passed.is_empty() {
                tracing::debug!(%error, "nothing is known of the sessions that this process was left");
            }
            return Vec::new();
        }
    };
    let mut deeds = will.deeds;
    let with_deed = |(name, socket): (String, OwnedFd)| {
        let place = deeds.iter().position(|(deed, _)| *deed == name)?;
        Some(Bequest { socket, deed: deeds.swap_remove(place).1 })
    };
    passed.into_iter().filter_map(with_deed).collect()
}

fn path(state: &Path) -> PathBuf {
    state.join("sessions.json")
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match tokio::time::timeout(DISK, tokio::task::spawn_blocking(work)).await {
        Ok(done) => done.unwrap_or_else(|error| Err(io::Error::other(error))),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
