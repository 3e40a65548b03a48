//! Metrics as Prometheus asks for them.

use crate::rig::corpus::FEW;
use crate::rig::daemon::{Channel, KEY};
use crate::rig::nginx::Nginx;
use crate::rig::{free_port, wait};
use crate::{RENDERED, SOON};
use std::io::{Read, Write};
use std::net::TcpStream;

/// What the daemon answers, as its text.
fn scrape(port: u16) -> Option<String> {
    let mut client = TcpStream::connect(("127.0.0.1", port)).ok()?;
    client.set_read_timeout(Some(SOON)).expect("a socket takes a time-out");
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    Some(body.to_owned())
}

/// The value on the line that starts with `name`, labels and all.
fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line?.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn metrics_say_that_the_channel_is_on_air_and_when_it_is_not() {
    let mut nginx = Nginx::start();
    let port = free_port();
    let mut channel = Channel::with("metrics", &FEW);
    channel.to("tube", &nginx.url(), None, "");
    channel.more = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n");
    let mut daemon = channel.run();
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    let primary = |name: &str| format!("{name}{{destination=\"tube\",ingest=\"primary\"}}");
    let text = wait::until("the lag is known", SOON, || {
        scrape(port).filter(|text| value(text, &primary("nonstop_acked_lag_seconds")).is_some())
    });
    assert_eq!(value(&text, "nonstop_on_air"), Some(1.0), "{text}");
    assert_eq!(value(&text, &primary("nonstop_ingest_live")), Some(1.0), "{text}");
    let lag = value(&text, &primary("nonstop_acked_lag_seconds"));
    assert!(lag.is_some_and(|lag| lag < 3.0), "{text}");
    let resident = value(&text, "nonstop_resident_bytes");
    assert!(resident.is_some_and(|bytes| (1e6..1e9).contains(&bytes)), "{text}");
    wait::until("sent bytes are counted", SOON, || {
        value(&scrape(port)?, &primary("nonstop_sent_bytes_total")).filter(|bytes| *bytes > 10_000.0)
    });
    nginx.kill();
    let text = wait::until("the channel is off air", SOON, || {
        scrape(port).filter(|text| value(text, "nonstop_on_air") == Some(0.0))
    });
    let failures = value(&text, &primary("nonstop_ingest_failures_total"));
    assert!(failures.is_some_and(|failures| failures > 0.0), "{text}");
    assert!(!text.contains(KEY), "{text}");
    assert_eq!(daemon.stop(), 0);
}
