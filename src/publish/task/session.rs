//! One session: opened, then started from where it is told, carried in bursts until told to end.
//!
//! It wakes up once an interval, and writes once then. Between timeline and socket there is no
//! queue but the burst that is being written; while that is not out, nothing new is read.

use super::transport::{self, Dialer, Link};
use crate::host::Clock;
use crate::media::MediaTime;
use crate::publish::ledger::{self, Ledger};
use crate::publish::limits;
use crate::publish::pace::{self, Pace};
use crate::publish::rtmp::{self, Client, Phase, StreamInfo, Target};
use crate::timeline::{Cursor, Reader};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Output that may stay allocated between bursts: a burst at 4 Mbps. The first one is larger.
const KEEP: usize = 256 << 10;

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
}

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

/// What all sessions of a destination share.
#[derive(Clone)]
pub(super) struct Source<D> {
    pub(super) info: StreamInfo,
    pub(super) unread: u64,
    pub(super) skip: Duration,
    pub(super) reader: Reader,
    pub(super) clock: Clock,
    pub(super) dialer: D,
}

/// Opens a session to `target`, carries the stream as `orders` say, and ends it in order. Gives the
/// instant before which all media was acknowledged.
pub(super) async fn run<D: Dialer>(
    source: Source<D>,
    target: Target,
    mut orders: watch::Receiver<Orders>,
    reports: mpsc::Sender<Report>,
    gauge: Arc<Gauge>,
) -> Result<MediaTime, Error> {
    let link = source.dialer.dial(&target.url).await?;
    let client = Client::new(&target, source.clock.now().samples());
    let mut pipe = Pipe { link, client, flushed: true, scratch: [0; 4096] };
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
    let through = carry(&mut pipe, source, from, orders, reports, &gauge).await?;
    pipe.finish().await?;
    gauge.sent.store(pipe.link.written(), Ordering::Relaxed);
    Ok(through)
}

/// Sends from the keyframe at or before `from` until the order to end; gives how far that was.
async fn carry<D: Dialer>(
    pipe: &mut Pipe<D::Link>,
    Source { info, unread, skip, mut reader, clock, dialer: _ }: Source<D>,
    from: MediaTime,
    mut orders: watch::Receiver<Orders>,
    reports: mpsc::Sender<Report>,
    gauge: &Gauge,
) -> Result<MediaTime, Error> {
    let mut cursor = reader.cursor(from);
    let base = cursor.position();
    let headers = reader.headers();
    pipe.client.metadata(&info);
    pipe.client.headers(&headers.audio, &headers.video, 0);
    let mut ledger = Ledger::new(base, pipe.link.written(), unread, clock.now());
    let mut pace = Pace::default();
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
                tracing::warn!(behind, "this machine stood still; the stream goes on near the present");
            }
        }
        gauge.sent.store(pipe.link.written(), Ordering::Relaxed);
        if ledger.through() > base {
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
                return Ok(cursor.position());
            }
            let due = pace.burst(cursor.position(), now);
            let due = end.map_or(due, |end| due.min(end));
            readable = fill(&mut pipe.client, &mut reader, &mut cursor, due, base, readable).await;
            unmarked = true;
        }
        let mut rest = pin!(sleep_until(tick + pace::next(now).since(now)));
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
                () = &mut rest => break,
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
                tracing::error!(error = %error, "the timeline cannot be read, and nothing can be sent until it can");
            }
            false
        }
    }
}

/// A client on its link.
struct Pipe<L> {
    link: L,
    client: Client,
    flushed: bool,
    scratch: [u8; 4096],
}

impl<L: Link> Pipe<L> {
    async fn open(&mut self) -> Result<(), Error> {
        while self.client.phase() < Phase::Live {
            let phase = self.client.phase();
            let step = async {
                while self.client.phase() == phase {
                    self.pump().await?;
                }
                Ok(())
            };
            let what = limits::name(phase);
            let late = |_| Error::NoAnswer { what, limit: limits::ANSWER };
            timeout(limits::ANSWER, step).await.map_err(late).flatten()?;
        }
        Ok(())
    }

    /// Whether everything is with the kernel.
    fn idle(&mut self) -> bool {
        self.flushed && self.client.output().is_empty()
    }

    /// Takes in what came and writes what is to be written. Ends when something came, or when the
    /// last of the output went out; can be dropped and called again at any time.
    async fn pump(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // What the peer has to say comes first: it may be the reason why it takes nothing.
        let came = self.poll_in(cx)?;
        let went = self.poll_out(cx)?;
        if came || went { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_in(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let mut came = false;
        loop {
            let mut buffer = ReadBuf::new(&mut self.scratch);
            match Pin::new(&mut self.link).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(came),
                Poll::Ready(Err(source)) => return Err(self.broken(source)),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    return Err(Error::Closed { what: limits::name(self.client.phase()) });
                }
                Poll::Ready(Ok(())) => {
                    self.client.receive(buffer.filled())?;
                    came = true;
                }
            }
        }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        if self.idle() {
            return Ok(false);
        }
        self.flushed = false;
        let output = self.client.output();
        while !output.is_empty() {
            let wrote = match Pin::new(&mut self.link).poll_write(cx, output) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(result) => result,
            };
            match wrote {
                Ok(n) => drop(output.drain(..n)),
                Err(source) => return Err(self.broken(source)),
            }
        }
        output.shrink_to(KEEP);
        match Pin::new(&mut self.link).poll_flush(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(source)) => Err(self.broken(source)),
            Poll::Ready(Ok(())) => {
                self.flushed = true;
                Ok(true)
            }
        }
    }

    /// Says goodbye, and waits until the peer has acknowledged every byte. How long that may take is
    /// failover's to say.
    async fn finish(&mut self) -> Result<(), Error> {
        self.client.finish();
        while !self.idle() {
            self.pump().await?;
        }
        poll_fn(|cx| Pin::new(&mut self.link).poll_shutdown(cx))
            .await
            .map_err(|source| self.broken(source))?;
        let mut closed = false;
        while self.acked()? < self.link.written() {
            let mut glance = pin!(sleep(limits::GLANCE));
            loop {
                tokio::select! {
                    () = &mut glance => break,
                    result = self.pump(), if !closed => match result {
                        Err(Error::Closed { .. }) => closed = true,
                        result => result?,
                    },
                }
            }
        }
        self.link.leave();
        if !closed {
            let end = async { while self.pump().await.is_ok() {} };
            // A peer that stays is left all the same.
            let _ = timeout(limits::FAREWELL, end).await;
        }
        Ok(())
    }

    fn acked(&self) -> Result<u64, Error> {
        self.link.acked().map_err(|source| self.broken(source))
    }

    fn broken(&self, source: io::Error) -> Error {
        Error::Broken { what: limits::name(self.client.phase()), source }
    }
}
