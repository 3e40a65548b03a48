//! The instance metadata service, version 2: what a machine in EC2 can learn about itself.
//!
//! A client of our own, because the SDK's is unfit for a watch that must be prompt: it sends a dead
//! token on for hours, and takes seconds over a refusal. Here every [`Imds::get`] ends within
//! [`TIMEOUT`], whatever the service does, and brings its own new token when the old one is refused.
//! Nothing is tried again in here: who polls asks again anyway.
//!
//! Absence is no error: a path that is not there is `Ok(None)`. What a body is depends on its path
//! and never on its `Content-Type`, which emulators get wrong.

mod endpoint;
pub mod fake;

pub use endpoint::{Endpoint, FIRMWARE};

use reqwest::{Client, Method, Response, StatusCode, header::HeaderValue, redirect};
use serde::Deserialize;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::{self, RootCertStore};

/// The longest that one question takes, a new token included. The service answers in milliseconds.
pub const TIMEOUT: Duration = Duration::from_secs(1);
/// The part of it within which somebody must take the connection; so that a network where nobody
/// does can be told from a service that says nothing.
const CONNECT: Duration = Duration::from_millis(700);
/// How long a token is asked to live. Short, so that one that leaks is soon worth nothing.
const TOKEN_LIVES: Duration = Duration::from_secs(300);
/// A token that is older than this is replaced before it can expire on its way.
const TOKEN_SERVES: Duration = Duration::from_secs(270);
/// Bytes of the longest body that is taken; the longest that is known, an identity document, has
/// some 500.
const LONGEST: usize = 64 << 10;

const TOKEN: &str = "/latest/api/token";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// Where the instance identity document is.
pub const IDENTITY: &str = "/latest/dynamic/instance-identity/document";

/// Why a question was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody takes a connection, or whoever does knows no tokens: this is not EC2, or the way is
    /// closed.
    #[error("there is no instance metadata service at {endpoint}: {reason}")]
    Absent {
        /// Where it was looked for.
        endpoint: String,
        /// What came instead.
        reason: String,
    },
    /// This machine's own kernel does not let this process ask: a firewall, or a route that prohibits.
    #[error("this process may not ask the instance metadata service at {endpoint}: {reason}")]
    Denied {
        /// Where it is.
        endpoint: String,
        /// The kernel's words.
        reason: String,
    },
    /// The service is off for this machine, or something on the way refuses this process (403).
    #[error("the instance metadata service at {endpoint} refuses access (403 to {path})")]
    Blocked {
        /// Where it is.
        endpoint: String,
        /// What was asked for.
        path: String,
    },
    /// The connection was taken, and then nothing came in time.
    #[error("the instance metadata service at {endpoint} did not answer {path} within {} s", TIMEOUT.as_secs())]
    Silent {
        /// Where it is.
        endpoint: String,
        /// What was asked for.
        path: String,
    },
    /// It failed, or answered something that cannot be used; likely to pass.
    #[error("the instance metadata service at {endpoint} failed on {path}: {reason}")]
    Failed {
        /// Where it is.
        endpoint: String,
        /// What was asked for.
        path: String,
        /// How it failed.
        reason: String,
    },
}

/// Who this machine is, by its instance identity document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// `i-0abc12de34f567890`
    pub instance_id: String,
    /// `eu-central-1`; empty if the document does not say.
    #[serde(default)]
    pub region: String,
    /// `eu-central-1a`; empty if the document does not say.
    #[serde(default)]
    pub availability_zone: String,
    /// `t3a.micro`; empty if the document does not say.
    #[serde(default)]
    pub instance_type: String,
}

/// A client with one kept connection and one token. A clone shares the connections, and gets a token
/// of its own.
pub struct Imds {
    client: Client,
    endpoint: Arc<str>,
    token: Option<Token>,
}

struct Token {
    value: HeaderValue,
    since: Instant,
}

/// How a single request ended that was answered in the manner of the service.
enum Answer {
    Body(String),
    NotThere,
    /// The token is not, or no longer, good.
    Unauthorized,
}

impl Clone for Imds {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), endpoint: self.endpoint.clone(), token: None }
    }
}

impl Imds {
    /// A client of the service at `endpoint`, as in `http://169.254.169.254`. Nothing is sent yet.
    pub fn new(endpoint: &str) -> Self {
        Self { client: client(), endpoint: endpoint.trim_end_matches('/').into(), token: None }
    }

    /// Where the service is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The text at `path`, or `None` if there is none. Ends within [`TIMEOUT`].
    ///
    /// # Errors
    /// See [`Error`]; none of them is tried again in here.
    pub async fn get(&mut self, path: &str) -> Result<Option<String>, Error> {
        let outcome = timeout(TIMEOUT, self.ask(path)).await;
        outcome.unwrap_or_else(|_| Err(self.silent(if self.token.is_some() { path } else { TOKEN })))
    }

    /// Who this machine is; `None` if the service has no such document. Ends within [`TIMEOUT`].
    ///
    /// # Errors
    /// See [`Error`]; a document that names no instance is [`Error::Failed`].
    pub async fn identity(&mut self) -> Result<Option<Identity>, Error> {
        let Some(text) = self.get(IDENTITY).await? else { return Ok(None) };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| self.failed(IDENTITY, format!("the identity document cannot be read: {error}")))
    }

    async fn ask(&mut self, path: &str) -> Result<Option<String>, Error> {
        // One that was good a moment ago may have been revoked; a fresh one that is refused is a
        // fault of the service.
        for _ in 0..2 {
            let token = self.token().await?;
            match self.request(Method::GET, path, TOKEN_HEADER, token).await? {
                Answer::Body(body) => return Ok(Some(body)),
                Answer::NotThere => return Ok(None),
                Answer::Unauthorized => self.token = None,
            }
        }
        Err(self.failed(path, "it refuses the token that it has just given out".to_owned()))
    }

    async fn token(&mut self) -> Result<HeaderValue, Error> {
        if let Some(token) = self.token.as_ref().filter(|token| token.since.elapsed() < TOKEN_SERVES) {
            return Ok(token.value.clone());
        }
        self.token = None;
        let since = Instant::now();
        let ttl = HeaderValue::from(TOKEN_LIVES.as_secs());
        let value = match self.request(Method::PUT, TOKEN, TTL_HEADER, ttl).await? {
            Answer::Body(body) => HeaderValue::from_str(body.trim()).ok().filter(|value| !value.is_empty()),
            Answer::NotThere => {
                let reason = "it gives out no tokens (404)".to_owned();
                return Err(Error::Absent { endpoint: self.endpoint.to_string(), reason });
            }
            Answer::Unauthorized => None,
        };
        let Some(mut value) = value else {
            return Err(self.failed(TOKEN, "what it gave out is no token".to_owned()));
        };
        value.set_sensitive(true);
        self.token = Some(Token { value: value.clone(), since });
        Ok(value)
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        header: &'static str,
        value: HeaderValue,
    ) -> Result<Answer, Error> {
        let request = self.client.request(method, format!("{}{path}", self.endpoint)).header(header, value);
        let response = request.send().await.map_err(|error| self.unanswered(path, &error))?;
        match response.status() {
            StatusCode::OK => self.body(path, response).await.map(Answer::Body),
            StatusCode::NOT_FOUND => Ok(Answer::NotThere),
            StatusCode::UNAUTHORIZED => Ok(Answer::Unauthorized),
            StatusCode::FORBIDDEN => {
                Err(Error::Blocked { endpoint: self.endpoint.to_string(), path: path.to_owned() })
            }
            other => Err(self.failed(path, format!("it answered {other}"))),
        }
    }

    async fn body(&self, path: &str, mut response: Response) -> Result<String, Error> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.unanswered(path, &error))? {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST {
                return Err(self.failed(path, format!("its answer is longer than {LONGEST} bytes")));
            }
        }
        String::from_utf8(body).map_err(|_| self.failed(path, "its answer is no text".to_owned()))
    }

    fn unanswered(&self, path: &str, error: &reqwest::Error) -> Error {
        let denied = io(error).is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied);
        if error.is_connect() && denied {
            Error::Denied { endpoint: self.endpoint.to_string(), reason: cause(error) }
        } else if error.is_connect() {
            Error::Absent { endpoint: self.endpoint.to_string(), reason: cause(error) }
        } else {
            self.failed(path, cause(error))
        }
    }

    fn silent(&self, path: &str) -> Error {
        Error::Silent { endpoint: self.endpoint.to_string(), path: path.to_owned() }
    }

    fn failed(&self, path: &str, reason: String) -> Error {
        Error::Failed { endpoint: self.endpoint.to_string(), path: path.to_owned(), reason }
    }
}

/// No proxy, which could forward what is only for this machine; no redirects, which the service does
/// not give; and trust in nobody, as there is no TLS on the way and certificates take memory.
fn client() -> Client {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(1)
        .build()
        .expect("a client without files, names and environment can always be built")
}

/// What the kernel said, if it said something.
fn io(error: &reqwest::Error) -> Option<&io::Error> {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.filter_map(|error| error.downcast_ref()).last()
}

/// The innermost cause: what lies around it says no more than that a request failed.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
