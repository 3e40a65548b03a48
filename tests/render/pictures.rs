//! What can stand behind the music.

use crate::bench::{Stage, library, make, picture, settings, track};
use crate::rig::{corpus, ffmpeg};
use crate::stitch;
use nonstop::config::{Bitrate, Rate};
use nonstop::render::profile::backdrop_hash;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const TEST: &str = "-f lavfi -i testsrc2=s=800x450:r=25:d=5";

/// Each picture, and the most frames that its loop may have.
fn pictures(folder: &Path) -> Vec<(PathBuf, u64)> {
    let make = |name: &str, args: &str| make(&folder.join(name), args);
    vec![
        (make("plain.png", &format!("{TEST} -frames:v 1")), 60),
        (make("alpha.png", &format!("{TEST} -frames:v 1 -vf format=rgba,colorchannelmixer=aa=0.5")), 60),
        (make("grey 16 bit.png", &format!("{TEST} -frames:v 1 -pix_fmt gray16be")), 60),
        (make("odd portrait.jpg", "-f lavfi -i testsrc2=s=333x777 -frames:v 1"), 60),
        (make("4:4:4 %d.jpg", &format!("{TEST} -frames:v 1 -pix_fmt yuvj444p -update 1 -f image2")), 60),
        (make("tiny.png", "-f lavfi -i color=red:s=2x2 -frames:v 1"), 60),
        (make("picture.webp", &format!("{TEST} -frames:v 1")), 60),
        (make("still.gif", &format!("{TEST} -frames:v 1")), 60),
        (make("moving.gif", "-f lavfi -i testsrc2=s=320x180:r=10:d=1"), 60),
        (
            make(
                "clip.mp4",
                &format!("{TEST} -f lavfi -i sine -shortest -pix_fmt yuv420p -c:v libx264 -preset ultrafast"),
            ),
            150,
        ),
        (
            make(
                "clip.webm",
                "-f lavfi -i testsrc2=s=320x180:r=24:d=2.5 -c:v libvpx -b:v 300k -deadline realtime",
            ),
            75,
        ),
        (make("jpeg in disguise.png", &format!("{TEST} -frames:v 1 -c:v mjpeg -f image2 -update 1")), 60),
    ]
}

#[tokio::test]
async fn pictures_of_every_kind_have_the_same_headers_and_decode_cleanly() {
    let scratch = tempfile::tempdir().unwrap();
    let (settings, _in_use) = settings(&scratch.path().join("cache"));
    let song = track(&corpus::FEW[1].file(), "song");
    let mut stage = Stage::start(settings, library(vec![Arc::clone(&song)], None)).await;
    let shelf = stage.until("a song with the built-in picture", |shelf| shelf.complete).await;
    assert_eq!(stage.open(&shelf.tracks[0]).meta.picture_hash, backdrop_hash());
    let sound = fs::read(stage.folder(&shelf.tracks[0]).join("audio.flv")).unwrap();
    let mut shown = vec![Arc::clone(&shelf.standby)];
    for (path, frames) in pictures(scratch.path()) {
        let picture = picture(&path);
        let hash = picture.hash.clone();
        stage.library.send_replace(Arc::new(library(vec![Arc::clone(&song)], Some(picture))));
        let shows = |shelf: &Arc<nonstop::render::Shelf>, stage: &Stage| {
            assert_eq!(shelf.quarantined, [], "{}", path.display());
            shelf.complete.then(|| stage.open(&shelf.tracks[0])).filter(|r| r.meta.picture_hash == hash)
        };
        let rendition = loop {
            let shelf = Arc::clone(&stage.shelf.borrow_and_update());
            if let Some(rendition) = shows(&shelf, &stage) {
                break rendition;
            }
            tokio::time::timeout(Duration::from_secs(60), stage.shelf.changed())
                .await
                .unwrap_or_else(|_| panic!("{} is never shown: {shelf:#?}", path.display()))
                .unwrap();
        };
        assert_eq!(rendition.video.header, shelf.standby.video.header, "{}", path.display());
        let got = rendition.video.frames();
        assert!(got <= frames && got * 2 > frames, "{}: {got} pictures", path.display());
        assert!((0..got).all(|i| i - rendition.video.key_at_or_before(i) < 60), "{}", path.display());
        let folder = stage.folder(&stage.shelf.borrow().tracks[0]);
        ffmpeg::decodes_without_a_warning(&folder.join("video.flv"));
        assert!(fs::read(folder.join("audio.flv")).unwrap() == sound, "the sound was made once more");
        shown.push(Arc::new(rendition));
    }
    let joined = scratch.path().join("joined.flv");
    stitch::write(&shown, &joined);
    ffmpeg::decodes_without_a_warning(&joined);
}

#[tokio::test]
async fn a_picture_is_upright_fills_the_frame_and_is_cut_in_the_middle() {
    let scratch = tempfile::tempdir().unwrap();
    // Left half red, right half blue, as a camera held upright stores it: to be turned clockwise.
    let stored = make(
        &scratch.path().join("stored.jpg"),
        "-f lavfi -i color=red:s=160x240 -f lavfi -i color=blue:s=160x240 -lavfi hstack -frames:v 1 -q:v 2",
    );
    let mut jpeg = fs::read(&stored).unwrap();
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    jpeg.splice(2..2, exif.iter().copied());
    let turned = scratch.path().join("turned.jpg");
    fs::write(&turned, jpeg).unwrap();
    // Turned, it is 240 × 320, red above blue; cut to 16:9 in the middle, each is half the height.
    let want = make(
        &scratch.path().join("want.png"),
        "-f lavfi -i color=red:s=640x180 -f lavfi -i color=blue:s=640x180 -lavfi vstack -frames:v 1",
    );
    let (settings, _in_use) = settings(&scratch.path().join("cache"));
    let song = track(&corpus::FEW[1].file(), "song");
    let mut stage = Stage::start(settings, library(vec![song], Some(picture(&turned)))).await;
    let shelf = stage.until("the picture", |shelf| shelf.complete).await;
    let likeness =
        ffmpeg::least_likeness(&stage.folder(&shelf.tracks[0]).join("video.flv"), &want, 640, 360, 10);
    assert!(likeness > 0.97, "SSIM {likeness}");
}

#[tokio::test]
async fn a_picture_that_cannot_be_shown_is_set_aside_and_the_built_in_one_is_shown() {
    let scratch = tempfile::tempdir().unwrap();
    let bomb = make(&scratch.path().join("gigantic.png"), "-f lavfi -i color=s=9000x9000 -frames:v 1");
    let whole = fs::read(corpus::background()).unwrap();
    let files = [
        ("noise.jpg", b"nothing that can be shown".to_vec()),
        ("empty.png", Vec::new()),
        ("header only.jpg", whole[..600].to_vec()),
        ("gigantic.png", fs::read(bomb).unwrap()),
    ];
    let (settings, _in_use) = settings(&scratch.path().join("cache"));
    let song = track(&corpus::FEW[1].file(), "song");
    let mut stage = Stage::start(settings, library(Vec::new(), None)).await;
    for (name, content) in files {
        let path = scratch.path().join(name);
        fs::write(&path, content).unwrap();
        stage.library.send_replace(Arc::new(library(vec![Arc::clone(&song)], Some(picture(&path)))));
        let shelf = stage
            .until(name, |shelf| shelf.complete && shelf.quarantined.iter().any(|q| q.source == name))
            .await;
        assert_eq!(stage.open(&shelf.tracks[0]).meta.picture_hash, backdrop_hash(), "{name}");
        assert_eq!(shelf.quarantined.len(), 1, "{:?}", shelf.quarantined);
    }
}

#[tokio::test]
async fn constant_rate_is_constant_for_a_still_picture_too() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut settings, _in_use) = settings(scratch.path());
    (settings.video.rate, settings.video.bitrate) = (Rate::Constant, Bitrate::from_bits(1_200_000));
    let song = track(&corpus::FEW[1].file(), "song");
    let background = picture(&corpus::background());
    let mut stage = Stage::start(settings, library(vec![song], Some(background))).await;
    let shelf = stage.until("a song", |shelf| shelf.complete).await;
    for rendition in [&*shelf.standby, &stage.open(&shelf.tracks[0])] {
        let bytes: u64 =
            (0..rendition.video.frames()).map(|i| rendition.video.body(i)).map(|b| b.end - b.start).sum();
        let due = 1_200_000 / 8 * rendition.video.frames() / 30;
        assert!(due - bytes < 6, "{bytes} of {due} bytes");
    }
    ffmpeg::decodes_without_a_warning(&stage.folder(&shelf.tracks[0]).join("video.flv"));
}
