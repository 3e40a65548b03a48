//! Asks the metadata service, and tells what has changed: in the log, and through one watch channel.

use super::rounds::Rounds;
use super::{Change, Interruption, Notice, Urgency};
use crate::host::imds::{Error, Imds};
use crate::media::Timestamp;
use crate::telemetry::messages;
use std::time::SystemTime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Rounds without an answer until it is said that there is none; one or two are no news.
const SAID_AFTER: u32 = 3;

/// What is known about this machine's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// What is announced, the most urgent first.
    pub notices: Vec<Notice>,
    /// How the metadata service is.
    pub service: Service,
}

/// How the metadata service is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// Nobody has asked it, or not for long enough to tell.
    #[default]
    Unknown,
    /// It answers.
    Answers,
    /// There is none, or nothing can be had from it; the error says which.
    Lost(Error),
}

impl Outlook {
    /// The most urgent notice, if there is one.
    pub fn notice(&self) -> Option<&Notice> {
        self.notices.first()
    }

    /// The notice for which the channel has to leave the air, if there is one.
    pub fn drain(&self) -> Option<&Notice> {
        self.notice().filter(|notice| notice.urgency() >= Urgency::Yield)
    }
}

/// Asks `imds` until `cancel`. `sure`: see [`crate::host::imds::Endpoint`].
pub async fn run(imds: Imds, sure: bool, outlook: watch::Sender<Outlook>, cancel: CancellationToken) {
    let mut poller = Poller {
        imds,
        machine: Interruption::default(),
        rounds: Rounds::new(sure, Instant::now()),
        unanswered: 0,
        outlook,
    };
    cancel.run_until_cancelled(poller.run()).await;
}

struct Poller {
    imds: Imds,
    machine: Interruption,
    rounds: Rounds,
    /// Rounds in a row in which nothing was answered.
    unanswered: u32,
    outlook: watch::Sender<Outlook>,
}

impl Poller {
    async fn run(&mut self) {
        loop {
            sleep_until(self.rounds.deadline()).await;
            self.rounds.begin(Instant::now());
            let mut failure = None;
            while let Some(path) = self.rounds.next(Instant::now()) {
                match self.imds.get(path.as_str()).await {
                    Ok(said) => {
                        self.rounds.answered();
                        let changes = self.machine.on(path, said.as_deref(), SystemTime::now());
                        self.tell(changes);
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the instance metadata service was asked in vain");
                        if matches!(
                            error,
                            Error::Absent { .. } | Error::Denied { .. } | Error::Blocked { .. }
                        ) {
                            self.rounds.nobody();
                        }
                        failure = Some(error);
                    }
                }
            }
            let changes = self.machine.tick(SystemTime::now());
            self.tell(changes);
            match (self.rounds.end(), failure) {
                (true, _) => self.answers(),
                (false, Some(error)) => self.lost(error),
                (false, None) => {}
            }
        }
    }

    fn answers(&mut self) {
        self.unanswered = 0;
        self.outlook.send_if_modified(|outlook| {
            match std::mem::replace(&mut outlook.service, Service::Answers) {
                Service::Answers => return false,
                Service::Unknown => tracing::debug!("the instance metadata service answers"),
                Service::Lost(_) => tracing::info!(
                    message_id = messages::METADATA_BACK,
                    "the instance metadata service answers again"
                ),
            }
            true
        });
    }

    fn lost(&mut self, error: Error) {
        self.unanswered = self.unanswered.saturating_add(1);
        if self.unanswered < SAID_AFTER {
            return;
        }
        self.outlook.send_if_modified(|outlook| {
            let before = std::mem::replace(&mut outlook.service, Service::Lost(error.clone()));
            match (&before, &error) {
                // Whatever the reason, there is none; and of the others each is told once.
                (Service::Lost(before), now)
                    if std::mem::discriminant(before) == std::mem::discriminant(now) => {}
                (Service::Unknown, Error::Absent { .. }) => {
                    tracing::info!(message_id = messages::METADATA_ABSENT, %error, "no notice of an interruption will come");
                }
                _ => tracing::warn!(message_id = messages::METADATA_LOST, %error, "a notice of an interruption may be missed"),
            }
            before != outlook.service
        });
    }

    /// The watch channel first: whoever acts should not wait for a log.
    fn tell(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let notices = self.machine.notices();
        self.outlook.send_if_modified(|outlook| {
            let before = std::mem::replace(&mut outlook.notices, notices);
            before != outlook.notices
        });
        changes.into_iter().for_each(log);
    }
}

fn log(change: Change) {
    let fields = |notice: &Notice| {
        let at = notice.at.map_or_else(|| "unknown".to_owned(), |at| Timestamp::from(at).to_string());
        (notice.id.clone(), notice.reason(), at)
    };
    match change {
        Change::Announced(notice) => {
            let (id, reason, at) = fields(&notice);
            match notice.urgency() {
                Urgency::Drain | Urgency::Yield => {
                    tracing::warn!(
                        message_id = messages::MACHINE_GOING,
                        notice = id,
                        reason,
                        at,
                        said = notice.raw,
                        "this machine is going away"
                    );
                }
                Urgency::Prepare => {
                    tracing::info!(
                        message_id = messages::MACHINE_MAY_GO,
                        notice = id,
                        reason,
                        at,
                        said = notice.raw,
                        "this machine may go away"
                    );
                }
            }
        }
        Change::Moved(notice) => {
            let (id, reason, at) = fields(&notice);
            tracing::warn!(
                message_id = messages::NOTICE_MOVED,
                notice = id,
                reason,
                at,
                said = notice.raw,
                "the notice has changed"
            );
        }
        Change::Withdrawn(notice) => {
            let (id, reason, _) = fields(&notice);
            tracing::info!(
                message_id = messages::NOTICE_WITHDRAWN,
                notice = id,
                reason,
                "the notice has been withdrawn"
            );
        }
        Change::Forgotten(notice) => {
            let (id, reason, _) = fields(&notice);
            tracing::info!(
                message_id = messages::NOTICE_FORGOTTEN,
                notice = id,
                reason,
                "nothing came of the notice; it is forgotten"
            );
        }
        Change::Stale(notice) => {
            let (id, reason, at) = fields(&notice);
            tracing::info!(
                message_id = messages::NOTICE_STALE,
                notice = id,
                reason,
                at,
                "the notice is of an event long over; it is ignored"
            );
        }
        Change::Unreadable(path, text) => {
            tracing::warn!(
                message_id = messages::NOTICE_UNREADABLE,
                path = path.as_str(),
                said = text.0,
                "the instance metadata service says what nobody can read"
            );
        }
    }
}

#[cfg(test)]
mod tests;
