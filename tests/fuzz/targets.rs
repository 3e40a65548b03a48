//! What is fuzzed, and what must hold whatever comes in. `tests/fuzz` runs these under libFuzzer;
//! `tests/fuzz_sample.rs` runs them over the seeds and some thousand variations of each.
//!
//! A target panics if a law is broken. It must not panic for anything else.

use nonstop::config::{self, IngestUrl, Secret};
use nonstop::control::protocol;
use nonstop::media::flv::{self, Reader, Tag, TagKind, Writer};
use nonstop::media::{Kind, Stream};
use nonstop::publish::rtmp::{Client, Error, Phase, Target};
use nonstop::schedule::Page;
use std::fs::File;

/// What a target does with its input.
type Run = fn(&[u8]);

/// A target, by the name of its file in `fuzz_targets` and of its folder in `seeds`.
pub const TARGETS: [(&str, Run); 5] =
    [("flv", flv), ("rtmp", rtmp), ("config", config), ("page", page), ("request", request)];

/// Bytes as an FLV file: every tag lies where it says; what was read reads the same when it is
/// written; and an index of it stays within the file.
pub fn flv(input: &[u8]) {
    let mut tags = Vec::new();
    if let Ok(mut reader) = Reader::new(input) {
        while let Ok(Some(tag)) = reader.next_tag() {
            let at = usize::try_from(tag.offset).unwrap();
            assert_eq!(input[at..at + tag.body.len()], tag.body[..]);
            let _ = flv::classify(tag.kind, &tag.body);
            tags.push(tag);
        }
    }
    let mut writer = Writer::new(Vec::new()).unwrap();
    for tag in &tags {
        writer.tag(tag.kind, tag.timestamp, &tag.body).unwrap();
    }
    let written = writer.into_inner();
    let mut reader = Reader::new(&written[..]).unwrap();
    for tag in tags {
        let again = reader.next_tag().unwrap().unwrap();
        assert_eq!(again, Tag { offset: again.offset, ..tag });
    }
    assert!(reader.next_tag().unwrap().is_none());

    for kind in [TagKind::Audio, TagKind::Video] {
        let file = File::open("/dev/null").unwrap();
        let Ok(stream) = Stream::index(kind, input, file) else { continue };
        let mut end = 0;
        for frame in 0..stream.frames() {
            let body = stream.body(frame);
            assert!(end < body.start && body.start <= body.end && body.end <= input.len() as u64);
            end = body.end;
            if kind == TagKind::Video {
                let key = stream.key_at_or_before(frame);
                assert!(key <= frame && stream.is_key(key));
            }
        }
    }
}

const KEY: &str = "abcd-efgh-ijkl-mnop";

/// Bytes as what an ingest says. The first says how far the session is when they begin, the second
/// in which pieces they come: neither pieces nor media sent in between make a difference, phases
/// only go forward, memory is bounded, and no error holds a piece of the key.
pub fn rtmp(input: &[u8]) {
    let [stage, pieces, said @ ..] = input else { return };
    let whole = session(*stage, said.len().max(1), said, false);
    let split = session(*stage, usize::from(*pieces).max(1), said, false);
    assert!(whole == split, "pieces of {pieces} bytes make a difference");
    let (phase, _, end) = session(*stage, usize::from(*pieces).max(1), said, true);
    assert_eq!((phase, end), (whole.0, whole.2), "media makes a difference");
}

/// What becomes of a session: its phase, its output (without media) and its error.
fn session(stage: u8, piece: usize, said: &[u8], media: bool) -> (Phase, Vec<u8>, Result<(), Error>) {
    let mut client = opened(stage);
    let (mut end, mut before) = (Ok(()), client.phase());
    for piece in said.chunks(piece) {
        if media && client.phase() == Phase::Live {
            client.unit(Kind::Audio, u64::MAX / 2, b"\xaf\x01\x21");
            client.output().clear();
        }
        end = end.and(client.receive(piece));
        assert!(client.phase() >= before);
        before = client.phase();
        // C1, C2, four commands, and the answers that may wait.
        assert!(client.output().len() < 3073 + 2000 + 8192 + 18);
    }
    if let Err(error) = &end {
        let text = format!("{error} {error:?}").to_lowercase();
        assert!(KEY.as_bytes().windows(5).all(|part| !text.contains(std::str::from_utf8(part).unwrap())));
        assert_eq!(client.phase(), Phase::Closed);
    }
    (client.phase(), std::mem::take(client.output()), end)
}

/// Every phase that a session goes through, byte by byte.
pub fn phases(input: &[u8]) -> Vec<Phase> {
    let mut client = opened(input[0]);
    let mut phases = vec![client.phase()];
    for byte in &input[2..] {
        let _ = client.receive(std::slice::from_ref(byte));
        phases.push(client.phase());
    }
    phases.dedup();
    phases
}

/// A session that is just begun, shaken, live, or finishing.
fn opened(stage: u8) -> Client {
    let url = IngestUrl { tls: true, host: "a.example".into(), port: 443, app: "live2".into() };
    let mut client = Client::new(&Target { url, key: Secret::new(KEY) }, 1);
    let stage = stage % 4;
    let mut welcome = vec![3; 3073];
    if stage > 1 {
        for answer in [
            &b"\x02\0\x07_result\0\x3f\xf0\0\0\0\0\0\0"[..],
            b"\x02\0\x07_result\0\x40\x10\0\0\0\0\0\0\x05\0\x3f\xf0\0\0\0\0\0\0",
            b"\x02\0\x08onStatus\0\0\0\0\0\0\0\0\0\x05\x03\0\x04code\x02\0\x17NetStream.Publish.Start\0\0\x09",
        ] {
            welcome.extend([3, 0, 0, 0, 0, 0, answer.len() as u8, 20, 0, 0, 0, 0]);
            welcome.extend(answer);
        }
    }
    if stage > 0 {
        client.receive(&welcome).unwrap();
        client.output().clear();
        assert_eq!(client.phase(), if stage > 1 { Phase::Live } else { Phase::Connecting });
    }
    if stage == 3 {
        client.finish();
    }
    client
}

/// Bytes as a configuration: what is accepted is within its bounds, and what is refused says why.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match config::parse(text) {
        Ok(config) => {
            assert!((1..=64).contains(&config.channel.len()));
            assert!(!config.destinations.is_empty());
            for (i, destination) in config.destinations.iter().enumerate() {
                assert!((1..=64).contains(&destination.name.len()));
                assert!(config.destinations[..i].iter().all(|other| other.name != destination.name));
                assert!(!destination.primary.host.is_empty() && !destination.primary.app.is_empty());
            }
            assert!(config.video.size.width.is_multiple_of(2) && config.video.size.height.is_multiple_of(2));
            assert!((1..=4000).contains(&config.video.keyframe.0));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Bytes as page 1 of a schedule: what is accepted is the same once it is written.
pub fn page(input: &[u8]) {
    if let Ok(page) = Page::parse(1, input) {
        assert_eq!(Page::parse(1, &page.to_bytes()).expect("it was just written"), page);
    }
}

/// Bytes as a request on the control socket: understood or refused.
pub fn request(input: &[u8]) {
    let _ = protocol::parse(input);
}
