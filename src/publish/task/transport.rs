//! What a session needs of the way to its ingest: a stream of bytes, and two counts.
//!
//! There are two ways: the [net](super::net), and one in memory that fails on script, in the
//! simulation.

use crate::config::IngestUrl;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::pki_types::InvalidDnsNameError;

/// Opens links to ingests.
pub trait Dialer: Clone + Send + Sync + 'static {
    /// What it opens.
    type Link: Link;

    /// A link to the ingest, TLS done if its address asks for it. Ends within the limits of
    /// [`limits`].
    fn dial(&self, url: &IngestUrl) -> impl Future<Output = Result<Self::Link, Error>> + Send;

    /// A link that another process had dialled and [given away](Link::give).
    fn take(&self, given: Given) -> io::Result<Self::Link>;
}

/// A connection that has left its process, or is about to.
#[derive(Debug)]
pub struct Given {
    /// The connection itself.
    pub socket: OwnedFd,
    /// Its counts.
    pub counts: Counts,
}

/// What is counted of a connection, beside what the kernel counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Bytes handed to the kernel.
    pub written: u64,
    /// What the kernel had counted as acknowledged before any of them.
    pub before: u64,
}

/// A connection to an ingest.
///
/// One that is dropped is reset: what the kernel still holds for a peer that was given up should not
/// reach it later, when another session carries the stream. Where the reset itself would be lost, the
/// session keeps the link for a while (see `Grave` in the session).
pub trait Link: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Bytes handed to the kernel so far.
    fn written(&self) -> u64;

    /// How many of them the peer has acknowledged.
    fn acked(&self) -> io::Result<u64>;

    /// From here on a drop ends the connection in order, and what was written is still delivered.
    fn leave(&mut self);

    /// A second handle on the connection, for another process to go on with. After that, dropping
    /// this one changes nothing for the peer. `None` if what the link knows cannot leave this
    /// process: the keys of TLS.
    fn give(&mut self) -> Option<Given>;
}

/// Why an ingest could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address for the name.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// The cause.
        source: io::Error,
    },
    /// None of the addresses answers; this is the last.
    #[error("cannot connect to {host} at {address}: {source}")]
    Connect {
        /// The name.
        host: String,
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("no TLS with {host}: {source}")]
    Tls {
        /// The name.
        host: String,
        /// The cause.
        source: io::Error,
    },
    /// Neither a name nor an address.
    #[error("{host:?} is not a server's name: {source}")]
    Name {
        /// What was given.
        host: String,
        /// The cause.
        source: InvalidDnsNameError,
    },
}
