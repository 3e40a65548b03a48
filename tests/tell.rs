//! What the daemon tells without being asked, over real sockets: its log to a journal, its metrics
//! to Prometheus and CloudWatch, and alerts to webhooks.

mod rig;

#[path = "tell/cbor.rs"]
mod cbor;
#[path = "tell/cloudwatch.rs"]
mod cloudwatch;
#[path = "tell/journal.rs"]
mod journal;
#[path = "tell/judge.rs"]
mod judge;
#[path = "tell/metrics.rs"]
mod metrics;
#[path = "tell/webhook.rs"]
mod webhook;

use std::time::Duration;

/// How long something may take that takes a moment, on a machine that does other things, too.
const SOON: Duration = Duration::from_secs(20);
/// The first track has to be rendered.
const RENDERED: Duration = Duration::from_secs(90);
