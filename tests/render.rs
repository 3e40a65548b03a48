//! The render stage with real FFmpeg and real music: every format and oddity, loudness and joins.

#[path = "render/bench.rs"]
mod bench;
#[path = "render/faults.rs"]
mod faults;
#[path = "render/pictures.rs"]
mod pictures;
mod rig;
#[path = "render/shelf.rs"]
mod shelf;
#[path = "render/stitch.rs"]
mod stitch;

use bench::{Stage, library, make, settings, track};
use nonstop::config::Loudness;
use nonstop::media::Rendition;
use nonstop::render::State;
use rig::{corpus, ffmpeg};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Every rendition of a profile begins with the same headers, holds whole cells, and decodes.
fn is_as_it_should_be(stage: &Stage, shelf: &nonstop::render::Shelf, source: &str) -> Rendition {
    let shelved = shelf.tracks.iter().find(|t| t.source == source).unwrap();
    assert!(matches!(shelved.state, State::Ready { .. }), "{source}: {:?}", shelf.quarantined);
    let rendition = stage.open(shelved);
    assert_eq!(rendition.audio.header, shelf.standby.audio.header, "{source}");
    assert_eq!(rendition.video.header, shelf.standby.video.header, "{source}");
    assert_eq!(rendition.audio.frames(), rendition.meta.cells * 25, "{source}");
    for file in ["audio.flv", "video.flv"] {
        ffmpeg::decodes_without_a_warning(&stage.folder(shelved).join(file));
    }
    rendition
}

#[tokio::test]
async fn every_odd_file_plays_as_loud_as_it_should_or_is_set_aside_with_its_reason() {
    let scratch = tempfile::tempdir().unwrap();
    let from = |name: &str| corpus::music().join(name).display().to_string();
    let (sad, cover) = (from("sad.ogg"), corpus::background().display().to_string());
    let covered = |codec: &str| {
        format!(
            "-ss 20 -i {sad} -i {cover} -map 0:a -map 1:v -t 4 -c:a {codec} -c:v mjpeg -disposition:v attached_pic"
        )
    };
    let more = [
        ("11 kHz, 8 bit.wav", format!("-ss 20 -i {sad} -t 4 -ar 11025 -ac 1 -c:a pcm_u8")),
        ("88 kHz.flac", format!("-ss 20 -i {sad} -t 4 -ar 88200 -c:a flac")),
        ("cover art.flac", covered("flac")),
        ("cover art.m4a", covered("aac")),
        ("7.1.wav", format!("-ss 20 -i {sad} -t 4 -ac 8 -c:a pcm_s16le")),
        // The name is as bad as a name can be.
        ("-i %03d 'a\"b:c;$(x)*?.mp3", format!("-ss 20 -i {sad} -t 4 -c:a libmp3lame -f mp3")),
    ];
    let mut tracks: Vec<_> =
        corpus::SOUND.iter().chain(&corpus::BROKEN).map(|item| track(&item.file(), item.name)).collect();
    for (name, args) in &more {
        tracks.push(track(&make(&scratch.path().join(name), args), name));
    }
    let noise: Vec<u8> =
        (0..200_000u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    for (name, content) in [
        ("noise.mp3", noise),
        (
            "playlist.mp3",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n".to_vec(),
        ),
        ("list.ogg", b"ffconcat version 1.0\nfile /etc/passwd\n".to_vec()),
    ] {
        std::fs::write(scratch.path().join(name), content).unwrap();
        tracks.push(track(&scratch.path().join(name), name));
    }
    make(&scratch.path().join("tiny.wav"), &format!("-ss 20 -i {sad} -t 0.3 -c:a pcm_s16le"));
    tracks.push(track(&scratch.path().join("tiny.wav"), "tiny.wav"));

    let (mut settings, _in_use) = settings(&scratch.path().join("cache"));
    settings.parallel = 2.try_into().unwrap();
    let mut stage = Stage::start(settings, library(tracks, None)).await;
    let shelf = stage.until("the whole library", |shelf| shelf.complete).await;

    let play = corpus::SOUND.iter().map(|item| item.name);
    for source in play.chain(more.iter().map(|(name, _)| *name)) {
        let rendition = is_as_it_should_be(&stage, &shelf, source);
        let shelved = shelf.tracks.iter().find(|t| t.source == source).unwrap();
        let loudness = ffmpeg::loudness(&stage.folder(shelved).join("audio.flv"));
        assert!((loudness + 14.0).abs() <= 1.0, "{source} is at {loudness} LUFS");
        assert!((rendition.meta.loudness.unwrap() - loudness).abs() <= 0.2, "{source}: {:?}", rendition.meta);
        assert!(rendition.meta.true_peak.unwrap() <= -0.9, "{source}: {:?}", rendition.meta);
    }
    let reason = |source: &str| {
        let found = shelf.quarantined.iter().find(|q| q.source == source);
        &found.unwrap_or_else(|| panic!("{source} is not set aside")).reason
    };
    for (source, why) in [
        ("cut/Half.mp3", "damaged: only 5.0 s of 10.0 s can be decoded"),
        ("broken/zero bytes.ogg", "it is empty"),
        ("broken/text.mp3", "FFmpeg cannot read it"),
        ("broken/a picture.flac", "it is no music"),
        ("broken/header only.m4a", "FFmpeg cannot read it"),
        ("broken/silence.wav", "silent"),
        ("noise.mp3", ""),
        ("playlist.mp3", "it is no music"),
        ("list.ogg", "it is no music"),
        ("tiny.wav", "it is shorter than half a second"),
    ] {
        assert!(reason(source).starts_with(why), "{source}: {}", reason(source));
        assert!(!reason(source).contains('/'), "{source}: {}", reason(source));
    }
    assert_eq!(shelf.quarantined.len(), 10, "{:#?}", shelf.quarantined);
    // What was set aside stays so without another try, and is kept.
    let kept = std::fs::read_to_string(scratch.path().join("cache/quarantine.json")).unwrap();
    assert_eq!(kept.matches("\"reason\"").count(), 10);
    stage.stop().await;
    // It is removed beside the runtime's thread, and so may outlive the stage for a moment.
    let renditions = scratch.path().join("cache/renditions");
    let unfinished = || {
        let left = std::fs::read_dir(&renditions).unwrap();
        left.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')).count()
    };
    let removed = async {
        while unfinished() > 0 {
            tokio::task::spawn_blocking(|| ()).await.unwrap();
        }
    };
    let removed = tokio::time::timeout(std::time::Duration::from_secs(5), removed).await;
    assert!(removed.is_ok(), "unfinished work was left");
}

#[tokio::test]
async fn loudness_off_leaves_music_as_loud_as_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut settings, _in_use) = settings(scratch.path());
    settings.audio.loudness = Loudness::Off;
    let names = ["quiet/Very quiet.flac", "mono/8 kHz.wav"];
    let items = names.map(|name| corpus::SOUND.iter().find(|item| item.name == name).unwrap());
    let tracks = items.map(|item| track(&item.file(), item.name)).to_vec();
    let mut stage = Stage::start(settings, library(tracks, None)).await;
    let shelf = stage.until("both tracks", |shelf| shelf.complete).await;
    for item in items {
        // Mono goes to both channels at 3 dB less each, which sounds, and counts, as loud.
        let (before, after) = (ffmpeg::loudness(&item.file()), is_as_it_should_be(&stage, &shelf, item.name));
        let after = after.meta.loudness.unwrap();
        assert!((before - after).abs() < 0.5, "{}: {before} became {after}", item.name);
    }
}

#[tokio::test]
async fn stitched_renditions_decode_without_a_word_and_join_in_silence() {
    let scratch = tempfile::tempdir().unwrap();
    let (settings, _in_use) = settings(scratch.path());
    let sources: Vec<_> = corpus::FEW.iter().map(|item| (item.file(), item.name)).collect();
    let tracks = sources.iter().map(|(path, name)| track(path, name)).collect();
    let background = bench::picture(&corpus::background());
    let mut stage = Stage::start(settings, library(tracks, Some(background))).await;
    let shelf = stage.until("three tracks", |shelf| shelf.complete).await;
    let mut pieces = vec![Arc::clone(&shelf.standby)];
    pieces.extend(sources.iter().map(|(_, name)| Arc::new(is_as_it_should_be(&stage, &shelf, name))));
    pieces.push(Arc::clone(&shelf.standby));
    let joined = scratch.path().join("joined.flv");
    let starts = stitch::write(&pieces, &joined);
    ffmpeg::decodes_without_a_warning(&joined);
    let samples = ffmpeg::samples(&joined);
    let silent = |from: u64| samples[from as usize..][..1024].iter().all(|s| *s == 0.0);
    for (i, (path, name)) in sources.iter().enumerate() {
        let (start, end) = (starts[i + 1] * 1024, starts[i + 2] * 1024);
        // What comes out where two pieces meet is nobody's: neither has anything to say there.
        assert!(silent(start) && silent(end), "{name} does not join in digital silence");
        follows(&samples[start as usize + 2 * 1024..], &ffmpeg::samples(path), name);
        // Heard next to others, it is the same as alone, up to its very ends.
        let alone = ffmpeg::samples(&stage.folder(&shelf.tracks[i]).join("audio.flv"));
        let joined = &samples[start as usize..end as usize];
        assert_eq!(alone.len(), joined.len(), "{name}");
        let mut ends = (0..8 * 1024).chain(alone.len() - 8 * 1024..alone.len());
        let other = ends.find(|i| (alone[*i] - joined[*i]).abs() > 1e-4);
        assert_eq!(other, None, "{name} sounds different next to others");
    }
    let likeness = ffmpeg::least_likeness(
        &stage.folder(&shelf.tracks[0]).join("video.flv"),
        &corpus::background(),
        640,
        360,
        10,
    );
    assert!(likeness > 0.95, "the background is not what is shown: SSIM {likeness}");
}

/// The music is the source's, at another level: correlated sample by sample from the first second.
#[track_caller]
fn follows(heard: &[f32], source: &[f32], name: &str) {
    let (a, b) = (&heard[480..48_000], &source[480..48_000]);
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>();
    let likeness = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    assert!(likeness > 0.99, "{name} is not heard where it should be: {likeness}");
}

#[tokio::test]
#[ignore = "an hour of music takes two minutes of processor time"]
async fn an_hour_long_track_plays() {
    let scratch = tempfile::tempdir().unwrap();
    let music = corpus::music().join("battle.ogg");
    let long = make(
        &scratch.path().join("hour.ogg"),
        &format!("-stream_loop 11 -i {} -c copy -f ogg", music.display()),
    );
    let (settings, _in_use) = settings(scratch.path());
    let mut stage = Stage::start(settings, library(vec![track(Path::new(&long), "hour.ogg")], None)).await;
    let shelf = stage.within(Duration::from_secs(900), "an hour", |shelf| shelf.complete).await;
    let rendition = is_as_it_should_be(&stage, &shelf, "hour.ogg");
    assert!(rendition.meta.cells > 3600 * 15 / 8);
}

#[tokio::test]
#[ignore = "two hours of music take four minutes of processor time"]
async fn a_whole_collection_is_within_a_decibel_and_under_the_ceiling() {
    let scratch = tempfile::tempdir().unwrap();
    let mut files: Vec<_> =
        std::fs::read_dir(corpus::music()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let (mut settings, _in_use) = settings(scratch.path());
    settings.parallel = 2.try_into().unwrap();
    let tracks = files.iter().map(|path| track(path, &name(path))).collect();
    let mut stage = Stage::start(settings, library(tracks, None)).await;
    let shelf = stage.within(Duration::from_secs(1800), "all of it", |shelf| shelf.complete).await;
    for path in &files {
        if shelf.quarantined.iter().any(|q| q.source == name(path) && q.reason.starts_with("silent")) {
            continue;
        }
        let meta = is_as_it_should_be(&stage, &shelf, &name(path)).meta;
        println!("{:40} {:?} LUFS {:?} dBTP", meta.source, meta.loudness, meta.true_peak);
        assert!((meta.loudness.unwrap() + 14.0).abs() <= 0.7 && meta.true_peak.unwrap() <= -0.9, "{meta:?}");
    }
    println!("{:#?}", shelf.quarantined);
}
