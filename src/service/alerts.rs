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
use crate::telemetry::alert::{Alert, Alerts, Look};
use crate::telemetry::messages;
use crate::telemetry::webhook::Post;
use crate::telemetry::webhook::task::{self, ON_THE_WAY, Target};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Between two looks: a notice is told within this and the time that a request takes.
const LOOK: Duration = Duration::from_secs(1);
/// A secret that cannot be read is asked for again after this.
const AGAIN: Duration = Duration::from_secs(30);
/// How long the state folder may take; it is small and was used a moment ago.
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
    for webhook in webhooks.iter().cloned() {
        let (sender, posts) = mpsc::channel(ON_THE_WAY);
        senders.push(sender);
        let (secrets, credentials, stop) = (aws.secrets(), credentials.clone(), stop.clone());
        feed(stages, "webhook", async move {
            let found = stop.run_until_cancelled(find(webhook, secrets, credentials)).await;
            if let Some(Some((target, client))) = found {
                task::run(target, client, posts, stop).await;
            }
        });
    }
    if !senders.is_empty() || soon_is_wanted(&soon) {
        feed(stages, "alerts", watch(desk.clone(), Told::new(state), senders, soon, stop.clone()));
    }
}

/// Somebody else holds the other end.
fn soon_is_wanted(soon: &Arc<Notify>) -> bool {
    Arc::strong_count(soon) > 1
}

async fn watch(
    desk: Desk,
    told: Told,
    targets: Vec<mpsc::Sender<Post>>,
    soon: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut number = 0;
    let started = Timestamp::from(SystemTime::now()).unix();
    let mut tell = |alert: Alert| {
        if matches!(alert, Alert::Notice { .. }) {
            soon.notify_one();
        }
        number += 1;
        let post = Post {
            id: format!("{}-{started}-{number}", desk.node),
            event: alert.event(),
            channel: desk.channel.clone(),
            node: desk.node.clone(),
            time: SystemTime::now().into(),
            alert,
        };
        for target in &targets {
            // A target whose address is not known yet, or which is gone, has no room: it is told
            // the next thing.
            let _ = target.try_send(post.clone());
        }
    };
    let mut off = told.read().await;
    let mut alerts = Alerts::new(&Look::of(&desk.status()), Instant::now()).recalling(&off);
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended = false;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let status = desk.status();
        alerts.on(&Look::of(&status), Instant::now()).into_iter().for_each(&mut tell);
        let now = alerts.off(Instant::now());
        if !now.keys().eq(off.keys()) {
            told.write(&now);
            off = now;
        }
        // Off the air for a notice, the process lives on until the machine goes.
        if status.phase == Phase::Drained && !std::mem::replace(&mut ended, true) {
            tell(Alert::Drained { whole: true });
        }
    }
    if !ended {
        let look = Look::of(&desk.status());
        tell(Alert::Drained { whole: look.feeds.iter().all(|feed| feed.live.is_empty()) });
    }
}

/// Which destinations were told to be off air, for the process after this one: whoever was told is told
/// as well when they are back. Losing it costs that, and nothing else.
#[derive(Clone)]
struct Told(PathBuf);

#[derive(Default, Serialize, Deserialize)]
struct Off {
    /// By name, since when in Unix seconds.
    since: BTreeMap<String, u64>,
}

impl Told {
    fn new(state: &Path) -> Self {
        Self(state.join("off-air.json"))
    }

    /// By name, and for how many seconds.
    async fn read(&self) -> BTreeMap<String, u64> {
        let path = self.0.clone();
        let read = spawn_blocking(move || serde_json::from_slice(&fs::read(path).ok()?).ok());
        // A state folder that hangs holds up no alert.
        let read: Option<Off> = timeout(DISK, read).await.ok().and_then(Result::ok).flatten();
        let now = Timestamp::from(SystemTime::now()).unix();
        let since = read.unwrap_or_default().since.into_iter();
        since.map(|(name, since)| (name, now.saturating_sub(since))).collect()
    }

    /// Nobody waits for it.
    fn write(&self, off: &BTreeMap<String, u64>) {
        let now = Timestamp::from(SystemTime::now()).unix();
        let since = off.iter().map(|(name, seconds)| (name.clone(), now.saturating_sub(*seconds))).collect();
        let (path, off) = (self.0.clone(), Off { since });
        let write = move || file::replace(&path, &serde_json::to_vec(&off)?);
        spawn_blocking(move || {
            if let Err(error) = write() {
                tracing::debug!(%error, "what was told of the air cannot be kept");
            }
        });
    }
}

/// The webhook with its address; none if that is wrong, and said.
async fn find(webhook: Webhook, secrets: Secrets, credentials: Option<PathBuf>) -> Option<(Target, Client)> {
    let Webhook { name, address, kind } = webhook;
    let mut told = false;
    let url = loop {
        let (error, passes) = match &address {
            Address::Url(url) => break url.clone(),
            Address::Kept(KeySource::Secret { secret, field }) => {
                match secrets.address(secret, field.as_deref()).await {
                    Ok(url) => break url,
                    Err(error) => (error.to_string(), true),
                }
            }
            Address::Kept(source) => match read(source.clone(), credentials.clone()).await {
                Ok(url) => break url,
                Err(error) => (error, false),
            },
        };
        if !std::mem::replace(&mut told, true) {
            tracing::error!(
                message_id = messages::WEBHOOK_KEY,
                webhook = name,
                error,
                "a webhook's address cannot be read, and it gets no alerts"
            );
        }
        if !passes {
            return None;
        }
        sleep(AGAIN).await;
    };
    // Reading the system's certificates takes some milliseconds.
    let client = spawn_blocking(task::client).await.ok()?.ok()?;
    Some((Target { name, url, kind }, client))
}

async fn read(source: KeySource, credentials: Option<PathBuf>) -> Result<Secret, String> {
    let reading = spawn_blocking(move || key::address(&source, credentials.as_deref()));
    let read = reading.await.map_err(|_| "reading it failed".to_owned())?;
    let cannot =
        |path: &Path, why: &dyn std::fmt::Display| format!("{} cannot be read: {why}", path.display());
    read.map_err(|error| match &error {
        key::Error::Read { path, source } => cannot(path, source),
        key::Error::Unfit { path, reason } => format!("the first line of {} {reason}", path.display()),
        key::Error::NoCredentials(name) => format!("the credential {name:?} was not handed over"),
        key::Error::Elsewhere(name) => format!("the secret {name:?} is in no file"),
    })
}
