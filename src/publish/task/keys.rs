//! The stream key as a destination gets it: it may come late, and it may change.
//!
//! A session takes the key that is there when it is opened, so a new one is taken up by the next
//! session and ends none. A session that may have been refused for its key asks for another look.

use crate::config::Secret;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// A destination's end. Clones are the same key.
#[derive(Clone, Debug)]
pub struct Keys {
    latest: watch::Receiver<Result<Secret, String>>,
    refused: Arc<Notify>,
}

/// The end of whoever looks after the key.
#[derive(Debug)]
pub struct Keeper {
    latest: watch::Sender<Result<Secret, String>>,
    refused: Arc<Notify>,
}

/// A key, or why there is none yet (a clause, without a secret), and its two ends.
pub fn keys(first: Result<Secret, String>) -> (Keeper, Keys) {
    let (send, latest) = watch::channel(first);
    let refused = Arc::new(Notify::new());
    (Keeper { latest: send, refused: refused.clone() }, Keys { latest, refused })
}

/// A key that stays what it is.
impl From<Secret> for Keys {
    fn from(key: Secret) -> Self {
        keys(Ok(key)).1
    }
}

impl Keeper {
    /// Hands over what is the key from now on; whether it is another than before.
    pub fn hand_over(&self, key: Secret) -> bool {
        self.latest.send_if_modified(|latest| {
            let news = latest.as_ref() != Ok(&key);
            *latest = Ok(key);
            news
        })
    }

    /// Says why there is no key, if there has never been one; an old one is better than none.
    pub fn excuse(&self, reason: String) {
        self.latest.send_if_modified(|latest| match latest {
            Err(old) if *old != reason => {
                *old = reason;
                true
            }
            _ => false,
        });
    }

    /// Waits until an ingest may have refused the key. Cancel-safe; refusals while nobody waited
    /// count once.
    pub async fn refused(&self) {
        self.refused.notified().await;
    }
}

impl Keys {
    /// The key of a session that is opened now; an empty one, which no ingest takes, if there never
    /// was any.
    pub(super) fn latest(&self) -> Secret {
        self.latest.borrow().as_ref().map_or_else(|_| Secret::new(""), Secret::clone)
    }

    /// Why there is no key.
    pub(super) fn lacking(&mut self) -> Option<String> {
        self.latest.borrow_and_update().as_ref().err().cloned()
    }

    /// Waits until the key is another, or the reason for its lack. Cancel-safe; for ever if nobody
    /// looks after it any more.
    pub(super) async fn changed(&mut self) {
        if self.latest.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// An ingest may have refused the key.
    pub(super) fn doubt(&self) {
        self.refused.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_old_key_is_better_than_none_and_the_same_is_no_news() {
        let (keeper, mut keys) = keys(Err("it was not read yet".into()));
        assert_eq!(keys.lacking().as_deref(), Some("it was not read yet"));
        keeper.excuse("access is denied".into());
        keys.changed().await;
        assert_eq!(keys.lacking().as_deref(), Some("access is denied"));
        assert!(keeper.hand_over(Secret::new("one")));
        assert!(!keeper.hand_over(Secret::new("one")));
        keeper.excuse("access is denied".into());
        assert_eq!((keys.lacking(), keys.latest().expose()), (None, "one"));
        assert!(keeper.hand_over(Secret::new("two")));
        assert_eq!(keys.latest().expose(), "two");
        keys.doubt();
        keys.doubt();
        keeper.refused().await;
        assert!(futures_util::FutureExt::now_or_never(keeper.refused()).is_none());
    }
}
