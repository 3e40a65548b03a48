//! Log lines on their way to somewhere else, as far as they are not there yet. Bounded: the oldest
//! go when there are too many, as the journal has them all.

use super::Record;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Lines that may wait, and so the most in one request.
const LINES: usize = 500;
/// And their bytes.
const BYTES: usize = 128 << 10;

/// A line and when it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was written.
    pub at: SystemTime,
    /// `INFO on air destination=youtube`
    pub text: String,
}

/// See the module's head. Clones share what waits.
#[derive(Clone, Debug, Default)]
pub struct Shipment(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Shipment {
    /// Adds a line. Never waits for more than another one to be added.
    pub fn put(&self, record: &Record, at: SystemTime) {
        self.add(Line { at, text: format!("{} {}", record.level(), record.line()) });
    }

    fn add(&self, line: Line) {
        let mut waiting = self.waiting();
        waiting.bytes += line.text.len();
        waiting.lines.push_back(line);
        while waiting.lines.len() > LINES || waiting.bytes > BYTES {
            let Some(oldest) = waiting.lines.pop_front() else { break };
            waiting.bytes -= oldest.text.len();
        }
    }

    /// Takes all that waits, in order.
    pub fn take(&self) -> Vec<Line> {
        let mut waiting = self.waiting();
        waiting.bytes = 0;
        waiting.lines.drain(..).collect()
    }

    /// Puts back what could not be sent, before what has come since, as far as there is room.
    pub fn put_back(&self, lines: Vec<Line>) {
        let newer = self.take();
        lines.into_iter().chain(newer).for_each(|line| self.add(line));
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: String) -> Line {
        Line { at: SystemTime::UNIX_EPOCH, text }
    }

    #[test]
    fn the_newest_are_kept_in_order() {
        let shipment = Shipment::default();
        (0..LINES + 3).for_each(|number| shipment.add(line(number.to_string())));
        let taken = shipment.take();
        assert_eq!((taken.len(), taken[0].text.as_str()), (LINES, "3"));
        (0..5).for_each(|_| shipment.add(line("new".to_owned())));
        shipment.put_back(taken);
        let again = shipment.take();
        assert_eq!((again[0].text.as_str(), again.len()), ("8", LINES));
        assert_eq!(again.last().map(|line| line.text.as_str()), Some("new"));
        assert!(shipment.take().is_empty());
    }

    #[test]
    fn long_lines_do_not_pile_up() {
        let shipment = Shipment::default();
        (0..50).for_each(|_| shipment.add(line("x".repeat(16 << 10))));
        assert_eq!(shipment.take().len(), BYTES / (16 << 10));
    }
}
