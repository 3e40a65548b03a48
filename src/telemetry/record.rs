//! A log line that owns what is in it, so that another thread can write it.
//!
//! A [`tracing::Event`] borrows its values from where it was logged. A record holds the values as
//! text and the event's metadata, which lives for ever, and can be turned into an equal event again.
//! So whatever prints events can print records, tracing-journald among others, and none of it has to
//! run where the event was logged.

use std::fmt::{self, Write as _};
use tracing::field::{DisplayValue, Field, Value, Visit, display};
use tracing::{Event, Level, Metadata, Subscriber};

/// The field with the identity of a message in the catalogue. journald knows it by this name.
pub(super) const MESSAGE_ID: &str = "message_id";
const MESSAGE: &str = "message";
/// Bytes of the longest value; the rest is cut off. FFmpeg's reasons are the longest there are.
const LONGEST: usize = 16 << 10;
/// Fields of one event. Ours have below ten; what a foreign one has beyond this is left out.
const MOST_FIELDS: usize = 32;

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Record {
    metadata: &'static Metadata<'static>,
    values: Vec<(Field, Text)>,
}

/// What it was decides whether a person sees it in quotation marks.
#[derive(Clone, Debug)]
enum Text {
    Text(String),
    Other(String),
}

/// For whom a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// The journal keeps the fields, and shows the sentence only: so it has the fields too.
    Journal,
    /// A person who reads lines, with fields, and has no use for identities.
    Person,
}

impl Record {
    /// Takes down an event.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut record = Self { metadata: event.metadata(), values: Vec::new() };
        event.record(&mut record);
        record
    }

    /// How grave it is.
    pub fn level(&self) -> Level {
        *self.metadata.level()
    }

    /// Roughly how many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        let values = self.values.iter().map(|(_, value)| value.as_str().len());
        size_of::<Self>() + self.values.len() * size_of::<(Field, Text)>() + values.sum::<usize>()
    }

    /// Gives `to` an event equal to the one that was taken down.
    pub(super) fn replay(&self, to: &dyn Subscriber, reader: For) {
        let line = self.line();
        let shown: Vec<Shown<'_>> = self
            .values
            .iter()
            .map(|(field, value)| match (field.name(), value) {
                (MESSAGE, _) if reader == For::Journal => Shown::Other(display(&line)),
                (_, Text::Text(text)) => Shown::Text(text),
                (_, Text::Other(text)) => Shown::Other(display(text)),
            })
            .collect();
        let hidden = |field: &Field| reader == For::Person && field.name() == MESSAGE_ID;
        let fields = self.metadata.fields();
        let Some(any) = fields.iter().next() else {
            return to.event(&Event::new(self.metadata, &fields.value_set(&[])));
        };
        let mut values: [(&Field, Option<&dyn Value>); MOST_FIELDS] = [(&any, None); MOST_FIELDS];
        let given = self.values.iter().zip(&shown).filter(|((field, _), _)| !hidden(field));
        for (place, ((field, _), shown)) in values.iter_mut().zip(given) {
            *place = (field, Some(shown.value()));
        }
        to.event(&Event::new(self.metadata, &fields.value_set(&values)));
    }

    /// The sentence with its fields behind it, on one line: `on air destination=youtube behind=12`.
    pub fn line(&self) -> String {
        let message = self.values.iter().find(|(field, _)| field.name() == MESSAGE);
        let mut line = message.map_or(String::new(), |(_, text)| text.as_str().to_owned());
        for (field, value) in &self.values {
            if ![MESSAGE, MESSAGE_ID].contains(&field.name()) {
                let gap = if line.is_empty() { "" } else { " " };
                let value = value.as_str();
                let plain = !value.is_empty()
                    && !value.chars().any(|c| c.is_whitespace() || c.is_control() || c == '"');
                // Writing into a String cannot fail.
                let _ = match plain {
                    true => write!(line, "{gap}{}={value}", field.name()),
                    false => write!(line, "{gap}{}={value:?}", field.name()),
                };
            }
        }
        line
    }

    fn put(&mut self, field: &Field, text: Text) {
        self.values.push((field.clone(), text));
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = value.to_owned();
        cut(&mut text);
        self.put(field, Text::Text(text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = format!("{value:?}");
        cut(&mut text);
        self.put(field, Text::Other(text));
    }
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Other(text) => text,
        }
    }
}

/// A value on its way into an event.
enum Shown<'a> {
    Text(&'a str),
    Other(DisplayValue<&'a String>),
}

impl Shown<'_> {
    fn value(&self) -> &dyn Value {
        match self {
            Self::Text(text) => text,
            Self::Other(shown) => shown,
        }
    }
}

fn cut(text: &mut String) {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::messages;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    /// Takes down what it is shown: as records, and as the fields that come.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<Record>>>);

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(Record::of(event));
        }
    }

    fn record(log: impl FnOnce()) -> Record {
        let seen = Seen::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(seen.clone()), log);
        let mut records = seen.0.lock().unwrap();
        assert_eq!(records.len(), 1);
        records.remove(0)
    }

    fn replayed(record: &Record, reader: For) -> Vec<(String, String)> {
        let seen = Seen::default();
        record.replay(&tracing_subscriber::registry().with(seen.clone()), reader);
        let again = seen.0.lock().unwrap().remove(0);
        assert_eq!(again.metadata.callsite(), record.metadata.callsite());
        let text = |(field, value): &(Field, Text)| (field.name().to_owned(), value.as_str().to_owned());
        again.values.iter().map(text).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_event_comes_out_as_it_went_in_and_the_journal_s_sentence_has_the_fields() {
        let failure = std::io::Error::other("it \"broke\"");
        let behind: Option<u64> = None;
        let record = record(|| {
            tracing::warn!(
                message_id = messages::INGEST_FAILED,
                destination = "youtube",
                count = 7,
                ratio = 0.5,
                sure = true,
                behind,
                error = %failure,
                "the ingest {}",
                "failed"
            );
        });
        let fields = [
            ("destination", "youtube"),
            ("count", "7"),
            ("ratio", "0.5"),
            ("sure", "true"),
            ("error", "it \"broke\""),
        ];
        let line =
            r#"the ingest failed destination=youtube count=7 ratio=0.5 sure=true error="it \"broke\"""#;
        assert_eq!(record.line(), line);
        let mut journal = pairs(&[("message", line), ("message_id", messages::INGEST_FAILED)]);
        journal.extend(pairs(&fields));
        assert_eq!(replayed(&record, For::Journal), journal);
        let mut person = pairs(&[("message", "the ingest failed")]);
        person.extend(pairs(&fields));
        assert_eq!(replayed(&record, For::Person), person);
    }

    #[test]
    fn a_line_is_one_line_and_a_long_value_is_cut_between_characters() {
        let reason = record(|| tracing::info!(reason = "one\ntwo", empty = "", "said"));
        assert_eq!(reason.line(), r#"said reason="one\ntwo" empty="""#);
        let long = record(|| tracing::info!(reason = "ä".repeat(LONGEST)));
        assert!(long.bytes() < LONGEST + 1000, "{}", long.bytes());
        let fields = replayed(&long, For::Journal);
        assert!(fields[0].1.ends_with("ä…"));
    }

    #[test]
    fn an_event_may_have_no_sentence() {
        let record = record(|| tracing::info!(count = 3));
        assert_eq!(record.line(), "count=3");
        assert_eq!(replayed(&record, For::Journal), pairs(&[("count", "3")]));
    }
}
