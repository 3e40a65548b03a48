//! Keeps one talkative place in the code from drowning the log: so many lines of each, then none
//! until its time is up. What was left out is counted, and said by the log's owner.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// Lines of one place in the code within a [`WINDOW`]. Starting up with a few destinations stays
/// well below it; a loop gone wild passes it in no time.
const LINES: u32 = 50;
/// See [`LINES`].
const WINDOW: Duration = Duration::from_secs(10);

/// How many lines have been left out since the start. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct LeftOut(Arc<AtomicU64>);

impl LeftOut {
    /// Lines left out since the start.
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, lines: u64) {
        self.0.fetch_add(lines, Ordering::Relaxed);
    }
}

/// The filter. One window a place; the places are those in the code, so they are bounded.
#[derive(Debug, Default)]
pub struct Limit {
    places: Mutex<HashMap<Identifier, Window>>,
    left_out: LeftOut,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    opened: Instant,
    lines: u32,
}

impl Limit {
    /// The count of what this filter leaves out.
    pub fn left_out(&self) -> LeftOut {
        self.left_out.clone()
    }
}

/// Whether a line may pass at `now`, and the window as it then is.
fn admit(window: Option<Window>, now: Instant) -> (bool, Window) {
    match window {
        Some(window) if now.saturating_duration_since(window.opened) < WINDOW => {
            (window.lines < LINES, Window { lines: window.lines.saturating_add(1), ..window })
        }
        _ => (true, Window { opened: now, lines: 1 }),
    }
}

impl<S: Subscriber> Filter<S> for Limit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let place = event.metadata().callsite();
        let mut places = self.places.lock().expect("nothing panics while it holds this lock");
        let (pass, window) = admit(places.get(&place).copied(), Instant::now());
        places.insert(place, window);
        if !pass {
            self.left_out.add(1);
        }
        pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_the_place_is_heard_again_in_the_next_window() {
        let start = Instant::now();
        let mut window = None;
        let mut flood = |at: Duration| {
            let (pass, next) = admit(window, start + at);
            window = Some(next);
            pass
        };
        let passed = (0..1000).filter(|i| flood(Duration::from_millis(*i))).count();
        assert_eq!(passed, LINES as usize);
        assert!(!flood(WINDOW - Duration::from_millis(1)));
        assert!(flood(WINDOW));
    }

    #[test]
    fn one_place_does_not_silence_another_and_what_is_left_out_is_counted() {
        use tracing_subscriber::layer::SubscriberExt;
        use tracing_subscriber::{Layer, fmt};

        let lines = super::super::journal::tests::Lines::default();
        let limit = Limit::default();
        let left_out = limit.left_out();
        let layer = fmt::layer().with_writer(lines.clone()).with_ansi(false).with_filter(limit);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for _ in 0..LINES + 7 {
                tracing::info!("flood");
            }
            tracing::info!("something else");
        });
        assert_eq!(lines.text().matches("flood").count(), LINES as usize);
        assert_eq!(lines.text().matches("something else").count(), 1);
        assert_eq!(left_out.total(), 7);
    }
}
