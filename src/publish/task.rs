//! One destination on the air: carries out what [`Failover`] decides, and says how it goes.
//!
//! The sessions are tasks of their own in a set that this task owns. What they tell comes in through
//! one channel and through their ends; what they have delivered is read from their gauges whenever
//! failover is asked, so a session that merely goes on wakes nobody.

pub mod bequest;
pub mod gate;
pub mod keys;
pub mod net;
mod pass;
mod pipe;
mod probe;
mod running;
mod session;
mod tcp_info;
pub mod transport;
pub mod trust;

pub use gate::{Ask, Gate, Keeper};
pub use keys::Keys;
pub use net::Net;
pub use probe::probe;
pub use transport::{Dialer, Link};

use self::bequest::{Bequest, Heir};
use super::failover::{Action, Event, Failover, Rules};
use super::permit::{Permit, Permits};
use super::rtmp::StreamInfo;
use super::status::{DestinationStatus, IngestState, Role};
use crate::config::Destination;
use crate::host::Clock;
use crate::media::MediaTime;
use crate::telemetry::messages;
use crate::timeline::Reader;
use running::{Sessions, Told};
use session::{Report, Source};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The status is brought up to date whenever a session says that it is alive, about once a second;
/// and if none does, because a disk holds it up, this long after the last time.
const REFRESH: Duration = Duration::from_secs(4);

/// How often a destination that has no stream key yet says that it lives.
const WAITING: Duration = Duration::from_secs(15);

/// What a destination is published from and with.
pub struct Publisher<D> {
    /// Where to.
    pub destination: Destination,
    /// Its stream key.
    pub keys: Keys,
    /// What the stream is.
    pub metadata: StreamInfo,
    /// The stream.
    pub reader: Reader,
    /// The programme's clock.
    pub clock: Clock,
    /// The way there.
    pub dialer: D,
    /// Which ingests it may use.
    pub gate: Gate,
    /// How to go about it: [`Rules::new`] but in tests.
    pub rules: Rules,
    /// Sessions of this destination that an earlier process has left.
    pub inherited: Vec<Bequest>,
    /// Who goes on with the sessions after the end.
    pub heir: Option<Heir>,
    /// Called at every turn of the task, which comes at least every 30 s: the longest pause between
    /// two attempts.
    pub beat: Box<dyn Fn() + Send>,
}

/// Keeps the stream on the destination until `cancel`, then ends it in order within
/// [`Rules::finish`]. Never gives up, and so never fails.
pub async fn run<D: Dialer>(
    publisher: Publisher<D>,
    status: watch::Sender<DestinationStatus>,
    cancel: CancellationToken,
) -> Result<(), Infallible> {
    let Publisher {
        destination,
        mut keys,
        metadata,
        reader,
        clock,
        dialer,
        gate,
        rules,
        inherited,
        heir,
        beat,
    } = publisher;
    let mut seed = DefaultHasher::new();
    (&destination.name, clock.now()).hash(&mut seed);
    let now = clock.now();
    status.send_replace(DestinationStatus::idle(&destination, now));
    let urls: Vec<_> = [destination.primary].into_iter().chain(destination.backup).collect();
    while let Some(reason) = keys.lacking() {
        lack(&status, &reason, clock.now());
        beat();
        tokio::select! {
            () = keys.changed() => {}
            () = sleep(WAITING) => {}
            () = cancel.cancelled() => return Ok(()),
        }
    }
    let mut task = Task {
        name: destination.name.clone(),
        finish: rules.finish,
        machine: Failover::new(rules, urls.len() > 1, seed.finish()),
        reader: reader.clone(),
        clock: clock.clone(),
        sessions: Sessions::new(
            urls,
            keys,
            Source {
                info: metadata,
                unread: rules.unread,
                skip: rules.skip,
                reader,
                clock,
                dialer,
                destination: destination.name,
                heir,
                gate: gate.clone(),
            },
        ),
        gate,
        permits: Permits::ALL,
        status,
        refresh: now,
    };
    task.obey();
    for bequest in inherited {
        task.inherit(bequest, now, rules.skip);
    }
    task.tell(Event::Tick);
    while !(task.machine.drained() && task.sessions.is_empty()) {
        task.step(&cancel).await;
        beat();
    }
    Ok(())
}

/// Notes that there is no stream key.
fn lack(status: &watch::Sender<DestinationStatus>, reason: &str, now: MediaTime) {
    status.send_if_modified(|status| {
        let mut news = false;
        for ingest in &mut status.ingests {
            if ingest.last_error.as_deref() != Some(reason) {
                (ingest.state, ingest.since) = (IngestState::Waiting, now);
                ingest.last_error = Some(reason.to_owned());
                news = true;
            }
        }
        news
    });
}

struct Task<D: Dialer> {
    name: String,
    finish: Duration,
    machine: Failover,
    reader: Reader,
    clock: Clock,
    sessions: Sessions<D>,
    gate: Gate,
    /// As the machine knows them.
    permits: Permits,
    status: watch::Sender<DestinationStatus>,
    /// When the status is to be brought up to date.
    refresh: MediaTime,
}

impl<D: Dialer> Task<D> {
    /// Goes on with a session that an earlier process left, unless that was too long ago. One that is
    /// dropped here is closed, and the ingest sees its end before it sees our next attempt.
    fn inherit(&mut self, bequest: Bequest, now: MediaTime, skip: Duration) {
        let (role, position) = (bequest.deed.ingest, bequest.deed.position());
        let behind = now.since(position);
        if !self.sessions.is_for(&bequest.deed) || behind > skip || position.since(now) > skip {
            return;
        }
        match self.sessions.inherit(bequest) {
            Ok((role, base, sure)) => {
                tracing::info!(message_id = messages::SESSION_INHERITED, destination = self.name, ingest = %role,
                    behind = behind.as_millis(), "carrying on with the session that this process was left");
                self.machine.inherit(role, base, sure, now);
            }
            Err(error) => tracing::debug!(%error, destination = self.name, ingest = %role,
                "the session that this process was left is over"),
        }
    }

    /// Waits for whatever comes next, and deals with it.
    async fn step(&mut self, cancel: &CancellationToken) {
        let refresh = self.sessions.any_started().then_some(self.refresh);
        let wake = self.machine.deadline().into_iter().chain(refresh).min();
        let wait = wake.map(|wake| self.clock.until(wake));
        let rest = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            biased;
            () = self.gate.changed() => {
                self.obey();
                Event::Tick
            }
            told = self.sessions.next() => match told {
                Told::Report(role, Report::Ready) => Event::Ready(role),
                Told::Report(_, Report::Moving | Report::Alive) | Told::Nothing => Event::Tick,
                Told::Ended(role, through) => {
                    tracing::info!(message_id = messages::SESSION_ENDED, destination = self.name, ingest = %role, "the session ended in order");
                    self.ended(role, through);
                    Event::Ended(role, through)
                }
                Told::Failed { role, sure, reason, lasting } => {
                    self.failed(role, &reason, lasting);
                    if let Some(sure) = sure {
                        self.tell(Event::Progress(role, sure));
                    }
                    Event::Failed(role)
                }
            },
            () = cancel.cancelled(), if !self.machine.draining() => {
                tracing::info!(message_id = messages::STREAM_ENDING, destination = self.name, "ending the stream");
                Event::Drain(self.clock.now().plus(self.finish))
            }
            () = rest => Event::Tick,
        };
        self.tell(event);
    }

    /// Passes on which ingests may be used, before anything else is decided.
    fn obey(&mut self) {
        let permits = self.gate.permits();
        let before = std::mem::replace(&mut self.permits, permits);
        let now = self.clock.now();
        for role in [Role::Primary, Role::Backup] {
            if let Some(through) = permits.through[role as usize] {
                let actions = self.machine.on(Event::Predecessor(role, through), now);
                self.act(actions, now);
            }
            if permits.of(role) == before.of(role) {
                continue;
            }
            let event = match permits.of(role) {
                Permit::Granted => Event::Permit(role, true),
                Permit::Leave => Event::Permit(role, false),
                Permit::Lost => Event::Lost(role),
            };
            if permits.of(role) != Permit::Granted {
                self.sessions.bury(role);
            }
            let actions = self.machine.on(event, now);
            self.act(actions, now);
        }
    }

    fn tell(&mut self, event: Event) {
        let now = self.clock.now();
        for (role, through) in self.sessions.progress() {
            let actions = self.machine.on(Event::Progress(role, through), now);
            self.act(actions, now);
        }
        let actions = self.machine.on(event, now);
        self.act(actions, now);
        self.publish(now);
    }

    fn act(&mut self, actions: Vec<Action>, now: MediaTime) {
        for action in actions {
            match action {
                Action::Open(role) => self.sessions.open(role),
                Action::Start(role, from) => {
                    let behind = now.since(from).as_millis();
                    tracing::info!(message_id = messages::ON_AIR, destination = self.name, ingest = %role, from = from.samples(), behind, "on air");
                    self.sessions.start(role, from);
                }
                Action::Close(role, at) => {
                    tracing::info!(message_id = messages::SESSION_ENDING, destination = self.name, ingest = %role, at = at.samples(), "ending the session");
                    self.sessions.close(role, at);
                }
                Action::Abort(role) => self.sessions.abort(role),
                Action::Expire(role) => {
                    self.sessions.abort(role);
                    self.failed(role, "it took too long", false);
                }
                Action::FindBoundary(after) => {
                    let boundary = Event::Boundary(self.reader.next_join(after));
                    let actions = self.machine.on(boundary, now);
                    self.act(actions, now);
                }
            }
        }
    }

    /// Notes how far a session had come at its end.
    fn ended(&self, role: Role, through: MediaTime) {
        self.status.send_if_modified(|status| {
            for ingest in status.ingests.iter_mut().filter(|ingest| ingest.ingest == role) {
                ingest.acked = ingest.acked.max(Some(through));
            }
            // It is told together with the state.
            false
        });
    }

    /// Notes a failure. It is said once: not again for each attempt that fails in the same way.
    fn failed(&mut self, role: Role, reason: &str, lasting: bool) {
        let mut news = true;
        self.status.send_if_modified(|status| {
            if let Some(ingest) = status.ingests.iter_mut().find(|ingest| ingest.ingest == role) {
                news = ingest.state == IngestState::Live || ingest.last_error.as_deref() != Some(reason);
                ingest.failures += 1;
                ingest.last_error = Some(reason.to_owned());
            }
            true
        });
        match (news, lasting) {
            (false, _) => tracing::debug!(destination = self.name, ingest = %role, reason, "failed again"),
            (true, false) => {
                tracing::warn!(message_id = messages::INGEST_FAILED, destination = self.name, ingest = %role, reason, "the ingest failed")
            }
            (true, true) => {
                tracing::error!(message_id = messages::INGEST_REFUSED, destination = self.name, ingest = %role, reason,
                "the ingest will not take the stream until someone changes something; trying on")
            }
        }
    }

    fn publish(&mut self, now: MediaTime) {
        self.refresh = now.plus(REFRESH);
        let (machine, sessions) = (&self.machine, &self.sessions);
        self.status.send_if_modified(|status| {
            let before = status.clone();
            for ingest in &mut status.ingests {
                let state = machine.state(ingest.ingest);
                if state != ingest.state {
                    (ingest.state, ingest.since) = (state, now);
                }
                ingest.acked = ingest.acked.max(sessions.through(ingest.ingest));
                ingest.acked_lag = sessions.through(ingest.ingest).map(|through| now.since(through));
                ingest.sent_bytes = sessions.sent(ingest.ingest);
            }
            status.failovers = machine.failovers();
            *status != before
        });
    }
}
