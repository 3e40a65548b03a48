//! Asks a running daemon, from another process.

use super::protocol::{MAX_REPLY, Refusal, Reply, Request};
use super::task::COMMAND;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// For the daemon to answer: as long as it gives a command, and a little for the way.
const ANSWER: Duration = COMMAND.saturating_add(Duration::from_secs(2));

/// Knows where a daemon may listen.
#[derive(Clone, Debug)]
pub struct Client {
    sockets: Vec<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens on any of these.
    #[error("nonstop is not running: nobody listens on {}", list(.0))]
    NoDaemon(Vec<PathBuf>),
    /// This user may not speak to the daemon.
    #[error("this user may not use {0}")]
    Denied(PathBuf),
    /// The connection failed.
    #[error("lost the connection to the daemon on {path}: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// It took the request and said nothing.
    #[error("the daemon on {0} did not answer within {n} s", n = ANSWER.as_secs())]
    Silent(PathBuf),
    /// What it said is not a reply.
    #[error("the daemon on {path} answered with something else than a reply: {source}")]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoDaemon(_) => {
                Some("start it with `systemctl start nonstop`, or by hand with `nonstop run`".to_owned())
            }
            Self::Denied(_) => Some("ask as root, or join the group that owns the socket".to_owned()),
            Self::Silent(_) => Some("`systemctl status nonstop` says whether it still runs".to_owned()),
            Self::Garbled { .. } => {
                Some("is it another version? `systemctl restart nonstop` starts this one".to_owned())
            }
            Self::Io { .. } => None,
            Self::Refused(refusal) => refusal.hint.clone(),
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
}

impl Client {
    /// Asks the first of `sockets` that a daemon listens on.
    pub fn new(sockets: Vec<PathBuf>) -> Self {
        Self { sockets }
    }

    /// One request, one reply. A refusal is an error. Ends within some 12 s whatever happens.
    pub async fn ask(&self, request: &Request) -> Result<Reply, Error> {
        for path in &self.sockets {
            match UnixStream::connect(path).await {
                Ok(stream) => {
                    return match timeout(ANSWER, converse(stream, request, path)).await {
                        Ok(Ok(Reply::Error(refusal))) => Err(refusal.into()),
                        Ok(reply) => reply,
                        Err(_elapsed) => Err(Error::Silent(path.clone())),
                    };
                }
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(Error::Denied(path.clone()));
                }
                Err(_not_there) => {}
            }
        }
        Err(Error::NoDaemon(self.sockets.clone()))
    }
}

async fn converse(mut stream: UnixStream, request: &Request, path: &Path) -> Result<Reply, Error> {
    let lost = |source| Error::Io { path: path.to_owned(), source };
    let garbled = |source| Error::Garbled { path: path.to_owned(), source };
    let mut line = serde_json::to_vec(request).map_err(garbled)?;
    line.push(b'\n');
    stream.write_all(&line).await.map_err(lost)?;
    line.clear();
    BufReader::new(stream).take(MAX_REPLY as u64).read_until(b'\n', &mut line).await.map_err(lost)?;
    if line.is_empty() {
        return Err(lost(io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_slice(&line).map_err(garbled)
}
