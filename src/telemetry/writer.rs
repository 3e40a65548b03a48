//! Writes the log on a thread of its own, so that a journal which does not take it holds up nobody.
//!
//! A socket, a pipe and a terminal can all refuse to take a line for as long as they like, and a
//! burst of media is due four times a second on the only thread there is. So logging is: format the
//! values, put the record into a queue, go on. The queue is bounded in bytes. What does not fit is
//! lost and counted, the newest first: what began a trouble says more than its thousandth echo.
//!
//! Rejected: a non-blocking socket (tracing-journald makes its own, and an overrun would then lose
//! the line that a busy journal would have taken a millisecond later), and a second dispatcher for
//! the thread (every place that logs at debug would then be asked anew at each visit).

use super::limit::LeftOut;
use super::record::{For, Record};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Bytes that may wait: thousands of lines, and one percent of the daemon's memory.
const MOST: usize = 256 << 10;
/// How long the end of the process waits for the last lines.
pub(super) const FLUSH: Duration = Duration::from_secs(1);

/// What writes events, and for whom.
pub(super) type Sink = (Box<dyn Subscriber + Send + Sync>, For);

/// Something that also gets every record, on the writer's thread. It must not wait.
pub(super) type Tap = Arc<dyn Fn(&Record) + Send + Sync>;

/// The queue's near end, as a layer.
pub(super) struct Writer(Arc<Queue>);

/// The queue's far end. Dropping it waits for the last lines, [`FLUSH`] at most.
pub(super) struct Waiting(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    /// Records have come.
    filled: Condvar,
    /// All records have been written.
    emptied: Condvar,
    lost: LeftOut,
}

#[derive(Default)]
struct State {
    records: VecDeque<Record>,
    bytes: usize,
    /// A record is out of the queue and not yet written.
    writing: bool,
    ended: bool,
    tap: Option<Tap>,
}

/// Starts the thread. It makes its sink itself, as even the greeting may wait for the journal.
pub(super) fn start(
    sink: impl FnOnce() -> Sink + Send + 'static,
    lost: LeftOut,
) -> io::Result<(Writer, Waiting)> {
    let queue =
        Arc::new(Queue { state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new(), lost });
    let end = queue.clone();
    thread::Builder::new().name("log".to_owned()).spawn(move || end.write(sink()))?;
    Ok((Writer(queue.clone()), Waiting(queue)))
}

impl<S: Subscriber> Layer<S> for Writer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.put(Record::of(event));
    }
}

impl Waiting {
    /// From now on every record also goes to `tap`.
    pub(super) fn tap(&self, tap: Tap) {
        self.0.state().tap = Some(tap);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended = true;
        self.0.filled.notify_one();
        let unwritten = |state: &mut State| state.writing || !state.records.is_empty();
        // Poisoned or late: either way it is time to go.
        let _ = self.0.emptied.wait_timeout_while(state, FLUSH, unwritten);
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }

    fn put(&self, record: Record) {
        let bytes = record.bytes();
        let mut state = self.state();
        if state.bytes + bytes > MOST {
            drop(state);
            return self.lost.add(1);
        }
        state.bytes += bytes;
        state.records.push_back(record);
        self.filled.notify_one();
    }

    fn write(&self, (sink, reader): Sink) {
        let mut state = self.state();
        loop {
            if let Some(record) = state.records.pop_front() {
                state.writing = true;
                let tap = state.tap.clone();
                drop(state);
                if let Some(tap) = tap {
                    tap(&record);
                }
                record.replay(&*sink, reader);
                state = self.state();
                state.writing = false;
                state.bytes -= record.bytes();
            } else {
                self.emptied.notify_all();
                if state.ended {
                    return;
                }
                state = self.filled.wait(state).expect("nothing panics while it holds this lock");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::journal::tests::Lines;
    use std::sync::mpsc;
    use std::time::Instant;
    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt;

    /// A sink that waits before each line until it is let go: once for each message, and for good
    /// when the sender is dropped.
    fn gated(lines: &Lines) -> (mpsc::Sender<()>, impl FnOnce() -> Sink + Send + 'static) {
        let (go, gate) = mpsc::channel();
        let (gate, lines) = (Mutex::new(gate), lines.clone());
        let sink = move || {
            let writer = move || {
                let _ = gate.lock().unwrap().recv();
                lines.clone()
            };
            let layer = fmt::layer().with_ansi(false).without_time().with_target(false).with_writer(writer);
            let sink: Sink = (Box::new(tracing_subscriber::registry().with(layer)), For::Person);
            sink
        };
        (go, sink)
    }

    #[test]
    fn lines_come_out_in_order_and_the_end_waits_for_them() {
        let lines = Lines::default();
        let (go, sink) = gated(&lines);
        let lost = LeftOut::default();
        let (layer, waiting) = start(sink, lost.clone()).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            (0..100).for_each(|line| tracing::info!("line {line}"));
        });
        assert_eq!(lines.text(), "", "nothing waits for the writer");
        drop(go);
        drop(waiting);
        let said: String = (0..100).map(|line| format!(" INFO line {line}\n")).collect();
        assert_eq!((lines.text(), lost.total()), (said, 0));
    }

    #[test]
    fn a_sink_that_takes_nothing_holds_up_nobody_and_what_is_lost_is_counted() {
        let lines = Lines::default();
        let (go, sink) = gated(&lines);
        let lost = LeftOut::default();
        let (layer, waiting) = start(sink, lost.clone()).unwrap();
        let text = "x".repeat(1000);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            (0..1000).for_each(|line| tracing::info!("line {line} {text}"));
            assert!(waiting.0.state().bytes <= MOST);
            let kept = 1000 - lost.total();
            assert!((200..MOST as u64 / 1000).contains(&kept), "{kept} were kept");
            // Once it takes lines again there is room again.
            (0..kept).for_each(|_| go.send(()).unwrap());
            let (mut state, by) = (waiting.0.state(), Instant::now() + Duration::from_secs(10));
            while state.bytes > 0 {
                let left = by.saturating_duration_since(Instant::now());
                assert!(!left.is_zero(), "the lines are written");
                state = waiting.0.emptied.wait_timeout(state, left).unwrap().0;
            }
            drop(state);
            let before = lost.total();
            tracing::info!("again");
            assert_eq!(lost.total(), before);
            let first: Vec<_> =
                lines.text().lines().map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect();
            assert_eq!(
                first,
                (0..kept).map(|line| line.to_string()).collect::<Vec<_>>(),
                "the first are kept"
            );
        });
        let start = Instant::now();
        drop(waiting);
        assert!((FLUSH..FLUSH * 3).contains(&start.elapsed()), "the end waits, and not for ever");
    }

    #[test]
    fn a_tap_gets_what_is_written() {
        let lines = Lines::default();
        let (go, sink) = gated(&lines);
        drop(go);
        let (layer, waiting) = start(sink, LeftOut::default()).unwrap();
        let tapped = Arc::new(Mutex::new(Vec::new()));
        let into = tapped.clone();
        waiting.tap(Arc::new(move |record| into.lock().unwrap().push(record.line())));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(destination = "youtube", "on air");
        });
        drop(waiting);
        assert_eq!(*tapped.lock().unwrap(), ["on air destination=youtube"]);
    }
}
