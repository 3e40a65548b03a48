//! A TCP wire between daemon and ingest that a test can cut, reset, stall and watch. It reads the
//! RTMP that goes by, far enough to know when the first media byte of each connection went by.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How often a stalled or refusing wire looks whether it still is.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Shared {
    refusing: AtomicBool,
    stalled: AtomicBool,
    closed: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    live: Vec<Connection>,
    connections: Vec<Instant>,
    /// For each connection that got that far: which one, and when its first media byte went by.
    media: Vec<(usize, Instant)>,
}

struct Connection {
    near: TcpStream,
    far: TcpStream,
    /// It is to end with a reset, and so with no word before it.
    cut: Arc<AtomicBool>,
}

pub struct Wire {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Wire {
    /// A wire to `target`.
    pub fn to(target: (String, u16)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let target = target.to_socket_addrs().expect("an address").next().expect("an address");
        thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, target, &shared)
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("rtmp://{}/live2", self.address)
    }

    /// Resets every connection (RST, not FIN), and says when.
    pub fn reset(&self) -> Instant {
        let live = std::mem::take(&mut self.state().live);
        let at = Instant::now();
        for Connection { near, far, cut } in live {
            cut.store(true, Ordering::SeqCst);
            // With lingering off the last close of the socket sends a reset.
            let _ = socket2::SockRef::from(&near).set_linger(Some(Duration::ZERO));
            let _ = near.shutdown(Shutdown::Read);
            let _ = far.shutdown(Shutdown::Both);
        }
        at
    }

    /// From now on connections are reset as soon as they are made, or no more.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refusing.store(refuse, Ordering::SeqCst);
    }

    /// From now on nothing is read, so that the peer's window closes, or it goes on.
    pub fn stall(&self, stall: bool) -> Instant {
        self.shared.stalled.store(stall, Ordering::SeqCst);
        Instant::now()
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.state().connections.len()
    }

    /// When media first went by on a connection that had none at `after`.
    #[track_caller]
    pub fn first_media_after(&self, after: Instant, within: Duration) -> Instant {
        let deadline = Instant::now() + within;
        let mut state = self.state();
        loop {
            if let Some((_, at)) = state.media.iter().find(|(_, at)| *at > after) {
                return *at;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {within:?} in vain for media");
            state = self.shared.changed.wait_timeout(state, left).expect("no thread panics with it").0;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().expect("no thread panics with it")
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.reset();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, target: SocketAddr, shared: &Arc<Shared>) {
    // A small window, so that a stall is felt after a few kilobytes.
    let _ = socket2::SockRef::from(listener).set_recv_buffer_size(8 << 10);
    for near in listener.incoming() {
        if shared.closed.load(Ordering::SeqCst) {
            return;
        }
        let Ok(near) = near else { continue };
        if shared.refusing.load(Ordering::SeqCst) {
            let _ = socket2::SockRef::from(&near).set_linger(Some(Duration::ZERO));
            continue;
        }
        let Ok(far) = TcpStream::connect(target) else {
            let _ = socket2::SockRef::from(&near).set_linger(Some(Duration::ZERO));
            continue;
        };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let mut state = shared.state.lock().expect("no thread panics with it");
        let number = state.connections.len();
        state.connections.push(Instant::now());
        let copies = (near.try_clone(), far.try_clone(), near.try_clone(), far.try_clone());
        let (Ok(near_in), Ok(far_in), Ok(near_kept), Ok(far_kept)) = copies else { continue };
        let cut = Arc::new(AtomicBool::new(false));
        state.live.push(Connection { near: near_kept, far: far_kept, cut: cut.clone() });
        drop(state);
        let (up, up_cut) = (shared.clone(), cut.clone());
        thread::spawn(move || {
            let mut reader = Rtmp::default();
            carry(near_in, far, &up, &up_cut, |bytes| {
                if reader.sees_media(bytes) {
                    let mut state = up.state.lock().expect("no thread panics with it");
                    state.media.push((number, Instant::now()));
                    up.changed.notify_all();
                }
            });
        });
        let down = shared.clone();
        thread::spawn(move || carry(far_in, near, &down, &cut, |_| {}));
    }
}

fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    shared: &Shared,
    cut: &AtomicBool,
    mut see: impl FnMut(&[u8]),
) {
    let mut buffer = [0; 8 << 10];
    let _ = from.set_read_timeout(Some(LOOK));
    loop {
        if shared.stalled.load(Ordering::SeqCst) {
            thread::sleep(LOOK);
            if shared.closed.load(Ordering::SeqCst) {
                return;
            }
            continue;
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                see(&buffer[..n]);
                if to.write_all(&buffer[..n]).is_err() {
                    break;
                }
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    if !cut.load(Ordering::SeqCst) {
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// The client's side of an RTMP connection, read as far as message types.
#[derive(Default)]
struct Rtmp {
    pending: Vec<u8>,
    shaken: bool,
    chunk: usize,
    /// By chunk stream: length and type of its last message, and how much of one is still to come.
    streams: std::collections::HashMap<u32, (usize, u8, usize)>,
    media: bool,
}

impl Rtmp {
    /// Whether the first audio or video message began in `bytes`.
    fn sees_media(&mut self, bytes: &[u8]) -> bool {
        if self.media {
            return false;
        }
        self.pending.extend(bytes);
        while !self.media && self.step().is_some() {}
        if self.media {
            self.pending = Vec::new();
        }
        self.media
    }

    /// Takes one chunk off what is pending; none if it is not whole yet.
    fn step(&mut self) -> Option<()> {
        if !self.shaken {
            // C0, C1 and C2.
            self.pending.get(3072)?;
            self.pending.drain(..3073);
            (self.shaken, self.chunk) = (true, 128);
        }
        let first = *self.pending.first()?;
        let (stream, basic) = match first & 0x3f {
            0 => (u32::from(*self.pending.get(1)?) + 64, 2),
            1 => (u32::from(*self.pending.get(1)?) + u32::from(*self.pending.get(2)?) * 256 + 64, 3),
            n => (u32::from(n), 1),
        };
        let header = [11, 7, 3, 0][usize::from(first >> 6)];
        let head = self.pending.get(basic..basic + header)?.to_vec();
        let (mut len, mut kind, mut left) = self.streams.get(&stream).copied().unwrap_or_default();
        if header >= 7 {
            len = usize::from(head[3]) << 16 | usize::from(head[4]) << 8 | usize::from(head[5]);
            kind = head[6];
        }
        if left == 0 {
            left = len;
        }
        let extended = if header >= 3 && head[..3] == [0xff; 3] { 4 } else { 0 };
        if matches!(kind, 8 | 9) {
            self.media = true;
            return Some(());
        }
        let body = left.min(self.chunk);
        let at = basic + header + extended;
        let payload = self.pending.get(at..at + body)?.to_vec();
        if kind == 1 && body >= 4 {
            self.chunk = u32::from_be_bytes([payload[0], payload[1], payload[2], payload[3]]) as usize;
        }
        self.streams.insert(stream, (len, kind, left - body));
        self.pending.drain(..at + body);
        Some(())
    }
}
