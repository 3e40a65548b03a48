//! Every metric: its name, unit and meaning, in one table. Whoever exports metrics, in whatever
//! form, takes names and help from here, and the documentation is made from it.

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Only up, from 0 when the daemon starts.
    Counter,
    /// Up and down.
    Gauge,
}

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// In Prometheus's manner: unit last, counters in `_total`.
    pub name: &'static str,
    /// How it moves.
    pub shape: Shape,
    /// `seconds`, `bytes`, `ratio`, or what is counted.
    pub unit: &'static str,
    /// What tells several of it apart. Never the machine: alarms outlive it.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub meaning: &'static str,
}

const fn metric(
    name: &'static str,
    shape: Shape,
    unit: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric { name, shape, unit, labels, meaning }
}

const INGEST: &[&str] = &["destination", "ingest"];
const DESTINATION: &[&str] = &["destination"];

/// All of them, in the order of the data's way.
pub const METRICS: [Metric; 17] = {
    use Shape::{Counter, Gauge};
    [
        metric("nonstop_up_seconds", Gauge, "seconds", &[], "How long the daemon has run."),
        metric(
            "nonstop_on_air",
            Gauge,
            "ratio",
            &[],
            "Share of the destinations that get the stream: alarm below 1.",
        ),
        metric(
            "nonstop_standby",
            Gauge,
            "ratio",
            &[],
            "1 while the standby card is on air for want of music.",
        ),
        metric("nonstop_library_tracks", Gauge, "tracks", &[], "Readable tracks in the media source."),
        metric("nonstop_library_ready_tracks", Gauge, "tracks", &[], "Tracks that have been rendered."),
        metric("nonstop_library_quarantined_tracks", Gauge, "tracks", &[], "Files that cannot be played."),
        metric("nonstop_render_seconds_total", Counter, "seconds", &[], "Time that FFmpeg has run."),
        metric("nonstop_render_failures_total", Counter, "failures", &[], "Renders that failed."),
        metric(
            "nonstop_render_paused",
            Gauge,
            "ratio",
            &[],
            "1 while rendering is paused, by a full disk for example.",
        ),
        metric(
            "nonstop_schedule_ahead_seconds",
            Gauge,
            "seconds",
            &[],
            "How far ahead of now the schedule is known.",
        ),
        metric(
            "nonstop_sent_bytes_total",
            Counter,
            "bytes",
            INGEST,
            "Bytes sent, which is what egress is billed by.",
        ),
        metric(
            "nonstop_acked_lag_seconds",
            Gauge,
            "seconds",
            INGEST,
            "How far the peer's acknowledgements are behind the programme.",
        ),
        metric("nonstop_ingest_live", Gauge, "ratio", INGEST, "1 while the ingest gets the stream."),
        metric(
            "nonstop_ingest_failures_total",
            Counter,
            "failures",
            INGEST,
            "Sessions and attempts that failed.",
        ),
        metric(
            "nonstop_failovers_total",
            Counter,
            "failovers",
            DESTINATION,
            "Moves of the stream to the other ingest.",
        ),
        metric(
            "nonstop_skipped_seconds_total",
            Counter,
            "seconds",
            DESTINATION,
            "Programme that was never sent, as it had grown too old.",
        ),
        metric(
            "nonstop_log_left_out_lines_total",
            Counter,
            "lines",
            &[],
            "Log lines left out because there were too many of a kind.",
        ),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_say_shape_and_unit() {
        let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            let name = metric.name;
            assert!(
                name.starts_with("nonstop_") && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()),
                "{name}"
            );
            assert_eq!(name.ends_with("_total"), metric.shape == Shape::Counter, "{name}");
            let base = name.trim_end_matches("_total");
            assert!(base.ends_with(metric.unit) || metric.unit == "ratio", "{name} is in {}", metric.unit);
            assert!(metric.meaning.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn no_metric_is_told_apart_by_machine() {
        let labels = METRICS.iter().flat_map(|metric| metric.labels);
        assert!(
            labels.clone().all(|label| ["destination", "ingest"].contains(label)),
            "{:?}",
            labels.collect::<Vec<_>>()
        );
    }
}
