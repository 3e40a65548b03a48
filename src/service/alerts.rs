//! Alerts: a look at the channel each second, and a loop for each webhook.

use super::desk::Desk;
use super::stages::Stages;
use super::tell::feed;
use crate::aws::{Aws, Secrets};
use crate::config::{Address, KeySource, Secret, Webhook};
use crate::control::Handler;
use crate::control::status::Phase;
use crate::host::{file, key};
use crate::media::Timestamp;
use crate::telemetry::alert::{Alert, Alerts, Kept, Look};
use crate::telemetry::messages;
use crate::telemetry::webhook::Post;
use crate::telemetry::webhook::task::{self, LAST, ON_THE_WAY, Target};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Between two looks: a notice is told within this and the time that a request takes.
const LOOK: Duration = Duration::from_secs(1);
/// How long the state folder may take, or a file with an address: they are small.
const DISK: Duration = Duration::from_secs(1);

/// Starts who looks and who posts. `soon` is told of a notice.
pub(super) fn start(
    stages: &mut Stages,
    webhooks: &[Webhook],
    desk: &Desk,
    (aws, credentials, state): (&Aws, Option<PathBuf>, &Path),
    soon: Arc<Notify>,
    stop: &CancellationToken,
) {
    let mut senders = Vec::new();
    let (taken, heard) = mpsc::channel(ON_THE_WAY);
    for webhook in webhooks.iter().cloned() {
        let (sender, posts) = mpsc::channel(ON_THE_WAY);
        senders.push((webhook.name.clone(), sender));
        let (secrets, credentials, stop) = (aws.secrets(), credentials.clone(), stop.clone());
        let taken = taken.clone();
        let Webhook { name, address, kind } = webhook;
        let target = Target { name, address: Place { address, secrets, credentials }, kind };
        feed(stages, "webhook", async move {
            // Reading the system's certificates takes some milliseconds.
            match spawn_blocking(task::client).await {
                Ok(Ok(client)) => task::run(target, client, posts, taken, stop).await,
                Ok(Err(error)) => tracing::error!(
                    message_id = messages::WEBHOOK_KEY,
                    webhook = target.name,
                    error = format!("nothing can be posted from here: {error}"),
                    "a webhook's address cannot be read, and it gets no alerts"
                ),
                Err(_) => {}
            }
        });
    }
    if !senders.is_empty() || soon_is_wanted(&soon) {
        let told = Told::new(state);
        feed(stages, "alerts", watch(desk.clone(), told, (senders, heard), soon, stop.clone()));
    }
}

/// Somebody else holds the other end.
fn soon_is_wanted(soon: &Arc<Notify>) -> bool {
    Arc::strong_count(soon) > 1
}

async fn watch(
    desk: Desk,
    mut told: Told,
    (targets, mut heard): (Vec<(String, mpsc::Sender<Post>)>, mpsc::Receiver<String>),
    soon: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut number = 0;
    let started = unix();
    // The last alert about each destination's being off air, by its id.
    let mut off = BTreeMap::new();
    let mut tell = |alert: Alert, off: &mut BTreeMap<String, String>| {
        if matches!(alert, Alert::Notice { .. }) {
            soon.notify_one();
        }
        number += 1;
        let id = format!("{}-{started}-{number}", desk.node);
        if let Alert::OffAir { destination, .. } = &alert {
            off.insert(destination.clone(), id.clone());
        }
        let post = Post {
            id,
            event: alert.event(),
            channel: desk.channel.clone(),
            node: desk.node.clone(),
            time: SystemTime::now().into(),
            alert,
        };
        for (webhook, target) in &targets {
            if let Err(error) = target.try_send(post.clone()) {
                task::unheard(webhook, post.event, &error.to_string());
            }
        }
    };
    let hear = |alerts: &mut Alerts, id: &str, off: &BTreeMap<String, String>| {
        let about = off.iter().filter(|(_, last)| *last == id);
        about.for_each(|(destination, _)| alerts.heard(destination));
    };
    told.read().await;
    let mut alerts = Alerts::new(&Look::of(&desk.status()), Instant::now()).recalling(&told.written, unix());
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended = false;
    while !stop.is_cancelled() {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(id) = heard.recv() => {
                hear(&mut alerts, &id, &off);
                continue;
            }
            () = stop.cancelled() => break,
        }
        let status = desk.status();
        for alert in alerts.on(&Look::of(&status), Instant::now()) {
            tell(alert, &mut off);
        }
        told.keep(Kept::of(&alerts, Instant::now(), unix()));
        // Off the air for a notice, the process lives on until the machine goes.
        if status.phase == Phase::Drained && !std::mem::replace(&mut ended, true) {
            tell(Alert::Drained { whole: true }, &mut off);
        }
    }
    if !ended {
        let look = Look::of(&desk.status());
        tell(Alert::Drained { whole: look.feeds.iter().all(|feed| feed.live.is_empty()) }, &mut off);
    }
    drop(targets);
    // What is taken in its last moment is not told again by the next process.
    let rest = async {
        while let Some(id) = heard.recv().await {
            hear(&mut alerts, &id, &off);
        }
    };
    let _ = timeout(LAST + LOOK, rest).await;
    told.settle(Kept::of(&alerts, Instant::now(), unix())).await;
}

fn unix() -> u64 {
    Timestamp::from(SystemTime::now()).unix()
}

/// The file with what was told of the air, and what lies there.
struct Told {
    path: PathBuf,
    written: Kept,
    /// One writer at most; while it hangs, nothing is written. What it has written.
    writing: JoinSet<Option<Kept>>,
}

impl Told {
    fn new(state: &Path) -> Self {
        Self { path: state.join("off-air.json"), written: Kept::default(), writing: JoinSet::new() }
    }

    async fn read(&mut self) {
        let path = self.path.clone();
        let read = spawn_blocking(move || serde_json::from_slice(&fs::read(path).ok()?).ok());
        // A state folder that hangs holds up no alert.
        let read = timeout(DISK, read).await.ok().and_then(Result::ok).flatten();
        self.written = read.unwrap_or_default();
    }

    /// Nobody waits for it. What could not be written is tried again at the next look.
    fn keep(&mut self, kept: Kept) {
        while let Some(done) = self.writing.try_join_next() {
            self.wrote(done);
        }
        if !self.writing.is_empty() || !kept.replaces(&self.written) {
            return;
        }
        let path = self.path.clone();
        self.writing.spawn_blocking(move || {
            let text = serde_json::to_vec(&kept).map_err(io::Error::from);
            match text.and_then(|text| file::replace(&path, &text)) {
                Ok(()) => Some(kept),
                Err(error) => {
                    tracing::debug!(%error, "what was told of the air cannot be kept");
                    None
                }
            }
        });
    }

    fn wrote(&mut self, done: Result<Option<Kept>, JoinError>) {
        if let Ok(Some(kept)) = done {
            self.written = kept;
        }
    }

    /// Keeps it, and waits for that as long as it may be waited for.
    async fn settle(mut self, kept: Kept) {
        let settle = async {
            while let Some(done) = self.writing.join_next().await {
                self.wrote(done);
            }
            self.keep(kept);
            while self.writing.join_next().await.is_some() {}
        };
        // A writer that hangs is left to the end of the process.
        let _ = timeout(DISK, settle).await;
    }
}

/// Where a webhook's address is kept.
struct Place {
    address: Address,
    secrets: Secrets,
    credentials: Option<PathBuf>,
}

impl task::Address for Place {
    async fn read(&self) -> Result<Secret, String> {
        match &self.address {
            Address::Url(url) => Ok(url.clone()),
            Address::Kept(KeySource::Secret { secret, field }) => {
                let address = self.secrets.address(secret, field.as_deref()).await;
                address.map_err(|error| error.to_string())
            }
            Address::Kept(source) => {
                let reading = read(source.clone(), self.credentials.clone());
                let late = || format!("reading it takes longer than {} s", DISK.as_secs());
                timeout(DISK, reading).await.map_err(|_| late()).flatten()
            }
        }
    }
}

async fn read(source: KeySource, credentials: Option<PathBuf>) -> Result<Secret, String> {
    let reading = spawn_blocking(move || key::address(&source, credentials.as_deref()));
    let read = reading.await.map_err(|_| "reading it failed".to_owned())?;
    read.map_err(|error| error.reason())
}
