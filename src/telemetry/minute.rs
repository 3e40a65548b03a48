//! A minute's metrics as CloudWatch wants them: few, about the channel as a whole, and counters as
//! what was added. Pure. What cannot be sent waits here, the oldest goes first when there is too much.

use super::metrics::Shape;
use super::sample::Sample;
use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;

/// Minutes that may wait: an hour, some 20 KiB.
const MOST: usize = 60;

/// One value of one metric at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// In CloudWatch.
    pub name: &'static str,
    /// As in the metrics' table.
    pub unit: &'static str,
    /// The value.
    pub value: f64,
    /// When it was so.
    pub at: SystemTime,
}

/// Minutes that are still to be sent, oldest first.
#[derive(Debug, Default)]
pub struct Minutes {
    /// Counters, as they were at the end of the last minute.
    counted: BTreeMap<&'static str, f64>,
    waiting: VecDeque<Vec<Datum>>,
}

impl Minutes {
    /// Puts down what the samples were `at` that time.
    pub fn put(&mut self, samples: &[Sample], at: SystemTime) {
        let mut values: BTreeMap<&'static str, (Shape, &'static str, f64)> = BTreeMap::new();
        for Sample { metric, value, .. } in samples {
            let Some(name) = metric.cloud else { continue };
            let whole = values.entry(name).or_insert((metric.shape, metric.unit, 0.0));
            whole.2 = match metric.shape {
                Shape::Counter => whole.2 + value,
                // Of several, the worst is what an alarm is about.
                Shape::Gauge => whole.2.max(*value),
            };
        }
        let datum = |(name, (shape, unit, value)): (&'static str, (Shape, &'static str, f64))| {
            let value = match shape {
                Shape::Counter => value - self.counted.insert(name, value).unwrap_or(0.0),
                Shape::Gauge => value,
            };
            Datum { name, unit, value: value.max(0.0), at }
        };
        let minute = values.into_iter().map(datum).collect();
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back(minute);
    }

    /// All that waits.
    pub fn waiting(&self) -> Vec<Datum> {
        self.waiting.iter().flatten().cloned().collect()
    }

    /// All that waited has been sent, or will never be taken.
    pub fn done(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics;
    use crate::telemetry::sample::{self, tests::process, tests::status};
    use std::time::Duration;

    fn at(minute: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minute)
    }

    fn value(data: &[Datum], name: &str, minute: u64) -> Option<f64> {
        data.iter().find(|datum| datum.name == name && datum.at == at(minute)).map(|datum| datum.value)
    }

    #[test]
    fn counters_are_what_was_added_and_gauges_the_worst() {
        let mut minutes = Minutes::default();
        let mut status = status();
        status.destinations[0].ingests[1].acked_lag_ms = Some(3_000);
        minutes.put(&sample::samples(&status, &process()), at(1));
        status.destinations[0].ingests[0].sent_bytes += 1_000;
        status.destinations[0].ingests[1].sent_bytes += 500;
        status.destinations[0].failovers += 1;
        minutes.put(&sample::samples(&status, &process()), at(2));
        let data = minutes.waiting();
        assert_eq!(value(&data, "SentBytes", 2), Some(1_500.0));
        assert_eq!(value(&data, "Failovers", 1), Some(0.0));
        assert_eq!(value(&data, "Failovers", 2), Some(1.0));
        assert_eq!(value(&data, "AckedLag", 2), Some(3.0));
        let names = metrics::METRICS.iter().filter(|metric| metric.cloud.is_some()).count();
        assert_eq!(data.len(), 2 * names);
        minutes.done();
        assert!(minutes.waiting().is_empty());
        minutes.put(&sample::samples(&status, &process()), at(3));
        assert_eq!(value(&minutes.waiting(), "SentBytes", 3), Some(0.0));
    }

    #[test]
    fn an_hour_waits_and_the_oldest_goes() {
        let mut minutes = Minutes::default();
        let samples = sample::samples(&status(), &process());
        (0..100).for_each(|minute| minutes.put(&samples, at(minute)));
        let data = minutes.waiting();
        assert_eq!((value(&data, "OnAir", 39), value(&data, "OnAir", 40)), (None, Some(1.0)));
        // CloudWatch takes a thousand in one request.
        assert!(data.len() <= 1_000);
    }
}
