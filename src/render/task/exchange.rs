//! Shares renditions with other nodes through the bucket: looks at what lies there, gives what was
//! rendered here, and fetches what is needed here.
//!
//! Fetching is for whoever opens a rendition, and waits for nothing else. Looking and giving go on
//! in a task of their own, one request after the other, so that they are never in the way of air.
//! The renderer hears of both through [`Share`].

mod fetch;
mod give;
mod known;
mod look;
#[cfg(test)]
mod tests;

use super::disk::{Places, Work};
use super::settings::Settings;
use super::share::{CHANGES, Change, Looked, Share, Shown};
use super::workshop::blocking;
use crate::media::{ContentHash, RenditionId};
use crate::render::Unopened;
use crate::render::exchange::{self, Sealed, There, Unfit, description};
use crate::render::profile::Profile;
use crate::store::{self, Objects, Store};
use crate::telemetry::messages;
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How often the bucket is looked at. Listing costs money: a look a minute is 0.20 US$ a month …
const LOOK: Duration = Duration::from_secs(60);
/// … for every thousand objects, so that more of them are looked at less often.
const OBJECTS: usize = 1000;
/// A look is given up when a page of it takes longer than this.
const LOOKING: Duration = Duration::from_secs(60);
/// The pause after the first failure; it doubles up to [`LOOK`] times five.
const AGAIN: Duration = Duration::from_secs(5);
/// Descriptions that are read at a time.
const AT_ONCE: usize = 8;
/// A description is about a kilobyte; it is waited for this long.
const DESCRIPTION: Duration = Duration::from_secs(3);
/// Before the card is rendered, the bucket's is waited for this long.
const CARD: Duration = Duration::from_secs(3);

/// An exchange with one bucket. Clones share everything.
pub struct Exchange<B> {
    inner: Arc<Inner<B>>,
}

impl<B> Clone for Exchange<B> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

struct Inner<B> {
    bucket: B,
    profile: Profile,
    places: Places,
    keep_free: u64,
    in_use: watch::Receiver<Arc<HashSet<RenditionId>>>,
    shown: watch::Receiver<Arc<Shown>>,
    there: watch::Sender<Arc<There>>,
    changes: mpsc::Sender<Change>,
    /// Of this node's standby card: what every rendition's must be.
    headers: Mutex<Option<ContentHash>>,
    /// Where what is fetched lies until it is whole.
    work: Mutex<Option<Arc<Work>>>,
}

impl<B: Store + Objects> Exchange<B> {
    /// Of the renditions that `settings` are about, with `bucket`.
    pub fn new(bucket: B, settings: &Settings) -> (Self, Share) {
        let (there_tx, there) = watch::channel(Arc::default());
        let (shown, shown_rx) = watch::channel(Arc::default());
        let (changes_tx, changes) = mpsc::channel(CHANGES);
        let exchange = Self {
            inner: Arc::new(Inner {
                bucket,
                profile: Profile::new(&settings.video, &settings.audio),
                places: Places::below(&settings.cache),
                keep_free: settings.keep_free,
                in_use: settings.in_use.clone(),
                shown: shown_rx,
                there: there_tx,
                changes: changes_tx,
                headers: Mutex::default(),
                work: Mutex::default(),
            }),
        };
        let looker = exchange.clone();
        let look = Arc::new(move |id| -> Looked {
            let looker = looker.clone();
            Box::pin(async move { matches!(looker.describe(&id).await, Ok(Some(_))) })
        });
        (exchange, Share { there, shown, changes, look })
    }

    /// Fetches the standby card if it is not here and the bucket gives it at once. That there is
    /// none, and whatever goes wrong, is for the renderer to make good.
    pub async fn bring_card(&self) {
        let id = self.inner.profile.standby();
        let folder = self.inner.places.renditions.join(id.as_str());
        if blocking(move || folder.exists()).await {
            return;
        }
        match timeout(CARD, self.fetch(&id)).await {
            Ok(Ok(())) => tracing::debug!("the standby card came from the bucket"),
            Ok(Err(error)) => tracing::debug!(%error, "the standby card does not come from the bucket"),
            Err(_) => tracing::debug!("the bucket does not give the standby card in time"),
        }
    }

    /// What lies in the bucket, and what is wrong with it.
    pub fn there(&self) -> watch::Receiver<Arc<There>> {
        self.inner.there.subscribe()
    }

    /// From now on only renditions with these codec headers are taken.
    pub fn set_standby(&self, standby: &crate::media::Rendition) {
        let headers = exchange::headers(&standby.audio.header, &standby.video.header);
        *self.inner.headers.lock().expect("never poisoned") = Some(headers);
    }

    /// Fetches a rendition, so that it lies here and can be opened.
    ///
    /// # Errors
    /// [`Unopened::Away`] if the bucket or the disk does not do its part now; [`Unopened::Broken`] if
    /// there is no such rendition, or none that can be used.
    pub async fn fetch(&self, id: &RenditionId) -> Result<(), Unopened> {
        fetch::fetch(&self.inner, id).await
    }

    /// Looks and gives until it is cancelled.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), std::convert::Infallible> {
        tokio::select! {
            () = cancel.cancelled() => Ok(()),
            never = self.serve() => match never {},
        }
    }

    async fn serve(self) -> std::convert::Infallible {
        let mut shown = self.inner.shown.clone();
        self.recall().await;
        let (mut look_at, mut give_at) = (Instant::now(), Instant::now());
        let (mut looks_failed, mut gifts_failed) = (0, 0);
        let mut unreadable = HashSet::new();
        loop {
            let now = Instant::now();
            if now >= look_at {
                let looked = self.look().await;
                look_at = Instant::now() + looked.unwrap_or_else(|| again(&mut looks_failed));
                if looked.is_some() {
                    looks_failed = 0;
                }
            }
            shown.mark_unchanged();
            let read_all = self.read_descriptions().await;
            let mut next = look_at;
            if now >= give_at {
                let here = shown.borrow().here.clone();
                match give::give_one(&self.inner, &here, &mut unreadable).await {
                    // Perhaps there is more; but what came up meanwhile comes first.
                    Ok(more) => {
                        if std::mem::take(&mut gifts_failed) > 0 {
                            self.inner.update(|there| there.ungiven = None);
                        }
                        if more {
                            continue;
                        }
                    }
                    Err(error) => {
                        if gifts_failed == 0 {
                            tracing::warn!(
                                message_id = messages::RENDITION_UNSHARED, %error,
                                "a rendition cannot be given to the bucket; it will be tried again"
                            );
                        }
                        self.inner.update(|there| there.ungiven = Some(error));
                        give_at = Instant::now() + again(&mut gifts_failed);
                    }
                }
            }
            if gifts_failed > 0 {
                next = next.min(give_at);
            }
            if !read_all {
                next = next.min(Instant::now() + AGAIN);
            }
            tokio::select! {
                () = sleep_until(next) => {}
                Ok(()) = shown.changed() => {}
            }
        }
    }

    /// Reads the descriptions of what is wanted, as many as there are. Whether none has failed.
    async fn read_descriptions(&self) -> bool {
        let mut news = Vec::new();
        let read_all = loop {
            let wanted = self.inner.shown.borrow().wanted.clone();
            let unread: Vec<RenditionId> =
                self.inner.there.borrow().unread(&wanted, AT_ONCE).into_iter().cloned().collect();
            if unread.is_empty() {
                break true;
            }
            let mut reading = JoinSet::new();
            for id in unread {
                let inner = Arc::clone(&self.inner);
                reading.spawn(async move { (inner.read(&id).await, id) });
            }
            let read = reading.join_all().await;
            let failed = read.iter().any(|(read, _)| read.is_err());
            let read: Vec<_> = read.into_iter().filter_map(|(read, id)| Some((read.ok()?, id))).collect();
            self.inner.update(|there| read.iter().for_each(|(read, id)| on_read(there, id, read)));
            for (read, id) in read {
                match read {
                    Some(Ok(sealed)) => news.push(sealed),
                    Some(Err(error)) => tracing::warn!(
                        message_id = messages::RENDITION_UNFIT, rendition = %id, %error,
                        "a rendition in the bucket is of no use here"
                    ),
                    None => {}
                }
            }
            if failed {
                break false;
            }
        };
        self.keep(news).await;
        read_all
    }

    /// Reads one description now, and tells everyone.
    async fn describe(&self, id: &RenditionId) -> Result<Option<Sealed>, store::Error> {
        let read = self.inner.read(id).await?;
        self.inner.update(|there| on_read(there, id, &read));
        Ok(read.and_then(Result::ok))
    }
}

impl<B: Store + Objects> Inner<B> {
    /// `None`: there is none.
    async fn read(&self, id: &RenditionId) -> Result<Option<Result<Sealed, Unfit>>, store::Error> {
        let key = description(id);
        let late = |_| store::Error::new(store::Kind::Unreachable, "read", &key, "no answer in time");
        let got = timeout(DESCRIPTION, self.bucket.get(&key)).await.map_err(late)??;
        let headers = self.headers.lock().expect("never poisoned").clone();
        Ok(got.map(|(json, _)| Sealed::parse(id, self.profile.id(), headers.as_ref(), &json)))
    }

    fn update(&self, change: impl FnOnce(&mut There)) {
        self.there.send_modify(|there| change(Arc::make_mut(there)));
    }

    /// Where what is fetched is put together.
    fn work(&self) -> io::Result<Arc<Work>> {
        let mut work = self.work.lock().expect("never poisoned");
        // The cache may be cleared under a stage that runs.
        if let Some(work) = work.as_ref().filter(|work| work.place("").exists()) {
            return Ok(Arc::clone(work));
        }
        std::fs::create_dir_all(&self.places.renditions)?;
        Ok(Arc::clone(work.insert(Arc::new(Work::new(&self.places.renditions)?))))
    }
}

fn on_read(there: &mut There, id: &RenditionId, read: &Option<Result<Sealed, Unfit>>) {
    match read {
        Some(Ok(sealed)) => there.on_description(id, Ok(sealed)),
        Some(Err(unfit)) => there.on_description(id, Err(*unfit)),
        None => there.on_absence(id),
    }
}

/// The pause after another failure.
fn again(failures: &mut u32) -> Duration {
    let pause = (AGAIN * (1 << (*failures).min(6))).min(LOOK * 5);
    *failures += 1;
    pause
}
