//! An HTTP server that answers by script, for what no well-behaved server shows.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What is sent for a request.
pub enum Answer {
    /// These bytes; then the next request is read.
    Bytes(Vec<u8>),
    /// These bytes; then the connection is closed.
    Last(Vec<u8>),
    /// These bytes; then nothing more, with the connection open.
    Hang(Vec<u8>),
}

pub struct Http {
    pub address: SocketAddr,
    /// The heads of all requests so far.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Http {
    /// `script` gets how many requests came before this one, and its head.
    pub fn start(script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, script) = (requests.clone(), Arc::new(script));
        // The threads end with the test's process; each waits for a client that is in it.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, script) = (seen.clone(), script.clone());
                thread::spawn(move || serve(stream, &seen, &*script));
            }
        });
        Self { address, requests }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>, script: &(dyn Fn(usize, &str) -> Answer + Sync)) {
    while let Some((head, _)) = read_whole(&mut stream) {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(head.clone());
            seen.len() - 1
        };
        match script(number, &head) {
            Answer::Bytes(bytes) => {
                if stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            Answer::Last(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Write);
                return;
            }
            Answer::Hang(bytes) => {
                let _ = stream.write_all(&bytes);
                // Until the client goes.
                let _ = stream.read_to_end(&mut Vec::new());
                return;
            }
        }
    }
}

/// A request's head and body.
pub fn read_whole(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    if header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// A whole answer.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        bytes += &format!("{name}: {value}\r\n");
    }
    [bytes.as_bytes(), b"\r\n", body].concat()
}

/// An error as S3 words it.
pub fn s3_error(status: &str, code: &str, message: &str) -> Vec<u8> {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    answer(status, &[("Content-Type", "application/xml")], body.as_bytes())
}
