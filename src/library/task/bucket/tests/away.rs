//! A bucket that is away, or may not be read, for a while.

use super::*;

#[test]
fn a_bucket_that_is_away_takes_nothing_away() {
    for kind in [Kind::Busy, Kind::Denied, Kind::Missing, Kind::Unreachable, Kind::Credentials, Kind::Other] {
        virtually(async {
            let mut house = House::new();
            house.shop.put("a.mp3", &song(1, 5_000));
            house.shop.put("b.mp3", &song(2, 5_000));
            house.start().await;
            house.listed().await;
            house.want(&["a.mp3"]);
            let before = house.here(&["a.mp3"]).await;
            house.shop.break_off(kind);
            house.want(&["a.mp3", "b.mp3"]);
            house.shop.fetched();
            let library = house.until("a problem", |library| !library.problems.is_empty()).await;
            assert_eq!(library.tracks, before.tracks);
            // An hour later it is the same, and the bucket was not overwhelmed.
            house.shop.pages();
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(house.library.borrow().tracks, before.tracks);
            let told = problems(&house.library.borrow());
            assert!(told.iter().any(|p| p.starts_with(".: the bucket cannot be listed")), "{told:?}");
            let (fetched, pages) = (house.shop.fetched().len(), house.shop.pages());
            assert!((60..=90).contains(&pages) && fetched <= 80, "{pages} {fetched}");
            house.shop.break_off(None);
            let start = Instant::now();
            house.until("all is well", |library| library.problems.is_empty()).await;
            // What is denied waits for the listing, which shows that something was mended.
            let file = match kind {
                Kind::Other | Kind::Missing => 960,
                Kind::Denied => 1,
                _ => 0,
            };
            house.here(&["a.mp3", "b.mp3"]).await;
            assert!(start.elapsed() < Duration::from_secs(60 + file), "{kind:?}: {:?}", start.elapsed());
            house.stop().await;
        });
    }
}

#[test]
fn a_role_that_may_read_again_has_its_music_within_a_minute() {
    virtually(async {
        let mut house = House::new();
        let keys: Vec<String> = (0..9).map(|n| format!("{n}.mp3")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for (n, key) in keys.iter().enumerate() {
            house.shop.put(key, &song(n as u8, 5_000));
            house.shop.fault(key, Fault::Refused(Kind::Denied));
        }
        house.start().await;
        house.listed().await;
        house.want(&keys);
        house.until("all are denied", |library| library.problems.len() == 9).await;
        tokio::time::sleep(Duration::from_secs(5000)).await;
        keys.iter().for_each(|key| house.shop.fault(key, None));
        let start = Instant::now();
        house.here(&keys).await;
        assert!(start.elapsed() < Duration::from_secs(62), "{:?}", start.elapsed());
        house.until("all is well", |library| library.problems.is_empty()).await;
        house.stop().await;
    });
}
