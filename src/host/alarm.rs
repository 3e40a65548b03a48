//! A timer for those who wake many times a second, at the least cost.
//!
//! Tokio's timers are a wheel: one that is a quarter of a second away wakes the process once or
//! twice on the way there to be moved to a finer wheel, and each that is set sooner than all others
//! wakes it once more at once. For a task whose whole work is four short bursts a second that is
//! most of what it costs. The kernel's timer wakes once.
//!
//! In virtual time, and where the kernel has no timer to give, tokio's does it.

use super::kernel;
use std::future::pending;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

/// Rings once for each time that it is set.
pub struct Alarm {
    timer: Option<AsyncFd<OwnedFd>>,
    at: Option<Instant>,
}

impl Alarm {
    /// One on the kernel's timer. Belongs to the runtime that it is made in.
    pub fn kernel() -> Self {
        let timer =
            kernel::timer().inspect_err(|error| tracing::debug!(%error, "no timer from the kernel")).ok();
        Self { timer, at: None }
    }

    /// One on tokio's clock, which may be virtual.
    pub fn tokio() -> Self {
        Self { timer: None, at: None }
    }

    /// From now on it rings at `at`, and not at what was set before.
    pub fn set(&mut self, at: Instant) {
        self.at = Some(at);
        if let Some(timer) = &self.timer
            && let Err(error) =
                kernel::set_timer(timer.get_ref(), at.saturating_duration_since(Instant::now()))
        {
            tracing::debug!(%error, "the kernel's timer cannot be set");
            self.timer = None;
        }
    }

    /// Waits until it rings; if it was not set since it rang, for ever. Can be dropped and called
    /// again.
    pub async fn ring(&mut self) {
        let Some(at) = self.at else { return pending().await };
        match &self.timer {
            None => sleep_until(at).await,
            Some(timer) => {
                while Instant::now() < at {
                    match timer.readable().await {
                        // Setting it anew takes back what could be read; only the sign must go.
                        Ok(mut ready) => ready.clear_ready(),
                        Err(_) => sleep_until(at).await,
                    }
                }
            }
        }
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn it_rings_when_it_was_set_to_and_then_not_again() {
        for mut alarm in [Alarm::kernel(), Alarm::tokio()] {
            for _ in 0..3 {
                let at = Instant::now() + SOON;
                alarm.set(at);
                timeout(LONG, alarm.ring()).await.expect("it rings");
                assert!(Instant::now() >= at);
            }
            assert!(timeout(2 * SOON, alarm.ring()).await.is_err());
        }
    }

    #[tokio::test]
    async fn setting_it_anew_takes_back_what_was_set_before() {
        for mut alarm in [Alarm::kernel(), Alarm::tokio()] {
            alarm.set(Instant::now());
            // It may have expired by now, and nobody was there.
            alarm.set(Instant::now() + LONG);
            assert!(timeout(2 * SOON, alarm.ring()).await.is_err());
            alarm.set(Instant::now());
            timeout(LONG, alarm.ring()).await.expect("it rings");
        }
    }
}
