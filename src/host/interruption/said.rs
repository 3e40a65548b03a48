//! From a path's text to what it announces. Pure; never fails on what can be made sense of, as a
//! notice that is not understood is a machine that goes without one.

use super::{Kind, Notice, Path, SPOT_WARNING};
use crate::media::Timestamp;
use serde::Deserialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What nobody can make sense of, word for word, up to 200 characters of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

/// One announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) at: Option<SystemTime>,
    pub(super) raw: String,
}

#[derive(Deserialize)]
struct Spot {
    action: String,
    time: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rebalance {
    notice_time: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    event_id: Option<String>,
    code: String,
    not_before: Option<String>,
    not_after: Option<String>,
    state: Option<String>,
    description: Option<String>,
}

impl Heard {
    /// The notice, first heard at `heard`.
    pub(super) fn into_notice(self, heard: SystemTime) -> Notice {
        let at = match &self.kind {
            // It begins at once, whatever its time says.
            Kind::Interruption(action) if action == "hibernate" => Some(heard),
            Kind::Interruption(_) => {
                let last = heard + SPOT_WARNING;
                Some(self.at.unwrap_or(last).clamp(heard, last))
            }
            _ => self.at,
        };
        Notice { id: self.id, kind: self.kind, heard, at, raw: self.raw }
    }
}

/// What `text` at `path` announces; nothing is an answer, too.
pub(super) fn hear(path: Path, text: &str) -> Result<Vec<Heard>, Unreadable> {
    let text = text.trim();
    let heard = match path {
        Path::Spot => spot(text),
        Path::Group => group(text),
        Path::Rebalance => rebalance(text),
        Path::Maintenance => maintenance(text),
    };
    heard.ok_or_else(|| Unreadable(text.chars().take(200).collect()))
}

fn spot(text: &str) -> Option<Vec<Heard>> {
    let (action, time) = match serde_json::from_str::<Spot>(text) {
        Ok(Spot { action, time }) => (action, time.as_ref().and_then(|time| instant(time.as_str()?))),
        // Cut off or malformed, but an interruption all the same: no other text has this word.
        Err(_) if text.contains("\"action\"") => ("unreadable".to_owned(), None),
        Err(_) => return None,
    };
    let when = time.map_or_else(|| "at an unreadable time".to_owned(), |at| Timestamp::from(at).to_string());
    let id = format!("spot {when}");
    Some(vec![Heard { id, kind: Kind::Interruption(action), at: time, raw: text.to_owned() }])
}

fn group(text: &str) -> Option<Vec<Heard>> {
    // Some emulators quote it.
    let state = text.trim_matches('"');
    let is_state = state.starts_with(|c: char| c.is_ascii_uppercase()) && state.len() <= 64;
    if !is_state || !state.chars().all(|c| c.is_ascii_alphanumeric() || c == ':') {
        return None;
    }
    let leaves = ["Terminated", "Detached", "Standby"].contains(&state) || state.starts_with("Warmed:");
    let heard = || Heard {
        id: format!("group {state}"),
        kind: Kind::Released(state.to_owned()),
        at: None,
        raw: text.to_owned(),
    };
    Some(leaves.then(heard).into_iter().collect())
}

fn rebalance(text: &str) -> Option<Vec<Heard>> {
    let time = match serde_json::from_str::<Rebalance>(text) {
        Ok(Rebalance { notice_time: Some(time) }) => time.as_str().and_then(instant),
        _ if text.contains("\"noticeTime\"") => None,
        _ => return None,
    };
    let when = time.map_or_else(|| "at an unreadable time".to_owned(), |at| Timestamp::from(at).to_string());
    Some(vec![Heard {
        id: format!("rebalance {when}"),
        kind: Kind::Rebalance,
        at: time,
        raw: text.to_owned(),
    }])
}

fn maintenance(text: &str) -> Option<Vec<Heard>> {
    let events: Vec<Event> = serde_json::from_str(text).ok()?;
    let over = |event: &Event| {
        let state = event.state.as_deref().unwrap_or_default().to_lowercase();
        let description = event.description.as_deref().unwrap_or_default().to_lowercase();
        ["completed", "canceled", "cancelled"]
            .iter()
            .any(|word| state == *word || description.starts_with(&format!("[{word}]")))
    };
    let heard = |event: Event| {
        let day = |text: &Option<String>| text.as_deref().and_then(instant);
        let name = event.event_id.clone().or_else(|| event.not_before.clone()).unwrap_or_default();
        Heard {
            id: format!("maintenance {} {name}", event.code),
            at: day(&event.not_before),
            raw: format!(
                "{} {} {} {}",
                event.code,
                event.not_before.as_deref().unwrap_or("?"),
                event.not_after.as_deref().unwrap_or("?"),
                event.description.as_deref().unwrap_or_default()
            ),
            kind: Kind::Maintenance { until: day(&event.not_after), code: event.code },
        }
    };
    Some(events.into_iter().filter(|event| !over(event)).map(heard).collect())
}

/// A time in either of the two forms in use: `2017-09-18T08:22:00Z`, with or without parts of a
/// second, and `21 Jan 2019 09:00:43 GMT`.
fn instant(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let stamp = match text.split_whitespace().collect::<Vec<_>>()[..] {
        [day, month, year, time, "GMT" | "UTC"] => {
            const MONTHS: [&str; 12] =
                ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let month = MONTHS.iter().position(|name| month == *name)? + 1;
            format!("{year:0>4}-{month:02}-{day:0>2}T{time}Z")
        }
        _ => {
            let whole = text.split(['.', 'Z']).next()?;
            let rest = text.strip_prefix(whole)?.strip_suffix('Z')?;
            let fraction = rest.strip_prefix('.').unwrap_or("0");
            if !fraction.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            format!("{whole}Z")
        }
    };
    Some(UNIX_EPOCH + Duration::from_secs(stamp.parse::<Timestamp>().ok()?.unix()))
}
