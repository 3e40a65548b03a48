//! Where to publish: `rtmp://host[:port]/app[?query]` or `rtmps://…`. Never holds the stream key.

use std::fmt;

/// An ingest's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IngestUrl {
    /// RTMPS.
    pub tls: bool,
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// 1935 (RTMP) or 443 (RTMPS) unless given.
    pub port: u16,
    /// Everything after the host's slash, query included: `live2?backup=1`.
    pub app: String,
}

impl fmt::Display for IngestUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rtmps" } else { "rtmp" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}/{}", self.host, self.port, self.app)
    }
}
