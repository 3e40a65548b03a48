//! The stream keys: read at the start, and read again when an ingest may have refused one, or, from
//! Secrets Manager, every ten minutes.
//!
//! A key in a file or a credential is there or is an error of the configuration, and ends the start.
//! A key in Secrets Manager may be out of reach for a while, or denied until somebody mends a
//! policy: then the rest of the channel starts without it, its destination waits and says why, and
//! it goes on air when the key can be read.
//!
//! But for a restart: the key that an earlier process read is kept in memory ([`Vault`]), and serves
//! until the secret can be read again, whatever keeps it from being read. A channel that runs stays on
//! air with the key that is known, and a restart at night must not be what takes it off; a role that
//! has lost its rights is said as an error.

use super::{Error, Vault};
use crate::aws::{Aws, Secrets};
use crate::config::{Destination, KeySource, Secret};
use crate::host::key;
use crate::publish::task::keys::{Keeper, Keys, keys};
use crate::telemetry::messages;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::convert::Infallible;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// A secret is read again this often, give or take a fifth: a rotation is noticed before the old key
/// is refused, and a month of it costs three cents.
const REFRESH: Duration = Duration::from_secs(10 * 60);
/// The first pause after a failure, or after a refusal that brought the same key …
const SHORTEST: Duration = Duration::from_secs(1);
/// … which doubles up to this.
const LONGEST: Duration = Duration::from_secs(60);

/// How long the secret itself is waited for where there is a kept key.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it may take to put a key away for the next process. If that takes longer it goes on by itself.
const AWAY: Duration = Duration::from_secs(1);

/// Where keys come from.
#[derive(Clone, Debug)]
struct Sources {
    credentials: Option<PathBuf>,
    secrets: Secrets,
}

/// The keys of all destinations, and who looks after them.
pub(super) struct Round {
    sources: Sources,
    charges: Vec<Charge>,
    kept: watch::Sender<BTreeMap<String, String>>,
}

impl Round {
    /// Why destinations have the key that an earlier process read.
    pub(super) fn kept(&self) -> watch::Receiver<BTreeMap<String, String>> {
        self.kept.subscribe()
    }
}

struct Charge {
    destination: String,
    source: KeySource,
    keeper: Keeper,
    vault: Vault,
    kept: watch::Sender<BTreeMap<String, String>>,
}

/// Which key a destination has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// None.
    Nothing,
    /// One that an earlier process read.
    Kept,
    /// One that this process read.
    Read,
}

/// Why a key could not be read.
struct Trouble {
    reason: String,
    /// Nobody has to do anything.
    passes: bool,
}

/// The first keys, in the destinations' order. Those in Secrets Manager come later.
pub(super) fn first(
    destinations: &[Destination],
    credentials: Option<PathBuf>,
    aws: &Aws,
    vault: Vault,
) -> Result<(Vec<Keys>, Round), Error> {
    let (mut ends, mut charges) = (Vec::new(), Vec::new());
    let kept = watch::Sender::new(BTreeMap::new());
    for destination in destinations {
        let first = match &destination.key {
            KeySource::Secret { .. } => Err("the stream key is being asked for".to_owned()),
            source => Ok(key::read(source, credentials.as_deref())?),
        };
        let (keeper, end) = keys(first);
        let (destination, source) = (destination.name.clone(), destination.key.clone());
        charges.push(Charge { destination, source, keeper, vault: vault.clone(), kept: kept.clone() });
        ends.push(end);
    }
    vault.only(destinations.iter().map(|destination| &destination.key));
    Ok((ends, Round { sources: Sources { credentials, secrets: aws.secrets() }, charges, kept }))
}

/// Looks after the keys until `cancel`.
pub(super) async fn run(round: Round, cancel: CancellationToken) -> Result<(), Infallible> {
    let Round { sources, charges, .. } = round;
    let all = futures_util::future::join_all(charges.into_iter().map(|charge| charge.keep(sources.clone())));
    tokio::select! {
        _ = all => Ok(()),
        () = cancel.cancelled() => Ok(()),
    }
}

impl Charge {
    async fn keep(self, sources: Sources) -> Infallible {
        let secret = matches!(self.source, KeySource::Secret { .. });
        let mut times = Times::new(secret, Instant::now(), RandomState::new().hash_one(&self.destination));
        let mut known = if secret { Known::Nothing } else { Known::Read };
        let (mut kept, mut trouble) = (self.vault.known(&self.source), None);
        loop {
            let due = async {
                match times.due() {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.keeper.refused() => {
                    times.refused();
                    continue;
                }
            }
            let mut reading = std::pin::pin!(sources.read(&self.source));
            let read = match kept.take() {
                None => reading.await,
                Some(key) => {
                    let soon = timeout(PATIENCE, reading.as_mut()).await;
                    if !matches!(soon, Ok(Ok(_))) {
                        self.keeper.hand_over(key);
                        known = Known::Kept;
                    }
                    match soon {
                        Ok(read) => read,
                        Err(_) => reading.await,
                    }
                }
            };
            match read {
                Ok(key) => {
                    let news = self.keeper.hand_over(key.clone());
                    let (vault, source) = (self.vault.clone(), self.source.clone());
                    let _ = timeout(AWAY, spawn_blocking(move || vault.keep(&source, &key))).await;
                    times.read(Instant::now(), news);
                    self.tell_read(known, news, trouble.take().is_some());
                    known = Known::Read;
                    self.kept.send_if_modified(|kept| kept.remove(&self.destination).is_some());
                }
                Err(Trouble { reason, passes }) => {
                    times.failed(Instant::now());
                    if trouble.as_ref() != Some(&reason) {
                        self.tell_failed(known, passes, &reason);
                        self.keeper.excuse(reason.clone());
                        if known == Known::Kept {
                            self.kept.send_modify(|kept| {
                                kept.insert(self.destination.clone(), reason.clone());
                            });
                        }
                        trouble = Some(reason);
                    }
                }
            }
        }
    }

    fn tell_read(&self, known: Known, news: bool, mended: bool) {
        let destination = &self.destination;
        match (known, news) {
            (Known::Kept | Known::Read, true) => {
                tracing::info!(
                    message_id = messages::KEY_CHANGED,
                    destination,
                    "the stream key has changed; the next session takes the new one"
                )
            }
            (_, _) if mended => {
                tracing::info!(
                    message_id = messages::KEY_BACK,
                    destination,
                    "the stream key can be read again"
                )
            }
            _ => tracing::debug!(destination, "the stream key was read"),
        }
    }

    /// Said once for each reason.
    fn tell_failed(&self, known: Known, passes: bool, reason: &str) {
        let destination = &self.destination;
        match (known, passes) {
            (Known::Read, _) => {
                tracing::warn!(
                    message_id = messages::KEY_STALE,
                    destination,
                    reason,
                    "the stream key cannot be read again; the one that is known stays"
                )
            }
            (Known::Kept, true) => {
                tracing::warn!(
                    message_id = messages::KEY_KEPT,
                    destination,
                    reason,
                    "the stream key cannot be reached, and the one of before the restart serves; trying on"
                )
            }
            (Known::Kept, false) => {
                tracing::error!(
                    message_id = messages::KEY_LOST,
                    destination,
                    reason,
                    "the stream key can be read no more until someone changes something, and the one of before the restart serves; trying on"
                )
            }
            (Known::Nothing, true) => {
                tracing::warn!(
                    message_id = messages::KEY_AWAITED,
                    destination,
                    reason,
                    "the stream key cannot be reached, and the destination waits for it; trying on"
                )
            }
            (Known::Nothing, false) => {
                tracing::error!(
                    message_id = messages::KEY_MISSING,
                    destination,
                    reason,
                    "there is no stream key until someone changes something, and the destination waits for it; trying on"
                )
            }
        }
    }
}

impl Sources {
    async fn read(&self, source: &KeySource) -> Result<Secret, Trouble> {
        if let KeySource::Secret { secret, field } = source {
            let read = self.secrets.key(secret, field.as_deref()).await;
            return read.map_err(|error| Trouble { passes: error.passes(), reason: error.to_string() });
        }
        let (source, credentials) = (source.clone(), self.credentials.clone());
        let read = spawn_blocking(move || key::read(&source, credentials.as_deref())).await;
        let trouble = |reason: String| Trouble {
            // Its hint is for who starts the daemon by hand.
            reason: reason.lines().next().unwrap_or_default().to_owned(),
            passes: false,
        };
        match read {
            Ok(read) => read.map_err(|error| trouble(error.to_string())),
            Err(error) => Err(trouble(error.to_string())),
        }
    }
}

/// When a key is read next. Pure.
#[derive(Clone, Debug)]
struct Times {
    due: Option<Instant>,
    /// Whether it changes without anybody telling us.
    secret: bool,
    /// What the next hurried reading has to wait for, …
    earliest: Instant,
    /// … and by how much that grows.
    pause: Duration,
    random: u64,
}

impl Times {
    fn new(secret: bool, now: Instant, random: u64) -> Self {
        Self { due: secret.then_some(now), secret, earliest: now, pause: SHORTEST, random }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It was read; whether it is another than before.
    fn read(&mut self, now: Instant, news: bool) {
        let factor = 0.8 + 0.4 * self.roll();
        self.due = self.secret.then(|| now + REFRESH.mul_f64(factor));
        self.pause = if news { SHORTEST } else { (self.pause * 2).min(LONGEST) };
        self.earliest = now + self.pause;
    }

    /// It could not be read.
    fn failed(&mut self, now: Instant) {
        let factor = 0.5 + 0.5 * self.roll();
        self.earliest = now + self.pause.mul_f64(factor);
        self.due = Some(self.earliest);
        self.pause = (self.pause * 2).min(LONGEST);
    }

    /// An ingest may have refused it.
    fn refused(&mut self) {
        self.due = Some(self.due.map_or(self.earliest, |due| due.min(self.earliest)));
    }

    /// From 0 to 1: enough to keep a thousand nodes from asking in the same second.
    fn roll(&mut self) -> f64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_is_read_again_after_a_refusal_only() {
        let now = Instant::now();
        let mut times = Times::new(false, now, 1);
        assert_eq!(times.due(), None);
        times.refused();
        assert_eq!(times.due(), Some(now), "at once");
        times.read(now, false);
        assert_eq!(times.due(), None);
        times.refused();
        assert_eq!(times.due(), Some(now + 2 * SHORTEST), "but not again and again");
    }

    proptest! {
        #[test]
        fn a_secret_is_always_read_again_and_never_in_haste(
            events in prop::collection::vec((0..4u8, 0..100_000u64), 1..60),
            random: u64,
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut times = Times::new(true, start, random);
            let mut last: Option<(Instant, bool)> = None;
            for (event, wait) in events {
                let due = times.due().expect("a secret is always read again");
                prop_assert!(due <= now + REFRESH.mul_f64(1.2));
                if let Some((last, news)) = last {
                    let least = if news { SHORTEST } else { SHORTEST / 2 };
                    prop_assert!(due >= last + least, "{:?}", due - last);
                }
                if event == 0 {
                    times.refused();
                    continue;
                }
                now = due.max(now) + Duration::from_millis(wait);
                match event {
                    1 => times.read(now, true),
                    2 => times.read(now, false),
                    _ => times.failed(now),
                }
                last = Some((now, event == 1));
            }
        }
    }
}
