//! The whole task against a bucket with a script, in virtual time.

mod away;
mod shop;

use super::*;
use crate::store::Kind;
use shop::{Fault, House, here, problems};
use std::fs;

/// Runs a test in virtual time.
fn virtually(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test);
}

/// Content that is all different.
fn song(n: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at as u8).wrapping_mul(31) ^ n).collect()
}

#[test]
fn what_is_wanted_is_fetched_in_order_behind_the_picture() {
    virtually(async {
        let mut house = House::new();
        for (key, n) in [("a.mp3", 1), ("b.mp3", 2), ("x/c.mp3", 3), ("renditions/r/audio.mp3", 4)] {
            house.shop.put(key, &song(n, 5_000));
        }
        house.shop.put("background.jpg", b"a picture");
        house.settings.parallel = 1;
        house.start().await;
        let library = house.listed().await;
        let sources: Vec<_> = library.tracks.iter().map(|track| track.source.as_str()).collect();
        assert_eq!(sources, ["a.mp3", "b.mp3", "x/c.mp3"]);
        assert!(here(&library).is_empty() && library.tracks[0].credits.title == "a");
        let library =
            house.until("the picture", |l| l.background.as_ref().is_some_and(|p| p.path.is_some())).await;
        assert_eq!(
            fs::read(library.background.as_ref().unwrap().path.as_ref().unwrap()).unwrap(),
            b"a picture"
        );

        house.want(&["x/c.mp3", "a.mp3"]);
        let library = house.here(&["a.mp3", "x/c.mp3"]).await;
        let fetched: Vec<_> = house.shop.fetched().into_iter().map(|(key, _)| key).collect();
        assert_eq!(fetched, ["background.jpg", "x/c.mp3", "a.mp3"]);
        let path = library.tracks[2].path.as_ref().unwrap();
        assert_eq!(fs::read(path).unwrap(), song(3, 5_000));
        assert_eq!(path.extension().unwrap(), "mp3");
        house.until("nothing left to fetch", |library| library.syncing.is_none()).await;
        house.stop().await;
    });
}

#[test]
fn a_broken_download_is_gone_on_with_where_it_broke() {
    virtually(async {
        let mut house = House::new();
        house.shop.put("a.mp3", &song(1, 50_000));
        house.start().await;
        house.listed().await;
        house.shop.fault("a.mp3", Fault::Breaks(7_000));
        house.want(&["a.mp3"]);
        house.until("a problem", |library| !library.problems.is_empty()).await;
        house.shop.fault("a.mp3", Fault::Ends(3_000));
        house.until("another", |library| problems(library).iter().any(|p| p.contains("ended after"))).await;
        house.shop.fault("a.mp3", None);
        let library = house.here(&["a.mp3"]).await;
        let froms: Vec<_> = house.shop.fetched().into_iter().map(|(_, from)| from).collect();
        assert_eq!(froms[..2], [0, 7_000]);
        assert!(froms.is_sorted() && froms.last() >= Some(&10_000) && froms.len() < 9, "{froms:?}");
        assert_eq!(fs::read(library.tracks[0].path.as_ref().unwrap()).unwrap(), song(1, 50_000));
        house.until("no problem", |library| library.problems.is_empty()).await;
        house.stop().await;
    });
}

#[test]
fn a_download_is_gone_on_with_after_a_restart() {
    virtually(async {
        let mut house = House::new();
        house.shop.put("a.mp3", &song(1, 50_000));
        // Uploaded in parts: nothing tells whether what lies on the disk is what came.
        house.shop.put_as("b.mp3", &song(2, 50_000), "\"aa-2\"");
        house.start().await;
        house.listed().await;
        house.want(&["a.mp3", "b.mp3"]);
        house.shop.fault("a.mp3", Fault::Hangs(9_000));
        house.shop.fault("b.mp3", Fault::Hangs(9_000));
        house.until("some of it", |l| l.syncing.is_some_and(|syncing| syncing.bytes == 0)).await;
        // The hang is given up, and what came of it is kept.
        house
            .until("a problem", |library| problems(library).iter().any(|p| p.contains("nothing came")))
            .await;
        house.stop().await;
        house.shop.fetched();
        house.shop.fault("a.mp3", None);
        house.shop.fault("b.mp3", None);
        house.settings.parallel = 1;
        house.start().await;
        let library = house.here(&["a.mp3", "b.mp3"]).await;
        assert_eq!(house.shop.fetched(), [("a.mp3".to_owned(), 9_000), ("b.mp3".to_owned(), 0)]);
        assert_eq!(fs::read(library.tracks[0].path.as_ref().unwrap()).unwrap(), song(1, 50_000));
        house.start().await;
        house.here(&["a.mp3", "b.mp3"]).await;
        assert_eq!(house.shop.fetched(), [], "what is here is not fetched again");
        house.stop().await;
    });
}

#[test]
fn a_machine_that_starts_without_its_bucket_knows_what_it_knew() {
    virtually(async {
        let mut house = House::new();
        house.shop.put("a.mp3", &song(1, 5_000));
        house.shop.put("background.png", b"picture");
        house.start().await;
        house.listed().await;
        house.want(&["a.mp3"]);
        let before = house.here(&["a.mp3"]).await;
        house.stop().await;
        house.shop.break_off(Kind::Unreachable);
        house.start().await;
        let library = house.until("what is known", |library| !library.tracks.is_empty()).await;
        assert_eq!((&library.tracks, &library.background), (&before.tracks, &before.background));
        assert!(!library.complete);
        house.settings.source = "s3://other".into();
        house.start().await;
        let library = house.until("a problem", |library| !library.problems.is_empty()).await;
        assert!(library.tracks.is_empty(), "what is known of another bucket is not taken");
        house.stop().await;
    });
}

#[test]
fn there_is_never_more_than_the_cache_may_hold() {
    virtually(async {
        let mut house = House::new();
        (house.settings.cache, house.settings.parallel) = (25_000, 1);
        for n in 0..6 {
            house.shop.put(&format!("{n}.mp3"), &song(n, 10_000));
        }
        house.start().await;
        house.listed().await;
        house.want(&["0.mp3", "1.mp3", "2.mp3"]);
        house.here(&["0.mp3", "1.mp3"]).await;
        house.until("as much as there is room for", |library| library.syncing.is_none()).await;
        // The first is rendered.
        house.want(&["1.mp3", "2.mp3"]);
        house.here(&["1.mp3", "2.mp3"]).await;
        house.want(&["5.mp3", "4.mp3", "2.mp3"]);
        house.here(&["4.mp3", "5.mp3"]).await;
        let lies = || fs::read_dir(house.folder.path().join("originals")).unwrap().count();
        assert_eq!(lies(), 2);
        // Nothing is wanted, nothing is in the way.
        house.want(&[]);
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(here(&house.library.borrow()), ["4.mp3", "5.mp3"]);
        let fetched: Vec<_> = house.shop.fetched().into_iter().map(|(key, _)| key).collect();
        assert_eq!(fetched, ["0.mp3", "1.mp3", "2.mp3", "5.mp3", "4.mp3"]);
        house.stop().await;
    });
}

#[test]
fn changes_in_the_bucket_are_noticed_within_a_minute_and_a_rename_costs_nothing() {
    virtually(async {
        let mut house = House::new();
        house.shop.put("a.mp3", &song(1, 5_000));
        house.shop.put("b.mp3", &song(2, 5_000));
        house.start().await;
        house.listed().await;
        house.want(&["a.mp3", "b.mp3"]);
        house.here(&["a.mp3", "b.mp3"]).await;
        house.shop.fetched();

        let start = Instant::now();
        house.shop.remove("a.mp3");
        house.shop.put("New Name.mp3", &song(1, 5_000));
        house.shop.put("b.mp3", &song(3, 5_000));
        let library = house.until("the change", |library| library.tracks[0].source == "New Name.mp3").await;
        assert!(start.elapsed() < Duration::from_secs(60));
        assert_eq!(here(&library), ["New Name.mp3"], "the other is another one now");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(house.shop.fetched(), [], "the wants are about the old ones");
        house.want(&["New Name.mp3", "b.mp3"]);
        let library = house.here(&["New Name.mp3", "b.mp3"]).await;
        assert_eq!(house.shop.fetched(), [("b.mp3".to_owned(), 0)]);
        assert_eq!(fs::read(library.tracks[1].path.as_ref().unwrap()).unwrap(), song(3, 5_000));

        let start = Instant::now();
        house.shop.remove("b.mp3");
        house.until("it is gone", |library| library.tracks.len() == 1).await;
        assert!(start.elapsed() < Duration::from_secs(60));
        house.shop.remove("New Name.mp3");
        let start = Instant::now();
        house.until("all are gone", |library| library.tracks.is_empty()).await;
        assert!(start.elapsed() > Duration::from_secs(5) && start.elapsed() < Duration::from_secs(70));
        house.stop().await;
    });
}

#[test]
fn an_object_that_is_replaced_while_it_is_fetched_is_looked_for_again_soon() {
    virtually(async {
        let mut house = House::new();
        house.shop.put("a.mp3", &song(1, 5_000));
        house.start().await;
        house.listed().await;
        house.shop.put("a.mp3", &song(9, 6_000));
        let start = Instant::now();
        house.want(&["a.mp3"]);
        let library = house.until("the new one", |library| library.tracks[0].size == 6_000).await;
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        house.want(&["a.mp3"]);
        house.here(&["a.mp3"]).await;
        assert!(library.tracks[0].path.is_none());
        house.stop().await;
    });
}

#[test]
fn what_is_not_what_the_bucket_says_is_never_taken() {
    virtually(async {
        let mut house = House::new();
        for (key, fault) in [("garbled.mp3", Fault::Garbled), ("long.mp3", Fault::RunsOn)] {
            house.shop.put(key, &song(1, 5_000 + key.len()));
            house.shop.fault(key, fault);
        }
        house.shop.put("good.mp3", &song(2, 5_000));
        house.shop.put("denied.mp3", &song(3, 5_000));
        house.shop.fault("denied.mp3", Fault::Refused(Kind::Denied));
        house.start().await;
        house.listed().await;
        house.want(&["denied.mp3", "garbled.mp3", "long.mp3", "good.mp3"]);
        house.here(&["good.mp3"]).await;
        let library = house.until("three problems", |library| library.problems.len() == 3).await;
        let told = [
            "denied.mp3: it cannot be fetched: Denied",
            "garbled.mp3: it cannot be fetched: what comes is not what the bucket says it has, and another each time",
            "long.mp3: it cannot be fetched: more came than the 5008 bytes that the bucket says it has",
        ];
        assert_eq!(problems(&library), told);
        tokio::time::sleep(Duration::from_secs(7200)).await;
        assert_eq!(here(&house.library.borrow()), ["good.mp3"]);
        let fetched = house.shop.fetched().len();
        assert!(fetched < 50, "{fetched} requests in two hours");
        // And when they are as they should be, they come.
        for key in ["garbled.mp3", "long.mp3", "denied.mp3"] {
            house.shop.fault(key, None);
        }
        tokio::time::sleep(Duration::from_secs(1000)).await;
        let library = house.here(&["denied.mp3", "garbled.mp3", "good.mp3", "long.mp3"]).await;
        assert_eq!(fs::read(library.tracks[1].path.as_ref().unwrap()).unwrap(), song(1, 5_011));
        house.stop().await;
    });
}

#[test]
fn a_bucket_whose_etags_only_look_like_md5s_is_believed_when_all_comes_alike_twice() {
    virtually(async {
        let mut house = House::new();
        house.settings.parallel = 1;
        for n in 0..3 {
            house.shop.put_as(
                &format!("{n}.mp3"),
                &song(n, 5_000),
                &format!("\"{}\"", format!("{n}a").repeat(16)),
            );
        }
        house.start().await;
        house.listed().await;
        house.want(&["0.mp3", "1.mp3", "2.mp3"]);
        let library = house.here(&["0.mp3", "1.mp3", "2.mp3"]).await;
        assert!(library.problems.is_empty());
        let fetched: Vec<_> = house.shop.fetched().into_iter().map(|(key, _)| key).collect();
        assert_eq!(fetched, ["0.mp3", "0.mp3", "1.mp3", "2.mp3"]);
        house.stop().await;
    });
}

#[test]
fn a_cache_that_is_cleared_is_filled_again() {
    virtually(async {
        let mut house = House::new();
        house.shop.put("a.mp3", &song(1, 5_000));
        house.shop.put("b.mp3", &song(2, 5_000));
        house.start().await;
        house.listed().await;
        house.want(&["a.mp3", "b.mp3"]);
        let library = house.here(&["a.mp3", "b.mp3"]).await;
        house.shop.fetched();
        fs::remove_file(library.tracks[0].path.as_ref().unwrap()).unwrap();
        fs::write(library.tracks[1].path.as_ref().unwrap(), b"torn").unwrap();
        house.until("they are missed", |library| here(library).is_empty()).await;
        let library = house.here(&["a.mp3", "b.mp3"]).await;
        assert_eq!(fs::read(library.tracks[1].path.as_ref().unwrap()).unwrap(), song(2, 5_000));
        assert_eq!(house.shop.fetched().len(), 2);
        house.stop().await;
    });
}

#[test]
fn an_object_that_the_disk_cannot_hold_is_named_and_holds_up_nobody() {
    virtually(async {
        let mut house = House::new();
        let free = crate::host::kernel::free_space(house.folder.path()).unwrap();
        house.settings.keep_free = free.saturating_sub(500_000_000);
        house.shop.put("a.mp3", &song(1, 5_000));
        house.start().await;
        house.listed().await;
        house.want(&["a.mp3"]);
        house.here(&["a.mp3"]).await;
        house.shop.put("b.mp3", &song(2, 5_000));
        // Some other program has filled the disk.
        house.settings.keep_free = u64::MAX / 4;
        house.start().await;
        house.listed().await;
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(here(&house.library.borrow()), ["a.mp3"], "it is in use");
        house.want(&["b.mp3"]);
        let library = house.until("a problem", |library| !library.problems.is_empty()).await;
        assert_eq!(problems(&library), ["b.mp3: it cannot be fetched: the disk has no room for its 1 MB"]);
        house.here(&[]).await;
        house.want(&["a.mp3"]);
        let is_of_a = |library: &Library| problems(library).iter().any(|p| p.starts_with("a.mp3"));
        house.until("it is gone, because the renderer's room comes first", is_of_a).await;
        house.stop().await;
    });
}

#[test]
fn on_air_with_nothing_to_do_nothing_is_done() {
    virtually(async {
        let mut house = House::new();
        for n in 0..2_500 {
            house.shop.put(&format!("{n:05}.mp3"), &song(n as u8, n % 100));
        }
        house.start().await;
        house.listed().await;
        house.shop.pages();
        house.library.borrow_and_update();
        let manifest = || fs::metadata(house.settings.manifest.clone()).and_then(|meta| meta.modified()).ok();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let before = manifest();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let pages = house.shop.pages();
        assert!((57..=60).contains(&pages), "{pages} requests in an hour, as with one page to a listing");
        assert!(!house.library.has_changed().unwrap() && house.shop.fetched().is_empty());
        assert!(before.is_some() && manifest() == before, "nothing is written");
        house.stop().await;
    });
}
