//! Waiting for other processes: for a condition, never for a time.

use std::time::{Duration, Instant};

/// How often a condition is looked at. No test depends on it.
const LOOK: Duration = Duration::from_millis(10);

/// Looks until `condition` gives something, and fails with `what` after `within`.
#[track_caller]
pub fn until<T>(what: &str, within: Duration, condition: impl FnMut() -> Option<T>) -> T {
    let Some(found) = until_or(within, condition) else { panic!("waited {within:?} in vain: {what}") };
    found
}

/// Looks until `condition` gives something, for `within` at most.
pub fn until_or<T>(within: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}

/// Lets `time` of the real programme go by; for what is *measured over* a time.
pub fn let_pass(time: Duration) {
    std::thread::sleep(time);
}
