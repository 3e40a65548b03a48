//! Waiting for other processes: for a condition, never for a time.

use std::time::{Duration, Instant};

/// How often a condition is looked at. No test depends on it.
const LOOK: Duration = Duration::from_millis(10);

/// Looks until `condition` gives something, and fails with `what` after `within`.
#[track_caller]
pub fn until<T>(what: &str, within: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {within:?} in vain: {what}");
        std::thread::sleep(LOOK);
    }
}

/// Lets `time` of the real programme go by; for what is *measured over* a time.
pub fn let_pass(time: Duration) {
    std::thread::sleep(time);
}
