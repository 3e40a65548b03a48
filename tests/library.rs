//! The library over a real folder: what people do to their music while it is on air.

#[path = "library/house.rs"]
mod house;

use house::*;
use nonstop::library::{Library, Motion};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::time::timeout;

#[tokio::test]
async fn a_folder_becomes_a_library() {
    let house = House::new();
    for source in ["b.MP3", "a/1 - X - Y.ogg", "a/b/c/d.opus", "e.m4a", "f.wav", "g.flac", "h.aac", "i.oga"] {
        house.old(source, source);
    }
    for source in
        ["cover.jpg", "list.m3u", "a/x.mp3.part", ".hidden.mp3", "._b.MP3", "@eaDir/b.MP3", ".git/x.ogg"]
    {
        house.old(source, source);
    }
    house.old("background.png", "picture");
    let mut keeping = house.start();
    let library = keeping.complete().await;
    let expected = ["a/1 - X - Y.ogg", "a/b/c/d.opus", "b.MP3", "e.m4a", "f.wav", "g.flac", "h.aac", "i.oga"];
    assert_eq!(names(&library), expected);
    let track = &library.tracks[0];
    assert_eq!(track.hash, hash("a/1 - X - Y.ogg"));
    assert_eq!((track.size, track.path.clone()), (15, Some(house.path("a/1 - X - Y.ogg"))));
    assert_eq!(track.credits.to_string(), "X – Y");
    let background = library.background.as_ref().unwrap();
    assert_eq!((background.source.as_str(), background.motion), ("background.png", Motion::Still));
    assert_eq!((background.hash.clone(), library.problems.len()), (hash("picture"), 0));
    keeping.stop().await;
}

#[tokio::test]
async fn tags_of_every_kind_of_file_are_read_even_under_a_wrong_name() {
    let house = House::new();
    let kinds = ["a.mp3", "b.flac", "c.ogg", "d.opus", "e.m4a", "f.wav", "g.aac"];
    for name in kinds {
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", "sine=duration=0.2", "-write_id3v2", "1"])
            .args([
                "-metadata",
                "title=A título",
                "-metadata",
                "artist=Somebody",
                "-metadata",
                "album=Their Album",
            ])
            .arg(house.path(name))
            .status();
        assert!(made.expect("FFmpeg is installed (make setup)").success(), "{name}");
        age(&house.path(name));
    }
    // What it is is told by its bytes.
    fs::rename(house.path("b.flac"), house.path("b.mp3")).unwrap();
    fs::rename(house.path("e.m4a"), house.path("e.ogg")).unwrap();
    let mut keeping = house.start();
    let library = keeping.complete().await;
    assert_eq!(library.tracks.len(), kinds.len());
    for track in &library.tracks {
        assert_eq!(track.credits.to_string(), "Somebody – A título", "{}", track.source);
        assert_eq!(track.credits.album.as_deref(), Some("Their Album"), "{}", track.source);
    }
    keeping.stop().await;
}

#[tokio::test]
async fn an_empty_folder_is_a_complete_library_without_problems() {
    let house = House::new();
    let library = house.start().complete().await;
    assert_eq!(*library, Library { complete: true, ..Library::default() });
}

#[tokio::test]
async fn files_are_added_replaced_renamed_and_removed_while_on_air() {
    let house = House::new();
    house.old("a.mp3", "one");
    let mut keeping = house.start();
    keeping.sources(&["a.mp3"]).await;
    house.reads();

    house.write("new/deep/b.ogg", "two");
    keeping.sources(&["a.mp3", "new/deep/b.ogg"]).await;
    assert_eq!(house.take_reads(), ["new/deep/b.ogg"]);

    house.write("a.mp3", "three");
    keeping.until(|library| library.tracks.iter().any(|track| track.hash == hash("three"))).await;
    house.write("other.mp3.tmp", "four");
    fs::rename(house.path("other.mp3.tmp"), house.path("a.mp3")).unwrap();
    keeping.until(|library| library.tracks.iter().any(|track| track.hash == hash("four"))).await;
    house.reads();

    fs::rename(house.path("new"), house.path("old")).unwrap();
    fs::rename(house.path("a.mp3"), house.path("c.mp3")).unwrap();
    keeping.sources(&["c.mp3", "old/deep/b.ogg"]).await;
    assert_eq!(house.reads(), 0, "a renamed file is not read");

    fs::remove_file(house.path("c.mp3")).unwrap();
    keeping.sources(&["old/deep/b.ogg"]).await;
    fs::remove_dir_all(house.path("old")).unwrap();
    keeping.sources(&[]).await;
    keeping.stop().await;
}

#[tokio::test]
async fn a_file_that_is_being_copied_is_left_alone_until_it_is_whole() {
    const SETTLE: Duration = Duration::from_secs(1);
    let house = House::new();
    house.old("a.mp3", "one");
    let mut keeping = house.start_settling(None, SETTLE);
    keeping.complete().await;
    house.reads();

    let mut copy = File::create(house.path("slow.mp3")).unwrap();
    let (mut whole, mut steady, mut last) = (String::new(), true, Instant::now());
    for part in 0..15 {
        let part = format!("part {part} ");
        copy.write_all(part.as_bytes()).unwrap();
        whole += &part;
        let changed = timeout(SETTLE / 10, keeping.library.changed()).await;
        // A machine so busy that this test itself paused for that long has seen a file at rest.
        steady &= last.elapsed() < SETTLE / 2;
        last = Instant::now();
        assert!(changed.is_err() || !steady, "{:?}", keeping.library.borrow());
    }
    drop(copy);
    keeping.until(|library| library.tracks.iter().any(|track| track.hash == hash(&whole))).await;
    let reads = house.take_reads();
    assert!(reads == ["slow.mp3"] || !steady, "read once, when it was whole: {reads:?}");
    keeping.stop().await;
}

#[tokio::test]
async fn links_are_followed_once_and_lead_in_no_circle() {
    let house = House::new();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("far.ogg"), "far").unwrap();
    age(&elsewhere.path().join("far.ogg"));
    house.old("a/b/near.mp3", "near");
    symlink(elsewhere.path(), house.path("a/elsewhere")).unwrap();
    symlink(house.music(), house.path("a/b/up")).unwrap();
    symlink("../a", house.path("a/self")).unwrap();
    symlink("near.mp3", house.path("a/b/same.mp3")).unwrap();
    symlink("round.mp3", house.path("round.mp3")).unwrap();
    symlink("nothing", house.path("gone.mp3")).unwrap();
    symlink("nothing", house.path("gone.txt")).unwrap();
    let mut keeping = house.start();
    let library = keeping.sources(&["a/b/near.mp3", "a/b/same.mp3", "a/elsewhere/far.ogg"]).await;
    assert_eq!(library.tracks[0].hash, library.tracks[1].hash);
    let problems: Vec<_> = library.problems.iter().map(|problem| problem.source.as_str()).collect();
    assert_eq!(problems, ["gone.mp3", "round.mp3"], "{:?}", library.problems);
    keeping.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_a_problem_and_the_rest_plays() {
    let house = House::new();
    house.old("a.mp3", "one");
    // The start of a process's memory is readable for nobody, not even for root.
    symlink("/proc/self/mem", house.path("memory.mp3")).unwrap();
    fs::create_dir(house.path("folder.mp3")).unwrap();
    fs::write(house.music().join(OsStr::from_bytes(b"latin-\xe9.mp3")), "x").unwrap();
    let mut keeping = house.start();
    let library = keeping.complete().await;
    assert_eq!(names(&library), ["a.mp3"]);
    let problems: Vec<_> = library.problems.iter().map(|p| (p.source.as_str(), p.reason.as_str())).collect();
    let [(latin, encoding), (memory, unreadable)] = problems[..] else { panic!("{problems:?}") };
    assert_eq!((latin, encoding), ("latin-\u{fffd}.mp3", "its name is not UTF-8; rename it"));
    assert_eq!(memory, "memory.mp3");
    assert!(unreadable.starts_with("it cannot be read: "), "{unreadable}");
    keeping.stop().await;
}

#[tokio::test]
async fn a_source_that_vanishes_keeps_its_tracks_and_comes_back() {
    let house = House::new();
    house.old("a.mp3", "one");
    let mut keeping = house.start();
    keeping.sources(&["a.mp3"]).await;
    let away = house.folder.path().join("away");
    fs::rename(house.music(), &away).unwrap();
    let library = keeping.until(|library| !library.problems.is_empty()).await;
    assert_eq!((names(&library), library.problems[0].source.as_str()), (vec!["a.mp3"], "."));
    keeping.stop().await;

    house.reads();
    let mut keeping = house.start();
    let library = keeping.complete().await;
    assert_eq!((names(&library), library.problems.len()), (vec!["a.mp3"], 1), "after a restart too");
    fs::rename(&away, house.music()).unwrap();
    keeping.stop().await;
    let mut keeping = house.start();
    let library = keeping.complete().await;
    assert_eq!((names(&library), library.problems.len()), (vec!["a.mp3"], 0));
    assert_eq!(house.reads(), 0);
    keeping.stop().await;
}

#[test]
fn while_the_disk_hangs_the_library_is_what_it_was() {
    // Whoever has the only thread for blocking work is a disk that hangs.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let house = House::new();
        house.old("a.mp3", "one");
        house.old("background.png", "picture");
        let mut keeping = house.start();
        let before = keeping.complete().await;
        keeping.stop().await;

        // Who holds the thread meanwhile sees to the order: what is remembered, the hanging disk, the
        // folder. Without it, what is remembered may come so soon that the folder is first.
        let (begin, begun) = std::sync::mpsc::channel::<()>();
        let beginning = tokio::task::spawn_blocking(move || begun.recv());
        let mut keeping = house.start();
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let (queued, in_queue) = tokio::sync::oneshot::channel();
        let hanging = tokio::spawn(async {
            let hanging = tokio::task::spawn_blocking(move || hang.recv());
            queued.send(()).unwrap();
            hanging.await
        });
        in_queue.await.unwrap();
        drop(begin);
        assert!(beginning.await.unwrap().is_err());
        let library = keeping.until(|library| !library.tracks.is_empty()).await;
        assert_eq!(*library, Library { complete: false, ..(*before).clone() });
        drop(release);
        assert!(hanging.await.unwrap().unwrap().is_err());
        assert_eq!(keeping.complete().await, before);
        keeping.stop().await;
    });
}

#[tokio::test]
async fn a_source_that_never_was_is_a_problem() {
    let house = House::new();
    fs::remove_dir(house.music()).unwrap();
    let library = house.start().complete().await;
    assert!(library.problems[0].reason.contains("No such file"), "{library:?}");
    fs::write(house.music(), "not a folder").unwrap();
    let library = house.start().complete().await;
    assert_eq!(library.problems[0].source, ".", "{library:?}");
}

#[tokio::test]
async fn the_background_is_the_configured_one_and_clips_are_told_apart() {
    let house = House::new();
    house.old("a.mp3", "one");
    house.old("background.jpg", "not this");
    house.old("art/card.webp", "RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0");
    let mut keeping = house.start_with(Some("art/card.webp"));
    let library = keeping.complete().await;
    let background = library.background.as_ref().unwrap();
    assert_eq!((background.source.as_str(), background.motion), ("art/card.webp", Motion::Clip));

    house.write("art/card.webp", "RIFF\0\0\0\0WEBPVP8 ");
    let library = keeping.until(|library| library.background.as_ref().unwrap().motion == Motion::Still).await;
    assert_eq!(names(&library), ["a.mp3"]);
    fs::remove_file(house.path("art/card.webp")).unwrap();
    let library = keeping.until(|library| library.background.is_none()).await;
    assert_eq!(library.problems[0].source, "art/card.webp");
    keeping.stop().await;
}

#[tokio::test]
async fn nothing_is_published_while_nothing_changes() {
    let house = House::new();
    house.old("a.mp3", "one");
    let mut keeping = house.start();
    keeping.complete().await;
    // Neither what does not count, nor reading, nor touching directories is news.
    house.write("notes.txt", "x");
    house.write("sub/.keep", "x");
    fs::read(house.path("a.mp3")).unwrap();
    assert!(timeout(SETTLE * 4, keeping.library.changed()).await.is_err());
    house.write("b.mp3", "two");
    keeping.sources(&["a.mp3", "b.mp3"]).await;
    keeping.stop().await;
}

#[tokio::test]
async fn a_broken_manifest_costs_a_reading_and_no_more() {
    let house = House::new();
    house.old("a.mp3", "one");
    let mut keeping = house.start();
    keeping.complete().await;
    keeping.stop().await;
    let manifest = house.folder.path().join("cache/library.json");
    for content in [&b"{"[..], b"", b"\xff\xff", b"{\"format\":1,\"root\":\"/\",\"id\":null,\"files\":{}}"] {
        assert!(manifest.is_file());
        fs::write(&manifest, content).unwrap();
        house.reads();
        let mut keeping = house.start();
        let library = keeping.complete().await;
        assert_eq!(names(&library), ["a.mp3"]);
        keeping.stop().await;
        assert_eq!(house.reads(), 1);
    }
}

#[tokio::test]
async fn thousands_of_files_are_read_once() {
    const FILES: usize = 5_000;
    let house = House::new();
    for i in 0..FILES {
        house.old(&format!("{:02}/{i:04}.mp3", i % 50), &format!("content {i}"));
    }
    let begin = Instant::now();
    let mut keeping = house.start();
    let first = keeping.until(|library| !library.tracks.is_empty()).await;
    let first_tracks = begin.elapsed();
    assert!(!first.complete && first.tracks.len() < FILES, "the first tracks do not wait for the last");
    assert_eq!(keeping.complete().await.tracks.len(), FILES);
    let whole = begin.elapsed();
    keeping.stop().await;
    assert_eq!(house.reads(), FILES);

    house.write("00/0000.mp3", "another content");
    age(&house.path("00/0000.mp3"));
    fs::rename(house.path("01"), house.path("somewhere")).unwrap();
    let begin = Instant::now();
    let mut keeping = house.start();
    assert_eq!(keeping.complete().await.tracks.len(), FILES);
    let again = begin.elapsed();
    keeping.stop().await;
    assert_eq!(house.take_reads(), ["00/0000.mp3"], "only what changed");
    println!("{FILES} files: first tracks {first_tracks:?}, all {whole:?}; second start {again:?}");
}
