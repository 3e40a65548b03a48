//! What is posted: an alert in words, and in the form that a target wants. docs/alerts.md describes
//! it to who receives it.

use crate::config::WebhookKind;
use crate::media::Timestamp;
use crate::telemetry::alert::Alert;
use serde_json::{Value, json};

/// Characters of the longest reason that is repeated.
const LONGEST: usize = 300;

/// An alert with what a receiver needs to make sense of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The same for every attempt and every target.
    pub id: String,
    /// The event's name.
    pub event: &'static str,
    /// The channel.
    pub channel: String,
    /// The machine.
    pub node: String,
    /// When it was so.
    pub time: Timestamp,
    /// What it is about.
    pub alert: Alert,
}

impl Alert {
    /// Its name, for scripts.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Notice { .. } => "notice",
            Self::Withdrawn { .. } => "notice_withdrawn",
            Self::Failover { .. } => "failover",
            Self::OffAir { .. } => "off_air",
            Self::BackOnAir { .. } => "back_on_air",
            Self::Quarantine { .. } => "quarantine",
            Self::Standby => "standby",
            Self::Music => "standby_over",
            Self::Drained { .. } => "drained",
        }
    }

    /// `error`: somebody must act. `warning`: somebody should look. `info`: it is good to know.
    pub fn severity(&self) -> &'static str {
        match self {
            Self::OffAir { .. } => "error",
            Self::Notice { .. } | Self::Failover { .. } | Self::Quarantine { .. } | Self::Standby => {
                "warning"
            }
            Self::Drained { whole } => {
                if *whole {
                    "info"
                } else {
                    "warning"
                }
            }
            Self::Withdrawn { .. } | Self::BackOnAir { .. } | Self::Music => "info",
        }
    }

    /// One sentence, without the channel's name.
    fn sentence(&self) -> String {
        let because = |error: &Option<String>| match error {
            Some(error) => format!(": {}", short(error)),
            None => String::new(),
        };
        match self {
            Self::Notice { reason, deadline: Some(at) } => {
                format!("this machine goes at {}: {}", Timestamp::from_unix(*at), short(reason))
            }
            Self::Notice { reason, deadline: None } => format!("this machine goes: {}", short(reason)),
            Self::Withdrawn { reason } => format!("this machine stays after all ({})", short(reason)),
            Self::Failover { destination, ingests, times, error } => {
                let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
                let ingests = ingests.join(" and ");
                format!("{destination} has failed over{times} and is now on {ingests}{}", because(error))
            }
            Self::OffAir { destination, error } => format!("{destination} is off air{}", because(error)),
            Self::BackOnAir { destination, seconds } => {
                format!("{destination} is back on air after {seconds} s")
            }
            Self::Quarantine { files, named } => {
                let names: Vec<_> = named.iter().map(|(source, _)| short(source)).collect();
                let more = if *files > named.len() { ", …" } else { "" };
                let files = if *files == 1 { "1 file".to_owned() } else { format!("{files} files") };
                format!("{files} cannot be played: {}{more}", names.join(", "))
            }
            Self::Standby => "there is nothing to play, so the standby card is on air".to_owned(),
            Self::Music => "music is on air again".to_owned(),
            Self::Drained { whole: true } => "the channel has ended in order on this machine".to_owned(),
            Self::Drained { whole: false } => {
                "the channel has ended on this machine before every session was closed".to_owned()
            }
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Notice { reason, deadline } => {
                let deadline = deadline.map(|at| Timestamp::from_unix(at).to_string());
                json!({ "reason": short(reason), "deadline": deadline })
            }
            Self::Withdrawn { reason } => json!({ "reason": short(reason) }),
            Self::Failover { destination, ingests, times, error } => {
                let error = error.as_deref().map(short);
                json!({ "destination": destination, "ingests": ingests, "times": times, "error": error })
            }
            Self::OffAir { destination, error } => {
                json!({ "destination": destination, "error": error.as_deref().map(short) })
            }
            Self::BackOnAir { destination, seconds } => {
                json!({ "destination": destination, "seconds": seconds })
            }
            Self::Quarantine { files, named } => {
                let named = named
                    .iter()
                    .map(|(source, reason)| json!({ "source": short(source), "reason": short(reason) }));
                json!({ "files": files, "named": named.collect::<Vec<_>>() })
            }
            Self::Standby | Self::Music => json!({}),
            Self::Drained { whole } => json!({ "whole": whole }),
        }
    }
}

/// The body to post, as JSON.
pub fn body(post: &Post, kind: WebhookKind) -> Value {
    let Post { id, event, channel, node, time, alert } = post;
    let text = format!("{channel}: {}", alert.sentence());
    match kind {
        WebhookKind::Json => json!({
            "version": 1, "id": id, "event": event, "severity": alert.severity(), "channel": channel,
            "node": node, "time": time.to_string(), "text": text, "details": alert.details(),
        }),
        // Its three special characters, and nothing else, are to be escaped.
        WebhookKind::Slack => {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            json!({ "text": format!("{} {text}", sign(alert)) })
        }
        // A file may be called @everyone.
        WebhookKind::Discord => {
            json!({ "content": format!("{} {text}", sign(alert)), "allowed_mentions": { "parse": [] } })
        }
    }
}

fn sign(alert: &Alert) -> &'static str {
    match alert.severity() {
        "error" => "🔴",
        "warning" => "🟠",
        _ => "🟢",
    }
}

/// One line of bounded length.
fn short(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = line.take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}
