//! A service's life once it is built: on the air until somebody tells it to end or a notice asks it to
//! leave; then, in the second case, idle until the machine goes or the notice has come to nothing.

use super::heirs::Estate;
use super::{Error, Reload, Service};
use crate::host::Drain;
use crate::host::drain::CLOSING;
use crate::host::signals::{Event, Signals};
use crate::telemetry::health::Health;
use crate::telemetry::messages;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The rest of the daemon, when all sessions are closed, ends within this time.
const STOP: Duration = Duration::from_secs(3);
/// How often the service manager's line is brought up to date.
const LINE: Duration = Duration::from_secs(5);

/// How a service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// In order: every session was closed.
    Drained,
    /// At once, because it was told to or the deadline had come.
    Forced,
    /// In order, for a notice that came to nothing: the channel wants to be built anew.
    Recalled,
}

/// What a running service is told to do next.
enum Told {
    /// To end, and why.
    End(&'static str),
    /// To leave the air, and to wait.
    Leave(Drain),
    /// To go on air again.
    Return,
}

impl Service {
    /// Runs until it is told to end, by a signal, and then until everything has ended; or until the
    /// notice for which it has left the air has come to nothing.
    pub async fn run(mut self, signals: &mut Signals) -> Result<Ended, Error> {
        self.notifier.ready();
        tracing::info!(
            message_id = messages::CHANNEL_RUNNING,
            channel = self.desk.channel,
            "the channel is running"
        );
        let (notifier, watchdog) = (self.notifier.clone(), self.watchdog);
        let mut told = self.attend(signals).await;
        if let Ok(Told::Leave(drain)) = &told {
            // To the service manager this is a service that runs, and has to be seen to live.
            tokio::select! {
                _ = self.close(&drain.reason, std::future::pending()) => {}
                never = notifier.busy(watchdog, CLOSING) => match never {},
            }
            self.desk.drained.cancel();
            tracing::info!(
                message_id = messages::LEFT_FOR_NOTICE,
                reason = drain.reason,
                "off the air; waiting for the machine to go"
            );
            told = self.attend(signals).await;
        }
        let ended = match &told {
            Ok(Told::Leave(_)) => unreachable!("what has left does not leave again"),
            Ok(Told::Return) => {
                tracing::info!(
                    message_id = messages::RECALLED,
                    "the notice came to nothing; going on air again"
                );
                Ended::Recalled
            }
            Ok(Told::End(_)) | Err(_) => {
                self.notifier.stopping();
                let why = if let Ok(Told::End(why)) = &told { *why } else { "a stage ended" };
                self.estate.iter().for_each(Estate::open);
                let ended = self.close(why, until_forced(signals)).await;
                if let Some(estate) = self.estate.take() {
                    estate.settle(&self.notifier).await;
                }
                ended
            }
        };
        self.stop.cancel();
        // Every stage drops what it does at once; FFmpeg dies with the stage that waits for it.
        tokio::select! {
            _ = tokio::time::timeout(STOP, self.stages.all()) => {}
            never = notifier.busy(watchdog, STOP) => match never {},
        }
        told.map(|_| ended)
    }

    /// Attends to everything, until it is known what comes next.
    async fn attend(&mut self, signals: &mut Signals) -> Result<Told, Error> {
        let Self { stages, desk, reload, estate, notifier, health, notices, slots, .. } = self;
        let refused = reload.refused();
        let left = desk.drained.is_cancelled();
        let line = async {
            let mut ticks = tokio::time::interval(LINE);
            loop {
                ticks.tick().await;
                notifier.status(&format!("{}{}", *refused.borrow(), desk.line()));
            }
        };
        let watchdog = async {
            match self.watchdog {
                Some(interval) => notifier.watchdog(interval, || is_alive(health)).await,
                None => std::future::pending().await,
            }
        };
        let notice = async {
            if left {
                notices.withdrawn().await;
                return Told::Return;
            }
            if slots.are_shared() {
                return Told::Leave(slots.leave_for(&mut notices.drain()).await);
            }
            // Nobody can relieve a channel that has no slots.
            let (_nobody, mut relieved) = watch::channel(false);
            Told::Leave(notices.leave(&mut relieved).await)
        };
        tokio::select! {
            told = until_told(signals, reload, estate) => Ok(Told::End(told)),
            told = notice => Ok(told),
            ended = stages.first_loss() => Err(Error::Ended(ended)),
            () = line => unreachable!("it never ends"),
            () = watchdog => unreachable!("it never ends"),
        }
    }

    /// Closes every session in order, or gives that up after [`CLOSING`] or when `forced`.
    async fn close(&mut self, reason: &str, forced: impl Future<Output = ()>) -> Ended {
        tracing::info!(message_id = messages::DRAINING, reason, deadline_s = CLOSING.as_secs(), "draining");
        let drain = Drain::at_once(reason, Instant::now());
        let deadline = drain.deadline;
        let Self { stages, slots, .. } = self;
        let close = async {
            // Other nodes first: one may be about to take over.
            slots.drain(Some(drain));
            slots.released().await;
            self.drain.cancel();
            stages.published().await;
        };
        let ended = tokio::select! {
            () = close => Ended::Drained,
            () = tokio::time::sleep_until(deadline) => Ended::Forced,
            () = forced => Ended::Forced,
        };
        self.drain.cancel();
        match ended {
            Ended::Forced => tracing::warn!(
                message_id = messages::DRAIN_FORCED,
                "ended before every session was closed in order"
            ),
            _ => tracing::info!(message_id = messages::DRAINED, "drained"),
        }
        ended
    }
}

/// What is left to a next process is dropped once it is known that there will be none: then every
/// session is closed in order, and its ingest told.
async fn until_told(signals: &mut Signals, reload: &mut Reload, estate: &mut Option<Estate>) -> &'static str {
    loop {
        match signals.next().await {
            Event::Drain(why) | Event::Force(why) => return why,
            Event::Reload => reload.again().await,
            Event::Last => *estate = None,
        }
    }
}

async fn until_forced(signals: &mut Signals) {
    while !matches!(signals.next().await, Event::Force(_)) {}
}

fn is_alive(health: &mut Health) -> bool {
    let stuck = health.stuck(Instant::now());
    if !stuck.is_empty() {
        tracing::error!(message_id = messages::STUCK, stages = ?stuck, "stuck; the service manager is not told that we live");
    }
    stuck.is_empty()
}
