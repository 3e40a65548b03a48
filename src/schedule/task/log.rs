//! The schedule log over a store: pages numbered from 1, each written once.

use crate::schedule::page::Page;
use crate::store::{self, Put, Store};
use crate::telemetry::messages;
use std::time::Duration;

/// The most pages that are read at a start: more than a day of music, and more than any shuffle
/// looks back.
const HISTORY: usize = 400;
/// The most pages that are kept; what is older is removed. About a week of music.
const KEPT: u64 = 2_000;
/// Every so many pages the old ones are removed.
const PRUNE_EVERY: u64 = 50;
/// An answer of the store is waited for this long; a write that takes longer may still happen.
/// Nothing is decided meanwhile, so it is well below [`Rules::must`](crate::schedule::Rules::must).
const PATIENCE: Duration = Duration::from_secs(3);

/// The log of one profile.
pub struct Log<S> {
    store: S,
    folder: String,
    next: u64,
}

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
        Self { store, folder, next: 1 }
    }

    /// The number of the page that comes next.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// The latest pages, in order. To be called until it succeeds once, before anything else.
    pub async fn load(&mut self) -> Result<Vec<Page>, store::Error> {
        let keys = patient(self.store.list(&self.folder)).await?;
        let numbers: Vec<u64> = keys.iter().filter_map(|key| number(key)).collect();
        let mut pages = Vec::new();
        for number in numbers.iter().copied().skip(numbers.len().saturating_sub(HISTORY)) {
            pages.extend(self.read(number).await?.flatten());
        }
        self.next = numbers.last().map_or(1, |last| last + 1);
        Ok(pages)
    }

    /// Pages that were written since the last look, by whomever; at most [`HISTORY`] at a time.
    pub async fn read_on(&mut self) -> Result<Vec<Page>, store::Error> {
        let mut pages = Vec::new();
        while pages.len() < HISTORY {
            match self.read(self.next).await {
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
        let put = patient(self.store.put_if_absent(&self.key(page.number), page.to_bytes())).await?;
        if put == Put::Refused {
            return Ok(Appended::Lost);
        }
        self.next = page.number + 1;
        if self.next.is_multiple_of(PRUNE_EVERY) {
            self.prune().await;
        }
        Ok(Appended::Written)
    }

    /// `None`: there is no such page. `Some(None)`: there is one, and it is damaged.
    async fn read(&self, number: u64) -> Result<Option<Option<Page>>, store::Error> {
        let Some((bytes, _)) = patient(self.store.get(&self.key(number))).await? else { return Ok(None) };
        let page = Page::parse(number, &bytes);
        Ok(Some(
            page.inspect_err(
                |error| tracing::warn!(message_id = messages::PAGE_PASSED_OVER, page = number, %error, "a page of the schedule is passed over"),
            )
            .ok(),
        ))
    }

    /// Old pages are of no more use; that they stay for another while does no harm either.
    async fn prune(&self) {
        let Ok(keys) = patient(self.store.list(&self.folder)).await else { return };
        let old = keys.iter().filter(|key| number(key).is_some_and(|n| n + KEPT < self.next));
        for key in old.take(PRUNE_EVERY as usize * 2) {
            if let Err(error) = patient(self.store.remove(key)).await {
                tracing::debug!(%error, "an old page of the schedule stays");
                return;
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
    let late = |_| {
        let reason = format!("no answer within {} s", PATIENCE.as_secs());
        store::Error::new(store::Kind::Unreachable, "reach", "the schedule's store", reason)
    };
    tokio::time::timeout(PATIENCE, work).await.map_err(late)?
}
