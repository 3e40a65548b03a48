//! When the Auto Scaling group of this machine is told that it need not wait any longer: when every
//! destination is served, and when this node has left the air for good.

use crate::aws::Aws;
use crate::aws::lifecycle::{self, AGAIN, Moment};
use crate::handover::{Phase, View};
use crate::host::Imds;
use crate::host::interruption::{Outlook, Service};
use crate::publish::{DestinationStatus, IngestState};
use std::convert::Infallible;
use std::future::pending;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Who this machine is to its group, which may come to be known late.
pub(super) struct Who {
    /// What this node is called.
    pub(super) node: String,
    /// Who knows the instance's id where that is something else.
    pub(super) metadata: Option<Imds>,
    /// How that is.
    pub(super) outlook: watch::Receiver<Outlook>,
}

/// A destination, and where this node is with its slots, if there are any.
pub(super) struct Charge {
    pub(super) status: watch::Receiver<DestinationStatus>,
    pub(super) view: Option<watch::Receiver<View>>,
}

/// Until `stop`. `left` is cancelled when this node has left the air.
pub(super) async fn run(
    aws: Aws,
    who: Who,
    mut charges: Vec<Charge>,
    left: CancellationToken,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let tell = async {
        let instance = who.instance().await;
        let up = async {
            all_served(&mut charges).await;
            lifecycle::complete(&aws, &instance, Moment::Launching).await;
            pending::<()>().await
        };
        tokio::select! {
            () = left.cancelled() => {}
            () = up => {}
        }
        lifecycle::complete(&aws, &instance, Moment::Terminating).await;
    };
    stop.run_until_cancelled(tell).await;
    Ok(())
}

impl Who {
    /// The instance's id, when it is known: a metadata service that nobody was sure of may have
    /// begun to answer after the node had to have a name.
    async fn instance(mut self) -> String {
        if is_instance(&self.node) {
            return self.node;
        }
        let Some(mut metadata) = self.metadata else { return pending().await };
        loop {
            let answers = |outlook: &Outlook| outlook.service == Service::Answers;
            if self.outlook.wait_for(answers).await.is_err() {
                return pending().await;
            }
            match metadata.identity().await {
                Ok(Some(identity)) => return identity.instance_id,
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "it is not known yet which instance this is"),
            }
            sleep(AGAIN).await;
        }
    }
}

/// An instance's name in its network may be its id with a domain, which no group knows it by.
fn is_instance(node: &str) -> bool {
    let id = node.strip_prefix("i-").unwrap_or_default();
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Charge {
    /// Whether a predecessor is not needed for it, from when on its changes are news.
    fn served(&mut self) -> bool {
        let stands_by =
            self.view.as_mut().is_some_and(|view| view.borrow_and_update().phase == Phase::StandingBy);
        served(&self.status.borrow_and_update(), stands_by)
    }

    async fn changed(&mut self) {
        let view = async {
            match &mut self.view {
                Some(view) => view.changed().await,
                None => pending().await,
            }
        };
        let changed = tokio::select! {
            changed = self.status.changed() => changed,
            changed = view => changed,
        };
        // A task that is gone changes nothing any more; that ends the process.
        if changed.is_err() {
            pending::<()>().await;
        }
    }
}

/// Whether a destination gets the stream from this node; or from others, and from this one as soon
/// as one of them goes. An ingest that waits has no key, or failed the last time, so who stands by
/// with one of these is not ready to follow anybody.
fn served(status: &DestinationStatus, stands_by: bool) -> bool {
    let waits = status.ingests.iter().any(|ingest| ingest.state == IngestState::Waiting);
    status.live() || (stands_by && !waits)
}

/// Waits until all are served at the same time. Cancel-safe.
async fn all_served(charges: &mut [Charge]) {
    while let Some(charge) = charges.iter_mut().find_map(|charge| (!charge.served()).then_some(charge)) {
        charge.changed().await;
    }
}

#[cfg(test)]
mod tests;
