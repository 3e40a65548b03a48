//! What a month on the air costs on AWS: what a channel uses, times [`Prices`]. Pure.
//!
//! Egress is most of the bill, so it is reckoned from bytes on the wire: the media, RTMP's message
//! headers, and what TLS, TCP and IP put around them. Two cases are told: at the configured
//! ceilings, which is the most it can be, and by the renditions that are there, which for a still
//! picture is a fraction of it.

mod bill;
pub mod prices;

pub use bill::{Bill, Case, Item, bill};
pub use prices::Prices;

use crate::config::{Config, KeySource, Redundancy, Source};
use crate::media::{FRAME_SAMPLES, SAMPLE_RATE};
use std::collections::BTreeSet;

/// What a channel uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Its name.
    pub channel: String,
    /// Each destination, with how many streams it gets at a time.
    pub streams: Vec<(String, u32)>,
    /// Bits per second of one stream's media.
    pub media: f64,
    /// RTMP messages per second of one stream.
    pub messages: f64,
    /// Different secrets that hold keys.
    pub secrets: usize,
    /// Whether music comes from a bucket, where renditions and the schedule then are too.
    pub bucket: bool,
    /// Whether metrics go to CloudWatch, with alarms on them.
    pub watched: bool,
    /// Lines of the picture, which decides how much memory rendering takes.
    pub lines: u32,
}

impl Usage {
    /// What the configuration allows for: pictures and sound at their ceilings.
    pub fn at_most(config: &Config) -> Self {
        let streams = config.destinations.iter().map(|destination| {
            let both = destination.redundancy == Redundancy::Both && destination.backup.is_some();
            (destination.name.clone(), if both { 2 } else { 1 })
        });
        let secrets = config.destinations.iter().filter_map(|destination| match &destination.key {
            KeySource::Secret { secret, .. } => Some(secret),
            KeySource::Credential(_) | KeySource::File(_) => None,
        });
        Self {
            channel: config.channel.clone(),
            streams: streams.collect(),
            media: (config.video.bitrate.bits() + config.audio.bitrate.bits()) as f64,
            messages: SAMPLE_RATE as f64 / FRAME_SAMPLES as f64 + f64::from(config.video.fps.get()),
            secrets: secrets.collect::<BTreeSet<_>>().len(),
            bucket: matches!(config.media.source, Source::Bucket { .. }),
            watched: config.cloudwatch.namespace.is_some(),
            lines: config.video.size.lines(),
        }
    }

    /// The same channel with renditions that have `media` bits per second.
    #[must_use]
    pub fn measured(&self, media: f64) -> Self {
        Self { media, ..self.clone() }
    }

    /// Bits per second of one stream on the wire.
    pub fn wire(&self, prices: &Prices) -> f64 {
        (self.media + self.messages * prices.usage.message_bytes * 8.0) * prices.usage.wire
    }

    /// Streams that are sent at the same time.
    pub fn all_streams(&self) -> u32 {
        self.streams.iter().map(|(_, streams)| streams).sum()
    }
}
