//! The catalogue against a naive model: after any listings of a bucket, the library is what lies
//! there, and whatever was known is known still.

use super::entry::hash_of;
use super::*;
use crate::library::Motion;
use crate::library::cpu::cpu_time;
use crate::library::tags::Tags;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Instant;

/// Keys to versions; sizes follow from them.
type Objects = BTreeMap<String, u8>;

const NAMES: [&str; 14] = [
    "a.mp3",
    "b/a.flac",
    "b/c.ogg",
    "background.jpg",
    "background.mp4",
    "notes.txt",
    "renditions/x/a.mp3",
    "renditions/y.mp3",
    "s.mp3",
    "schedule/z.mp3",
    "slots/q.mp3",
    "x/.hidden/a.mp3",
    "x/a.mp3",
    "z.opus",
];

fn object(key: &str, version: u8) -> Object {
    Object { key: key.to_owned(), size: u64::from(version) + 1, version: Version(format!("\"{version}\"")) }
}

/// Lists `objects`, `most` at a time. How it ended, and the pages that it took.
fn look(catalogue: &mut Catalogue, objects: &Objects, most: usize, now: u64) -> (Next, usize) {
    catalogue.begin();
    let mut after = String::new();
    for pages in 1.. {
        let mut rest = objects.iter().filter(|(key, _)| **key > after).map(|(key, v)| object(key, *v));
        let page = Page { objects: rest.by_ref().take(most).collect(), last: rest.next().is_none() };
        match catalogue.on_page(page, Duration::from_secs(now)) {
            Next::After(key) => after = key,
            end => return (end, pages),
        }
    }
    unreachable!("every listing ends")
}

fn tracks(catalogue: &Catalogue) -> BTreeMap<String, ContentHash> {
    let library = catalogue.library();
    assert!(library.tracks.is_sorted_by_key(|track| &track.source));
    library.tracks.iter().map(|track| (track.source.clone(), track.hash.clone())).collect()
}

fn expected(objects: &Objects) -> BTreeMap<String, ContentHash> {
    let is_music = |key: &str| {
        !OWN.iter().any(|own| key.starts_with(own))
            && !key.contains("/.")
            && !key.ends_with("txt")
            && !key.starts_with("background")
    };
    let hash = |(key, version): (&String, &u8)| {
        let object = object(key, *version);
        (key.clone(), hash_of(&object.version, object.size))
    };
    objects.iter().filter(|(key, _)| is_music(key)).map(hash).collect()
}

fn titled(title: &str) -> About {
    About::Track(Tags { title: Some(title.to_owned()), ..Tags::default() })
}

fn of(text: &[(&str, u8)]) -> Objects {
    text.iter().map(|(key, version)| ((*key).to_owned(), *version)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn in_the_end_the_library_is_what_is_there(
        history in prop::collection::vec((prop::collection::btree_map(0..NAMES.len(), 0u8..3, 0..14), 1usize..20), 1..8),
    ) {
        let mut catalogue = Catalogue::new(None);
        let mut last = None;
        for (at, (objects, most)) in history.into_iter().enumerate() {
            let objects: Objects = objects.into_iter().map(|(n, v)| (NAMES[n].to_owned(), v)).collect();
            let now = at as u64 * 100;
            let before = tracks(&catalogue);
            let mut end = look(&mut catalogue, &objects, most, now).0;
            if end == Next::Doubted {
                prop_assert_eq!(&tracks(&catalogue), &before, "what is doubted changes nothing");
                end = look(&mut catalogue, &objects, most, now + 5).0;
            }
            let fresh = tracks(&catalogue);
            prop_assert_eq!(&fresh, &expected(&objects));
            prop_assert!(last.is_none() || fresh == before || end == Next::Changed);
            prop_assert_eq!(look(&mut catalogue, &objects, 3, now + 90).0 == Next::Doubted, false);
            // Long after, when even a background's going is settled, nothing is new.
            prop_assert_eq!(look(&mut catalogue, &objects, most, now + 99).0, Next::Same);
            let best = ["background.jpg", "background.mp4"].into_iter().find(|name| objects.contains_key(*name));
            prop_assert_eq!(catalogue.library().background.map(|picture| picture.source), best.map(str::to_owned));

            let text = manifest::to_text(&catalogue, "s3://b");
            let mut next = Catalogue::new(None);
            prop_assert!(manifest::recall(&text, "s3://b", &mut next) && !next.library().complete);
            prop_assert_eq!(tracks(&next), fresh);
            last = Some(objects);
        }
    }

    /// Whatever a server answers, it is a listing or it is none; nothing panics or goes on for ever.
    #[test]
    fn pages_of_nonsense_do_no_harm(pages in prop::collection::vec((prop::collection::vec(0..NAMES.len(), 0..5), any::<bool>()), 0..9)) {
        let mut catalogue = Catalogue::new(None);
        look(&mut catalogue, &of(&[("a.mp3", 1), ("s.mp3", 1)]), 9, 0);
        let before = tracks(&catalogue);
        catalogue.begin();
        for (names, last) in pages {
            let page = Page { objects: names.iter().map(|n| object(NAMES[*n], 1)).collect(), last };
            match catalogue.on_page(page, Duration::ZERO) {
                Next::After(_) => prop_assert_eq!(&tracks(&catalogue), &before),
                Next::Unfit(_) => {
                    prop_assert_eq!(&tracks(&catalogue), &before);
                    break;
                }
                _ => break,
            }
        }
        prop_assert!(catalogue.library().tracks.is_sorted_by_key(|track| &track.source));
    }
}

#[test]
fn own_folders_are_stepped_over() {
    let mut objects = of(&[("a.mp3", 1), ("z.mp3", 1)]);
    objects.extend((0..5_000).map(|n| (format!("renditions/{n:05}/audio.flv"), 1)));
    objects.extend((0..2_000).map(|n| (format!("schedule/p/{n:05}.json"), 1)));
    let mut catalogue = Catalogue::new(None);
    let (end, pages) = look(&mut catalogue, &objects, 1000, 0);
    assert_eq!((end, pages), (Next::Changed, 3));
    assert_eq!(tracks(&catalogue).len(), 2);
}

#[test]
fn a_bucket_that_seems_empty_is_believed_the_second_time() {
    let mut catalogue = Catalogue::new(None);
    look(&mut catalogue, &of(&[("a.mp3", 1)]), 9, 0);
    assert_eq!(look(&mut catalogue, &of(&[]), 9, 1).0, Next::Doubted);
    assert_eq!(look(&mut catalogue, &of(&[("a.mp3", 1)]), 9, 2).0, Next::Same);
    assert_eq!(look(&mut catalogue, &of(&[]), 9, 3).0, Next::Doubted);
    assert_eq!(look(&mut catalogue, &of(&[("notes.txt", 1)]), 9, 4).0, Next::Changed);
    assert!(tracks(&catalogue).is_empty());
    // An empty bucket is nothing to doubt.
    assert_eq!(look(&mut Catalogue::new(None), &of(&[]), 9, 0).0, Next::Changed);
}

#[test]
fn a_renamed_object_keeps_what_is_known_of_it() {
    let mut catalogue = Catalogue::new(None);
    look(&mut catalogue, &of(&[("a.mp3", 1), ("x/b.mp3", 2)]), 9, 0);
    let hash = |n: usize, catalogue: &Catalogue| catalogue.library().tracks[n].hash.clone();
    let (a, b) = (hash(0, &catalogue), hash(1, &catalogue));
    catalogue.on_read(&a, &titled("Song"), Duration::ZERO);
    let untitled = Tags { artist: Some("Somebody".into()), ..Tags::default() };
    catalogue.on_read(&b, &About::Track(untitled), Duration::ZERO);
    catalogue.place(|hash| Some(hash.to_string().into()), Duration::ZERO);

    look(&mut catalogue, &of(&[("New Name.mp3", 1), ("Other Name.mp3", 2)]), 9, 1);
    catalogue.place(|hash| Some(hash.to_string().into()), Duration::ZERO);
    let library = catalogue.library();
    let told: Vec<_> =
        library.tracks.iter().map(|t| (t.credits.title.as_str(), t.credits.artist.as_deref())).collect();
    assert_eq!(told, [("Song", None), ("Other Name", Some("Somebody"))]);
    assert_eq!((&library.tracks[0].hash, &library.tracks[1].hash), (&a, &b));
    assert_eq!(library.tracks[0].path, Some(a.to_string().into()));

    // And over a restart.
    let text = manifest::to_text(&catalogue, "s3://b");
    let mut next = Catalogue::new(None);
    assert!(!manifest::recall(&text, "s3://other", &mut next) && !manifest::recall("{", "s3://b", &mut next));
    assert!(manifest::recall(&text, "s3://b", &mut next));
    let credits = |catalogue: &Catalogue| {
        catalogue.library().tracks.iter().map(|t| t.credits.clone()).collect::<Vec<_>>()
    };
    assert_eq!(credits(&next), credits(&catalogue));
}

#[test]
fn another_version_is_another_track() {
    let mut catalogue = Catalogue::new(None);
    look(&mut catalogue, &of(&[("a.mp3", 1)]), 9, 0);
    let old = catalogue.library().tracks[0].hash.clone();
    catalogue.on_read(&old, &titled("Song"), Duration::ZERO);
    assert_eq!(look(&mut catalogue, &of(&[("a.mp3", 2)]), 9, 1).0, Next::Changed);
    let track = &catalogue.library().tracks[0];
    assert!(track.hash != old && track.credits.title == "a");
    assert_eq!(hash_of(&Version("\"x\"".into()), 1), hash_of(&Version("x".into()), 1));
    assert_ne!(hash_of(&Version("x".into()), 1), hash_of(&Version("x".into()), 2));
}

#[test]
fn a_background_is_shown_until_it_has_been_gone_for_a_while() {
    let mut catalogue = Catalogue::new(None);
    look(&mut catalogue, &of(&[("background.webp", 1), ("a.mp3", 1)]), 9, 0);
    let shown = catalogue.library().background.unwrap();
    assert_eq!((shown.source.as_str(), shown.motion, shown.path), ("background.webp", Motion::Still, None));
    assert_eq!(catalogue.picture().map(|listed| listed.key), Some("background.webp"));
    catalogue.on_read(&shown.hash, &About::Background(Motion::Clip), Duration::ZERO);
    assert_eq!(catalogue.library().background.unwrap().motion, Motion::Clip, "an animated one");

    look(&mut catalogue, &of(&[("a.mp3", 1)]), 9, 45);
    assert!(catalogue.library().background.is_some() && catalogue.picture().is_none());
    assert_eq!(look(&mut catalogue, &of(&[("background.png", 1), ("a.mp3", 1)]), 9, 90).0, Next::Changed);
    assert_eq!(catalogue.library().background.unwrap().source, "background.png");
    look(&mut catalogue, &of(&[("a.mp3", 1)]), 9, 135);
    assert_eq!(look(&mut catalogue, &of(&[("a.mp3", 1)]), 9, 200).0, Next::Changed);
    assert!(catalogue.library().background.is_none());

    let mut configured = Catalogue::new(Some("art/card.png".into()));
    look(&mut configured, &of(&[("a.mp3", 1), ("background.png", 1)]), 9, 0);
    assert!(configured.library().background.is_none());
    assert_eq!(configured.library().problems[0].source, "art/card.png");
}

#[test]
fn ten_thousand_objects_are_laid_against_those_before_in_little_time() {
    let mut objects: Objects = (0..10_000)
        .map(|n| (format!("album {:03}/{n:05} - Artist - A title of some length.mp3", n / 20), 1))
        .collect();
    let pages = |objects: &Objects| {
        let all: Vec<_> = objects.iter().map(|(key, v)| object(key, *v)).collect();
        let count = all.len().div_ceil(1000);
        let page = |(at, chunk): (usize, &[Object])| Page { objects: chunk.to_vec(), last: at + 1 == count };
        all.chunks(1000).enumerate().map(page).collect::<Vec<_>>()
    };
    let run = |catalogue: &mut Catalogue, pages: Vec<Page>| {
        let before = cpu_time();
        catalogue.begin();
        let end = pages.into_iter().map(|page| catalogue.on_page(page, Duration::ZERO)).last();
        (end.unwrap(), cpu_time() - before)
    };
    let mut catalogue = Catalogue::new(None);
    let (end, first) = run(&mut catalogue, pages(&objects));
    assert_eq!((end, catalogue.library().tracks.len()), (Next::Changed, 10_000));
    let (end, same) = run(&mut catalogue, pages(&objects));
    assert_eq!(end, Next::Same);
    objects.insert("album 000/new.mp3".into(), 1);
    let (end, changed) = run(&mut catalogue, pages(&objects));
    assert_eq!(end, Next::Changed);
    let text = Instant::now();
    let text = (manifest::to_text(&catalogue, "s3://b"), text.elapsed());
    println!(
        "first {first:?}, same {same:?}, one more {changed:?}, as text {:?}, {} bytes",
        text.1,
        text.0.len()
    );
    // Not optimised, on any machine: a look a minute is a thousandth of a processor at most.
    assert!(same < Duration::from_millis(60), "{same:?}");
    assert!(
        first < Duration::from_millis(1000) && changed < Duration::from_millis(200),
        "{first:?} {changed:?}"
    );
}
