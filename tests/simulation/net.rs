//! A network of two ingests that exists only in virtual time, and its weather.
//!
//! Every [`TICK`] bytes move: from the publisher's kernel to the ingest's, which acknowledges them,
//! and a tick later to the ingest's application. What lies in between when a connection is reset is
//! lost, though it was acknowledged: as in life.

use crate::ingest::Ingest;
use nonstop::config::IngestUrl;
use nonstop::publish::Role;
use nonstop::publish::limits;
use nonstop::publish::task::transport::{Dialer, Error, Given, Link};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep};

pub const TICK: Duration = Duration::from_millis(20);
/// The publisher's send buffer, in bytes. The stream has some 6 kB a second.
const SEND_BUFFER: usize = 8 << 10;
/// The ingest's receive buffer.
pub const RECEIVE_BUFFER: usize = 8 << 10;
/// How much a good line carries in a tick: far more than the stream.
const LINE: usize = 2 << 10;

/// How long an ingest remembers a publisher that is silent, and takes its stream for busy.
const MEMORY: Duration = Duration::from_secs(60);

/// What an ingest is like for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// All is well.
    Up,
    /// Every connection is reset; then all is well.
    Reset,
    /// Connections are refused, and those that are there reset.
    Refusing,
    /// Nothing gets through, neither there nor back.
    Void,
    /// The ingest's application stands still; its kernel goes on.
    Frozen,
    /// The line carries only so many bytes in a tick.
    Slow(usize),
    /// Publishes are refused; those that are there go on.
    Rude,
}

/// The weather at one ingest: from when on (milliseconds), what.
pub type Forecast = Vec<(u64, Weather)>;

pub struct Net {
    start: Instant,
    forecasts: [Forecast; 2],
    /// How far the forecasts are carried out.
    done: [usize; 2],
    pub connections: Vec<Connection>,
}

pub struct Connection {
    pub role: Role,
    pub ingest: Ingest,
    queue: VecDeque<u8>,
    written: u64,
    acked: u64,
    unread: Vec<u8>,
    answers: VecDeque<u8>,
    /// What the publisher finds at the end of the answers.
    end: Option<io::ErrorKind>,
    closed: bool,
    shut: bool,
    left: bool,
    /// The publisher has dropped it.
    dropped: bool,
    /// In a black hole, so that the ingest does not know.
    lost: bool,
    /// When the ingest last heard of it.
    heard: Instant,
    over: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

pub type Shared = Arc<Mutex<Net>>;

impl Net {
    pub fn new(forecasts: [Forecast; 2]) -> Shared {
        Arc::new(Mutex::new(Self { start: Instant::now(), forecasts, done: [0; 2], connections: Vec::new() }))
    }

    pub fn weather(&self, role: Role) -> Weather {
        let now = self.start.elapsed().as_millis() as u64;
        let forecast = &self.forecasts[role as usize];
        let passed = forecast.partition_point(|(from, _)| *from <= now);
        passed.checked_sub(1).map_or(Weather::Up, |last| forecast[last].1)
    }

    fn tick(&mut self) {
        let now = Instant::now();
        for role in [Role::Primary, Role::Backup] {
            let millis = self.start.elapsed().as_millis() as u64;
            while let Some((from, weather)) = self.forecasts[role as usize].get(self.done[role as usize])
                && *from <= millis
            {
                self.done[role as usize] += 1;
                if matches!(weather, Weather::Reset | Weather::Refusing) {
                    let there = self.connections.iter_mut().filter(|c| c.role == role);
                    there.for_each(|connection| connection.cut(io::ErrorKind::ConnectionReset));
                }
            }
        }
        for number in 0..self.connections.len() {
            let role = self.connections[number].role;
            let mut others = self.connections.iter().enumerate().filter(|(other, _)| *other != number);
            let busy = others.any(|(_, other)| other.role == role && other.holds());
            let weather = self.weather(role);
            let connection = &mut self.connections[number];
            if !connection.over {
                connection.tick(weather, busy, now);
            }
        }
    }
}

impl Connection {
    fn new(role: Role) -> Self {
        Self {
            role,
            ingest: Ingest::new(),
            queue: VecDeque::new(),
            written: 0,
            acked: 0,
            unread: Vec::new(),
            answers: VecDeque::new(),
            end: None,
            closed: false,
            shut: false,
            left: false,
            dropped: false,
            lost: false,
            heard: Instant::now(),
            over: false,
            reader: None,
            writer: None,
        }
    }

    /// Whether the ingest takes the stream for busy with this one.
    fn holds(&self) -> bool {
        self.ingest.published.is_some() && !self.ingest.deleted && !self.closed && !self.over
    }

    fn tick(&mut self, weather: Weather, busy: bool, now: Instant) {
        if now - self.heard > MEMORY {
            self.cut(io::ErrorKind::ConnectionReset);
        }
        if weather == Weather::Void {
            return;
        }
        if self.dropped && !self.left && !self.lost {
            self.over = true;
            return;
        }
        if weather != Weather::Frozen {
            self.ingest.receive(&std::mem::take(&mut self.unread), weather != Weather::Rude && !busy, now);
        }
        let line = if let Weather::Slow(line) = weather { line } else { LINE };
        let n = line.min(self.queue.len()).min(RECEIVE_BUFFER - self.unread.len());
        self.unread.extend(self.queue.drain(..n));
        if n > 0 {
            self.heard = now;
        }
        self.acked += n as u64;
        self.answers.extend(std::mem::take(&mut self.ingest.output));
        if self.shut && self.queue.is_empty() && self.unread.is_empty() && !self.closed {
            self.closed = true;
        }
        if !self.answers.is_empty() || self.closed {
            wake(&mut self.reader);
        }
        if self.queue.len() < SEND_BUFFER * 2 / 3 {
            wake(&mut self.writer);
        }
    }

    fn cut(&mut self, how: io::ErrorKind) {
        self.end.get_or_insert(how);
        self.over = true;
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// Moves bytes for ever.
pub async fn run(net: Shared) {
    loop {
        sleep(TICK).await;
        net.lock().unwrap().tick();
    }
}

/// Dials into the network; the address's port says which ingest is meant.
#[derive(Clone)]
pub struct Phone(pub Shared);

pub fn url(role: Role) -> IngestUrl {
    IngestUrl { tls: false, host: role.to_string(), port: role as u16, app: "live".into() }
}

impl Dialer for Phone {
    type Link = Line;

    async fn dial(&self, url: &IngestUrl) -> Result<Line, Error> {
        let role = if url.port == 0 { Role::Primary } else { Role::Backup };
        let opened = Instant::now();
        sleep(TICK).await;
        loop {
            if let Some(outcome) = self.ring(role, opened) {
                return outcome.map_err(|kind| Error::Connect {
                    host: url.host.clone(),
                    address: SocketAddr::from((Ipv4Addr::LOCALHOST, url.port)),
                    source: kind.into(),
                });
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn take(&self, _: Given) -> io::Result<Line> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Phone {
    /// `None` while nobody answers.
    fn ring(&self, role: Role, opened: Instant) -> Option<Result<Line, io::ErrorKind>> {
        let mut net = self.0.lock().unwrap();
        match net.weather(role) {
            Weather::Refusing => return Some(Err(io::ErrorKind::ConnectionRefused)),
            Weather::Void if opened.elapsed() >= limits::CONNECT => {
                return Some(Err(io::ErrorKind::TimedOut));
            }
            Weather::Void => return None,
            _ => {}
        }
        net.connections.push(Connection::new(role));
        let number = net.connections.len() - 1;
        drop(net);
        Some(Ok(Line { net: self.0.clone(), number }))
    }
}

/// The publisher's end of a connection.
pub struct Line {
    net: Shared,
    number: usize,
}

impl Line {
    fn with<T>(&self, look: impl FnOnce(&mut Connection) -> T) -> T {
        look(&mut self.net.lock().unwrap().connections[self.number])
    }
}

impl Link for Line {
    fn written(&self) -> u64 {
        self.with(|connection| connection.written)
    }

    fn acked(&self) -> io::Result<u64> {
        Ok(self.with(|connection| connection.acked))
    }

    fn leave(&mut self) {
        self.with(|connection| connection.left = true);
    }

    fn give(&mut self) -> Option<Given> {
        None
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut net = self.net.lock().unwrap();
        let role = net.connections[self.number].role;
        let lost = net.weather(role) == Weather::Void;
        let connection = &mut net.connections[self.number];
        (connection.dropped, connection.lost) = (true, lost);
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|connection| {
            if let Some(end) = connection.end {
                return Poll::Ready(Err(end.into()));
            }
            if connection.answers.is_empty() && !connection.closed {
                connection.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let n = buf.remaining().min(connection.answers.len());
            buf.put_slice(&connection.answers.drain(..n).collect::<Vec<_>>());
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|connection| {
            if let Some(end) = connection.end {
                return Poll::Ready(Err(end.into()));
            }
            assert!(!connection.shut, "written after the end");
            let n = buf.len().min(SEND_BUFFER - connection.queue.len());
            if n == 0 {
                connection.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            connection.queue.extend(&buf[..n]);
            connection.written += n as u64;
            Poll::Ready(Ok(n))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|connection| connection.shut = true);
        Poll::Ready(Ok(()))
    }
}
