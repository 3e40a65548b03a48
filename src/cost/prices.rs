//! AWS's prices as data: `prices.toml`, compiled in, with its region and date.

use serde::Deserialize;

/// The file itself, for whoever else needs the numbers.
pub const FILE: &str = include_str!("prices.toml");

/// What things cost, in US$.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Where.
    pub region: String,
    /// When, as `YYYY-MM`.
    pub as_of: String,
    /// Hours in a month.
    pub hours: f64,
    /// Data sent to the internet.
    pub egress: Egress,
    /// A public address.
    pub ipv4: Hourly,
    /// The machine's disk.
    pub disk: Disk,
    /// A secret in Secrets Manager.
    pub secret: Each,
    /// The bucket.
    pub bucket: Bucket,
    /// What a channel takes besides the media.
    #[serde(rename = "use")]
    pub usage: Use,
    /// The memory that rendering takes, smallest first.
    pub rendering: Vec<Rendering>,
    /// Metrics and alarms in CloudWatch.
    pub alarms: Alarms,
    /// What spot instances cost.
    pub spot: Spot,
    /// The machines to choose from, smallest first.
    #[serde(rename = "instance")]
    pub instances: Vec<Instance>,
}

/// See [`Prices::egress`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// GB a month that cost nothing.
    pub free_gb: f64,
    /// What is above costs so much, tier by tier.
    pub tiers: Vec<Tier>,
}

/// So many GB at so much a GB.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// How many; the last tier has no end.
    pub gb: Option<f64>,
    /// US$ a GB.
    pub per_gb: f64,
}

/// US$ an hour.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hourly {
    /// US$.
    pub per_hour: f64,
}

/// See [`Prices::disk`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Its size in GB.
    pub gb: f64,
    /// US$ a GB and month.
    pub per_gb: f64,
}

/// US$ apiece and month.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Each {
    /// US$.
    pub each: f64,
}

/// See [`Prices::bucket`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// US$ a GB and month.
    pub per_gb: f64,
    /// US$ for 1000 PUT and LIST requests.
    pub per_1000_writes: f64,
    /// US$ for 1000 GET requests.
    pub per_1000_reads: f64,
}

/// See [`Prices::usage`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// Bytes before each RTMP message.
    pub message_bytes: f64,
    /// What TLS, TCP and IP make of each byte.
    pub wire: f64,
    /// GB in the bucket.
    pub held_gb: f64,
    /// Pages of the schedule written in a month.
    pub pages: f64,
    /// Listings in a month.
    pub listings: f64,
    /// Renewals of a slot in a month, for each stream.
    pub renewals: f64,
    /// Reads of the schedule in a month.
    pub looks: f64,
    /// Metrics in CloudWatch.
    pub metrics: u32,
    /// Alarms on them.
    pub alarms: u32,
}

/// See [`Prices::rendering`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendering {
    /// Up to so many lines; the last one has no border.
    pub lines: Option<u32>,
    /// MiB that all programs take together.
    pub memory_mib: u32,
}

/// See [`Prices::alarms`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarms {
    /// Metrics of an account that cost nothing.
    pub free_metrics: u32,
    /// US$ for one more, a month.
    pub per_metric: f64,
    /// Alarms of an account that cost nothing.
    pub free_alarms: u32,
    /// US$ for one more, a month.
    pub per_alarm: f64,
}

/// See [`Prices::spot`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// Of the fixed price.
    pub share: f64,
}

/// A machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// AWS's name for it.
    pub name: String,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// The share of one core that may be used without end.
    pub baseline: f64,
    /// The fixed price, US$ an hour.
    pub per_hour: f64,
}

impl Prices {
    /// The compiled-in prices.
    pub fn known() -> Self {
        toml::from_str(FILE).expect("a test reads this file, which is part of the program")
    }

    /// US$ for `gb` sent in a month, of which so many as are free for an account cost nothing.
    pub fn sent(&self, gb: f64) -> f64 {
        self.paid(gb - self.egress.free_gb)
    }

    fn paid(&self, gb: f64) -> f64 {
        let mut left = gb.max(0.0);
        let mut total = 0.0;
        for tier in &self.egress.tiers {
            let part = tier.gb.map_or(left, |most| left.min(most));
            total += part * tier.per_gb;
            left -= part;
        }
        total
    }

    /// US$ a month for the metrics and alarms of a channel that has them, of which so many as are free
    /// for an account cost nothing.
    pub fn watched(&self) -> f64 {
        self.watched_beyond(self.alarms.free_metrics, self.alarms.free_alarms)
    }

    fn watched_beyond(&self, metrics: u32, alarms: u32) -> f64 {
        f64::from(self.usage.metrics.saturating_sub(metrics)) * self.alarms.per_metric
            + f64::from(self.usage.alarms.saturating_sub(alarms)) * self.alarms.per_alarm
    }

    /// US$ that a month costs more where something else in the account has all that is free.
    pub fn unless_free(&self, gb: f64, watched: bool) -> f64 {
        let sent = self.paid(gb) - self.sent(gb);
        sent + if watched { self.watched_beyond(0, 0) - self.watched() } else { 0.0 }
    }

    /// US$ a month for a bucket that `streams` are sent from.
    pub fn bucket(&self, streams: u32) -> f64 {
        let writes = self.usage.pages + self.usage.listings + self.usage.renewals * f64::from(streams);
        let requests =
            (writes * self.bucket.per_1000_writes + self.usage.looks * self.bucket.per_1000_reads) / 1000.0;
        self.usage.held_gb * self.bucket.per_gb + requests
    }

    /// The smallest machine that can render pictures of so many lines.
    pub fn smallest(&self, lines: u32) -> &Instance {
        let fits = |size: &&Rendering| size.lines.is_none_or(|most| lines <= most);
        let memory = self.rendering.iter().find(fits).map_or(u32::MAX, |size| size.memory_mib);
        let last = self.instances.last().expect("the price list has machines, as a test makes sure");
        self.instances.iter().find(|instance| instance.memory_mib >= memory).unwrap_or(last)
    }

    /// US$ a month for a spot instance, as it usually is.
    pub fn instance(&self, instance: &Instance) -> f64 {
        instance.per_hour * self.spot.share * self.hours
    }

    /// GB (10^9 bytes) that `bits` a second make in a month.
    pub fn gb(&self, bits: f64) -> f64 {
        bits / 8.0 * self.hours * 3600.0 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn egress_costs_what_was_worked_out_by_hand() {
        let prices = Prices::known();
        let month = |kbps: f64| prices.sent(prices.gb(kbps * 1000.0));
        for (kbps, usd) in [(428.0, 3.65), (1_130.0, 24.4), (2_630.0, 68.8), (4_630.0, 127.9), (300.0, 0.0)] {
            assert!((month(kbps) - usd).abs() < 0.05, "{kbps} kbps: {}", month(kbps));
        }
        // 100 GB free, then 10 TiB, and 1000 GB of the next tier.
        assert!((prices.sent(100.0 + 10_240.0 + 1_000.0) - (921.6 + 85.0)).abs() < 0.001);
        // Beyond the last border nothing is free.
        let far = 100.0 + 10_240.0 + 40_960.0 + 102_400.0;
        assert!((prices.sent(far + 1_000.0) - prices.sent(far) - 50.0).abs() < 0.001);
    }

    #[test]
    fn an_address_and_a_disk_cost_what_the_bill_says() {
        let prices = Prices::known();
        assert!((prices.ipv4.per_hour * prices.hours - 3.65).abs() < 0.001);
        assert!((prices.disk.gb * prices.disk.per_gb - 0.64).abs() < 0.001);
    }

    #[test]
    fn what_is_free_is_paid_for_where_others_have_it() {
        let prices = Prices::known();
        assert!(prices.watched() < 0.001, "a lone channel keeps within what is free");
        for (gb, watched, usd) in [(50.0, false, 4.5), (730.0, false, 9.0), (730.0, true, 12.8)] {
            assert!((prices.unless_free(gb, watched) - usd).abs() < 0.001, "{gb} GB");
        }
    }

    #[test]
    fn the_metrics_in_the_bill_are_those_that_are_sent() {
        let sent = crate::telemetry::metrics::METRICS.iter().filter(|metric| metric.cloud.is_some());
        assert_eq!(u32::try_from(sent.count()), Ok(Prices::known().usage.metrics));
    }

    #[test]
    fn machines_come_smallest_first() {
        let prices = Prices::known();
        assert!(prices.instances.windows(2).all(|pair| pair[0].per_hour < pair[1].per_hour));
        assert!(prices.instances.windows(2).all(|pair| pair[0].memory_mib < pair[1].memory_mib));
    }
}
