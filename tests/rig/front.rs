//! A front to an S3 server that passes requests on and answers back, until it is told to do what
//! networks and S3 do on their bad days. What it does can be changed at any time; a request gets what
//! was in force when it came.

use super::http::{answer, read_whole, s3_error};
use super::wait;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// All is well.
    Fine,
    /// Every answer takes so long.
    Slow(Duration),
    /// Every answer is an error: status line and S3's code.
    Fails(&'static str, &'static str),
    /// Answers break off in the middle.
    Truncates,
    /// More is announced than comes, and the connection stays open.
    SaysMore,
    /// Less is announced than comes.
    SaysLess,
    /// No connection is taken.
    Refuses,
    /// Requests are taken, and never answered.
    Hangs,
}

/// Listens until it is dropped.
pub struct Front {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: String,
    state: Mutex<State>,
}

struct State {
    weather: Weather,
    /// Requests since the weather last changed.
    requests: usize,
    closed: bool,
}

impl Front {
    /// Of the server at an address.
    pub fn of(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let state = State { weather: Weather::Fine, requests: 0, closed: false };
        let shared = Arc::new(Shared { server: server.to_owned(), state: Mutex::new(state) });
        listen(listener, shared.clone());
        Self { address, shared }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on.
    pub fn turn(&self, weather: Weather) {
        let before = {
            let mut state = self.shared.state();
            state.requests = 0;
            std::mem::replace(&mut state.weather, weather)
        };
        match (before, weather) {
            (Weather::Refuses, Weather::Refuses) => {}
            (Weather::Refuses, _) => {
                let listener = TcpListener::bind(self.address).expect("its port is kept for it");
                listen(listener, self.shared.clone());
            }
            // The thread that listens looks at the weather when somebody comes.
            (_, Weather::Refuses) => wait::until("nobody listens", Duration::from_secs(5), || {
                TcpStream::connect(self.address).is_err().then_some(())
            }),
            _ => {}
        }
    }

    /// Requests since the weather last changed.
    pub fn requests(&self) -> usize {
        self.shared.state().requests
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with it")
    }
}

fn listen(listener: TcpListener, shared: Arc<Shared>) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (weather, closed) = {
                let state = shared.state();
                (state.weather, state.closed)
            };
            if closed || weather == Weather::Refuses {
                return;
            }
            let shared = shared.clone();
            // A client that goes away in the middle is none of its business.
            thread::spawn(move || serve(stream, &shared).ok());
        }
    });
}

/// One request of a connection; the next needs another.
fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let Some((head, body)) = read_whole(&mut client) else { return Ok(()) };
    let weather = {
        let mut state = shared.state();
        state.requests += 1;
        state.weather
    };
    if let Weather::Slow(time) = weather {
        wait::let_pass(time);
    }
    let bytes = match weather {
        Weather::Hangs => Vec::new(),
        // Of a connection that was made before.
        Weather::Refuses => return Ok(()),
        Weather::Fails(status, code) => s3_error(status, code, "it is scripted"),
        Weather::Fine | Weather::Slow(_) => shared.ask(&head, &body)?,
        Weather::Truncates => {
            let whole = shared.ask(&head, &body)?;
            let (head, body) = parts(&whole);
            let kept = if body.is_empty() { head.len() / 2 } else { head.len() + body.len() / 2 };
            whole[..kept].to_vec()
        }
        Weather::SaysMore => shared.announced(&head, &body, |length| length + 7)?,
        Weather::SaysLess => shared.announced(&head, &body, |length| length - length.min(7))?,
    };
    client.write_all(&bytes)?;
    if matches!(weather, Weather::Hangs | Weather::SaysMore) {
        // Until the client goes.
        client.read_to_end(&mut Vec::new())?;
    }
    client.shutdown(Shutdown::Both)
}

impl Shared {
    /// The server's whole answer.
    fn ask(&self, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(&self.server)?;
        let ours = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default();
            !["connection", "expect"].contains(&name.to_ascii_lowercase().as_str())
        };
        let lines: Vec<_> = head.trim_end().split("\r\n").filter(ours).collect();
        server.write_all(format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n")).as_bytes())?;
        server.write_all(body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// The server's answer with another length announced.
    fn announced(&self, head: &str, body: &[u8], other: fn(usize) -> usize) -> std::io::Result<Vec<u8>> {
        let whole = self.ask(head, body)?;
        let (head, body) = parts(&whole);
        let head = String::from_utf8_lossy(head);
        let (status, headers) = head.trim_end().split_once("\r\n").unwrap_or((&head, ""));
        let headers = headers.split("\r\n").filter_map(|line| line.split_once(": "));
        let kept: Vec<_> = headers.filter(|(name, _)| !name.eq_ignore_ascii_case("content-length")).collect();
        let status = status.trim_start_matches("HTTP/1.1 ");
        let lie = other(body.len()).to_string();
        let mut bytes = answer(status, &kept, body);
        let (old, new) =
            (format!("Content-Length: {}\r\n", body.len()), format!("Content-Length: {lie}\r\n"));
        let at = bytes.windows(old.len()).position(|part| part == old.as_bytes()).expect("it was put there");
        bytes.splice(at..at + old.len(), new.into_bytes());
        Ok(bytes)
    }
}

/// Head, with the empty line after it, and body.
fn parts(whole: &[u8]) -> (&[u8], &[u8]) {
    let end = whole.windows(4).position(|four| four == b"\r\n\r\n").map_or(whole.len(), |end| end + 4);
    whole.split_at(end)
}
