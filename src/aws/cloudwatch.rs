//! The metrics' way to CloudWatch: one request a minute, with all that waits.

use super::cause::Cause;
use super::{Aws, BRIEF};
use crate::store::Kind;
use crate::telemetry::messages;
use crate::telemetry::minute::{Datum, Minutes};
use crate::telemetry::sample::Sample;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::operation::put_metric_data::PutMetricDataError;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use aws_smithy_runtime_api::client::result::SdkError;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

/// Between two requests. Data of a minute is as fine as CloudWatch keeps it for nothing.
const MINUTE: Duration = Duration::from_secs(60);
/// The first request, so that what is wrong with the role is seen soon.
const FIRST: Duration = Duration::from_secs(10);
/// A whole request, the look-up of credentials included.
const LIMIT: Duration = BRIEF.saturating_mul(2);

/// Where the metrics go.
#[derive(Clone, Debug)]
pub struct Place {
    /// CloudWatch's namespace.
    pub namespace: String,
    /// The one dimension.
    pub channel: String,
}

/// Sends what `samples` gives once a minute, and at once when `soon` says so, until `cancel`.
pub async fn run(
    aws: Aws,
    place: Place,
    samples: impl Fn() -> Vec<Sample>,
    soon: Arc<Notify>,
    cancel: CancellationToken,
) {
    let mut minutes = Minutes::default();
    let mut ticks = interval_at(Instant::now() + FIRST, MINUTE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut client, mut trouble) = (None, None);
    // Since CloudWatch last took any.
    let mut dropped = 0;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = soon.notified() => {}
            () = cancel.cancelled() => return,
        }
        minutes.put(&samples(), SystemTime::now());
        let data = minutes.waiting();
        let count = data.len();
        let sending = timeout(LIMIT, send(&aws, &mut client, &place, data));
        let Some(sent) = cancel.run_until_cancelled(sending).await else { return };
        match sent.unwrap_or_else(|_| Err(Cause::late(LIMIT))) {
            Ok(()) => {
                minutes.done();
                if trouble.take().is_some() {
                    tracing::info!(
                        message_id = messages::CLOUDWATCH_BACK,
                        dropped,
                        "CloudWatch takes the metrics again"
                    );
                }
                dropped = 0;
            }
            Err(error) => {
                if error.kind == Kind::Invalid {
                    // The same would be refused again, and what is newer with it.
                    minutes.done();
                    dropped += count;
                }
                if trouble.as_ref() != Some(&error) {
                    tracing::warn!(
                        message_id = messages::CLOUDWATCH_AWAY,
                        %error,
                        dropped,
                        "CloudWatch did not take the metrics"
                    );
                    trouble = Some(error);
                }
            }
        }
    }
}

async fn send(aws: &Aws, client: &mut Option<Client>, place: &Place, data: Vec<Datum>) -> Result<(), Cause> {
    let client = match client {
        Some(client) => client,
        empty => {
            let config = aws.config().await.map_err(|error| Cause::new(Kind::Other, error.to_string()))?;
            empty.insert(Client::new(config))
        }
    };
    let data = data.into_iter().map(|datum| metric(&place.channel, &datum)).collect();
    let request = client.put_metric_data().namespace(&place.namespace).set_metric_data(Some(data));
    request.send().await.map(drop).map_err(Cause::of)
}

/// Whether region and credentials are there, without which no request is made. Whether one would be
/// allowed, only a metric could tell.
///
/// # Errors
/// Something is missing, or could not be had in time.
pub async fn ready(aws: &Aws) -> Result<(), Cause> {
    let look = async {
        let provider = aws.config().await?.credentials_provider();
        let found = match provider {
            Some(provider) => provider.provide_credentials().await.map(drop),
            None => Err(CredentialsError::not_loaded_no_source()),
        };
        found.map_err(|error| Cause::of(SdkError::<PutMetricDataError, _>::construction_failure(error)))
    };
    timeout(LIMIT, look).await.unwrap_or_else(|_| Err(Cause::late(LIMIT)))
}

fn metric(channel: &str, datum: &Datum) -> MetricDatum {
    let unit = match datum.unit {
        "seconds" => StandardUnit::Seconds,
        "bytes" => StandardUnit::Bytes,
        "ratio" => StandardUnit::None,
        _ => StandardUnit::Count,
    };
    MetricDatum::builder()
        .metric_name(datum.name)
        .dimensions(Dimension::builder().name("Channel").value(channel).build())
        .timestamp(DateTime::from(datum.at))
        .unit(unit)
        .value(datum.value)
        .build()
}
