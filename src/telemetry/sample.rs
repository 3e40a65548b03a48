//! What the metrics are at the moment: a pure function of the daemon's status. They are worked out
//! when somebody asks, and not before.

use super::metrics::{self, Metric};
use crate::control::status::{IngestState, Part, Status};

/// One value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which.
    pub metric: &'static Metric,
    /// The values of its labels, in their order.
    pub labels: Vec<String>,
    /// In the metric's unit.
    pub value: f64,
}

/// What the status does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Bytes of memory in use; `None` where that is not known.
    pub resident: Option<u64>,
    /// Seconds of CPU time used; `None` where that is not known.
    pub cpu: Option<f64>,
    /// Log lines left out for being too many.
    pub left_out: u64,
    /// Log lines that the journal did not take.
    pub lost: u64,
}

/// Everything in the metrics' table that has a value now.
pub fn samples(status: &Status, process: &Process) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut put = |metric: &'static Metric, labels: &[&str], value: f64| {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        samples.push(Sample { metric, labels, value });
    };
    let is = |yes: bool| f64::from(u8::from(yes));
    let live = |state: &IngestState| matches!(state, IngestState::Live | IngestState::Draining);
    let fed = status.destinations.iter().filter(|d| d.ingests.iter().any(|ingest| live(&ingest.state)));
    let (fed, all) = (fed.count(), status.destinations.len().max(1));
    let library = &status.library;
    put(&metrics::UP, &[], status.uptime_s as f64);
    put(&metrics::ON_AIR, &[], fed as f64 / all as f64);
    put(&metrics::STANDBY, &[], is(status.standby));
    if let Some(deadline) = status.notice.as_ref().and_then(|notice| notice.deadline) {
        put(&metrics::DEADLINE, &[], deadline.unix().saturating_sub(status.time.unix()) as f64);
    }
    put(&metrics::TRACKS, &[], library.tracks as f64);
    put(&metrics::READY, &[], library.ready as f64);
    put(&metrics::QUARANTINED, &[], library.quarantined.len() as f64);
    put(&metrics::BACKLOG, &[], library.tracks.saturating_sub(library.ready) as f64);
    put(&metrics::PAUSED, &[], is(library.paused.is_some()));
    put(&metrics::INCOMPLETE, &[], is(!library.complete));
    // A key lies in no store.
    put(&metrics::STORE, &[], is(status.troubles.iter().all(|trouble| trouble.part == Part::Key)));
    for destination in &status.destinations {
        for ingest in &destination.ingests {
            let labels = [destination.name.as_str(), ingest.ingest.as_str()];
            put(&metrics::SENT, &labels, ingest.sent_bytes as f64);
            if let Some(lag) = ingest.acked_lag_ms {
                put(&metrics::LAG, &labels, lag as f64 / 1000.0);
            }
            put(&metrics::LIVE, &labels, is(live(&ingest.state)));
            put(&metrics::FAILURES, &labels, ingest.failures as f64);
        }
        put(&metrics::FAILOVERS, &[&destination.name], destination.failovers as f64);
    }
    put(&metrics::LEFT_OUT, &[], process.left_out as f64);
    put(&metrics::LOST, &[], process.lost as f64);
    if let Some(bytes) = process.resident {
        put(&metrics::RESIDENT, &[], bytes as f64);
    }
    if let Some(seconds) = process.cpu {
        put(&metrics::CPU, &[], seconds);
    }
    samples
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::control::status::{self, Notice, Trouble};
    use crate::media::Timestamp;
    use std::collections::BTreeSet;

    pub(crate) fn process() -> Process {
        Process { resident: Some(20 << 20), cpu: Some(1.5), left_out: 3, lost: 4 }
    }

    /// A channel in full swing whose machine is about to go.
    pub(crate) fn status() -> Status {
        let mut status = status::tests::on_air();
        let deadline = Some(Timestamp::from_unix(status.time.unix() + 90));
        status.notice = Some(Notice { reason: "spot interruption: terminate".to_owned(), deadline });
        status
    }

    fn value(samples: &[Sample], metric: &Metric, labels: &[&str]) -> Option<f64> {
        samples.iter().find(|s| s.metric == metric && s.labels == labels).map(|sample| sample.value)
    }

    #[test]
    fn every_metric_of_the_table_has_a_value_and_its_labels() {
        let samples = samples(&status(), &process());
        let names: BTreeSet<_> = samples.iter().map(|sample| sample.metric.name).collect();
        assert_eq!(names, metrics::METRICS.iter().map(|metric| metric.name).collect());
        assert!(samples.iter().all(|sample| sample.labels.len() == sample.metric.labels.len()));
        assert_eq!(value(&samples, &metrics::ON_AIR, &[]), Some(1.0));
        assert_eq!(value(&samples, &metrics::STORE, &[]), Some(1.0));
        assert_eq!(value(&samples, &metrics::LAG, &["youtube", "primary"]), Some(0.412));
        assert_eq!(value(&samples, &metrics::LAG, &["youtube", "backup"]), None);
        assert_eq!(value(&samples, &metrics::SENT, &["youtube", "backup"]), Some(1_234_567.0));
        assert_eq!(value(&samples, &metrics::DEADLINE, &[]), Some(90.0));
    }

    #[test]
    fn a_destination_without_an_ingest_and_a_backlog_are_seen() {
        let mut status = status();
        let mut other = status.destinations[0].clone();
        other.ingests.iter_mut().for_each(|ingest| ingest.state = IngestState::Waiting);
        status.destinations.push(other);
        (status.library.ready, status.standby, status.notice) = (40, true, None);
        status.troubles = vec![Trouble { part: Part::Schedule, reason: "away".to_owned(), hint: None }];
        let samples = samples(&status, &Process::default());
        assert_eq!(value(&samples, &metrics::ON_AIR, &[]), Some(0.5));
        assert_eq!(value(&samples, &metrics::BACKLOG, &[]), Some(1.0));
        assert_eq!(value(&samples, &metrics::STANDBY, &[]), Some(1.0));
        assert_eq!(value(&samples, &metrics::STORE, &[]), Some(0.0));
        assert_eq!(value(&samples, &metrics::DEADLINE, &[]), None);
        status.troubles[0].part = Part::Key;
        let samples = super::samples(&status, &Process::default());
        assert_eq!(value(&samples, &metrics::STORE, &[]), Some(1.0), "a key lies in no store");
    }
}
