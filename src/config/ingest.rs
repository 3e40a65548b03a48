//! Where to publish: `rtmp://host[:port]/app[?query]` or `rtmps://…`. Never holds the stream key.
//!
//! Platforms show the address and the key side by side, and joined by a slash they work in most
//! programs, so people paste them joined. Addresses are logged and shown; hence an address that
//! seems to hold a key is refused, and no refusal repeats the address.

use super::units::Unfit;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

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

impl IngestUrl {
    /// Whether this is one of YouTube's ingests.
    pub fn is_youtube(&self) -> bool {
        ["youtube.com", "youtube-nocookie.com"].iter().any(|domain| {
            self.host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

impl fmt::Display for IngestUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rtmps" } else { "rtmp" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}/{}", self.host, self.port, self.app)
    }
}

/// How a whole address looks.
const SHAPE: &str = "write it as \"rtmps://host/app\", for YouTube \"rtmps://a.rtmps.youtube.com/live2\"";
const KEY_ELSEWHERE: &str = "the stream key goes into `key`, as in key = { file = \"/etc/nonstop/stream-key\" }, and the address ends before it";

impl FromStr for IngestUrl {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        if text.len() > 1024 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Unfit::new("holds characters that an address cannot have", SHAPE));
        }
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| Unfit::new("has no rtmp:// or rtmps://", SHAPE))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "rtmps" => true,
            "rtmp" => false,
            _ => return Err(Unfit::new("is neither rtmp:// nor rtmps://", SHAPE)),
        };
        let (authority, app) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(Unfit::new("holds a user name or a password", KEY_ELSEWHERE));
        }
        let (host, port) = authority_of(authority)?;
        let app = app.trim_end_matches('/');
        if app.is_empty() || app.starts_with(['?', '/']) {
            return Err(Unfit::new("ends before the name of the application", SHAPE));
        }
        if app.contains('#') {
            return Err(Unfit::new("holds a `#`, which an address cannot have", SHAPE));
        }
        let port = port.unwrap_or(if tls { 443 } else { 1935 });
        let url = Self { tls, host, port, app: app.to_owned() };
        if url.holds_a_key() {
            Err(Unfit::new("seems to hold the stream key", KEY_ELSEWHERE))
        } else {
            Ok(url)
        }
    }
}

impl IngestUrl {
    /// YouTube's addresses are known to the letter. Elsewhere a key is known by its look.
    fn holds_a_key(&self) -> bool {
        let (path, query) = self.app.split_once('?').unwrap_or((&self.app, ""));
        if self.is_youtube() {
            return path != "live2" || !(query.is_empty() || query == "backup=1");
        }
        path.split('/').any(looks_secret) || query.split(['&', '=', '/']).any(looks_secret)
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
fn authority_of(text: &str) -> Result<(String, Option<u16>), Unfit> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) =
                rest.split_once(']').ok_or_else(|| Unfit::new("has a `[` without its `]`", SHAPE))?;
            let host = host
                .parse::<Ipv6Addr>()
                .map_err(|_| Unfit::new("has no IPv6 address between its brackets", SHAPE))?;
            (host.to_string(), port)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let letters = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            if host.is_empty() || host.len() > 253 || !host.bytes().all(letters) {
                return Err(Unfit::new("has no host name", SHAPE));
            }
            (host.to_ascii_lowercase(), port)
        }
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let number = port.strip_prefix(':').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    match number.and_then(|digits| digits.parse::<u16>().ok()).filter(|&port| port > 0) {
        Some(port) => Ok((host, Some(port))),
        None => Err(Unfit::new("has a port that is not a number from 1 to 65535", SHAPE)),
    }
}

/// Whether `text` has the very form of a platform's stream key: YouTube's groups of four,
/// Twitch's `live_<number>_…`, Facebook's `FB-…`. Text that has it is never shown to anyone.
pub(super) fn is_key_shaped(text: &str) -> bool {
    let groups = || text.split('-');
    let youtube = groups().count() >= 4
        && groups().all(|group| group.len() == 4 && group.bytes().all(|b| b.is_ascii_alphanumeric()));
    let twitch = text.strip_prefix("live_").is_some_and(|rest| rest.len() > 20 && rest.contains('_'));
    let facebook = text.strip_prefix("FB-").is_some_and(|rest| rest.len() > 12);
    youtube || twitch || facebook
}

/// Whether `text` may be a secret: it has the form of one, or is long and mixes digits and letters.
pub(super) fn looks_secret(text: &str) -> bool {
    let token = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_+.~%".contains(&b));
    let mixed = text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_alphabetic());
    is_key_shaped(text) || (text.len() >= 16 && token && mixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> IngestUrl {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn the_addresses_of_platforms_are_taken() {
        let backup = url("rtmps://b.rtmps.youtube.com:443/live2?backup=1");
        assert_eq!((backup.app.as_str(), backup.port, backup.is_youtube()), ("live2?backup=1", 443, true));
        assert_eq!(url("rtmp://a.rtmp.youtube.com/live2").port, 1935);
        assert_eq!(
            url("RTMPS://A.rtmps.YouTube.com/live2/").to_string(),
            "rtmps://a.rtmps.youtube.com:443/live2"
        );
        for text in [
            "rtmps://live.twitch.tv:443/app",
            "rtmps://live-api-s.facebook.com:443/rtmp/",
            "rtmps://fa723fc1b171.global-contribute.live-video.net:443/app/",
            "rtmp://127.0.0.1:11935/primary",
            "rtmp://[::1]:1935/vhost/live",
            "rtmp://nginx_1/live?vhost=main",
        ] {
            assert!(!url(text).is_youtube());
        }
        assert!(!url("rtmp://notyoutube.com/live").is_youtube());
    }

    #[test]
    fn an_address_that_holds_a_key_is_refused_and_not_repeated() {
        let key = "a1b2-c3d4-e5f6-g7h8-j9k0";
        for text in [
            format!("rtmps://a.rtmps.youtube.com/live2/{key}"),
            format!("rtmps://a.rtmps.youtube.com/{key}"),
            format!("rtmps://b.rtmps.youtube.com/live2?backup=1/{key}"),
            format!("rtmp://example.org/live/{key}"),
            format!("rtmp://example.org/live?key={key}"),
            format!("rtmp://{key}@example.org/live"),
            format!("rtmp://user:{key}@example.org/live"),
            format!("rtmp://example.org:{key}/live"),
            format!("{key}://example.org/live"),
            format!("rtmp://example.org/#{key}"),
            "rtmp://live.twitch.tv/app/live_123456789_abcdefABCDEF0123456789abcdef".to_owned(),
            "rtmps://live-api-s.facebook.com/rtmp/FB-1234567890123456-0-AbCdEfGh".to_owned(),
            "rtmp://example.org/live?token=0123456789abcdef".to_owned(),
        ] {
            let unfit = text.parse::<IngestUrl>().expect_err(&text);
            let said = format!("{unfit} {:?}", unfit.hint);
            assert!(
                !said.contains("a1b2") && !said.contains("live_12") && !said.contains("0123456789"),
                "{said}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "rtmp://",
            "rtmp:///live",
            "rtmp://host",
            "rtmp://host/",
            "rtmp://host/?x=1",
            "host/live",
            "http://host/live",
            "srt://host/live",
            "rtmp://host:0/live",
            "rtmp://host:65536/live",
            "rtmp://host:/live",
            "rtmp://host:+1/live",
            "rtmp://[::1/live",
            "rtmp://[::g]/live",
            "rtmp://[::1]x/live",
            "rtmp://ho st/live",
            "rtmp://höst/live",
            "rtmp://host/li ve",
            "rtmp://a:b:c/live",
        ] {
            assert!(text.parse::<IngestUrl>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_address_prints_as_it_reads(
            tls: bool, host in "[a-z]{1,8}(\\.[a-z]{2,5}){0,2}|\\[fe80::[1-9a-f]{1,4}\\]", port in 1u16..,
            app in "[a-z]{1,8}(/[a-z0-9]{1,8})?(\\?[a-z]{1,4}=[a-z0-9]{1,4})?",
        ) {
            let scheme = if tls { "rtmps" } else { "rtmp" };
            let text = format!("{scheme}://{host}:{port}/{app}");
            prop_assert_eq!(url(&text).to_string(), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(rtmps?://)?\\PC{0,40}") {
            if let Ok(url) = text.parse::<IngestUrl>() {
                prop_assert_eq!(url.to_string().parse::<IngestUrl>(), Ok(url));
            }
        }
    }
}
