//! A copy of the log's way to CloudWatch Logs: one request every few seconds, if there is anything.

use super::cause::Cause;
use super::{Aws, BRIEF};
use crate::store::Kind;
use crate::telemetry::messages;
use crate::telemetry::shipment::{Line, Shipment};
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Between two requests.
const PERIOD: Duration = Duration::from_secs(5);
/// A whole request, the look-up of credentials included.
const LIMIT: Duration = BRIEF.saturating_mul(2);
/// How long the end waits for the last lines.
const LAST: Duration = Duration::from_millis(1500);
/// As long as requests fail, this many periods pass before the next one.
const PATIENCE: u32 = 6;

/// The longest time that the lines of one request may span.
const SPAN: Duration = Duration::from_secs(24 * 60 * 60);
/// Older lines are not taken.
const OLDEST: Duration = SPAN.saturating_mul(14);

/// Where the log goes.
#[derive(Clone, Debug)]
pub struct Place {
    /// The log group, which is there.
    pub group: String,
    /// The stream in it, which is made.
    pub stream: String,
}

/// The stream's name for a node that starts `at`: every start has one of its own.
pub fn stream(channel: &str, node: &str, at: SystemTime) -> String {
    let started = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Colons and asterisks are what a stream's name may not have.
    format!("{channel}/{}/{started}", node.replace([':', '*'], "-"))
}

/// Sends what has come into `shipment`, until `cancel`, and then what is left.
pub async fn run(aws: Aws, place: Place, shipment: Shipment, cancel: CancellationToken) {
    let mut sender = Sender { aws, place, client: None, made: false };
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Lines that were dropped since CloudWatch Logs last took any.
    let (mut trouble, mut pause, mut dropped) = (None, 0, 0);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        if pause > 0 {
            pause -= 1;
            continue;
        }
        let lines = shipment.take();
        if lines.is_empty() {
            continue;
        }
        let at = SystemTime::now();
        let (mut batches, late) = batches(lines, at);
        dropped += late;
        // Those after the first wait for the next period.
        let lines = if batches.is_empty() { continue } else { batches.remove(0) };
        shipment.put_back(batches.concat());
        let Some(sent) = cancel.run_until_cancelled(timeout(LIMIT, sender.send(&lines))).await else {
            shipment.put_back(lines);
            break;
        };
        match sent.unwrap_or_else(|_| Err(Cause::late(LIMIT))) {
            Ok(()) => {
                let dropped = std::mem::take(&mut dropped);
                if trouble.take().is_some() {
                    tracing::info!(
                        message_id = messages::LOGS_BACK,
                        dropped,
                        "CloudWatch Logs takes the log again"
                    );
                }
            }
            Err(error) => {
                dropped += not_taken(&shipment, lines, &error);
                pause = PATIENCE;
                if trouble.as_ref() != Some(&error) {
                    tracing::warn!(
                        message_id = messages::LOGS_AWAY,
                        %error,
                        dropped,
                        "CloudWatch Logs did not take the log"
                    );
                    trouble = Some(error);
                }
            }
        }
    }
    if trouble.is_none() {
        // What does not arrive now is in the journal.
        let (last, _) = batches(shipment.take(), SystemTime::now());
        let send = async {
            for lines in &last {
                sender.send(lines).await?;
            }
            Ok::<_, Cause>(())
        };
        let _ = timeout(LAST, send).await;
    }
}

/// The lines as requests may carry them, in order of their times: none spans more than [`SPAN`], or all
/// of it would be refused. What is older than [`OLDEST`] never would be taken; how many those are.
fn batches(mut lines: Vec<Line>, now: SystemTime) -> (Vec<Vec<Line>>, usize) {
    let all = lines.len();
    lines.retain(|line| now.duration_since(line.at).is_ok_and(|age| age < OLDEST) || line.at >= now);
    let dropped = all - lines.len();
    // A request is refused whose events are not in order, and a clock may have been set back.
    lines.sort_by_key(|line| line.at);
    let mut batches: Vec<Vec<Line>> = Vec::new();
    for line in lines {
        match batches.last_mut() {
            Some(batch) if line.at.duration_since(batch[0].at).is_ok_and(|span| span < SPAN) => {
                batch.push(line)
            }
            _ => batches.push(vec![line]),
        }
    }
    (batches, dropped)
}

/// Sends one line as [`run`] does, to see whether it can.
///
/// # Errors
/// It was not taken, or there was no answer in time.
pub async fn attempt(aws: &Aws, place: Place, text: &str) -> Result<(), Cause> {
    let mut sender = Sender { aws: aws.clone(), place, client: None, made: false };
    let line = Line { at: SystemTime::now(), text: text.to_owned() };
    timeout(LIMIT, sender.send(&[line])).await.unwrap_or_else(|_| Err(Cause::late(LIMIT)))
}

/// What becomes of lines that were not taken: they wait, unless they are refused for themselves. Those
/// would be refused again, and what is newer with them; the journal has them. Gives how many are dropped.
fn not_taken(shipment: &Shipment, lines: Vec<Line>, error: &Cause) -> usize {
    if error.kind == Kind::Invalid {
        return lines.len();
    }
    shipment.put_back(lines);
    0
}

struct Sender {
    aws: Aws,
    place: Place,
    client: Option<Client>,
    /// Whether the stream is known to be there.
    made: bool,
}

impl Sender {
    async fn send(&mut self, lines: &[Line]) -> Result<(), Cause> {
        if lines.is_empty() {
            return Ok(());
        }
        let client = match &mut self.client {
            Some(client) => client,
            empty => empty.insert(Client::new(self.aws.config().await?)),
        };
        let Place { group, stream } = &self.place;
        if !self.made {
            let made = client.create_log_stream().log_group_name(group).log_stream_name(stream).send().await;
            if let Err(error) = made {
                let refused = error.as_service_error();
                if !refused.is_some_and(|refused| refused.is_resource_already_exists_exception()) {
                    return Err(Cause::of(error));
                }
            }
            self.made = true;
        }
        let events: Vec<_> = lines.iter().filter_map(event).collect();
        let put = client.put_log_events().log_group_name(group).log_stream_name(stream);
        let sent = put.set_log_events(Some(events)).send().await;
        // Somebody may have removed the stream; it is made again next time.
        self.made = sent.is_ok();
        sent.map(drop).map_err(Cause::of)
    }
}

fn event(line: &Line) -> Option<InputLogEvent> {
    let millis = line.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    InputLogEvent::builder().timestamp(i64::try_from(millis).ok()?).message(&line.text).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_wait_for_a_service_that_may_take_them_later_and_not_for_one_that_calls_them_wrong() {
        let lines = || vec![Line { at: UNIX_EPOCH, text: "INFO on air".to_owned() }; 3];
        for kind in
            [Kind::Unreachable, Kind::Busy, Kind::Denied, Kind::Credentials, Kind::Missing, Kind::Other]
        {
            let shipment = Shipment::default();
            assert_eq!(not_taken(&shipment, lines(), &Cause::new(kind, "")), 0, "{kind:?}");
            assert_eq!(shipment.take(), lines(), "{kind:?}");
        }
        let shipment = Shipment::default();
        assert_eq!(not_taken(&shipment, lines(), &Cause::new(Kind::Invalid, "")), 3);
        assert!(shipment.take().is_empty());
    }

    proptest! {
        #[test]
        fn a_quiet_log_arrives_a_day_at_a_time_and_loses_only_what_is_too_old(
            hours in prop::collection::vec(0u64..500, 0..40),
        ) {
            const HOUR: Duration = Duration::from_secs(3600);
            let now = UNIX_EPOCH + 10_000 * HOUR;
            let lines = hours.iter().map(|age| Line { at: now - *age as u32 * HOUR, text: "on air".to_owned() });
            let (batches, dropped) = batches(lines.collect(), now);
            prop_assert_eq!(dropped, hours.iter().filter(|age| **age >= 14 * 24).count());
            prop_assert_eq!(batches.iter().map(Vec::len).sum::<usize>() + dropped, hours.len());
            prop_assert!(batches.concat().is_sorted_by_key(|line| line.at));
            for batch in &batches {
                let span = batch[batch.len() - 1].at.duration_since(batch[0].at).unwrap();
                prop_assert!(span < 24 * HOUR);
            }
        }
    }
}
