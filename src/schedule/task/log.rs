//! The schedule log over a store: pages numbered from 1, each written once.
//!
//! It is read from its end: the latest pages say what is on air now, and everything else is memory
//! for the rotation, which can come while the channel is on air. A store may be far away, so pages
//! are asked for several at a time.

use crate::media::Cell;
use crate::schedule::Schedule;
use crate::schedule::page::Page;
use crate::store::{self, PAGE, Put, Store};
use crate::telemetry::messages;
use futures_util::future::try_join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// The most pages that are read at a start: more than a day of music, and more than any shuffle
/// looks back.
const HISTORY: u64 = 400;
/// The most pages that are kept; what is older is removed. About a week of music.
const KEPT: u64 = 2_000;
/// Every so many pages the old ones are removed.
const PRUNE_EVERY: u64 = 50;
/// Pages that are asked for at once, at first: a bucket wants a connection for each …
const AT_ONCE: usize = 8;
/// … and twice as many each time, up to this, while they do not tell enough.
const MOST_AT_ONCE: usize = 32;
/// An answer of the store is waited for this long; a write that takes longer may still happen.
/// Nothing is decided meanwhile, so it is well below [`Rules::must`](crate::schedule::Rules::must).
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// Older pages that could not be read are asked for again this much later.
const RETRY: Duration = Duration::from_secs(5);
/// Removing old pages is given up after this; the next time goes on with them.
const PRUNING: Duration = Duration::from_secs(60);

/// The log of one profile.
pub struct Log<S> {
    pages: Pages<S>,
    next: u64,
    listed: bool,
    /// The last pages, until they tell what is on air.
    latest: Vec<Page>,
    /// The numbers of older pages, in order, that are not read yet.
    older: Vec<u64>,
    /// At most one reader of them.
    reading: JoinSet<Vec<Page>>,
    /// At most one who removes the oldest.
    pruning: JoinSet<()>,
    /// Called whenever the store has answered, or not in time: there may be much to ask for in a row.
    beat: Beat,
}

/// See [`Log::beat`].
pub type Beat = Box<dyn Fn() + Send + Sync>;

/// How an append ended.
pub enum Appended {
    /// The page stands.
    Written,
    /// Another node's page stands there; read on, and decide again.
    Lost,
}

impl<S: Store> Log<S> {
    /// The log in `folder` of the store.
    pub fn new(store: S, folder: String) -> Self {
        Self::of(Pages { store: Arc::new(store), folder: folder.into() })
    }

    /// The same log, of which nothing was read.
    pub fn anew(&self) -> Self {
        Self::of(self.pages.clone())
    }

    fn of(pages: Pages<S>) -> Self {
        Self {
            pages,
            next: 1,
            listed: false,
            latest: Vec::new(),
            older: Vec::new(),
            reading: JoinSet::new(),
            pruning: JoinSet::new(),
            beat: Box::new(|| ()),
        }
    }

    /// From now on `beat` is called at every step of what may take many.
    pub fn beats(&mut self, beat: Beat) {
        self.beat = beat;
    }

    /// A step has been taken.
    pub fn beat(&self) {
        (self.beat)();
    }

    /// The number of the page that comes next.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// The latest pages, in order, as many as it takes to know what is on air from `since` on. To be
    /// called until it succeeds once, before anything else; it goes on where it has failed.
    pub async fn load(&mut self, since: Cell) -> Result<Vec<Page>, store::Error> {
        patient(async {
            if !self.listed {
                if let Some((first, last)) = self.pages.ends().await? {
                    self.older = (first.max(last.saturating_sub(HISTORY - 1))..=last).collect();
                    self.next = last + 1;
                }
                self.listed = true;
            }
            // A page wins from its first cell on, so what is older says nothing about later cells.
            let tells = |page: &Page| page.entries.first().is_some_and(|first| first.start <= since);
            let mut at_once = AT_ONCE;
            while !self.older.is_empty() && !self.latest.iter().any(tells) {
                let kept = self.older.len().saturating_sub(at_once);
                let mut pages = self.pages.read_all(&self.older[kept..]).await?;
                pages.append(&mut self.latest);
                self.latest = pages;
                self.older.truncate(kept);
                at_once = (at_once * 2).min(MOST_AT_ONCE);
            }
            Ok(())
        })
        .await?;
        Ok(std::mem::take(&mut self.latest))
    }

    /// The pages before those that were loaded or given by this, a few at a time and as a schedule of
    /// their own; never ends when there are no more. Cancel-safe.
    pub async fn older(&mut self) -> Schedule {
        if self.reading.is_empty() {
            if self.older.is_empty() {
                return std::future::pending().await;
            }
            let kept = self.older.len().saturating_sub(AT_ONCE);
            let (pages, numbers) = (self.pages.clone(), self.older.split_off(kept));
            self.reading.spawn(async move { pages.read_until_it_works(numbers).await });
        }
        let pages = self.reading.join_next().await.and_then(Result::ok).unwrap_or_default();
        let mut schedule = Schedule::default();
        pages.iter().for_each(|page| schedule.apply(page));
        schedule
    }

    /// Whether [`Self::older`] has anything to give.
    pub fn has_older(&self) -> bool {
        !self.reading.is_empty() || !self.older.is_empty()
    }

    /// Pages that were written since the last look, by whomever; at most [`HISTORY`] at a time, and
    /// what comes within [`PATIENCE`]: a page that was read does not wait for the answer to the question
    /// after it.
    pub async fn read_on(&mut self) -> Result<Vec<Page>, store::Error> {
        let mut pages = Vec::new();
        let until = Instant::now() + PATIENCE;
        while (pages.len() as u64) < HISTORY {
            let page = patient_until(until, self.pages.get(self.next)).await;
            self.beat();
            match page {
                Ok(Some(page)) => {
                    self.next += 1;
                    pages.extend(page);
                }
                // What was read counts; the failure comes up again at the next look.
                Err(error) if pages.is_empty() => return Err(error),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(pages)
    }

    /// Writes `page`, whose number is [`Self::next_number`].
    pub async fn append(&mut self, page: &Page) -> Result<Appended, store::Error> {
        let key = self.pages.key(page.number);
        let put = patient(self.pages.store.put_if_absent(&key, page.to_bytes())).await;
        self.beat();
        let put = put?;
        if put == Put::Refused {
            return Ok(Appended::Lost);
        }
        self.next = page.number + 1;
        while self.pruning.try_join_next().is_some() {}
        if self.next.is_multiple_of(PRUNE_EVERY) && self.pruning.is_empty() {
            // It takes many requests, and the page that was written is to go on air.
            let (pages, next) = (self.pages.clone(), self.next);
            self.pruning.spawn(async move { drop(timeout(PRUNING, pages.prune(next)).await) });
        }
        Ok(Appended::Written)
    }
}

/// Where the pages lie.
struct Pages<S> {
    store: Arc<S>,
    folder: Arc<str>,
}

impl<S> Clone for Pages<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), folder: Arc::clone(&self.folder) }
    }
}

impl<S: Store> Pages<S> {
    /// The numbers of the first and the last page; none if there are no pages.
    ///
    /// A log of which nothing can be removed grows for ever, and a listing gives [`PAGE`] keys at a
    /// time. So the end is leapt for, twice as far each time, and then looked for between the last
    /// page that was found and where nothing follows.
    async fn ends(&self) -> Result<Option<(u64, u64)>, store::Error> {
        let found = self.after(0).await?;
        let (Some(&first), Some(&(mut last))) = (found.first(), found.last()) else { return Ok(None) };
        if found.len() < PAGE {
            return Ok(Some((first, last)));
        }
        // Where nothing follows, as far as that is known.
        let (mut leap, mut end) = (0, None);
        while end.is_none_or(|end| last < end) {
            let from = match end {
                None => {
                    let from = last.saturating_add(leap);
                    leap = (leap * 2).max(PAGE as u64);
                    from
                }
                Some(end) if end - last > PAGE as u64 => last + (end - last) / 2,
                Some(_) => last,
            };
            let found = self.after(from).await?;
            match found.last() {
                Some(&number) => {
                    last = number;
                    if found.len() < PAGE {
                        break;
                    }
                }
                None => end = Some(from),
            }
        }
        Ok(Some((first, last)))
    }

    /// Removes what is too old when the page `next` comes. Old pages are of no more use; that they stay
    /// for another while does no harm either.
    async fn prune(self, next: u64) {
        // The first keys are the oldest pages.
        let Ok(keys) = patient(self.store.list(&self.folder, "")).await else { return };
        let old = keys.iter().filter(|key| number(key).is_some_and(|n| n + KEPT < next));
        for key in old.take(PRUNE_EVERY as usize * 2) {
            if let Err(error) = patient(self.store.remove(key)).await {
                tracing::debug!(%error, "an old page of the schedule stays");
                return;
            }
        }
    }

    /// The numbers of the pages after this one: the first [`PAGE`] of them.
    async fn after(&self, page: u64) -> Result<Vec<u64>, store::Error> {
        let keys = self.store.list(&self.folder, &self.key(page)).await?;
        Ok(keys.iter().filter_map(|key| number(key)).collect())
    }

    /// `None`: there is no such page. `Some(None)`: there is one, and it is damaged.
    async fn get(&self, number: u64) -> Result<Option<Option<Page>>, store::Error> {
        let Some((bytes, _)) = self.store.get(&self.key(number)).await? else { return Ok(None) };
        let page = Page::parse(number, &bytes);
        Ok(Some(
            page.inspect_err(
                |error| tracing::warn!(message_id = messages::PAGE_PASSED_OVER, page = number, %error, "a page of the schedule is passed over"),
            )
            .ok(),
        ))
    }

    /// Those of the pages that are there and whole, in order.
    async fn read_all(&self, numbers: &[u64]) -> Result<Vec<Page>, store::Error> {
        let pages = try_join_all(numbers.iter().map(|number| self.get(*number))).await?;
        Ok(pages.into_iter().flatten().flatten().collect())
    }

    /// The same, again and again until it succeeds.
    async fn read_until_it_works(self, numbers: Vec<u64>) -> Vec<Page> {
        loop {
            match patient(self.read_all(&numbers)).await {
                Ok(pages) => return pages,
                Err(_) => sleep(RETRY).await,
            }
        }
    }

    fn key(&self, number: u64) -> String {
        format!("{}/{number:012}.json", self.folder)
    }
}

fn number(key: &str) -> Option<u64> {
    key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()
}

/// The store may take its time, but not for ever.
async fn patient<T>(work: impl Future<Output = Result<T, store::Error>>) -> Result<T, store::Error> {
    patient_until(Instant::now() + PATIENCE, work).await
}

async fn patient_until<T>(
    until: Instant,
    work: impl Future<Output = Result<T, store::Error>>,
) -> Result<T, store::Error> {
    let late = |_| {
        let reason = format!("no answer within {} s", PATIENCE.as_secs());
        store::Error::new(store::Kind::Unreachable, "reach", "the schedule's store", reason)
    };
    timeout_at(until, work).await.map_err(late)?
}
