//! The rules of the plan, one by one.

use super::disk::*;
use crate::library::Library;
use crate::library::manifest;
use crate::library::scan::*;

fn house_of(sources: &[&str]) -> House {
    let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
    for (content, source) in sources.iter().enumerate() {
        house.write(source, content as u64, 100);
    }
    house.disk.now += 60_000;
    house.rest();
    house
}

#[test]
fn a_file_that_is_old_counts_at_once_and_one_that_grows_only_when_it_rests() {
    let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
    house.write("old.mp3", 1, 100);
    house.disk.now += 4_000;
    house.write("new.mp3", 2, 100);
    let plan = house.follow(9);
    assert_eq!(plan.read.iter().map(|job| job.source.as_str()).collect::<Vec<_>>(), ["old.mp3"]);
    assert_eq!(plan.look_again, Some(Duration::from_millis(1_008_000)));
    for _ in 0..5 {
        house.disk.now += 3_000;
        let now = house.disk.now;
        let file = house.disk.files.get_mut("new.mp3").unwrap();
        (file.size, file.modified, file.content) = (file.size + 1, now, file.content + 10);
        assert!(house.follow(9).read.is_empty(), "it is being written");
    }
    house.disk.now += 4_000;
    assert_eq!(house.follow(9).read.len(), 1);
    assert_eq!(house.tracks().len(), 2);
}

#[test]
fn a_file_from_the_future_counts_when_it_has_been_seen_at_rest() {
    let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
    house.write("a.mp3", 1, 100);
    house.disk.files.get_mut("a.mp3").unwrap().modified += 3_600_000;
    let plan = house.follow(9);
    assert!(plan.read.is_empty());
    assert_eq!(plan.look_again, Some(Duration::from_secs(1_004)));
    house.disk.now += 4_000;
    assert_eq!(house.follow(9).read.len(), 1);
}

#[test]
fn what_is_read_to_be_sure_stays_meanwhile_and_changes_if_it_must() {
    let mut house = house_of(&["a.mp3", "b.ogg"]);
    apply(&mut house, &Deed::EditQuietly(0, 77));
    let plan = house.look();
    assert_eq!(plan.read.len(), 1);
    assert_eq!(house.tracks().len(), 2, "still there while it is read");
    house.follow(9);
    assert_eq!(house.tracks()["a.mp3"], house.disk.files["a.mp3"].hash());
}

#[test]
fn what_is_touched_or_replaced_stays_what_it_was_until_it_is_read_anew() {
    let mut house = house_of(&["a.mp3", "b.ogg", "x/a.mp3", "background.jpg"]);
    let before = house.index.library();
    house.write("a.mp3", 77, 100);
    let now = house.disk.now;
    for file in house.disk.files.values_mut() {
        (file.modified, file.changed) = (now, now);
    }
    assert!(house.follow(9).read.is_empty(), "it settles");
    assert_eq!(house.index.library(), before);
    house.restart();
    house.disk.closed.insert("x".to_owned());
    house.follow(9);
    assert_eq!(house.index.library().tracks, before.tracks, "after a restart and unseen, too");
    house.disk.closed.clear();
    house.look();
    house.disk.now += 60_000;
    house.follow(0);
    assert_eq!(house.index.library().tracks, before.tracks, "it is whole, and not read yet");
    house.disk.files.get_mut("b.ogg").unwrap().readable = false;
    house.disk.files.remove("x/a.mp3");
    house.follow(9);
    let read = [("a.mp3".to_owned(), house.disk.files["a.mp3"].hash())];
    assert_eq!(house.tracks(), read.into(), "read, unreadable and gone");
    assert_eq!(house.index.library().problems[0].source, "b.ogg");
}

#[test]
fn a_renamed_file_is_not_read_and_has_the_credits_of_its_new_name() {
    let mut house = house_of(&["Old - Name.mp3"]);
    let (reads, file) = (house.reads, house.disk.files.remove("Old - Name.mp3").unwrap());
    let changed = house.disk.now;
    house.disk.files.insert("x/New - Title.mp3".to_owned(), DiskFile { changed, ..file });
    house.rest();
    assert_eq!(house.reads, reads);
    let library = house.index.library();
    let track = &library.tracks[0];
    assert_eq!(
        (track.source.as_str(), track.credits.to_string().as_str()),
        ("x/New - Title.mp3", "New – Title")
    );
    assert_eq!(track.path.as_deref(), Some(Path::new("/music/x/New - Title.mp3")));
}

#[test]
fn an_unmounted_disk_keeps_its_tracks_and_says_so() {
    let mut house = house_of(&["a.mp3", "b.ogg", "background.jpg"]);
    let mounted = house.disk.clone();
    house.disk.files.clear();
    house.disk.device += 1;
    for _ in 0..2 {
        house.rest();
        let library = house.index.library();
        assert_eq!((library.tracks.len(), library.background.is_some()), (2, true));
        assert_eq!(library.problems[0].source, ".");
        assert!(library.problems[0].reason.contains("mounted"), "{:?}", library.problems);
        house.restart();
    }
    let (now, reads) = (house.disk.now, house.reads);
    house.disk = Disk { now, ..mounted };
    house.rest();
    assert_eq!((house.tracks().len(), house.index.library().problems.len(), house.reads), (2, 0, reads));

    house.disk.files.clear();
    house.rest();
    assert!(house.tracks().is_empty(), "emptied, and not unmounted");
}

#[test]
fn a_folder_that_cannot_be_listed_keeps_its_tracks_and_no_others() {
    let mut house = house_of(&["a.mp3", "x/a.mp3", "x/y/c.flac", "x-1.mp3"]);
    house.disk.closed.insert("x".to_owned());
    house.disk.files.remove("x-1.mp3");
    house.rest();
    assert_eq!(house.tracks().keys().collect::<Vec<_>>(), ["a.mp3", "x/a.mp3", "x/y/c.flac"]);
    assert_eq!(house.index.library().problems, [problem("x")]);
}

#[test]
fn the_first_look_is_over_when_all_is_read_or_patience_ends() {
    let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
    house.follow(9);
    assert!(house.index.library().complete, "an empty folder");

    let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
    house.write("a.mp3", 1, 100);
    house.disk.now += 5_000;
    house.write("b.ogg", 2, 100);
    house.follow(9);
    assert_eq!((house.tracks().len(), house.index.library().complete), (1, false));
    for _ in 0..13 {
        assert!(!house.index.library().complete);
        house.disk.now += 3_100;
        apply(&mut house, &Deed::Append(1));
        house.follow(9);
    }
    assert!(house.index.library().complete, "whoever writes for ever is not waited for");
    apply(&mut house, &Deed::Append(1));
    house.follow(9);
    assert!(house.index.library().complete, "and it is said only once");
}

#[test]
fn tracks_wait_for_the_background_and_the_background_survives_its_replacement() {
    let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
    house.write("a.mp3", 1, 100);
    house.write("background.jpg", 2, 100);
    house.disk.now += 60_000;
    let plan = house.look();
    assert_eq!(plan.read[0].source, "background.jpg");
    assert_eq!(house.index.library(), Library::default(), "held until the background is known");
    house.rest();
    let first = house.index.library().background.unwrap();

    house.disk.files.remove("background.jpg");
    let plan = house.follow(9);
    assert_eq!(house.index.library().background.as_ref(), Some(&first));
    assert!(plan.look_again.is_some());
    house.disk.now += 2_000;
    house.write("background.jpg", 3, 100);
    house.follow(9);
    assert_eq!(house.index.library().background.as_ref(), Some(&first), "while the new one is copied");
    house.rest();
    let second = house.index.library().background.unwrap();
    assert_ne!(second.hash, first.hash);

    house.disk.files.remove("background.jpg");
    house.rest();
    assert_eq!(house.index.library().background, None);
}

#[test]
fn what_is_remembered_counts_before_the_first_look_with_the_background_of_today() {
    let mut house = house_of(&["a.mp3", "background.jpg", "background.png"]);
    let before = house.index.library();
    house.restart();
    assert_eq!(house.index.library(), Library { complete: false, ..before });

    let text = manifest::to_text(&house.index, Path::new(ROOT));
    house.index = Index::new(ROOT.into(), Some("art.png".to_owned()), SETTLE);
    assert!(manifest::recall(&text, Path::new(ROOT), &mut house.index));
    assert_eq!(house.index.library(), Library::default(), "held until the configured one is known");
    // Which are no candidates any more.
    house.disk.files.retain(|source, _| !source.starts_with("background"));
    house.look();
    let library = house.index.library();
    assert_eq!((library.tracks.len(), library.background), (1, None), "it is not there");
    assert_eq!(library.problems[0].source, "art.png");
}

#[test]
fn what_cannot_be_read_is_tried_again_later() {
    let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
    house.write("a.mp3", 1, 100);
    house.disk.files.get_mut("a.mp3").unwrap().readable = false;
    house.disk.now += 60_000;
    house.rest();
    assert_eq!(house.index.library().problems[0].reason, "no right to read it");
    house.disk.now += 1_000;
    assert!(house.follow(9).read.is_empty(), "not at every look");
    house.disk.files.get_mut("a.mp3").unwrap().readable = true;
    house.disk.now += 60_000;
    house.rest();
    assert_eq!((house.tracks().len(), house.index.library().problems.len()), (1, 0));
}

#[test]
fn a_manifest_of_another_folder_or_version_is_not_taken() {
    let house = house_of(&["a.mp3", "background.jpg"]);
    let text = manifest::to_text(&house.index, Path::new(ROOT));
    let recalled = |text: &str, root: &str| {
        let mut index = Index::new(ROOT.into(), None, SETTLE);
        manifest::recall(text, Path::new(root), &mut index).then(|| index.known().1.count())
    };
    assert_eq!(recalled(&text, ROOT), Some(2));
    assert_eq!(recalled(&text, "/other"), None);
    assert_eq!(recalled(&text.replace("\"format\":1", "\"format\":0"), ROOT), None);
    for cut in [0, 1, text.len() / 2, text.len() - 1] {
        assert_eq!(recalled(&text[..cut], ROOT), None);
    }
}

#[test]
fn what_was_held_back_and_may_have_changed_is_what_it_was_until_it_is_read() {
    let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
    apply(&mut house, &Deed::Write(5, 0));
    apply(&mut house, &Deed::CopyOld(4, 0));
    house.follow(1);
    assert!(house.tracks().is_empty(), "held back: the background is not whole");
    apply(&mut house, &Deed::Chmod(4, false));
    house.follow(0);
    let known = house.known();
    assert_eq!(known.keys().collect::<Vec<_>>(), ["x-1.mp3"]);
    house.disk.now += 60_000;
    apply(&mut house, &Deed::Write(4, 0));
    house.follow(0);
    assert_eq!(house.tracks(), known);
}
