//! What goes over the control socket: a request a line, a reply a line, both JSON. Pure.

use super::status::{Status, Upcoming};
use crate::media::Credits;
use serde::{Deserialize, Serialize};

/// The longest request line, its end included. A path on Linux has at most 4096 bytes, each of
/// which JSON may write in six.
pub const MAX_REQUEST: usize = 32 << 10;
/// The longest reply line that the client takes: room for 50 000 quarantined files.
pub const MAX_REPLY: usize = 16 << 20;
/// The most entries that one `plan` may ask for.
pub const MAX_PLAN: usize = 1000;

/// What a client may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Request {
    /// How things are.
    Status,
    /// End the entry on air soon, and go on with the next.
    Skip,
    /// Play a track next.
    Queue {
        /// Its path below the media source.
        track: String,
    },
    /// What plays when.
    Plan {
        /// How many entries; at most [`MAX_PLAN`].
        #[serde(default = "ten")]
        count: usize,
    },
}

const fn ten() -> usize {
    10
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To `status`.
    Status(Box<Status>),
    /// To `skip`: the entry that plays instead, and when.
    Skip(Upcoming),
    /// To `queue`.
    Queue(Queued),
    /// To `plan`.
    Plan(Plan),
    /// To any: why not.
    Error(Refusal),
}

/// How `queue` was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queued {
    /// It is in the schedule.
    Scheduled(Upcoming),
    /// It is being rendered first, and goes into the schedule as soon as it is ready.
    Rendering(Forecast),
}

/// What plays when, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What is on air, and what is scheduled behind it, in order.
    pub scheduled: Vec<Upcoming>,
    /// What would be chosen then, if the library stays as it is.
    pub forecast: Vec<Forecast>,
}

/// A track that has no time yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// The track's path below the media source.
    pub source: String,
    /// Who made what.
    #[serde(flatten)]
    pub credits: Credits,
}

/// Why a request was not carried out, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// One sentence.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reads a request line, or says what is wrong with it.
pub fn parse(line: &[u8]) -> Result<Request, Refusal> {
    match serde_json::from_slice(line) {
        Ok(Request::Plan { count }) if count > MAX_PLAN => {
            Err(Refusal::new(format!("a plan has at most {MAX_PLAN} entries, not {count}")))
        }
        Ok(request) => Ok(request),
        Err(error) => Err(Refusal::new(format!("not a request: {error}"))
            .hint(r#"a request is a line like {"verb":"status"}; verbs are status, skip, queue, plan"#)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request() -> impl Strategy<Value = Request> {
        prop_oneof![
            Just(Request::Status),
            Just(Request::Skip),
            ".*".prop_map(|track| Request::Queue { track }),
            (0..=MAX_PLAN).prop_map(|count| Request::Plan { count }),
        ]
    }

    proptest! {
        #[test]
        fn a_request_is_one_line_and_reads_back(request in request()) {
            let line = serde_json::to_vec(&request).unwrap();
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(parse(&line).unwrap(), request);
        }

        #[test]
        fn noise_is_refused_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
        }
    }

    #[test]
    fn the_wire_forms_are_the_documented_ones() {
        assert_eq!(parse(br#"{"verb":"plan"}"#).unwrap(), Request::Plan { count: 10 });
        assert_eq!(
            parse(br#"{"verb":"queue","track":"a/b.mp3"}"#).unwrap(),
            Request::Queue { track: "a/b.mp3".into() }
        );
        let refused = parse(br#"{"verb":"dance"}"#).unwrap_err();
        assert!(refused.message.contains("dance"), "{refused}");
        assert!(parse(br#"{"verb":"plan","count":1001}"#).is_err());
        let error = serde_json::to_string(&Reply::Error(Refusal::new("no"))).unwrap();
        assert_eq!(error, r#"{"error":{"message":"no"}}"#);
    }

    #[test]
    fn the_longest_path_fits() {
        let track = "\u{1}".repeat(4096);
        assert!(serde_json::to_vec(&Request::Queue { track }).unwrap().len() < MAX_REQUEST);
    }
}
