//! The renderer's end of an exchange with a bucket: what either tells the other.

use crate::media::{ContentHash, RenditionId};
use crate::render::exchange::There;
use crate::render::queue::{Known, Queue};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Renditions that came or went, which the renderer has not heard of yet.
pub(super) const CHANGES: usize = 64;

/// A rendition came to this machine or left it, other than by the renderer's hand.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// It lies here now.
    Here(Known),
    /// It was removed to make room.
    Gone(RenditionId),
}

/// What the renderer has and would like to have, the most urgent first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// Renditions of the library's tracks.
    pub(super) wanted: Vec<RenditionId>,
    /// Those of them that lie on this machine, and the standby card.
    pub(super) here: Vec<RenditionId>,
}

/// Whether a rendition lies in the bucket after all.
pub(super) type Looked = Pin<Box<dyn Future<Output = bool> + Send>>;
/// Looks whether it does, and tells everyone.
pub(super) type Look = dyn Fn(RenditionId) -> Looked + Send + Sync;

/// The renderer's end of an exchange.
pub struct Share {
    pub(super) there: watch::Receiver<Arc<There>>,
    pub(super) shown: watch::Sender<Arc<Shown>>,
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) look: Arc<Look>,
}

impl Share {
    /// Tells the exchange what is here and what would be of use, and the library, through `wants`,
    /// what is missing.
    pub(super) fn show(
        &self,
        queue: &Queue,
        standby: RenditionId,
        wants: &watch::Sender<Arc<[ContentHash]>>,
    ) {
        let wanted = queue.wanted();
        let here = wanted.iter().filter(|id| queue.knows(id)).cloned();
        let here = std::iter::once(standby).chain(here).collect();
        replace_if_other(&self.shown, Arc::new(Shown { wanted, here }));
        // Before the bucket has been looked at, nobody knows what is missing there.
        if self.there.borrow().listed {
            replace_if_other(wants, queue.wants());
        }
    }
}

/// What the exchange has to tell.
pub(super) enum News {
    There(Arc<There>),
    Change(Change),
}

/// Nothing if there is no exchange, or no longer one.
pub(super) async fn news(share: &mut Option<Share>) -> Option<News> {
    let share = share.as_mut()?;
    tokio::select! {
        changed = share.there.changed() => {
            changed.ok().map(|()| News::There(Arc::clone(&share.there.borrow_and_update())))
        }
        change = share.changes.recv() => change.map(News::Change),
    }
}

fn replace_if_other<T: PartialEq>(sender: &watch::Sender<T>, new: T) {
    sender.send_if_modified(|old| {
        let other = *old != new;
        *old = new;
        other
    });
}
