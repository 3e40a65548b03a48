//! A metadata service to rehearse and to test with: it speaks version 2 as the real one does, tokens
//! and refusals included, says what it is told to say, and can be made to fail.
//!
//! It serves a handful of small requests a second on loopback, so it is a page of HTTP and not a
//! framework.

mod http;

use super::Imds;
use http::{Reply, Request};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Connections at a time; a node keeps one.
const CONNECTIONS: usize = 32;
/// Tokens at a time. Each client has one or two, for minutes.
const TOKENS: usize = 256;
/// The longest that a token may be asked to live.
const LONGEST_TTL: u64 = 21_600;

/// How it fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    #[default]
    None,
    /// Every request is answered with this status: 403 is a service that is off, 503 one that is
    /// overloaded.
    Status(u16),
    /// Requests that begin with this path get this status, everything else is as it should be.
    PathStatus(String, u16),
    /// Tokens are given out, and refused.
    RefusesTokens,
    /// Requests for a token are read and never answered, as behind one hop too many.
    NoTokens,
    /// Requests are read and never answered.
    Hangs,
    /// Requests for this path are read and never answered.
    PathHangs(String),
    /// Every answer comes after this time.
    Slow(Duration),
    /// Every answer to a GET is this text, whatever was asked for, said to be JSON.
    Says(String),
    /// Every answer to a GET is this many bytes long.
    Long(usize),
    /// Every body ends before it should.
    Truncated,
    /// Every connection is closed without an answer.
    Closes,
    /// Every GET is answered with a redirection to this address.
    Redirects(String),
    /// Every connection ends after one answer.
    OneEach,
}

/// See the module's head. Clones are handles on the same service.
#[derive(Clone, Default)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    real: Option<Imds>,
}

#[derive(Default)]
struct State {
    says: BTreeMap<String, String>,
    tokens: Vec<(String, Instant)>,
    given: u64,
    fault: Fault,
    optional: bool,
    asked: BTreeMap<String, u64>,
    connections: u64,
}

impl Fake {
    /// A service that has nothing to say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whatever it has nothing to say about is asked of `real`, so that a node that is pointed here
    /// goes on having its role's credentials.
    pub fn before(real: Imds) -> Self {
        Self { real: Some(real), ..Self::default() }
    }

    /// From now on it says this at `path`.
    pub fn say(&self, path: &str, text: impl Into<String>) {
        self.state().says.insert(path.to_owned(), text.into());
    }

    /// From now on there is nothing at `path`.
    pub fn say_nothing(&self, path: &str) {
        self.state().says.remove(path);
    }

    /// From now on it fails like this.
    pub fn fail(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// From now on what is asked without a token is answered, too, as where version 1 of the service
    /// is still allowed. One that is not good is refused as ever.
    pub fn make_tokens_optional(&self) {
        self.state().optional = true;
    }

    /// No token that was given out is good any more.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// How often `path` has been asked for, whatever the answer was.
    pub fn asked(&self, path: &str) -> u64 {
        self.state().asked.get(path).copied().unwrap_or_default()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> u64 {
        self.state().connections
    }

    /// Serves whoever connects. Never ends.
    pub async fn serve(self, listener: TcpListener) -> Infallible {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= CONNECTIONS {
                connections.join_next().await;
            }
            if let Ok((stream, _)) = listener.accept().await {
                self.state().connections += 1;
                connections.spawn(self.clone().connection(stream));
            } else {
                // Out of file handles, most likely; they come back.
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn connection(self, stream: TcpStream) {
        // The end of a connection is nobody's concern but the client's.
        let _ = self.converse(stream).await;
    }

    async fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let mut wire = http::Wire::new(stream);
        while let Some(request) = wire.request().await? {
            let fault = {
                let mut state = self.state();
                *state.asked.entry(request.path.clone()).or_default() += 1;
                state.fault.clone()
            };
            let is_token = request.method == "PUT";
            match &fault {
                Fault::Hangs => std::future::pending().await,
                Fault::NoTokens if is_token => std::future::pending().await,
                Fault::PathHangs(path) if request.path == *path => std::future::pending().await,
                Fault::Slow(time) => sleep(*time).await,
                Fault::Closes => return Ok(()),
                _ => {}
            }
            let mut reply = self.reply(&request, &fault).await;
            match fault {
                Fault::Truncated => {
                    reply.promised += 10;
                    reply.last = true;
                }
                Fault::OneEach => reply.last = true,
                _ => {}
            }
            wire.reply(&reply).await?;
            if reply.last {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn reply(&self, request: &Request, fault: &Fault) -> Reply {
        match fault {
            Fault::Status(status) => return Reply::error(*status),
            Fault::PathStatus(path, status) if request.path.starts_with(path) => {
                return Reply::error(*status);
            }
            _ => {}
        }
        match request.method.as_str() {
            "PUT" if request.path == super::TOKEN => self.token(request),
            "GET" => {
                if *fault == Fault::RefusesTokens || !self.knows(request.header(super::TOKEN_HEADER)) {
                    return Reply::error(401);
                }
                match fault {
                    Fault::Says(text) => Reply::ok(text).typed("application/json"),
                    Fault::Long(bytes) => Reply::ok(&"x".repeat(*bytes)),
                    Fault::Redirects(to) => Reply::error(302).header("Location", to),
                    _ => self.said(&request.path).await,
                }
            }
            "PUT" => Reply::error(404),
            _ => Reply::error(405),
        }
    }

    async fn said(&self, path: &str) -> Reply {
        let said = self.state().says.get(path).cloned();
        if let Some(text) = said {
            return Reply::ok(&text);
        }
        let real = match &self.real {
            Some(real) => real.clone().get(path).await,
            None => Ok(None),
        };
        match real {
            Ok(Some(text)) => Reply::ok(&text),
            Ok(None) | Err(super::Error::Absent { .. }) => Reply::error(404),
            Err(_) => Reply::error(503),
        }
    }

    fn token(&self, request: &Request) -> Reply {
        if request.header("x-forwarded-for").is_some() {
            return Reply::error(403);
        }
        let ttl = request.header(super::TTL_HEADER).and_then(|ttl| ttl.parse().ok());
        let Some(ttl) = ttl.filter(|ttl| (1..=LONGEST_TTL).contains(ttl)) else { return Reply::error(400) };
        let mut state = self.state();
        let now = Instant::now();
        state.tokens.retain(|(_, until)| *until > now);
        if state.tokens.len() >= TOKENS {
            // Whoever has the oldest gets another one when it is refused.
            state.tokens.remove(0);
        }
        state.given += 1;
        // Nothing here is secret, so that it need not be guessed is enough.
        let token = format!("AQAEAfake{:047}==", state.given);
        state.tokens.push((token.clone(), now + Duration::from_secs(ttl)));
        Reply::ok(&token).header("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", &ttl.to_string())
    }

    fn knows(&self, token: Option<&str>) -> bool {
        let now = Instant::now();
        let state = self.state();
        match token {
            Some(token) => state.tokens.iter().any(|(known, until)| known == token && *until > now),
            None => state.optional,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}
