//! The library of a bucket over the wire: listed, fetched, renamed and cut off.

use crate::block_on;
use crate::rig::{Scratch, moto::Moto, moto::aws_at};
use nonstop::aws;
use nonstop::library::Library;
use nonstop::library::task::{Bucket, run_bucket};
use nonstop::media::ContentHash;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Moto answers within milliseconds; a machine that is busy has its own time.
const LONG: Duration = Duration::from_secs(60);

type Receiver = watch::Receiver<Arc<Library>>;

/// Keeps the library of `bucket` in `cache`, as long as `test` runs.
fn keep(
    bucket: aws::Bucket,
    cache: &Path,
    test: impl AsyncFnOnce(&mut Receiver, &watch::Sender<Arc<[ContentHash]>>),
) {
    block_on(async {
        let (wants, wanted) = watch::channel(Arc::from([]));
        let (sender, mut library) = watch::channel(Arc::default());
        let settings = Bucket::new(bucket, "s3://it/lofi".into(), None, cache, 1 << 30, wanted);
        let cancel = CancellationToken::new();
        let keeping = run_bucket(settings, sender, cancel.clone());
        let test = async {
            test(&mut library, &wants).await;
            cancel.cancel();
        };
        tokio::join!(async { keeping.await.expect("it ends in order") }, test);
    });
}

async fn until(library: &mut Receiver, what: &str, is: impl Fn(&Library) -> bool) -> Arc<Library> {
    let found = tokio::time::timeout(LONG, library.wait_for(|library| is(library))).await;
    let found = found.map(|found| found.map(|library| Arc::clone(&library)));
    found.unwrap_or_else(|_| panic!("{what}: {:#?}", library.borrow())).expect("it is kept")
}

fn song(n: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at as u8).wrapping_mul(31) ^ n).collect()
}

#[test]
fn what_is_in_a_bucket_is_the_library_and_what_is_wanted_is_fetched() {
    let moto = Moto::shared();
    moto.make_bucket("library");
    moto.put_object("library", "lofi/a.mp3", &song(1, 3_000_000));
    moto.put_object("library", "lofi/deep/Artist%20-%20T%C3%ADtle%20%2B1.ogg", &song(2, 70_000));
    moto.put_object("library", "lofi/empty.mp3", b"");
    moto.put_object("library", "lofi/background.png", b"a picture");
    moto.put_object("library", "lofi/renditions/r/audio.mp3", b"none of it");
    moto.put_object("library", "lofi2/other.mp3", b"another channel's");
    let scratch = Scratch::new("library");
    let bucket = || moto.aws().bucket("library", "lofi");
    keep(bucket(), scratch.path(), async |library, wants| {
        let listed = until(library, "a listing", |library| library.complete).await;
        let sources: Vec<_> = listed.tracks.iter().map(|track| track.source.as_str()).collect();
        assert_eq!(sources, ["a.mp3", "deep/Artist - Títle +1.ogg", "empty.mp3"]);
        assert_eq!(listed.tracks[1].credits.artist.as_deref(), Some("Artist"));
        wants.send_replace(listed.tracks.iter().rev().map(|track| track.hash.clone()).collect());
        let is_here = |library: &Library| {
            let picture = library.background.as_ref().is_some_and(|picture| picture.path.is_some());
            picture && library.tracks.iter().all(|track| track.path.is_some())
        };
        let here = until(library, "all of it", is_here).await;
        let read =
            |n: usize| fs::read(here.tracks[n].path.as_ref().expect("it is here")).expect("it is there");
        assert!(read(0) == song(1, 3_000_000) && read(1) == song(2, 70_000) && read(2).is_empty());
        assert!(here.problems.is_empty(), "{:?}", here.problems);
    });

    // Another life finds it all here, without the bucket.
    let nowhere = aws_at("http://127.0.0.1:9").bucket("library", "lofi");
    keep(nowhere, scratch.path(), async |library, _| {
        let blind = until(library, "a problem", |library| !library.problems.is_empty()).await;
        assert!(blind.tracks.len() == 3 && blind.tracks.iter().all(|track| track.path.is_some()));
        let said = &blind.problems[0].reason;
        assert!(said.starts_with("the bucket cannot be listed: "), "{said}");
    });
}

#[test]
fn more_than_a_page_is_listed_whole() {
    let moto = Moto::shared();
    moto.make_bucket("pages");
    for n in 0..1_005 {
        moto.put_object("pages", &format!("lofi/{n:04}.mp3"), b"x");
    }
    for n in 0..1_005 {
        moto.put_object("pages", &format!("lofi/renditions/{n:04}/rendition.json"), b"{}");
    }
    moto.put_object("pages", "lofi/z.mp3", b"the last");
    let scratch = Scratch::new("pages");
    keep(moto.aws().bucket("pages", "lofi"), scratch.path(), async |library, _| {
        let listed = until(library, "a listing", |library| library.complete).await;
        assert_eq!(listed.tracks.len(), 1_006);
        // The same bytes in many places are one thing to fetch.
        assert_eq!(listed.tracks[0].hash, listed.tracks[1_004].hash);
    });
}
