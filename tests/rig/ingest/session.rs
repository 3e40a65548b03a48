//! One connection to the ingest: the conversation, and the script's deeds.

use super::amf::{self, Value, object};
use super::record::{Ending, Stage};
use super::script::{Act, Handshake, Reply, Script, When};
use super::wire::{Decoder, Inbound, Outbound, encode};
use super::{Options, Session};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::server::TlsStream;

/// A connection, plain or in TLS, of which the TCP socket can still be reached.
pub trait Link: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Link for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Link for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// How a session's loop ends.
pub enum End {
    ByUs,
    /// The publisher closed or broke the connection.
    Eof,
    Broken,
    /// The publisher broke the protocol.
    Fault(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What rustls says to a publisher that goes without close_notify, as most do.
            io::ErrorKind::UnexpectedEof => Self::Eof,
            _ => Self::Broken,
        }
    }
}

impl From<String> for End {
    fn from(fault: String) -> Self {
        Self::Fault(fault)
    }
}

pub struct Conversation {
    pub link: Box<dyn Link>,
    pub options: Arc<Options>,
    pub script: Script,
    pub session: Session,
    pub acts: UnboundedReceiver<Act>,
    /// Of what is sent.
    pub chunk_size: usize,
}

/// How the socket is read at the moment.
struct Pace {
    /// Bytes per second; zero for a stall.
    rate: Option<u64>,
    /// Not before this.
    next: Instant,
}

impl Conversation {
    /// Runs until either side ends it, and notes how it ended.
    pub async fn run(mut self) {
        let end = self.converse().await.err().unwrap_or(End::ByUs);
        self.session.note(|record| {
            let orderly = record.stage == Stage::Connected && record.published.is_some();
            record.stage = Stage::Ended(match end {
                End::ByUs => Ending::ByUs,
                End::Eof if orderly => Ending::Orderly,
                End::Eof => Ending::Closed,
                End::Broken => Ending::Broken,
                End::Fault(fault) => {
                    record.faults.push(fault);
                    Ending::ByUs
                }
            });
        });
    }

    async fn converse(&mut self) -> Result<(), End> {
        match self.script.handshake {
            Handshake::Reset => return Err(self.reset()),
            Handshake::Silent => return self.serve(Decoder::new(), false).await,
            Handshake::Half => {
                self.link.write_all(&[3; 700]).await?;
                self.link.flush().await?;
                return self.serve(Decoder::new(), false).await;
            }
            Handshake::Whole => {}
        }
        let mut c0c1 = [0; 1537];
        self.link.read_exact(&mut c0c1).await?;
        if c0c1[0] != 3 {
            return Err(End::Fault(format!("RTMP version {}", c0c1[0])));
        }
        let s1: Vec<u8> = (0..1536u32).map(|i| (i * 7 % 251) as u8).collect();
        let answer = [&[3][..], &s1, &c0c1[1..]].concat();
        self.link.write_all(&answer).await?;
        self.link.flush().await?;
        let mut c2 = [0; 1536];
        self.link.read_exact(&mut c2).await?;
        if c2[..] != s1[..] {
            return Err(End::Fault("C2 is not S1".to_owned()));
        }
        self.session.note(|record| {
            record.bytes += 1537 + 1536;
            record.stage = Stage::Shaken;
        });
        self.serve(Decoder::new(), true).await
    }

    /// Reads, acts on what is due, and answers, until the end. Reads without understanding if the
    /// handshake never was.
    async fn serve(&mut self, mut decoder: Decoder, understand: bool) -> Result<(), End> {
        let mut buffer = vec![0; 64 << 10];
        let mut pace = Pace { rate: None, next: Instant::now() };
        loop {
            for act in self.due() {
                self.act(act, &mut pace).await?;
            }
            let most = match pace.rate {
                // A twentieth of a second's worth, so that slow is even.
                Some(rate) => (rate / 20).clamp(1, buffer.len() as u64) as usize,
                None => buffer.len(),
            };
            let elapsed = self.next_elapsed();
            tokio::select! {
                biased;
                act = self.acts.recv() => self.act(act.ok_or(End::ByUs)?, &mut pace).await?,
                () = sleep_until(elapsed.unwrap_or_else(Instant::now)), if elapsed.is_some() => {}
                read = async {
                    sleep_until(pace.next).await;
                    self.link.read(&mut buffer[..most]).await
                }, if pace.rate != Some(0) => {
                    let n = read?;
                    if n == 0 {
                        return Err(End::Eof);
                    }
                    if let Some(rate) = pace.rate {
                        pace.next = Instant::now() + Duration::from_secs_f64(n as f64 / rate as f64);
                    }
                    self.session.note(|record| record.bytes += n as u64);
                    if understand {
                        decoder.push(&buffer[..n]);
                        while let Some(message) = decoder.next()? {
                            self.on(message).await?;
                            for act in self.due() {
                                self.act(act, &mut pace).await?;
                            }
                        }
                    }
                }
            }
        }
    }

    /// The script's steps that are due, taken out of it.
    fn due(&mut self) -> Vec<Act> {
        if self.script.then.is_empty() {
            return Vec::new();
        }
        let (media, bytes, published) = self.session.look(|r| (r.media, r.bytes, r.published));
        let is_due = |when: &When| match *when {
            When::Media(n) => media >= n,
            When::Bytes(n) => bytes >= n,
            When::Elapsed(time) => published.is_some_and(|at| at.elapsed() >= time),
        };
        self.script.then.extract_if(.., |(when, _)| is_due(when)).map(|(_, act)| act).collect()
    }

    /// When the next timed step is due, once the publish is accepted.
    fn next_elapsed(&self) -> Option<Instant> {
        let published = self.session.look(|record| record.published)?;
        let times = self.script.then.iter().filter_map(|(when, _)| match when {
            When::Elapsed(time) => Some(*time),
            _ => None,
        });
        times.min().map(|time| Instant::from_std(published + time))
    }

    async fn act(&mut self, act: Act, pace: &mut Pace) -> Result<(), End> {
        match act {
            Act::Reset => return Err(self.reset()),
            Act::Close => {
                self.link.shutdown().await?;
                return Err(End::ByUs);
            }
            Act::Stall => pace.rate = Some(0),
            Act::Slow(rate) => pace.rate = Some(rate.max(1)),
            Act::Read => *pace = Pace { rate: None, next: Instant::now() },
            Act::Say { level, code, description } => self.status(&level, &code, &description).await?,
        }
        Ok(())
    }

    /// Makes the close that follows an RST.
    fn reset(&self) -> End {
        let _ = socket2::SockRef::from(self.link.tcp()).set_linger(Some(Duration::ZERO));
        End::ByUs
    }

    async fn on(&mut self, message: Inbound) -> Result<(), End> {
        match message.kind {
            // Set Chunk Size is the decoder's.
            1 | 5 | 6 => {}
            3 => {
                let total = message.body.first_chunk().map(|b| u32::from_be_bytes(*b));
                self.session.note(|record| record.acknowledged = record.acknowledged.max(total));
            }
            4 => {
                if let [0, 7, a, b, c, d] = message.body[..] {
                    self.session.note(|record| {
                        record.pongs.truncate(63);
                        record.pongs.push_front(u32::from_be_bytes([a, b, c, d]));
                    });
                }
            }
            8 | 9 | 18 => self.media(message).await?,
            20 => {
                let body = amf::decode(&message.body).ok_or("a command that is not AMF0".to_owned())?;
                self.command(&body, message.stream).await?;
            }
            kind => return Err(End::Fault(format!("a message of type {kind}"))),
        }
        Ok(())
    }

    async fn media(&mut self, message: Inbound) -> Result<(), End> {
        let keep = self.options.keep;
        let media = self.session.note(|record| {
            if record.stage != Stage::Publishing {
                record.faults.push("media without a publish".to_owned());
            } else if message.stream != 1 {
                record.faults.push(format!("media on message stream {}", message.stream));
            }
            record.add(message.kind, message.timestamp, message.body, keep);
            record.media
        });
        if self.script.odd && media.is_multiple_of(10) {
            self.session.note(|record| record.pings += 1);
            let ping = [&[0, 6][..], &(media as u32).to_be_bytes()].concat();
            self.say(&[Outbound { chunk_stream: 2, kind: 4, stream: 0, body: ping }]).await?;
        }
        Ok(())
    }

    async fn command(&mut self, command: &[Value], stream: u32) -> Result<(), End> {
        let number = command.get(1).and_then(Value::number).unwrap_or(0.0);
        let argument = command.get(3).and_then(Value::text).map(str::to_owned);
        match command.first().and_then(Value::text).unwrap_or_default() {
            "connect" => self.connect(number, command.get(2).cloned().unwrap_or(Value::Null)).await?,
            "releaseStream" | "FCPublish" | "FCUnpublish" => self.result(number, Value::Null).await?,
            "createStream" => self.result(number, 1.0.into()).await?,
            "publish" => {
                let kind = command.get(4).and_then(Value::text).unwrap_or_default().to_owned();
                self.publish(argument.unwrap_or_default(), &kind, stream).await?;
            }
            "deleteStream" => {
                self.session.note(|record| record.stage = record.stage.min(Stage::Connected));
                self.status("status", "NetStream.Unpublish.Success", "").await?;
            }
            // FFmpeg asks this; no answer is as good as one.
            "_checkbw" => {}
            other => self.session.note(|record| record.faults.push(format!("the command {other}"))),
        }
        Ok(())
    }

    async fn connect(&mut self, number: f64, argument: Value) -> Result<(), End> {
        let field = |name| argument.get(name).and_then(Value::text).unwrap_or_default();
        let (app, tc_url, kind) = (field("app"), field("tcUrl"), field("type"));
        let reply = if self.options.app.as_deref().is_some_and(|wanted| wanted != app) {
            Reply::refuse("NetConnection.Connect.InvalidApp", "no such app")
        } else {
            self.script.connect.clone()
        };
        let scheme = if self.options.tls { "rtmps" } else { "rtmp" };
        let mut faults = Vec::new();
        if !(tc_url.starts_with(&format!("{scheme}://")) && tc_url.ends_with(&format!("/{app}"))) {
            faults.push(format!("the tcUrl {tc_url} for the app {app}"));
        }
        if kind != "nonprivate" {
            faults.push(format!("a connect of type {kind:?}"));
        }
        self.session.note(|record| {
            record.faults.append(&mut faults);
            record.connect = Some(argument);
        });
        match reply {
            Reply::Ignore => Ok(()),
            Reply::Refuse { code, description } => {
                self.reply("_error", number, status("error", &code, &self.filled(&description))).await
            }
            Reply::Accept => {
                self.session.note(|record| record.stage = Stage::Connected);
                let word = |kind, value: u32, more: &[u8]| {
                    let body = [&value.to_be_bytes()[..], more].concat();
                    Outbound { chunk_stream: 2, kind, stream: 0, body }
                };
                let size = if self.script.odd { 7 } else { 4096 };
                self.say(&[word(5, 250_000, &[])]).await?;
                self.say(&[word(6, 250_000, &[2])]).await?;
                self.say(&[word(1, size, &[])]).await?;
                self.chunk_size = size as usize;
                let info = status("status", "NetConnection.Connect.Success", "Connection succeeded.");
                self.reply("_result", number, info).await
            }
        }
    }

    async fn publish(&mut self, key: String, kind: &str, stream: u32) -> Result<(), End> {
        let reply = if self.options.key.as_ref().is_some_and(|wanted| *wanted != key) {
            Reply::refuse("NetStream.Publish.BadName", "no stream {key}")
        } else {
            self.script.publish.clone()
        };
        self.session.note(|record| {
            if kind != "live" || stream != 1 {
                record.faults.push(format!("a publish of type {kind:?} on message stream {stream}"));
            }
            record.key = Some(key);
        });
        match reply {
            Reply::Ignore => Ok(()),
            Reply::Refuse { code, description } => self.status("error", &code, &description).await,
            Reply::Accept => {
                self.session.note(|record| {
                    record.stage = Stage::Publishing;
                    record.published = Some(std::time::Instant::now());
                });
                let begin = Outbound { chunk_stream: 2, kind: 4, stream: 0, body: vec![0, 0, 0, 0, 0, 1] };
                self.say(&[begin]).await?;
                self.status("status", "NetStream.Publish.Start", "Start publishing").await
            }
        }
    }

    /// `{key}` filled in.
    fn filled(&self, description: &str) -> String {
        let key = self.session.look(|record| record.key.clone()).unwrap_or_default();
        description.replace("{key}", &key)
    }

    async fn status(&mut self, level: &str, code: &str, description: &str) -> Result<(), End> {
        let info = status(level, code, &self.filled(description));
        self.say_command(1, &["onStatus".into(), 0.0.into(), Value::Null, info]).await
    }

    async fn result(&mut self, number: f64, value: Value) -> Result<(), End> {
        self.say_command(0, &["_result".into(), number.into(), Value::Null, value]).await
    }

    async fn reply(&mut self, name: &str, number: f64, info: Value) -> Result<(), End> {
        let properties = object([("fmsVer", "FMS/3,0,1,123".into()), ("capabilities", 31.0.into())]);
        self.say_command(0, &[name.into(), number.into(), properties, info]).await
    }

    async fn say_command(&mut self, stream: u32, values: &[Value]) -> Result<(), End> {
        let command = Outbound { chunk_stream: 3, kind: 20, stream, body: amf::encode(values) };
        if !self.script.odd {
            return self.say(&[command]).await;
        }
        self.session.note(|record| record.pings += 1);
        let ping = Outbound { chunk_stream: 2, kind: 4, stream: 0, body: vec![0, 6, 0, 0, 0, 7] };
        let unknown = Outbound { chunk_stream: 60, kind: 22, stream: 0, body: vec![0xff; 40] };
        self.say(&[unknown, command, ping]).await
    }

    /// Writes, a few bytes at a time if the script is odd.
    async fn say(&mut self, messages: &[Outbound]) -> Result<(), End> {
        let piece = if self.script.odd { 5 } else { 1 << 20 };
        for piece in encode(messages, self.chunk_size).chunks(piece) {
            self.link.write_all(piece).await?;
            self.link.flush().await?;
        }
        Ok(())
    }
}

fn status(level: &str, code: &str, description: &str) -> Value {
    object([("level", level.into()), ("code", code.into()), ("description", description.into())])
}
