//! The plan against a naive model: after any deeds on a disk, the library is what lies there.

mod cases;
mod disk;

use super::*;
use disk::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happened: when it is over, the library is what lies on the disk, and no more is
    /// read for looking again or for starting anew.
    #[test]
    fn in_the_end_the_library_is_what_is_there(deeds in prop::collection::vec(deed(), 0..60)) {
        let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
        for deed in &deeds {
            apply(&mut house, deed);
        }
        house.disk.closed.clear();
        house.disk.now += 60_000;
        house.rest();
        let files = house.disk.files.iter().filter(|(_, file)| file.readable);
        let expected: BTreeMap<_, _> = files.map(|(source, file)| (source.clone(), file.hash())).collect();
        let tracks: BTreeMap<_, _> =
            expected.iter().filter(|(source, _)| !source.starts_with("background")).map(|(s, h)| (s.clone(), h.clone())).collect();
        prop_assert_eq!(&house.tracks(), &tracks);
        let library = house.index.library();
        prop_assert!(library.complete);
        let best = ["background.jpg", "background.png"].iter().find(|name| house.disk.files.contains_key(**name));
        let shown = best.and_then(|name| expected.get(*name));
        prop_assert_eq!(library.background.map(|picture| picture.hash), shown.cloned());
        let unreadable: Vec<_> = house.disk.files.iter().filter(|(_, file)| !file.readable).map(|(source, _)| source.clone()).collect();
        let told: Vec<_> = library.problems.iter().map(|problem| problem.source.clone()).collect();
        prop_assert_eq!(told, unreadable);

        for file in house.disk.files.values_mut() {
            file.readable = true;
        }
        house.disk.files.retain(|source, _| expected.contains_key(source));
        let before = house.reads;
        house.restart();
        house.rest();
        prop_assert_eq!(house.reads, before, "something is read again");
        prop_assert_eq!(house.tracks(), tracks);
    }

    /// At any time: what is in the library has the hash of the bytes that lie there, unless it
    /// changed after the last look, cannot be seen, or hides its change; or it is what it was, until
    /// the new bytes are whole and have been read. And it leaves only when it is gone or unreadable.
    #[test]
    fn no_track_was_read_before_it_was_whole_or_left_while_it_is_there(deeds in prop::collection::vec(deed(), 0..60)) {
        let honest = |deed: &&Deed| !matches!(deed, Deed::EditQuietly(..) | Deed::Close(..));
        let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
        for deed in deeds.iter().filter(honest) {
            let before = house.known();
            apply(&mut house, deed);
            if let Deed::Follow(most) = deed {
                let tracks = house.tracks();
                for (source, hash) in &tracks {
                    let file = &house.disk.files[source];
                    let age = house.disk.now - file.modified;
                    let is_whole = age >= SETTLE.as_millis() as u64;
                    let is_due = is_whole && *most > NAMES.len();
                    prop_assert!(
                        is_whole && *hash == file.hash() || !is_due && before.get(source) == Some(hash),
                        "{} of {} ms after {:?}", source, age, deed
                    );
                }
                let stays = |source: &&String| house.disk.files.get(*source).is_some_and(|file| file.readable);
                for source in before.keys().filter(stays).filter(|_| !house.index.is_held()) {
                    prop_assert!(tracks.contains_key(source), "{} left by {:?}", source, deed);
                }
            }
        }
    }

    /// Each version of a file is read once, however often it is looked at, renamed or linked.
    #[test]
    fn nothing_is_read_twice(deeds in prop::collection::vec(deed(), 0..60)) {
        let kept = |deed: &&Deed| matches!(deed, Deed::Write(..) | Deed::Rename(..) | Deed::Wait(_) | Deed::Follow(_) | Deed::Restart);
        let mut house = House::new(Disk { now: 1_000_000, ..Disk::default() });
        for deed in deeds.iter().filter(kept) {
            // What is not followed at once may be renamed and overwritten unseen.
            apply(&mut house, deed);
            house.follow(usize::MAX);
        }
        prop_assert!(house.reads as u64 <= house.disk.inodes, "{} reads of {} files", house.reads, house.disk.inodes);
    }
}
