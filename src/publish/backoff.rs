//! How long to wait before the next attempt: doubling, capped, and spread by chance.
//!
//! A pure value: the same failures and the same roll of the dice give the same delay, so a deadline
//! can be worked out again at any time and comes out the same.

use std::time::Duration;

/// A checked rule for delays between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    jitter: u32,
}

/// Why a [`Backoff`] was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A first delay of nothing doubles to nothing: an endless tight loop.
    #[error("the first delay must be above zero")]
    Zero,
    /// The cap is below the first delay.
    #[error("the longest delay must not be below the first")]
    Reversed,
    /// All of the delay, or more, would be left to chance.
    #[error("the jitter must be below 100 percent")]
    Jitter,
}

impl Backoff {
    /// `first` after one failure, twice as long after each further one, never above `most`; of
    /// which up to `jitter` percent is taken off by chance, so that many clients that failed
    /// together do not come back together.
    pub const fn new(first: Duration, most: Duration, jitter: u32) -> Result<Self, Invalid> {
        if first.is_zero() {
            return Err(Invalid::Zero);
        }
        if most.as_nanos() < first.as_nanos() {
            return Err(Invalid::Reversed);
        }
        if jitter >= 100 {
            return Err(Invalid::Jitter);
        }
        Ok(Self { first, most, jitter })
    }

    /// The delay after `failures` failures in a row (none: no delay), where `roll` is any number
    /// drawn evenly from all of `u64`.
    pub fn delay(&self, failures: u32, roll: u64) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(factor).min(self.most);
        // 2^32 steps are fine enough, and keep the arithmetic in integers.
        let share = u128::from(self.jitter) * u128::from(roll >> 32);
        let off = whole.as_nanos() * share / (100 << 32);
        whole - Duration::from_nanos(off as u64)
    }

    /// The longest delay.
    pub const fn most(&self) -> Duration {
        self.most
    }

    /// The delay after one failure, before chance shortens it.
    pub const fn first(&self) -> Duration {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn backoff() -> impl Strategy<Value = Backoff> {
        (1u64..10_000, 0u64..100_000, 0u32..100).prop_map(|(first, more, jitter)| {
            Backoff::new(Duration::from_millis(first), Duration::from_millis(first + more), jitter).unwrap()
        })
    }

    proptest! {
        #[test]
        fn a_delay_is_never_above_the_cap_and_never_more_jittered_than_asked(
            backoff in backoff(), failures in 1u32.., roll: u64,
        ) {
            let delay = backoff.delay(failures, roll);
            prop_assert!(delay <= backoff.most);
            prop_assert!(delay >= backoff.first * (100 - backoff.jitter) / 100);
            prop_assert!(!delay.is_zero());
        }

        #[test]
        fn more_failures_never_wait_less(backoff in backoff(), failures in 0u32..100, roll: u64) {
            prop_assert!(backoff.delay(failures, roll) <= backoff.delay(failures + 1, roll));
        }
    }

    #[test]
    fn delays_double_up_to_the_cap() {
        let backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(1), 0).unwrap();
        let delays: Vec<_> = (0..6).map(|n| backoff.delay(n, u64::MAX).as_millis()).collect();
        assert_eq!(delays, [0, 250, 500, 1000, 1000, 1000]);
    }

    #[test]
    fn nonsense_is_refused() {
        let (zero, second, minute) = (Duration::ZERO, Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(Backoff::new(zero, minute, 0), Err(Invalid::Zero));
        assert_eq!(Backoff::new(minute, second, 0), Err(Invalid::Reversed));
        assert_eq!(Backoff::new(second, minute, 100), Err(Invalid::Jitter));
    }
}
