//! When the Auto Scaling group of this machine is told that it need not wait any longer: when every
//! destination gets the stream, and when this node has left the air for good.

use crate::aws::Aws;
use crate::aws::lifecycle::{Moment, complete};
use crate::publish::DestinationStatus;
use std::convert::Infallible;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Until `stop`. `left` is cancelled when this node has left the air.
pub(super) async fn run(
    aws: Aws,
    instance: String,
    destinations: Vec<watch::Receiver<DestinationStatus>>,
    left: CancellationToken,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let tell = async {
        let up = async {
            for mut destination in destinations {
                // A publisher that is gone is nobody to wait for.
                let _ = destination.wait_for(DestinationStatus::live).await;
            }
            complete(&aws, &instance, Moment::Launching).await;
            std::future::pending::<()>().await
        };
        tokio::select! {
            () = left.cancelled() => {}
            () = up => {}
        }
        complete(&aws, &instance, Moment::Terminating).await;
    };
    stop.run_until_cancelled(tell).await;
    Ok(())
}
