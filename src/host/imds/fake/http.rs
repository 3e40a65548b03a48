//! As much of HTTP/1.1 as the metadata service needs: requests without bodies, answers with short
//! ones, one after the other on a connection.

use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of the longest head of a request.
const LONGEST: usize = 16 << 10;

pub(super) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A request's head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Without a query.
    pub(super) path: String,
    headers: Vec<(String, String)>,
}

pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// The length that is said.
    pub(super) promised: usize,
    /// Whether the connection ends with it.
    pub(super) last: bool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        // Without it an answer in two parts would wait for the first one's acknowledgement.
        let _ = stream.set_nodelay(true);
        Self { stream, read: Vec::new() }
    }

    /// The next request; `None` at the end of the connection.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                let request = parse(&String::from_utf8_lossy(&head[..end]));
                return request.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into());
            }
            if self.read.len() > LONGEST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    pub(super) async fn reply(&mut self, reply: &Reply) -> io::Result<()> {
        self.stream.write_all(reply.text().as_bytes()).await
    }
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

fn parse(head: &str) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    let path = target.split('?').next()?.to_owned();
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    });
    Some(Request { method: method.to_owned(), path, headers: headers.collect() })
}

impl Reply {
    pub(super) fn ok(body: &str) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.to_owned(), promised: body.len(), last: false }
    }

    /// As the real service's: a page for people.
    pub(super) fn error(status: u16) -> Self {
        let body = format!("<html><body><h1>{status} - {}</h1></body></html>\n", reason(status));
        Self { status, ..Self::ok(&body) }.typed("text/html")
    }

    pub(super) fn typed(self, kind: &str) -> Self {
        self.header("Content-Type", kind)
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn text(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        if !self.headers.iter().any(|(name, _)| *name == "Content-Type") {
            head += "Content-Type: text/plain\r\n";
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let connection = if self.last { "Connection: close\r\n" } else { "" };
        format!("{head}Content-Length: {}\r\nServer: EC2ws\r\n{connection}\r\n{}", self.promised, self.body)
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_noise_is_refused() {
        let request = parse("GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Aws-Token:  t \r\nnoise").unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/a"));
        assert_eq!((request.header("x-aws-token"), request.header("none")), (Some("t"), None));
        for noise in ["", "GET", "GET /", "GET / FTP/1", "\r\n"] {
            assert_eq!(parse(noise), None, "{noise:?}");
        }
    }
}
