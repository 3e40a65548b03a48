//! Alerts at a webhook: an HTTP server that answers as told, and keeps what it was posted.

use crate::RENDERED;
use crate::rig::corpus::FEW;
use crate::rig::daemon::{Channel, KEY};
use crate::rig::imds::Metadata;
use crate::rig::nginx::Nginx;
use crate::rig::wait;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Off air is told after ten seconds; then come the failures that the server has in store.
const TOLD: Duration = Duration::from_secs(60);

/// From the announcement at the metadata service to the alert at the webhook.
const NOTICED: Duration = Duration::from_secs(3);

/// A request: its path, and its body as text.
struct Posted {
    path: String,
    body: String,
}

/// Answers with the statuses given, and with 204 from then on.
fn server(statuses: &[u16]) -> (SocketAddr, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (send, receive) = mpsc::channel();
    let mut statuses: VecDeque<_> = statuses.iter().copied().collect();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = BufReader::new(client.expect("a client comes"));
            let (mut head, mut length) = (String::new(), 0);
            while client.read_line(&mut head).is_ok_and(|read| read > 2) {
                let line = head.lines().last().unwrap_or_default().to_lowercase();
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().expect("a number");
                }
            }
            let mut body = vec![0; length];
            client.read_exact(&mut body).expect("the body comes");
            let status = statuses.pop_front().unwrap_or(204);
            let answer = format!(
                "HTTP/1.1 {status} X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            // Who asked may be gone by now.
            let _ = client.get_mut().write_all(answer.as_bytes());
            let path = head.split(' ').nth(1).expect("a request has a path").to_owned();
            let body = String::from_utf8(body).expect("JSON is UTF-8");
            if send.send(Posted { path, body }).is_err() {
                return;
            }
        }
    });
    (address, receive)
}

#[test]
fn off_air_and_back_are_told_in_order_through_failures_and_a_restart_and_never_the_key() {
    let mut nginx = Nginx::start();
    // The first alert meets two failures; the second target never takes anything.
    let (json, posts) = server(&[500, 503]);
    let (slack, redirected) = server(&[302; 20]);
    let mut channel = Channel::with("webhook", &FEW);
    channel.to("tube", &nginx.url(), None, "");
    let file = channel.path().join("webhook-address");
    std::fs::write(&file, format!("http://{json}/hidden-path\n")).expect("the target folder can be written");
    channel.more = format!(
        "[[webhook]]\nname = \"own\"\nurl = {{ file = \"{}\" }}\n\n\
         [[webhook]]\nname = \"team\"\nurl = \"http://{slack}/hidden-path\"\nkind = \"slack\"\n",
        file.display()
    );
    let mut daemon = channel.run();
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    // Long enough to have been seen: who never had a stream is given a minute.
    let ready = |status: &Value| (status["library"]["ready"] == 3).then_some(());
    daemon.wait_for("every track is rendered", RENDERED, ready);
    nginx.kill();
    let next = || {
        let posted = posts.recv_timeout(TOLD).expect("an alert comes");
        assert_eq!(posted.path, "/hidden-path");
        assert!(!posted.body.contains(KEY), "{}", posted.body);
        serde_json::from_str::<Value>(&posted.body).expect("alerts are JSON")
    };
    let off = next();
    assert_eq!((&off["event"], &off["severity"]), (&"off_air".into(), &"error".into()), "{off}");
    assert_eq!((&off["channel"], &off["details"]["destination"]), (&"rig".into(), &"tube".into()), "{off}");
    assert_eq!((next(), next()), (off.clone(), off), "the same alert again, after 500 and 503");
    let drained = |posted: Value| {
        assert_eq!((&posted["event"], &posted["details"]["whole"]), (&"drained".into(), &true.into()));
    };
    assert_eq!(daemon.stop(), 0);
    drained(next());
    nginx.start_again();
    let daemon = channel.run();
    let back = next();
    assert_eq!((&back["event"], &back["details"]["destination"]), (&"back_on_air".into(), &"tube".into()));
    assert_eq!(daemon.stop(), 0);
    drained(next());

    let told: Vec<_> = redirected.try_iter().collect();
    assert!(told.iter().all(|posted| posted.path == "/hidden-path"), "a redirect was followed");
    assert!(told.iter().all(|posted| posted.body.starts_with("{\"text\":\"")), "{:?}", told[0].body);
    let log = std::fs::read_to_string(channel.log()).expect("the daemon has a log");
    assert!(log.contains("webhook=\"team\" event=\"off_air\""), "{log}");
    assert!(!log.contains("hidden-path"), "the address is in the log");
}

#[test]
fn a_notice_is_told_within_three_seconds_of_its_announcement() {
    let (nginx, metadata) = (Nginx::start(), Metadata::start());
    let (address, posts) = server(&[]);
    let mut channel = Channel::with("notified", &FEW);
    channel.to("tube", &nginx.url(), None, "");
    channel.environment = vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url())];
    channel.more = format!("[[webhook]]\nurl = \"http://{address}/\"\n");
    let mut daemon = channel.run();
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    metadata.interrupt(Duration::from_secs(120));
    let announced = Instant::now();
    let posted = posts.recv_timeout(TOLD).expect("an alert comes");
    let took = announced.elapsed();
    println!("from the notice to the webhook: {} ms", took.as_millis());
    let alert: Value = serde_json::from_str(&posted.body).expect("alerts are JSON");
    assert_eq!(alert["event"], "notice", "{alert}");
    assert!(took < NOTICED, "it took {took:?} to tell");
}

#[test]
fn an_address_that_comes_late_or_changes_is_taken_up_without_a_restart() {
    let (nginx, metadata) = (Nginx::start(), Metadata::start());
    let (address, posts) = server(&[204, 410]);
    let mut channel = Channel::with("moved", &FEW);
    channel.to("tube", &nginx.url(), None, "");
    channel.environment = vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url())];
    let file = channel.path().join("webhook-address");
    channel.more = format!("[[webhook]]\nurl = {{ file = \"{}\" }}\n", file.display());
    let mut daemon = channel.run();
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    wait::until("the daemon says that there is no address", TOLD, || {
        let log = std::fs::read_to_string(channel.log()).ok()?;
        log.contains("address cannot be read").then_some(())
    });
    metadata.interrupt(Duration::from_secs(120));
    daemon.wait_for("the notice is known", TOLD, |status| (!status["notice"].is_null()).then_some(()));
    let put =
        |path: &str| std::fs::write(&file, format!("http://{address}/{path}\n")).expect("it can be written");
    let next = || {
        let posted = posts.recv_timeout(TOLD).expect("an alert comes");
        let alert: Value = serde_json::from_str(&posted.body).expect("alerts are JSON");
        (posted.path, alert["event"].as_str().expect("an alert has an event").to_owned())
    };
    put("late");
    assert_eq!(next(), ("/late".to_owned(), "notice".to_owned()));
    put("moved");
    assert_eq!(daemon.stop(), 0);
    assert_eq!(next(), ("/late".to_owned(), "drained".to_owned()), "it is not taken there any more");
    assert_eq!(next(), ("/moved".to_owned(), "drained".to_owned()));
}
