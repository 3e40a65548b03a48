//! The client under test on a socket, and an FLV file to send.

use crate::rig::ingest::Ingest;
use nonstop::config::{IngestUrl, Secret};
use nonstop::media::flv::{Body, Reader, Tag, TagKind, classify};
use nonstop::media::{Kind, MediaTime, Unit};
use nonstop::publish::rtmp::{Client, Error, Phase, StreamInfo, Target};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub const KEY: &str = "abcd-efgh-ijkl-mnop";
pub const INFO: StreamInfo =
    StreamInfo { width: 640, height: 360, fps: 30, video_bits: 2_000_000, audio_bits: 128_000 };
/// Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a session came to its end.
#[derive(Debug)]
pub enum Failure {
    Rtmp(Error),
    Socket(#[expect(dead_code, reason = "read by a failing test's reader")] io::Error),
    Closed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Rtmp(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

pub trait Link: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Link for T {}

/// A client on a socket.
pub struct Publisher {
    link: Box<dyn Link>,
    pub client: Client,
}

impl Publisher {
    pub async fn plain(url: IngestUrl) -> Self {
        let link = TcpStream::connect((url.host.as_str(), url.port)).await.unwrap();
        Self::on(link, url)
    }

    /// On a connection that is there already.
    pub fn on(link: TcpStream, url: IngestUrl) -> Self {
        link.set_nodelay(true).unwrap();
        Self::over(Box::new(link), url)
    }

    /// Over TLS, with the ingest's own authority, asking for `name`.
    pub async fn tls(ingest: &Ingest, name: &str) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ingest.authority().as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(ingest.address()).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let link = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        Ok(Self::over(Box::new(link), ingest.url()))
    }

    fn over(link: Box<dyn Link>, url: IngestUrl) -> Self {
        let client = Client::new(&Target { url, key: Secret::new(KEY) }, 7);
        Self { link, client }
    }

    /// Reads and writes until the session is in `phase` and all output is gone.
    pub async fn reach(&mut self, phase: Phase) -> Result<(), Failure> {
        tokio::time::timeout(PATIENCE, self.run(|client| client.phase() >= phase))
            .await
            .unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {phase:?}"))
    }

    /// Writes all output, and reads what comes meanwhile. Without a deadline.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        self.run(|_| true).await
    }

    async fn run(&mut self, enough: impl Fn(&Client) -> bool) -> Result<(), Failure> {
        let (mut read, mut write) = tokio::io::split(&mut self.link);
        let mut buffer = [0; 4096];
        while !(enough(&self.client) && self.client.output().is_empty()) {
            let output = std::mem::take(self.client.output());
            let mut left = &output[..];
            while !left.is_empty() {
                tokio::select! {
                    written = write.write(left) => left = &left[written?..],
                    n = read.read(&mut buffer) => take(&mut self.client, &buffer[..n?])?,
                }
            }
            write.flush().await?;
            if !enough(&self.client) {
                let n = read.read(&mut buffer).await?;
                take(&mut self.client, &buffer[..n])?;
            }
        }
        Ok(())
    }

    /// Goes on air: metadata, codec headers, and the session is ready for units.
    pub async fn live(&mut self, film: &Film, from: u64) -> Result<(), Failure> {
        self.reach(Phase::Live).await?;
        self.client.metadata(&INFO);
        self.client.headers(&film.audio, &film.video, from);
        Ok(())
    }

    /// Sends all of the film, its first unit at `from` milliseconds.
    pub async fn play(&mut self, film: &Film, from: u64) -> Result<(), Failure> {
        for unit in &film.units {
            self.client.unit(unit.kind, from + unit.time.millis_since(MediaTime::default()), &unit.body);
            if self.client.output().len() > 100_000 {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    /// Ends the stream, and waits until the ingest has understood.
    pub async fn finish(mut self) -> Result<(), Failure> {
        self.client.finish();
        self.reach(Phase::Closed).await
    }

    /// Ends the stream with an ingest that does not say that it has understood. What it says
    /// meanwhile is read to the end: closing a socket with something unread in it makes the kernel
    /// reset the connection, and the peer loses what it had not read.
    pub async fn close(mut self) {
        self.client.finish();
        self.flush().await.unwrap();
        self.link.shutdown().await.unwrap();
        self.link.read_to_end(&mut Vec::new()).await.unwrap();
    }
}

fn take(client: &mut Client, bytes: &[u8]) -> Result<(), Failure> {
    if bytes.is_empty() { Err(Failure::Closed) } else { Ok(client.receive(bytes)?) }
}

/// What is sent: codec headers and frames.
pub struct Film {
    pub audio: Vec<u8>,
    pub video: Vec<u8>,
    pub units: Vec<Unit>,
}

impl Film {
    /// From an FLV file with AAC and H.264.
    pub fn read(path: &Path) -> Self {
        let mut film = Self { audio: Vec::new(), video: Vec::new(), units: Vec::new() };
        for tag in tags(path) {
            let kind = match classify(tag.kind, &tag.body) {
                Body::AacHeader => {
                    film.audio = tag.body;
                    continue;
                }
                Body::AvcHeader => {
                    film.video = tag.body;
                    continue;
                }
                Body::AacFrame => Kind::Audio,
                Body::AvcFrame { key, composition: 0 } => Kind::Video { key },
                Body::Script | Body::AvcEnd => continue,
                other => panic!("{other:?} in {}", path.display()),
            };
            // 48 samples a millisecond: the time comes out as it is in the file.
            let time = MediaTime::from_samples(u64::from(tag.timestamp) * 48);
            film.units.push(Unit { time, kind, body: tag.body.into() });
        }
        film
    }

    /// Made without FFmpeg: no decoder would take it, but every ingest that does not decode does.
    /// One picture is longer than a chunk.
    pub fn made_up(units: u64) -> Self {
        let unit = |i: u64| {
            let key = i.is_multiple_of(50);
            let kind = if i % 3 == 1 { Kind::Audio } else { Kind::Video { key } };
            let len = if key { 70_000 } else { 300 + i as usize % 700 };
            let head: &[u8] = match kind {
                Kind::Audio => b"\xaf\x01",
                Kind::Video { key: true } => b"\x17\x01\0\0\0",
                Kind::Video { key: false } => b"\x27\x01\0\0\0",
            };
            let body: Vec<u8> =
                head.iter().copied().chain((0..len).map(|n| (n as u64 * 31 + i) as u8)).collect();
            Unit { time: MediaTime::from_samples(i * 480), kind, body: body.into() }
        };
        let (audio, video) = (b"\xaf\0\x11\x90".to_vec(), b"\x17\0\0\0\0\x01\x64\0\x1f".to_vec());
        Self { audio, video, units: (0..units).map(unit).collect() }
    }

    /// What an ingest is to get of it, headers and all: kind, timestamp, body.
    pub fn messages(&self, from: u64) -> Vec<(u8, u32, Vec<u8>)> {
        let mut messages = vec![(9, from as u32, self.video.clone()), (8, from as u32, self.audio.clone())];
        messages.extend(self.units.iter().map(|unit| {
            let kind = if unit.kind == Kind::Audio { 8 } else { 9 };
            let timestamp = from + unit.time.millis_since(MediaTime::default());
            (kind, timestamp as u32, unit.body.to_vec())
        }));
        messages
    }
}

/// Every tag of an FLV file.
pub fn tags(path: &Path) -> Vec<Tag> {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut reader = Reader::new(io::BufReader::new(file)).unwrap();
    let mut tags = Vec::new();
    while let Some(tag) = reader.next_tag().unwrap() {
        tags.push(tag);
    }
    tags
}

/// The frames and headers of an FLV file.
pub fn media(path: &Path) -> Vec<Tag> {
    let mut tags = tags(path);
    tags.retain(|tag| tag.kind != TagKind::Script && classify(tag.kind, &tag.body) != Body::AvcEnd);
    tags
}
