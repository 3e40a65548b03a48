//! Signals as events: the first SIGTERM or SIGINT asks for an orderly end, the next one for an end
//! at once, SIGHUP for a look at the configuration. SIGUSR1 says that no process will follow this one,
//! and counts when it comes before or with the signal that ends it.
//!
//! SIGPIPE needs nothing: Rust's runtime ignores it before `main`, so that a peer that goes away is
//! an error of the write and not our end.

use futures_util::stream::Stream;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook_tokio::Signals as Delivery;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An orderly end; why, for the log.
    Drain(&'static str),
    /// An end at once: somebody has lost patience.
    Force(&'static str),
    /// The configuration may have changed.
    Reload,
    /// The end, when it comes, is no restart.
    Last,
}

/// The signals that this process gets, from when this was made.
pub struct Signals {
    signals: Delivery,
    order: Order,
}

impl Signals {
    /// Takes over SIGTERM, SIGINT, SIGHUP and SIGUSR1, for good. Needs a tokio runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self { signals: Delivery::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?, order: Order::default() })
    }

    /// The next event. Cancel-safe; never ends by itself.
    pub async fn next(&mut self) -> Event {
        let signal = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.order.on(signal)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<libc::c_int> {
        match Pin::new(&mut self.signals).poll_next(cx) {
            Poll::Ready(Some(signal)) => Poll::Ready(signal),
            // The stream ends only when its handle is closed, and we keep none.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Whether an end has been asked for already.
#[derive(Debug, Default)]
struct Order {
    draining: bool,
}

impl Order {
    fn on(&mut self, signal: libc::c_int) -> Event {
        let name = match signal {
            SIGHUP => return Event::Reload,
            SIGUSR1 => return Event::Last,
            SIGINT => "SIGINT",
            _ => "SIGTERM",
        };
        if std::mem::replace(&mut self.draining, true) { Event::Force(name) } else { Event::Drain(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::low_level::raise;

    // One test, as signals come to the whole process and so to every test in it.
    #[tokio::test]
    async fn signals_become_events_in_order_and_a_second_one_forces() {
        let mut signals = Signals::new().unwrap();
        // Of two that wait, the one that says what the end will be is heard before the end.
        raise(SIGTERM).unwrap();
        raise(SIGUSR1).unwrap();
        assert_eq!(signals.next().await, Event::Last);
        assert_eq!(signals.next().await, Event::Drain("SIGTERM"));
        for (signal, event) in
            [(SIGHUP, Event::Reload), (SIGINT, Event::Force("SIGINT")), (SIGTERM, Event::Force("SIGTERM"))]
        {
            raise(signal).unwrap();
            assert_eq!(signals.next().await, event);
        }
    }

    #[test]
    fn sigpipe_is_ignored() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
        let mask = u64::from_str_radix(ignored.trim(), 16).unwrap();
        assert_ne!(mask & 1 << (libc::SIGPIPE - 1), 0, "{ignored}");
    }
}
