//! The metrics in Prometheus's text format, and what an HTTP request for them is answered. Pure;
//! `scrape` has the sockets.

use super::metrics::{METRICS, Shape};
use super::sample::Sample;
use std::fmt::Write;

/// Bytes of the longest request that is read. Prometheus's own has some 300.
pub(super) const LONGEST: usize = 8 << 10;

/// `samples` as text, version 0.0.4. Metrics without a value are left out.
pub fn text(samples: &[Sample]) -> String {
    let mut text = String::new();
    for metric in METRICS {
        let mut values = samples.iter().filter(|sample| sample.metric == metric).peekable();
        if values.peek().is_none() {
            continue;
        }
        let kind = match metric.shape {
            Shape::Counter => "counter",
            Shape::Gauge => "gauge",
        };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "# HELP {0} {1}\n# TYPE {0} {kind}", metric.name, metric.meaning);
        for sample in values {
            text.push_str(metric.name);
            for (index, (label, value)) in metric.labels.iter().zip(&sample.labels).enumerate() {
                let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
                let _ = write!(text, "{}{label}=\"{value}\"", if index == 0 { '{' } else { ',' });
            }
            let end = if metric.labels.is_empty() { "" } else { "}" };
            let _ = writeln!(text, "{end} {}", sample.value);
        }
    }
    text
}

/// What `request`, as far as it has come, is answered; `None` while its head is not whole.
pub fn answer(request: &[u8], metrics: impl FnOnce() -> String) -> Option<Vec<u8>> {
    if !request.windows(4).any(|end| end == b"\r\n\r\n") {
        return (request.len() >= LONGEST)
            .then(|| response("431 Request Header Fields Too Large", "", "", true));
    }
    let line = request.split(|&b| b == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&b| b == b' ');
    let (method, target, version) = (words.next(), words.next().unwrap_or_default(), words.next());
    if !version.is_some_and(|version| version.starts_with(b"HTTP/1.")) || words.next().is_some() {
        return Some(response("400 Bad Request", "", "this is not HTTP/1\n", true));
    }
    let path = target.split(|&b| b == b'?').next().unwrap_or_default();
    let body = match method {
        Some(b"GET") => true,
        Some(b"HEAD") => false,
        _ => return Some(response("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "", true)),
    };
    Some(match path {
        b"/metrics" => response("200 OK", "", &metrics(), body),
        _ => response("404 Not Found", "", "the metrics are at /metrics\n", body),
    })
}

fn response(status: &str, more: &str, text: &str, body: bool) -> Vec<u8> {
    let length = text.len();
    format!(
        "HTTP/1.1 {status}\r\n{more}Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{}",
        if body { text } else { "" }
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::sample;
    use proptest::prelude::*;

    #[test]
    fn the_text_is_as_prometheus_reads_it() {
        let mut samples = sample::samples(&sample::tests::status(), &sample::tests::process());
        samples.iter_mut().filter(|s| !s.labels.is_empty()).for_each(|s| s.labels[0].push_str("\"\\\n"));
        insta::assert_snapshot!(text(&samples));
    }

    fn answered(request: &str) -> String {
        String::from_utf8(answer(request.as_bytes(), || "nonstop_on_air 1\n".to_owned()).unwrap()).unwrap()
    }

    #[test]
    fn only_metrics_are_answered_and_only_to_who_reads() {
        let get = answered("GET /metrics?x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(
            get.starts_with("HTTP/1.1 200 OK\r\n") && get.ends_with("\r\n\r\nnonstop_on_air 1\n"),
            "{get}"
        );
        let head = answered("HEAD /metrics HTTP/1.0\r\n\r\n");
        assert!(head.contains("Content-Length: 17\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(answered("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        let post = answered("POST /metrics HTTP/1.1\r\n\r\n");
        assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("\r\nAllow: GET, HEAD\r\n"), "{post}");
        assert!(answered("GET /metrics\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert!(answered("\u{16}\u{3}\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert!(answered(&"x".repeat(LONGEST)).starts_with("HTTP/1.1 431 "));
        assert_eq!(answer(b"GET /metrics HTTP/1.1\r\nHost: h\r\n", || unreachable!()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(request in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = answer(&request, String::new);
            let _ = answer(&[&request[..], b"\r\n\r\n"].concat(), String::new);
        }
    }
}
