//! What notices about the machine do to the channel: they become a [`Drain`], the channel leaves the
//! air for it, and comes back when it was a false alarm.
//!
//! It stays on the air for as long as it can: until another node carries the channel, and else until
//! just before the machine goes. After that the process stays, idle: were it to end, its service
//! manager would start it again, on a machine that is about to go. When the notice is withdrawn or
//! nothing comes of it, the channel is built anew, in the same process.

use crate::control::status;
use crate::host::Drain;
use crate::host::interruption::Outlook;
use std::convert::Infallible;
use std::time::SystemTime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// See the module's head. Clones see the same notices.
#[derive(Clone)]
pub(super) struct Notices {
    outlook: watch::Receiver<Outlook>,
    drain: watch::Receiver<Option<Drain>>,
}

/// What keeps [`Notices`] up to date: to be run beside everything else.
pub(super) struct Follow {
    outlook: watch::Receiver<Outlook>,
    drain: watch::Sender<Option<Drain>>,
}

impl Notices {
    /// From what the metadata service says.
    pub(super) fn new(outlook: watch::Receiver<Outlook>) -> (Self, Follow) {
        let (sender, drain) = watch::channel(drain_of(&outlook.borrow(), Instant::now(), SystemTime::now()));
        (Self { outlook: outlook.clone(), drain }, Follow { outlook, drain: sender })
    }

    /// The drain that a notice asks for, for whoever hands the channel over to another node.
    pub(super) fn drain(&self) -> watch::Receiver<Option<Drain>> {
        self.drain.clone()
    }

    /// Whether the machine is known to be going.
    pub(super) fn going(&self) -> bool {
        self.drain.borrow().as_ref().is_some_and(|drain| !drain.patient)
    }

    /// As the status has it: the most urgent.
    pub(super) fn status(&self) -> Option<status::Notice> {
        let outlook = self.outlook.borrow();
        let notice = outlook.notice()?;
        Some(status::Notice { reason: notice.reason(), deadline: notice.at.map(Into::into) })
    }

    /// Waits until the channel has to leave the air: as late as it can be, or once `relieved`.
    /// Cancel-safe.
    pub(super) async fn leave(&mut self, relieved: &mut watch::Receiver<bool>) -> Drain {
        loop {
            let Some(drain) = self.drain.borrow_and_update().clone() else {
                changed(&mut self.drain).await;
                continue;
            };
            let relief = async {
                if relieved.wait_for(|relieved| *relieved).await.is_err() {
                    std::future::pending().await
                }
            };
            tokio::select! {
                () = relief => return drain,
                () = sleep_until(drain.leave_at()) => return drain,
                () = changed(&mut self.drain) => {}
            }
        }
    }

    /// Waits until there is nothing to leave the air for. Cancel-safe.
    pub(super) async fn withdrawn(&mut self) {
        if self.drain.wait_for(Option::is_none).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Follow {
    /// Until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), Infallible> {
        stop.run_until_cancelled(self.follow()).await;
        Ok(())
    }

    async fn follow(mut self) {
        loop {
            changed(&mut self.outlook).await;
            let next = drain_of(&self.outlook.borrow_and_update(), Instant::now(), SystemTime::now());
            self.drain.send_if_modified(|drain| {
                // The same notice, looked at later, has the same deadline but for rounding.
                let same = match (&*drain, &next) {
                    (Some(before), Some(next)) => before.is_about(next),
                    (None, None) => true,
                    _ => false,
                };
                if !same {
                    *drain = next;
                }
                !same
            });
        }
    }
}

fn drain_of(outlook: &Outlook, now: Instant, wall: SystemTime) -> Option<Drain> {
    Drain::for_notice(outlook.drain()?, now, wall)
}

/// Whoever told is gone: nothing changes any more.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::interruption::{Kind, Notice};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn notice(kind: Kind, within: Option<Duration>) -> Outlook {
        let now = SystemTime::now();
        let at = within.map(|within| now + within);
        Outlook {
            notices: vec![Notice { id: "x".into(), kind, heard: now, at, raw: String::new() }],
            ..Outlook::default()
        }
    }

    fn interruption(seconds: u32) -> Outlook {
        notice(Kind::Interruption("terminate".into()), Some(SECOND * seconds))
    }

    /// How long it takes until the channel leaves, with these notices and this relief, each at its
    /// time; none if it does not leave within ten minutes.
    async fn left_after(notices: Vec<(u64, Outlook)>, relief: Option<u64>) -> Option<f64> {
        let start = Instant::now();
        let (tell, outlook) = watch::channel(Outlook::default());
        let (relieve, mut relieved) = watch::channel(false);
        let (mut channel, follow) = Notices::new(outlook);
        let world = async {
            for (second, outlook) in notices {
                sleep_until(start + SECOND * second as u32).await;
                tell.send_replace(outlook);
            }
            std::future::pending().await
        };
        let relief = async {
            if let Some(second) = relief {
                sleep_until(start + SECOND * second as u32).await;
                relieve.send_replace(true);
            }
            std::future::pending().await
        };
        tokio::select! {
            _ = channel.leave(&mut relieved) => Some(start.elapsed().as_secs_f64()),
            () = follow.follow() => unreachable!("it never ends"),
            () = world => unreachable!("it never ends"),
            () = relief => unreachable!("it never ends"),
            () = sleep_until(start + SECOND * 600) => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_channel_stays_on_the_air_for_as_long_as_it_can() {
        let about = |left: Option<f64>, seconds: f64| {
            assert!(left.is_some_and(|left| (left - seconds).abs() < 0.5), "{left:?} and not {seconds} s");
        };
        about(left_after(vec![(5, interruption(120))], None).await, 115.0);
        about(left_after(vec![(5, interruption(0))], None).await, 5.0);
        about(left_after(vec![(5, interruption(120))], Some(20)).await, 20.0);
        // Whoever was there before is there.
        about(left_after(vec![(5, interruption(120))], Some(1)).await, 5.0);
        // The deadline moves.
        about(left_after(vec![(5, interruption(120)), (10, interruption(30))], None).await, 30.0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_withdrawn_in_time_or_only_advice_changes_nothing() {
        let maintenance = Kind::Maintenance { code: "system-reboot".into(), until: None };
        let released = |state: &str| notice(Kind::Released(state.into()), None);
        for (notices, relief) in [
            // The machine stays, as far as is known, and nobody else is on air.
            (vec![(5, released("Terminated"))], None),
            (vec![(5, released("Standby"))], None),
            (vec![(5, released("Detached"))], None),
            (vec![(5, notice(Kind::Rebalance, None))], Some(1)),
            (vec![(5, notice(maintenance, Some(SECOND * 9)))], Some(1)),
            (vec![(5, interruption(120)), (60, Outlook::default())], Some(70)),
        ] {
            assert_eq!(left_after(notices, relief).await, None);
        }
    }
}
