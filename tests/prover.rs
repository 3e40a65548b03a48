//! The prover, proved: it accepts a recording of the programme, and says what is wrong with one
//! that lacks a frame, holds one twice, a wrong one, or one at the wrong time.

mod rig;

use rig::Scratch;
use rig::flv::{self, Kind, Tag};
use rig::programme::{Programme, RATE};
use rig::recording::{place, place_leaping, prove};
use std::path::Path;

/// The cell at which the programme of these tests begins, at 30 fps.
const START_CELL: u64 = 2_000_000;

/// Unix time at which a cell of it begins.
fn at(cell: u64) -> f64 {
    ((START_CELL + cell) * 25_600) as f64 / 48_000.0
}

fn frame(kind: Kind, rendition: u64, n: u64, key: bool) -> Vec<u8> {
    let mut body = match kind {
        Kind::Video => vec![if key { 0x17 } else { 0x27 }, 1, 0, 0, 0],
        _ => vec![0xaf, 1],
    };
    body.extend((rendition * 1_000_003 + n).to_be_bytes());
    body
}

fn rendition(cache: &Path, name: &str, number: u64, cells: u64, source: &str) {
    let folder = cache.join("renditions").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let header = |kind, body: &[u8]| Tag { kind, time: 0, body: body.to_vec() };
    let mut audio = vec![header(Kind::Audio, &[0xaf, 0, 0x11, 0x90])];
    audio.extend((0..cells * 25).map(|n| Tag {
        kind: Kind::Audio,
        time: 0,
        body: frame(Kind::Audio, number, n, false),
    }));
    let mut video = vec![header(Kind::Video, &[0x17, 0, 0, 0, 0, 1])];
    video.extend((0..60).map(|n| Tag {
        kind: Kind::Video,
        time: 0,
        body: frame(Kind::Video, number, n, n == 0),
    }));
    flv::write(&folder.join("audio.flv"), &audio);
    flv::write(&folder.join("video.flv"), &video);
    let meta = serde_json::json!({"id": name, "source": source, "cells": cells});
    std::fs::write(folder.join("rendition.json"), meta.to_string()).unwrap();
}

/// Two tracks of 8 and 12 cells, a hole of three cells, the first again; then a skip on page 2.
fn programme(scratch: &Scratch) -> Programme {
    let (state, cache) = (scratch.folder("state"), scratch.folder("cache"));
    rendition(&cache, "one", 1, 8, "one.ogg");
    rendition(&cache, "two", 2, 12, "two.ogg");
    rendition(&cache, "none", 3, 4, "");
    let pages = state.join("schedule").join("profile");
    std::fs::create_dir_all(&pages).unwrap();
    let entry = |start: u64, cells: u64, rendition: &str| serde_json::json!({"start": START_CELL + start, "cells": cells, "rendition": rendition, "source": format!("{rendition}.ogg")});
    let page =
        |entries: &[serde_json::Value]| serde_json::json!({"format": 1, "entries": entries}).to_string();
    std::fs::write(
        pages.join("1.json"),
        page(&[entry(0, 8, "one"), entry(8, 12, "two"), entry(23, 8, "one"), entry(31, 12, "two")]),
    )
    .unwrap();
    std::fs::write(pages.join("2.json"), page(&[entry(27, 12, "two"), entry(39, 8, "one")])).unwrap();
    Programme::load(&state, &cache, 30)
}

/// What a session from cell `from` to cell `to` sends, as a server records it: times from 0.
fn recording(programme: &mut Programme, from: u64, to: u64) -> Vec<Tag> {
    let (from, to) = ((START_CELL + from) * 25_600, (START_CELL + to) * 25_600);
    let ms = |sample: u64| ((sample - from) * 1000 / RATE) as u32;
    let (aac, avc) = programme.headers(from).unwrap();
    let mut frames = Vec::new();
    for n in from / 1600..to / 1600 {
        frames.push((
            n * 1600,
            0,
            Tag { kind: Kind::Video, time: ms(n * 1600), body: programme.video(n).unwrap() },
        ));
    }
    for n in from / 1024..to / 1024 {
        frames.push((
            n * 1024,
            1,
            Tag { kind: Kind::Audio, time: ms(n * 1024), body: programme.audio(n).unwrap() },
        ));
    }
    frames.sort_by_key(|(sample, order, _)| (*sample, *order));
    let headers =
        [Tag { kind: Kind::Audio, time: 0, body: aac }, Tag { kind: Kind::Video, time: 0, body: avc }];
    headers.into_iter().chain(frames.into_iter().map(|(.., tag)| tag)).collect()
}

#[test]
fn a_recording_of_the_programme_is_found_in_its_place() {
    let scratch = Scratch::new("prover");
    let mut programme = programme(&scratch);
    // Across joins, the hole, and the skip.
    for (from, to) in [(0, 40), (8, 30), (20, 47), (23, 26), (0, 3)] {
        let tags = recording(&mut programme, from, to);
        let span = place(Path::new("it"), &tags, &mut programme, at(to) - 2.0).unwrap();
        assert_eq!(span.audio, (START_CELL + from) * 25..(START_CELL + to) * 25);
        assert_eq!(span.video, (START_CELL + from) * 16..(START_CELL + to) * 16);
    }
}

/// Does something to a good recording, and gives what the prover says about it.
fn complaint(harm: impl FnOnce(&mut Vec<Tag>)) -> String {
    let scratch = Scratch::new("prover");
    let mut programme = programme(&scratch);
    let mut tags = recording(&mut programme, 0, 40);
    harm(&mut tags);
    place(Path::new("it"), &tags, &mut programme, at(40)).expect_err("harm was done")
}

fn nth(tags: &[Tag], kind: Kind, n: usize) -> usize {
    tags.iter().enumerate().filter(|(_, tag)| tag.kind == kind && tag.is_frame()).nth(n).unwrap().0
}

#[test]
fn a_missing_frame_is_found() {
    let said = complaint(|tags| drop(tags.remove(nth(tags, Kind::Audio, 500))));
    assert!(said.contains("500 of 999 frames") && said.contains("1 frames are missing"), "{said}");
    let said = complaint(|tags| drop(tags.remove(nth(tags, Kind::Video, 300))));
    assert!(said.contains("is another one"), "{said}");
}

/// Leaves out what a session of the cells 0 to 40 would have sent in between.
fn leap(tags: &mut Vec<Tag>, from: u32, to: u32) {
    tags.retain(|tag| tag.is_header() || !(from..to).contains(&tag.time));
}

#[test]
fn a_session_that_leaps_is_two_pieces_in_one_time() {
    let scratch = Scratch::new("prover");
    let mut programme = programme(&scratch);
    let mut tags = recording(&mut programme, 0, 40);
    // The cells 10 to 27, of 8/15 s each: a keyframe comes next.
    let (from, to) = (5_333, 14_400);
    leap(&mut tags, from, to);
    assert!(place(Path::new("it"), &tags, &mut programme, at(40)).is_err());
    let spans = place_leaping(Path::new("it"), &tags, &mut programme, at(40)).unwrap();
    let sound: Vec<_> = spans.iter().map(|span| span.audio.clone()).collect();
    let zero = START_CELL * 25;
    assert_eq!(sound, [zero..zero + 250, zero + 675..zero + 1000]);
    // As if nothing had been left out.
    let mut late = tags.clone();
    late.iter_mut().filter(|tag| tag.time >= to).for_each(|tag| tag.time -= 5_000);
    let said = place_leaping(Path::new("it"), &late, &mut programme, at(40)).unwrap_err();
    assert!(said.contains("at another place than its time says"), "{said}");
    // A frame is missing in one of them.
    tags.remove(nth(&tags, Kind::Audio, 300));
    assert!(place_leaping(Path::new("it"), &tags, &mut programme, at(40)).is_err());
}

#[test]
fn a_frame_sent_twice_or_altered_is_found() {
    for kind in [Kind::Audio, Kind::Video] {
        complaint(|tags| {
            let at = nth(tags, kind, 200);
            tags.insert(at, tags[at].clone());
        });
        complaint(|tags| {
            let at = nth(tags, kind, 200);
            *tags[at].body.last_mut().unwrap() ^= 1;
        });
        complaint(|tags| {
            let (a, b) = (nth(tags, kind, 200), nth(tags, kind, 201));
            let body = std::mem::take(&mut tags[a].body);
            tags[a].body = std::mem::replace(&mut tags[b].body, body);
        });
    }
}

#[test]
fn wrong_times_are_found() {
    let said = complaint(|tags| {
        let at = nth(tags, Kind::Audio, 200);
        tags[at].time += 3;
        tags[at..].iter_mut().for_each(|tag| tag.time = tag.time.max(3));
    });
    assert!(said.contains("time goes back") || said.contains("ms off"), "{said}");
    // All that follows comes 5 ms late, as where two separately encoded pieces are joined.
    let said = complaint(|tags| tags[800..].iter_mut().for_each(|tag| tag.time += 5));
    assert!(said.contains("ms off"), "{said}");
    let said = complaint(|tags| tags.iter_mut().filter(|t| t.kind == Kind::Video).for_each(|t| t.time += 20));
    assert!(
        said.contains("time goes back") || said.contains("ms off") || said.contains("is another one"),
        "{said}"
    );
}

#[test]
fn a_session_that_does_not_begin_as_it_must_is_found() {
    let said = complaint(|tags| drop(tags.remove(0)));
    assert!(said.contains("no codec header"), "{said}");
    let said = complaint(|tags| {
        let first = nth(tags, Kind::Video, 0);
        tags.remove(first);
    });
    assert!(said.contains("keyframe"), "{said}");
}

#[test]
fn holes_between_recordings_are_counted() {
    let scratch = Scratch::new("prover");
    let mut programme = programme(&scratch);
    let mut proof = |pieces: &[(u64, u64)]| {
        let spans = pieces.iter().map(|(from, to)| {
            let tags = recording(&mut programme, *from, *to);
            place(Path::new("it"), &tags, &mut programme, at(*to)).unwrap()
        });
        rig::recording::Proof::of(spans.collect(), 30)
    };
    let whole = proof(&[(0, 20), (8, 40)]);
    assert_eq!((whole.unbroken(), whole.missing()), (40.0 * 8.0 / 15.0, 0.0));
    assert!((whole.overlap() - 12.0 * 8.0 / 15.0).abs() < 1e-9);
    let holed = proof(&[(0, 20), (23, 40)]);
    assert!((holed.missing() - 3.0 * 8.0 / 15.0).abs() < 1e-9, "{}", holed.missing());
    assert!(std::panic::catch_unwind(|| holed.unbroken()).is_err());
}

#[test]
fn what_does_not_decode_is_no_recording_of_the_programme() {
    let scratch = Scratch::new("prover");
    let mut programme = programme(&scratch);
    // In the right place, but its frames are no AAC and no H.264.
    let path = scratch.path().join("it.flv");
    flv::write(&path, &recording(&mut programme, 0, 40));
    let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs_f64(at(40));
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    let proof = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| prove(&[path], &mut programme)));
    let said = proof.err().and_then(|e| e.downcast::<String>().ok()).expect("a message");
    assert!(!said.contains("programme") && said.contains("it.flv"), "{said}");
}
