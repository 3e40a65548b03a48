//! The gate between publishing and whoever says which ingests this node may use: permits come in,
//! and a session asks before it sends where it cannot know.

use crate::publish::permit::Permits;
use crate::publish::status::Role;
use std::future::pending;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

/// How long a session waits for an answer; then it goes on, since staying on the air comes before
/// exclusivity. A store answers in a tenth of that, and it is waited for while the session connects,
/// so that a failover is no slower for it.
pub const BOUND: Duration = Duration::from_millis(500);
/// A session that was not looked at for longer than this has stood still with its whole process,
/// and others may have acted on that. A busy machine is late by tenths of a second.
pub const STILL: Duration = Duration::from_secs(3);
/// Questions that may wait; there is one a session.
const ASKS: usize = 4;

/// The publisher's side.
#[derive(Clone, Debug)]
pub struct Gate {
    permits: watch::Receiver<Permits>,
    asks: Option<mpsc::Sender<Ask>>,
}

/// The other side.
#[derive(Debug)]
pub struct Keeper {
    /// What the publisher may do.
    pub permits: watch::Sender<Permits>,
    /// What its sessions ask.
    pub asks: mpsc::Receiver<Ask>,
}

/// Whether an ingest may be sent to now.
#[derive(Debug)]
pub struct Ask {
    /// Which.
    pub role: Role,
    /// Where to say so.
    pub reply: oneshot::Sender<bool>,
}

impl Gate {
    /// A gate that is always open: for a node that shares its ingests with no other.
    pub fn open() -> Self {
        Self { permits: watch::channel(Permits::ALL).1, asks: None }
    }

    /// A gate that is closed until its keeper opens it.
    pub fn kept() -> (Self, Keeper) {
        let (tell, permits) = watch::channel(Permits::default());
        let (ask, asks) = mpsc::channel(ASKS);
        (Self { permits, asks: Some(ask) }, Keeper { permits: tell, asks })
    }

    /// What may be done now.
    pub fn permits(&mut self) -> Permits {
        *self.permits.borrow_and_update()
    }

    /// Waits until that changes. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.permits.changed().await.is_err() {
            // Nobody keeps it any more: it stays as it is.
            pending::<()>().await;
        }
    }

    /// Whether the ingest may be sent to, as far as can be known by `until`. Cancel-safe.
    pub async fn ask(&self, role: Role, until: Instant) -> bool {
        let Some(asks) = &self.asks else { return true };
        let (reply, answer) = oneshot::channel();
        // A keeper that is gone, or too busy to listen, holds nobody up.
        if asks.try_send(Ask { role, reply }).is_err() {
            return true;
        }
        match timeout_at(until, answer).await {
            Ok(Ok(ours)) => ours,
            Ok(Err(_)) | Err(_) => true,
        }
    }
}
