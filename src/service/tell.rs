//! What the daemon tells by itself, wired to the stages' snapshots: metrics when somebody asks and
//! once a minute, a copy of the log, and alerts.
//!
//! Nothing here is worked out while nobody wants it: a daemon without `[metrics]`, `[cloudwatch]` and
//! `[[webhook]]` has no task for them.

use super::alerts;
use super::desk::Desk;
use super::stages::Stages;
use crate::aws::{Aws, cloudwatch, logs};
use crate::config::Config;
use crate::control::Handler;
use crate::host::usage;
use crate::telemetry::journal::Log;
use crate::telemetry::sample::{self, Process, Sample};
use crate::telemetry::shipment::Shipment;
use crate::telemetry::{prometheus, scrape};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Starts what `config` asks for.
pub(super) fn start(
    stages: &mut Stages,
    config: &Config,
    desk: &Desk,
    log: &Arc<Log>,
    aws: &Aws,
    (credentials, state): (Option<PathBuf>, &Path),
    stop: &CancellationToken,
) {
    let (asked, said) = (desk.clone(), (log.left_out(), log.lost()));
    let samples = Arc::new(move || {
        let (left_out, lost) = (said.0.total(), said.1.total());
        let process = Process { resident: usage::resident(), cpu: usage::cpu(), left_out, lost };
        sample::samples(&asked.status(), &process)
    });
    if let Some(listen) = config.metrics.listen {
        let samples = samples.clone();
        feed(stages, "metrics", scrape::run(listen, move || prometheus::text(&samples()), stop.clone()));
    }
    let soon = Arc::new(Notify::new());
    if let Some(namespace) = config.cloudwatch.namespace.clone() {
        let place = cloudwatch::Place { namespace, channel: config.channel.clone() };
        let samples = move || -> Vec<Sample> { samples() };
        feed(stages, "cloudwatch", cloudwatch::run(aws.clone(), place, samples, soon.clone(), stop.clone()));
    }
    if let Some(group) = config.cloudwatch.logs.clone() {
        let stream = logs::stream(&config.channel, &desk.node, SystemTime::now());
        let shipment = Shipment::default();
        let into = shipment.clone();
        log.tap(move |record| into.put(record, SystemTime::now()));
        feed(stages, "logs", logs::run(aws.clone(), logs::Place { group, stream }, shipment, stop.clone()));
    }
    alerts::start(stages, &config.webhooks, desk, (aws, credentials, state), soon, stop);
}

pub(super) fn feed(stages: &mut Stages, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
    stages.feed(name, async {
        work.await;
        Ok::<_, Infallible>(())
    });
}
