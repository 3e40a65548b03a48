//! One session: opened, then started from where it is told, carried in bursts until told to end.
//!
//! It wakes up once an interval, and writes once then. Between timeline and socket there is no
//! queue but the burst that is being written; while that is not out, nothing new is read.

use super::bequest::{self, Bequest, Deed, Heir};
use super::gate::Gate;
use super::pass::Pass;
use super::pipe::Pipe;
use super::transport::{self, Dialer, Given, Link};
use crate::host::Clock;
use crate::media::MediaTime;
use crate::publish::ledger::{self, Ledger};
use crate::publish::limits;
use crate::publish::pace::{self, Pace};
use crate::publish::rtmp::{self, Client, Phase, StreamInfo, Target};
use crate::publish::status::Role;
use crate::telemetry::messages;
use crate::timeline::{Cursor, Reader};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be reached.
    #[error(transparent)]
    Dial(#[from] transport::Error),
    /// It did not answer.
    #[error("no answer to {what} within {} ms", limit.as_millis())]
    NoAnswer {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
    },
    /// It spoke, and meant no.
    #[error(transparent)]
    Rtmp(#[from] rtmp::Error),
    /// The connection broke.
    #[error("the connection broke at {what}: {source}")]
    Broken {
        /// What was being done.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The peer closed the connection.
    #[error("the ingest closed the connection at {what}")]
    Closed {
        /// What was being done.
        what: &'static str,
    },
    /// Another node has the ingest.
    #[error("another node has taken the ingest")]
    Lost,
    /// The peer does not take the stream, or not fast enough.
    #[error(transparent)]
    Fault(#[from] ledger::Fault),
}

impl Error {
    /// Whether the next attempt may well succeed without anyone's help.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Rtmp(error) => error.retryable(),
            Self::Dial(transport::Error::Name { .. }) => false,
            _ => true,
        }
    }
}

impl Error {
    /// Whether a wrong stream key looks like this: a refusal, or the connection's end where the
    /// stream was announced or had hardly begun.
    pub(super) fn may_be_the_key(&self) -> bool {
        match self {
            Self::Rtmp(error) => {
                matches!(error, rtmp::Error::Refused { .. } | rtmp::Error::ClosedByPeer { .. })
            }
            Self::Closed { what } | Self::Broken { what, .. } => {
                [limits::name(Phase::Publishing), limits::name(Phase::Live)].contains(what)
            }
            Self::Dial(_) | Self::NoAnswer { .. } | Self::Fault(_) | Self::Lost => false,
        }
    }
}

/// What a session is told. Only ever filled in, never taken back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Orders {
    /// Start from the keyframe at or before this.
    pub(super) start: Option<MediaTime>,
    /// Send everything before this, then end in order.
    pub(super) end: Option<MediaTime>,
}

/// What a session says while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The publish was accepted; it waits to be started.
    Ready,
    /// The first of its media was acknowledged.
    Moving,
    /// It goes on; its gauge has news. Said at a burst about once an [`ALIVE`], so that it costs no
    /// wake-up of its own.
    Alive,
}

/// Between two [`Report::Alive`]: a little less than four bursts, which come when a timer has them
/// come.
const ALIVE: Duration = Duration::from_millis(900);

/// Where a session can be looked at without waking anyone.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    through: AtomicU64,
    sure: AtomicU64,
    sent: AtomicU64,
}

impl Gauge {
    /// All media before this was acknowledged; `None` before any was.
    pub(super) fn through(&self) -> Option<MediaTime> {
        Some(self.through.load(Ordering::Relaxed)).filter(|at| *at > 0).map(MediaTime::from_samples)
    }

    /// All media before this was delivered for certain; `None` before any was acknowledged.
    pub(super) fn sure(&self) -> Option<MediaTime> {
        Some(self.sure.load(Ordering::Relaxed)).filter(|at| *at > 0).map(MediaTime::from_samples)
    }

    /// Bytes handed to the kernel.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The link of a session that was given up because its peer was silent. A reset would be lost in the
/// same black hole, and the ingest would take the stream for busy until it forgets the session by
/// itself; so the reset is kept until the way there is open again.
pub(super) type Grave<L> = Arc<Mutex<Option<L>>>;

/// What all sessions of a destination share.
#[derive(Clone)]
pub(super) struct Source<D> {
    pub(super) info: StreamInfo,
    pub(super) unread: u64,
    pub(super) skip: Duration,
    pub(super) reader: Reader,
    pub(super) clock: Clock,
    pub(super) dialer: D,
    pub(super) destination: String,
    pub(super) heir: Option<Heir>,
    pub(super) gate: Gate,
}

/// Where a session's media begins, or goes on.
struct Course {
    cursor: Cursor,
    /// What its RTMP timestamps count from.
    base: MediaTime,
    /// A mark of the codec headers that it began with.
    headers: String,
    /// All media before this was delivered for certain, here or elsewhere.
    sure: MediaTime,
}

/// What ties a session to its destination's task.
pub(super) struct Ties<L> {
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) gauge: Arc<Gauge>,
    pub(super) grave: Grave<L>,
}

/// Opens a session to `target`, carries the stream as `orders` say, and ends it in order. Gives the
/// instant before which all media was acknowledged.
pub(super) async fn run<D: Dialer>(
    source: Source<D>,
    target: Target,
    role: Role,
    mut ties: Ties<D::Link>,
) -> Result<MediaTime, Error> {
    let mut pass = Pass::new(source.gate.clone(), role);
    // What it takes to ask is gone by while the connection is made.
    let dial = async { source.dialer.dial(&target.url).await.map_err(Error::from) };
    let (link, ()) = tokio::try_join!(dial, pass.enter())?;
    drop(ties.grave.lock().unwrap_or_else(PoisonError::into_inner).take());
    let client = Client::new(&target, source.clock.now().samples());
    let mut pipe = Pipe::new(link, client, pass);
    let result = async {
        let course = open(&mut pipe, &source, &mut ties).await?;
        live(&mut pipe, source, course, (&target, role), &mut ties).await
    };
    let result = result.await;
    ties.gauge.sent.store(pipe.link.written(), Ordering::Relaxed);
    bury(pipe, &result, &ties.grave);
    result
}

fn bury<L: Link>(pipe: Pipe<L>, result: &Result<MediaTime, Error>, grave: &Grave<L>) {
    if let Err(Error::NoAnswer { .. } | Error::Fault(_)) = result {
        *grave.lock().unwrap_or_else(PoisonError::into_inner) = Some(pipe.link);
    }
}

/// Goes on with a session that another process has opened, as [`run`] would.
pub(super) async fn inherit<D: Dialer>(
    source: Source<D>,
    link: D::Link,
    deed: Deed,
    target: Target,
    mut ties: Ties<D::Link>,
) -> Result<MediaTime, Error> {
    let Deed { ingest, base, headers, sure, cursor, standing, .. } = deed;
    let mut pipe = Pipe::new(link, Client::resume(&target, standing), Pass::new(source.gate.clone(), ingest));
    let course = Course { cursor, base, headers, sure };
    let result = live(&mut pipe, source, course, (&target, ingest), &mut ties).await;
    ties.gauge.sent.store(pipe.link.written(), Ordering::Relaxed);
    bury(pipe, &result, &ties.grave);
    result
}

/// Publishes, waits for the order to start, and begins the stream.
async fn open<D: Dialer>(
    pipe: &mut Pipe<D::Link>,
    source: &Source<D>,
    Ties { orders, reports, .. }: &mut Ties<D::Link>,
) -> Result<Course, Error> {
    pipe.open().await?;
    // Fails only if the destination's task is gone, and then this task is about to be.
    let _ = reports.send(Report::Ready).await;
    let from = loop {
        if let Some(from) = orders.borrow_and_update().start {
            break from;
        }
        tokio::select! {
            Ok(()) = orders.changed() => {}
            result = pipe.pump() => result?,
        }
    };
    let cursor = source.reader.cursor(from);
    let headers = source.reader.headers();
    pipe.client.metadata(&source.info);
    pipe.client.headers(&headers.audio, &headers.video, 0);
    let base = cursor.position();
    Ok(Course { cursor, base, headers: bequest::seal(&headers), sure: base })
}

/// The life of a session, once its stream has begun.
async fn live<D: Dialer>(
    pipe: &mut Pipe<D::Link>,
    source: Source<D>,
    course: Course,
    (target, ingest): (&Target, Role),
    ties: &mut Ties<D::Link>,
) -> Result<MediaTime, Error> {
    let (destination, heir) = (source.destination.clone(), source.heir.clone());
    let Course { cursor, base, headers, sure } = carry(pipe, source, course, ties).await?;
    let through = cursor.position();
    if let Some(room) =
        heir.as_ref().filter(|heir| heir.wanted.is_cancelled()).and_then(|heir| heir.to.try_reserve().ok())
        && let Some(standing) = pipe.client.standing()
        && let Some(Given { socket, counts }) = pipe.link.give()
    {
        let url = target.url.to_string();
        let key = bequest::mark(&target.key, &url, base);
        let deed = Deed { destination, ingest, url, key, headers, base, sure, cursor, counts, standing };
        room.send(Bequest { socket, deed });
        return Ok(through);
    }
    let late = |_| Error::NoAnswer { what: limits::name(Phase::Finishing), limit: limits::GOODBYE };
    timeout(limits::GOODBYE, pipe.finish()).await.map_err(late).flatten()?;
    Ok(through)
}

/// Sends on until the order to end; gives how far that was.
async fn carry<D: Dialer>(
    pipe: &mut Pipe<D::Link>,
    Source { unread, skip, mut reader, clock, .. }: Source<D>,
    Course { mut cursor, base, headers, sure }: Course,
    Ties { orders, reports, gauge, .. }: &mut Ties<D::Link>,
) -> Result<Course, Error> {
    let mut ledger = Ledger::new(sure, pipe.link.written(), unread, clock.now());
    // What was sent before, here or in another process, counts once it is acknowledged.
    ledger.mark(cursor.position());
    let mut pace = Pace::default();
    let (mut alarm, mut told) = (clock.alarm(), Instant::now());
    let (mut moving, mut readable, mut unmarked) = (false, true, false);
    loop {
        let (now, tick) = (clock.now(), Instant::now());
        ledger.wrote(pipe.link.written(), now);
        ledger.acked(pipe.acked()?, now);
        if now.since(cursor.position()) > limits::ABSENT {
            let behind = now.since(cursor.position()).as_millis();
            cursor = reader.cursor(now.minus(skip));
            ledger.skip(cursor.position(), now);
            if readable {
                tracing::warn!(
                    message_id = messages::STOOD_STILL,
                    behind,
                    "this machine stood still; the stream goes on near the present"
                );
            }
        }
        gauge.sent.store(pipe.link.written(), Ordering::Relaxed);
        if ledger.through() > sure {
            gauge.through.store(ledger.through().samples(), Ordering::Relaxed);
            gauge.sure.store(ledger.sure().samples(), Ordering::Relaxed);
            if !std::mem::replace(&mut moving, true) {
                let _ = reports.send(Report::Moving).await;
            }
        }
        ledger.verdict(now)?;

        let end = orders.borrow_and_update().end;
        if pipe.idle() {
            if end.is_some_and(|end| end <= cursor.position()) {
                return Ok(Course { cursor, base, headers, sure: ledger.sure() });
            }
            let due = pace.burst(cursor.position(), now);
            let due = end.map_or(due, |end| due.min(end));
            readable = fill(&mut pipe.client, &mut reader, &mut cursor, due, base, readable).await;
            unmarked = true;
        }
        if told.elapsed() >= ALIVE {
            told = tick;
            // If there is no room, what is in there says as much.
            let _ = reports.try_send(Report::Alive);
        }
        alarm.set(tick + pace::next(now).since(now));
        loop {
            if unmarked && pipe.idle() {
                ledger.wrote(pipe.link.written(), now);
                ledger.mark(cursor.position());
                unmarked = false;
            }
            tokio::select! {
                biased;
                result = pipe.pump() => result?,
                Ok(()) = orders.changed() => break,
                () = alarm.ring() => break,
            }
        }
    }
}

/// Puts what is due into the output. A timeline that cannot be read leaves the session without
/// media and without fault; it is said once.
async fn fill(
    client: &mut Client,
    reader: &mut Reader,
    cursor: &mut Cursor,
    due: MediaTime,
    base: MediaTime,
    readable: bool,
) -> bool {
    match reader.read(cursor, due).await {
        Ok(units) => {
            for unit in &units {
                client.unit(unit.kind, unit.time.millis_since(base), &unit.body);
            }
            true
        }
        Err(error) => {
            if readable {
                tracing::error!(message_id = messages::TIMELINE_UNREADABLE, error = %error, "the timeline cannot be read, and nothing can be sent until it can");
            }
            false
        }
    }
}
