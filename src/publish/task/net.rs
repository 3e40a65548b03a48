//! The real way to an ingest: TCP, or TLS over it.
//!
//! Bytes are counted at the socket, below TLS, so that a count means the same with and without it.

use super::transport::{Counts, Dialer, Error, Given, Link};
use super::{tcp_info, trust};
use crate::config::IngestUrl;
use crate::publish::limits;
use socket2::SockRef;
use std::collections::HashMap;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection};

/// What a name server said last, by name and port.
type Addresses = HashMap<(String, u16), Vec<SocketAddr>>;

/// TCP and TLS. Clones share the authorities, TLS sessions to resume, and known addresses.
#[derive(Clone)]
pub struct Net {
    tls: Arc<ClientConfig>,
    known: Arc<Mutex<Addresses>>,
}

impl Net {
    /// Trusts the authorities in `ca_file`, a PEM file, or else the system's. Reads files.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, trust::Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3")
            .with_root_certificates(trust::roots(ca_file)?)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(config), known: Arc::default() })
    }

    /// Fresh addresses, or if the name server does not answer, those that it gave last time.
    async fn resolve(&self, url: &IngestUrl) -> Result<Vec<SocketAddr>, Error> {
        let key = (url.host.clone(), url.port);
        let known = self.known.lock().expect("nothing panics while it holds this lock").get(&key).cloned();
        let limit = if known.is_some() { limits::RESOLVE_AGAIN } else { limits::RESOLVE };
        let error = match within(limit, lookup_host((url.host.as_str(), url.port))).await {
            Ok(found) => {
                let found: Vec<_> = found.collect();
                if !found.is_empty() {
                    let mut known = self.known.lock().expect("nothing panics while it holds this lock");
                    known.insert(key, found.clone());
                    return Ok(found);
                }
                io::Error::new(io::ErrorKind::NotFound, "the name has no address")
            }
            Err(error) => error,
        };
        known.ok_or_else(|| Error::Resolve { host: url.host.clone(), source: error })
    }
}

impl Dialer for Net {
    type Link = Wire;

    async fn dial(&self, url: &IngestUrl) -> Result<Wire, Error> {
        let host = || url.host.clone();
        let mut last = None;
        for address in self.resolve(url).await? {
            match within(limits::CONNECT, connect(address)).await {
                Err(source) => last = Some(Error::Connect { host: host(), address, source }),
                Ok(socket) if !url.tls => return Ok(Wire::Plain(socket)),
                Ok(socket) => {
                    let name = ServerName::try_from(host())
                        .map_err(|source| Error::Name { host: host(), source })?;
                    // A burst is encrypted in one go and then written in one go.
                    let whole = |session: &mut ClientConnection| session.set_buffer_limit(None);
                    let handshake = TlsConnector::from(self.tls.clone()).connect_with(name, socket, whole);
                    match within(limits::TLS, handshake).await {
                        Ok(stream) => return Ok(Wire::Tls(Box::new(stream))),
                        Err(source) => last = Some(Error::Tls { host: host(), source }),
                    }
                }
            }
        }
        Err(last.expect("there was an address, and each that failed is noted"))
    }

    fn take(&self, Given { socket, counts: Counts { written, before } }: Given) -> io::Result<Wire> {
        let stream = std::net::TcpStream::from(socket);
        // Every option was set when it was connected, and is the socket's own.
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream)?;
        let socket = Socket { stream, written, before, leaving: false };
        // Fails here if it is no TCP connection any more.
        socket.stream.peer_addr()?;
        tcp_info::bytes_acked(&socket.stream)?;
        Ok(Wire::Plain(socket))
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} ms", limit.as_millis())))
    })
}

async fn connect(address: SocketAddr) -> io::Result<Socket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let options = SockRef::from(&socket);
    options.set_send_buffer_size(limits::SEND_BUFFER)?;
    // A burst's last packet must not wait for the acknowledgement of the one before it.
    options.set_tcp_nodelay(true)?;
    options.set_tcp_notsent_lowat(limits::NOT_SENT)?;
    options.set_tcp_user_timeout(Some(limits::USER_TIMEOUT))?;
    let stream = socket.connect(address).await?;
    let before = tcp_info::bytes_acked(&stream)?;
    Ok(Socket { stream, written: 0, before, leaving: false })
}

/// A link over the net.
pub enum Wire {
    /// RTMP.
    Plain(Socket),
    /// RTMPS.
    Tls(Box<TlsStream<Socket>>),
}

/// A TCP socket that counts.
pub struct Socket {
    stream: TcpStream,
    written: u64,
    /// What had been acknowledged before anything was written: the SYN.
    before: u64,
    leaving: bool,
}

impl Wire {
    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl Link for Wire {
    fn written(&self) -> u64 {
        self.socket().written
    }

    fn acked(&self) -> io::Result<u64> {
        let socket = self.socket();
        let acked = tcp_info::bytes_acked(&socket.stream)?.saturating_sub(socket.before);
        // A FIN counts as a byte too.
        Ok(acked.min(socket.written))
    }

    fn leave(&mut self) {
        match self {
            Self::Plain(socket) => socket.leaving = true,
            Self::Tls(stream) => stream.get_mut().0.leaving = true,
        }
    }

    fn give(&mut self) -> Option<Given> {
        let Self::Plain(socket) = self else { return None };
        let second = socket.stream.as_fd().try_clone_to_owned();
        let second =
            second.inspect_err(|error| tracing::debug!(%error, "no second handle on the socket")).ok()?;
        socket.leaving = true;
        let counts = Counts { written: socket.written, before: socket.before };
        Some(Given { socket: second, counts })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.leaving {
            // Closing then resets. Should it fail, the kernel delivers what it holds, or gives up
            // after the user timeout.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.written += n as u64;
        Poll::Ready(Ok(n))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.written += n as u64;
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

macro_rules! on_either {
    ($self:ident, $link:ident => $call:expr) => {
        match $self.get_mut() {
            Wire::Plain($link) => $call,
            Wire::Tls($link) => $call,
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_either!(self, link => Pin::new(link).poll_read(cx, buf))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on_either!(self, link => Pin::new(link).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, link => Pin::new(link).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, link => Pin::new(link).poll_shutdown(cx))
    }
}
