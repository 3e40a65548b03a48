//! The log in a journal's socket: what arrives there, and what happens when nobody reads it.

use crate::rig::corpus::FEW;
use crate::rig::daemon::{Channel, KEY};
use crate::rig::nginx::Nginx;
use crate::rig::{root_or_skip, wait};
use crate::{RENDERED, SOON};
use nonstop::telemetry::messages;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// A journal's socket, which the daemon finds where systemd has its own.
struct Journal {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Journal {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let socket = UnixDatagram::bind(folder.path().join("socket")).expect("a socket can be made");
        socket.set_nonblocking(true).expect("sockets can do that");
        Self { folder, socket }
    }

    /// A shell's line that goes on in a mount namespace where this is the machine's journal, and
    /// stderr leads to it as far as anybody can tell.
    fn entered(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "exec unshare --mount sh -c 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && \
             mount --bind {folder} /run/systemd/journal && \
             JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" \"$@\"' \"$0\" \"$@\""
        )
    }

    /// The entries that have come, each with its fields.
    fn entries(&self) -> Vec<HashMap<String, String>> {
        let mut buffer = vec![0; 1 << 20];
        let mut entries = Vec::new();
        loop {
            match self.socket.recv(&mut buffer) {
                // The greeting is empty.
                Ok(0) => {}
                Ok(length) => entries.push(fields(&buffer[..length])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return entries,
                Err(error) => panic!("the journal's socket: {error}"),
            }
        }
    }
}

/// The journal's own format: `NAME=value`, or a name, a length and a value.
fn fields(mut entry: &[u8]) -> HashMap<String, String> {
    let mut fields = HashMap::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|b| *b == b'\n').expect("a field ends");
        let line = String::from_utf8_lossy(&entry[..end]).into_owned();
        entry = &entry[end + 1..];
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let length =
                    u64::from_le_bytes(entry[..8].try_into().expect("a length has 8 bytes")) as usize;
                let value = String::from_utf8_lossy(&entry[8..8 + length]).into_owned();
                entry = &entry[8 + length + 1..];
                (line, value)
            }
        };
        fields.insert(name, value);
    }
    fields
}

#[test]
fn an_entry_has_its_identity_its_fields_and_its_priority() {
    if !root_or_skip("a journal of our own") {
        return;
    }
    let (journal, nginx) = (Journal::new(), Nginx::start());
    let mut channel = Channel::with("journal", &FEW);
    channel.to("youtube", &nginx.url(), Some("rtmp://127.0.0.1:1/live2"), "");
    let mut daemon = channel.run_by(&[&journal.entered()]);
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    let mut entries = Vec::new();
    let mut arrives = |id: &str| {
        wait::until(id, SOON, || {
            entries.extend(journal.entries());
            entries.iter().find(|entry| entry.get("MESSAGE_ID").is_some_and(|have| have == id)).cloned()
        })
    };
    let entry = arrives(messages::ON_AIR);
    let has = |entry: &HashMap<String, String>, name: &str, value: &str| {
        assert_eq!(entry.get(name).map(String::as_str), Some(value), "{name} of {entry:?}");
    };
    has(&entry, "PRIORITY", "6");
    has(&entry, "SYSLOG_IDENTIFIER", "nonstop");
    has(&entry, "DESTINATION", "youtube");
    has(&entry, "INGEST", "primary");
    let message = &entry["MESSAGE"];
    assert!(message.starts_with("on air destination=youtube ingest=primary "), "{message}");
    nginx.drop_publisher();
    has(&arrives(messages::INGEST_FAILED), "PRIORITY", "4");
    assert_eq!(daemon.stop(), 0);
    entries.extend(journal.entries());
    let last = entries.last().expect("something was said");
    has(last, "MESSAGE_ID", messages::DRAINED);
    assert!(!format!("{entries:?}").contains(KEY), "the journal has the key");
}

#[test]
fn a_journal_that_takes_nothing_does_not_hold_up_the_stream() {
    if !root_or_skip("a journal of our own") {
        return;
    }
    let (journal, nginx) = (Journal::new(), Nginx::start());
    let mut channel = Channel::with("stuck-journal", &FEW);
    channel.to("youtube", &nginx.url(), None, "");
    // At trace there is more to say in a second than the queue and the socket hold.
    let mut daemon = channel.run_by(&["export NONSTOP_LOG=trace", &journal.entered()]);
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    let full = || {
        let another = UnixDatagram::unbound().expect("a socket can be made");
        another.set_nonblocking(true).expect("sockets can do that");
        let sent = another.send_to(&[], journal.folder.path().join("socket"));
        sent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    wait::until("the journal's socket is full", RENDERED, || full().then_some(()));
    let sent = |status: &serde_json::Value| status["destinations"][0]["ingests"][0]["sent_bytes"].as_u64();
    let before = daemon.wait_for("bytes are counted", SOON, sent);
    // More than a socket and a queue could hide: the stream is carried by who logs nothing.
    daemon.wait_for("the stream goes on", SOON, |status| (sent(status)? > before + 120_000).then_some(()));
    let lag = daemon.wait_for("the lag is known", SOON, |status| {
        status["destinations"][0]["ingests"][0]["acked_lag_ms"].as_u64()
    });
    assert!(lag < 2_000, "{lag} ms behind");
    assert!(full(), "nobody has read the journal meanwhile");
    let start = Instant::now();
    assert_eq!(daemon.stop(), 0, "an orderly end");
    assert!(start.elapsed() < Duration::from_secs(8), "the end took {:?}", start.elapsed());
}
