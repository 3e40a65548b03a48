//! Every metric: its name, unit and meaning, in one table. Whoever exports metrics, in whatever
//! form, takes names and help from here, and the documentation is made from it.

use std::fmt::Write;

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
    /// Its name in CloudWatch, if it goes there. Ten are free, so these are those that an alarm or
    /// a bill is made from.
    pub cloud: Option<&'static str>,
    /// One sentence.
    pub meaning: &'static str,
}

macro_rules! metrics {
    ($($id:ident = $name:literal, $shape:ident, $unit:literal, $labels:expr, $cloud:expr, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $id: Metric = Metric {
            name: $name, shape: Shape::$shape, unit: $unit, labels: $labels, cloud: $cloud, meaning: $meaning,
        };)*

        /// All of them, in the order of the data's way.
        pub const METRICS: &[Metric] = &[$($id),*];
    };
}

const INGEST: &[&str] = &["destination", "ingest"];
const DESTINATION: &[&str] = &["destination"];

metrics! {
    UP = "nonstop_up_seconds", Gauge, "seconds", &[], None, "How long the daemon has run.";
    ON_AIR = "nonstop_on_air", Gauge, "ratio", &[], Some("OnAir"),
        "Share of the destinations that get the stream: alarm below 1.";
    STANDBY = "nonstop_standby", Gauge, "ratio", &[], Some("Standby"),
        "1 while the standby card is on air for want of music.";
    DEADLINE = "nonstop_deadline_seconds", Gauge, "seconds", &[], Some("TimeToDeadline"),
        "Time until this machine goes; only while that is announced.";
    TRACKS = "nonstop_library_tracks", Gauge, "tracks", &[], None, "Readable tracks in the media source.";
    READY = "nonstop_library_ready_tracks", Gauge, "tracks", &[], None, "Tracks that have been rendered.";
    QUARANTINED = "nonstop_library_quarantined_tracks", Gauge, "tracks", &[], Some("Quarantined"),
        "Files that cannot be played.";
    BACKLOG = "nonstop_render_backlog_tracks", Gauge, "tracks", &[], Some("RenderBacklog"),
        "Tracks that are yet to be rendered.";
    PAUSED = "nonstop_render_paused", Gauge, "ratio", &[], None,
        "1 while rendering is paused, by a full disk for example.";
    INCOMPLETE = "nonstop_library_incomplete", Gauge, "ratio", &[], None,
        "1 while the media source has not been gone through since the start: a bucket out of reach, for example.";
    STORE = "nonstop_store_reachable", Gauge, "ratio", &[], Some("StoreReachable"),
        "1 while music, renditions, schedule and slots can be read and written where they lie: alarm below 1. Nothing on air needs it.";
    SENT = "nonstop_sent_bytes_total", Counter, "bytes", INGEST, Some("SentBytes"),
        "Bytes sent, which is what egress is billed by.";
    LAG = "nonstop_acked_lag_seconds", Gauge, "seconds", INGEST, Some("AckedLag"),
        "How far the peer's acknowledgements are behind the programme; only while a session is open.";
    LIVE = "nonstop_ingest_live", Gauge, "ratio", INGEST, None, "1 while the ingest gets the stream.";
    FAILURES = "nonstop_ingest_failures_total", Counter, "failures", INGEST, Some("IngestFailures"),
        "Sessions and attempts that failed; each is followed by a reconnect.";
    FAILOVERS = "nonstop_failovers_total", Counter, "failovers", DESTINATION, Some("Failovers"),
        "Moves of the stream to the other ingest.";
    LEFT_OUT = "nonstop_log_left_out_lines_total", Counter, "lines", &[], None,
        "Log lines left out because there were too many of a kind.";
    LOST = "nonstop_log_lost_lines_total", Counter, "lines", &[], None,
        "Log lines lost because the journal did not take them.";
    RESIDENT = "nonstop_resident_bytes", Gauge, "bytes", &[], None,
        "Memory of the daemon in use, FFmpeg not counted.";
    CPU = "nonstop_cpu_seconds_total", Counter, "seconds", &[], None,
        "CPU time of the daemon, FFmpeg not counted.";
}

/// The table as Markdown.
pub fn markdown() -> String {
    let mut text = "| metric | unit | labels | in CloudWatch | |\n|---|---|---|---|---|\n".to_owned();
    for Metric { name, unit, labels, cloud, meaning, .. } in METRICS {
        let cloud = cloud.map(|name| format!("`{name}`")).unwrap_or_default();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "| `{name}` | {unit} | {} | {cloud} | {meaning} |", labels.join(", "));
    }
    text
}

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

    #[test]
    fn what_goes_to_cloudwatch_is_free() {
        let names: BTreeSet<_> = METRICS.iter().filter_map(|metric| metric.cloud).collect();
        assert_eq!(names.len(), METRICS.iter().filter(|metric| metric.cloud.is_some()).count());
        assert!(names.len() <= 10, "{names:?}");
    }

    #[test]
    fn the_document_holds_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (head, rest) = text.split_once("<!-- metrics -->\n").expect("there is a place for the table");
        let (old, tail) = rest.split_once("<!-- end of metrics -->").expect("and the place ends");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let new = format!("{head}<!-- metrics -->\n{}<!-- end of metrics -->{tail}", markdown());
            std::fs::write(path, new).unwrap();
        } else {
            assert_eq!(old, markdown(), "run `UPDATE_DOCS=1 cargo test the_document_holds` to write it anew");
        }
    }
}
