//! An ingest inside the test's own process, which can fail on script.
//!
//! It speaks the server's side of RTMP, plain or in TLS with a certificate authority of its own,
//! by code that shares nothing with the product's client. It writes down everything that each
//! session does, and does to it what the [`Script`] or the test's [`Session::act`] says.
//!
//! ```ignore
//! let ingest = Ingest::start(Options::default()).await;
//! ingest.next(Script::once(When::Media(100), Act::Reset));   // the first session only
//! publish_to(ingest.url());
//! let session = ingest.session(0).await;
//! session.until("the reset", Record::ended).await;
//! assert_eq!(ingest.session(1).await.look(|record| record.faults.clone()), [""; 0]);
//! ```

// Each test binary uses its own part of this.
#![allow(dead_code, unused_imports)]

pub mod amf;
pub mod record;
pub mod script;
mod session;
pub mod tls;
mod wire;

pub use record::{Ending, Keep, Message, Record, Stage};
pub use script::{Act, Handshake, Reply, Script, When};

use nonstop::config::IngestUrl;
use session::{Conversation, Link};
use std::collections::VecDeque;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// How long a test waits for anything. Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// The names that the certificate is good for. `localhost` is the one in [`Ingest::url`].
const NAMES: [&str; 2] = ["localhost", "ingest.test"];

/// What an ingest is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// The only app that `connect` may name, or `None` for any.
    pub app: Option<String>,
    /// The only stream key, or `None` for any.
    pub key: Option<String>,
    /// RTMPS. A session that asks for no name (SNI) or another one is turned away, with a fault.
    pub tls: bool,
    pub keep: Keep,
    /// `SO_RCVBUF` of each connection. Small, so that a publisher feels [`Act::Stall`] soon.
    pub receive_buffer: u32,
    /// For every connection that [`Ingest::next`] has no other for.
    pub script: Script,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            app: None,
            key: None,
            tls: false,
            keep: Keep::Bodies,
            receive_buffer: 32 << 10,
            script: Script::default(),
        }
    }
}

/// A running ingest. It ends, with all its sessions, when this is dropped.
pub struct Ingest {
    address: SocketAddr,
    authority: Option<String>,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    options: Arc<Options>,
    scripts: Mutex<VecDeque<Script>>,
    sessions: watch::Sender<Vec<Session>>,
    wanted_up: watch::Sender<bool>,
    up: watch::Sender<bool>,
}

impl Ingest {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(options: Options) -> Self {
        let (acceptor, authority) = match options.tls.then(|| tls::acceptor(&NAMES)) {
            Some((acceptor, authority)) => (Some(acceptor), Some(authority)),
            None => (None, None),
        };
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into(), options.receive_buffer);
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            options: Arc::new(options),
            scripts: Mutex::default(),
            sessions: watch::Sender::new(Vec::new()),
            wanted_up: watch::Sender::new(true),
            up: watch::Sender::new(true),
        });
        let task = tokio::spawn(serve(listener, acceptor, shared.clone())).abort_handle();
        Self { address, authority, shared, task }
    }

    /// Where to publish, with the app that the options name, or `live`.
    pub fn url(&self) -> IngestUrl {
        let tls = self.shared.options.tls;
        let host = if tls { NAMES[0].to_owned() } else { self.address.ip().to_string() };
        let app = self.shared.options.app.clone().unwrap_or_else(|| "live".to_owned());
        IngestUrl { tls, host, port: self.address.port(), app }
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate authority to trust, as PEM. Panics without TLS.
    pub fn authority(&self) -> &str {
        self.authority.as_deref().expect("an ingest with TLS")
    }

    /// The script for the next connection that has none yet.
    pub fn next(&self, script: Script) {
        self.shared.scripts.lock().unwrap().push_back(script);
    }

    /// Stops listening and cuts every session off, as a server that dies does; connections are
    /// refused from when this returns on.
    pub async fn stop(&self) {
        self.shared.wanted_up.send_replace(false);
        patiently("the ingest to stop", self.shared.up.subscribe().wait_for(|up| !up)).await.unwrap();
    }

    /// Listens again, on the same port.
    pub async fn resume(&self) {
        self.shared.wanted_up.send_replace(true);
        patiently("the ingest to come back", self.shared.up.subscribe().wait_for(|up| *up)).await.unwrap();
    }

    /// Every session so far, in the order in which they were accepted.
    pub fn sessions(&self) -> Vec<Session> {
        self.shared.sessions.borrow().clone()
    }

    /// The session that was accepted as number `n` (from 0), once it is.
    pub async fn session(&self, n: usize) -> Session {
        let mut sessions = self.shared.sessions.subscribe();
        let what = format!("session {n} at {}", self.address);
        patiently(&what, sessions.wait_for(|all| all.len() > n)).await.unwrap()[n].clone()
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One session: what it has done, and a hand to disturb it with.
#[derive(Clone)]
pub struct Session {
    record: Arc<watch::Sender<Record>>,
    acts: mpsc::UnboundedSender<Act>,
}

impl Session {
    /// Looks at the record as it is now.
    pub fn look<T>(&self, at: impl FnOnce(&Record) -> T) -> T {
        at(&self.record.borrow())
    }

    /// Does something to the session at once.
    pub fn act(&self, act: Act) {
        // A session that has ended has nothing left to be done to it.
        let _ = self.acts.send(act);
    }

    /// Waits until the record is as it should be. Panics, with the record, if it does not become so.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Record) -> bool) {
        let mut record = self.record.subscribe();
        let reached = tokio::time::timeout(PATIENCE, record.wait_for(|record| wanted(record))).await;
        if reached.is_err() {
            let state = self.look(|r| format!("{:?}, {} media, faults {:?}", r.stage, r.media, r.faults));
            panic!("waited {PATIENCE:?} for {what}; the session: {state}");
        }
    }

    fn note<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        let mut result = None;
        self.record.send_modify(|record| result = Some(change(record)));
        result.expect("send_modify runs the change")
    }
}

async fn patiently<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

fn listen(address: SocketAddr, receive_buffer: u32) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_recv_buffer_size(receive_buffer).unwrap();
    socket.bind(address).unwrap();
    socket.listen(64).unwrap()
}

/// Accepts connections while up. Every session is a task of this one, and ends with it.
async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let address = listener.local_addr().unwrap();
    let mut wanted_up = shared.wanted_up.subscribe();
    let mut listener = Some(listener);
    let mut sessions = JoinSet::new();
    loop {
        if let Some(listening) = &listener {
            tokio::select! {
                connection = listening.accept() => {
                    let Ok((tcp, _)) = connection else { continue };
                    let (record, (acts, orders)) = (watch::Sender::new(Record::new()), mpsc::unbounded_channel());
                    let session = Session { record: Arc::new(record), acts };
                    let script = shared.scripts.lock().unwrap().pop_front();
                    let script = script.unwrap_or_else(|| shared.options.script.clone());
                    shared.sessions.send_modify(|all| all.push(session.clone()));
                    let options = shared.options.clone();
                    sessions.spawn(converse(tcp, tls.clone(), options, script, session, orders));
                }
                _ = wanted_up.wait_for(|up| !up) => listener = None,
                Some(_) = sessions.join_next() => {}
            }
        } else {
            sessions.shutdown().await;
            for session in shared.sessions.borrow().iter() {
                session.note(|record| {
                    if !record.ended() {
                        record.stage = Stage::Ended(Ending::ByUs);
                    }
                });
            }
            shared.up.send_replace(false);
            let _ = wanted_up.wait_for(|up| *up).await;
            listener = Some(listen(address, shared.options.receive_buffer));
            shared.up.send_replace(true);
        }
    }
}

async fn converse(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    options: Arc<Options>,
    script: Script,
    session: Session,
    acts: mpsc::UnboundedReceiver<Act>,
) {
    tcp.set_nodelay(true).unwrap();
    let link: Box<dyn Link> = match tls {
        None => Box::new(tcp),
        Some(acceptor) => match acceptor.accept(tcp).await {
            Ok(stream) => {
                let name = stream.get_ref().1.server_name().map(str::to_owned);
                let known = name.as_deref().is_some_and(|name| NAMES.contains(&name));
                session.note(|record| record.server_name = name);
                if !known {
                    session.note(|record| {
                        record.faults.push(format!("TLS for the name {:?}", record.server_name));
                        record.stage = Stage::Ended(Ending::ByUs);
                    });
                    return;
                }
                Box::new(stream)
            }
            Err(_) => {
                session.note(|record| record.stage = Stage::Ended(Ending::Broken));
                return;
            }
        },
    };
    Conversation { link, options, script, session, acts, chunk_size: 128 }.run().await;
}
