//! A background that does not come.

use super::*;
use crate::library::Problem;
use crate::render::queue::stand_in::PATIENCE;

/// `library`, whose background lies in a bucket.
fn without_bytes(tracks: &[u8], background: u8) -> Library {
    let mut library = Library::clone(&library(tracks, Some(background)));
    library.background.as_mut().unwrap().path = None;
    library
}

fn denied() -> Vec<Problem> {
    vec![Problem { source: "b.png".into(), reason: "it cannot be fetched: it is archived".into() }]
}

fn made(queue: &mut Queue, now: Instant) -> (ContentHash, Job) {
    let job = start_track(queue, now);
    queue.on(&job.hash(), rendered(&job), now);
    let Job::Track { picture, .. } = &job else { panic!("a track") };
    (picture.clone(), job)
}

#[test]
fn a_background_that_does_not_come_is_waited_for_a_minute() {
    let (mut queue, now) = (queue(), Instant::now());
    let mut library = without_bytes(&[1, 2], 9);
    for track in &mut library.tracks {
        Arc::make_mut(track).path = None;
    }
    queue.set_library(Arc::new(library));
    assert_eq!((queue.next(now), queue.paused()), (Next::Wait(None), None), "there is no music either");
    queue.set_library(Arc::new(without_bytes(&[1, 2], 9)));
    let until = now + PATIENCE;
    assert_eq!(queue.next(now), Next::Wait(Some(until)));
    assert_eq!(queue.next(now + PAUSE), Next::Wait(Some(until)));
    assert_eq!(queue.paused().as_deref(), Some("it waits for b.png, which is not here yet"));
    assert!(queue.without().is_none());
    assert_eq!(made(&mut queue, until).0, backdrop_hash());
    assert_eq!(queue.paused(), None);
    let why = "rendering goes on without b.png, with the built-in card: it has not come within 60 s";
    assert_eq!(queue.without().as_deref(), Some(why));
}

#[test]
fn one_that_cannot_be_fetched_is_stood_in_for_at_once_and_shown_when_it_comes() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.set_library(Arc::new(Library { problems: denied(), ..without_bytes(&[1, 2], 9) }));
    let (picture, first) = made(&mut queue, now);
    assert_eq!(picture, backdrop_hash());
    let why = "rendering goes on without b.png, with the built-in card: it cannot be fetched: it is archived";
    assert_eq!(queue.without().as_deref(), Some(why));
    let Job::Track { id: stand_in, .. } = first else { panic!("a track") };
    assert_eq!(queue.tracks()[0].state, State::Ready { id: stand_in.clone(), cells: 7, here: true });
    assert_eq!(*queue.wants(), [hash(2)], "what makes do gives way to what has nothing");
    assert!(queue.wanted().contains(&stand_in), "it is given to the bucket, where others look for it");
    assert_eq!(made(&mut queue, now).1.hash(), hash(2));
    assert_eq!(queue.next(now), Next::Wait(None), "once is enough");
    assert!(!queue.complete());

    queue.set_library(library(&[1, 2], Some(9)));
    assert_eq!((queue.without(), queue.picture()), (None, hash(9)));
    for n in [1, 2] {
        let (picture, job) = made(&mut queue, now);
        assert_eq!((picture, job.hash()), (hash(9), hash(n)));
        assert!(matches!(job, Job::Track { like: Some(_), .. }), "its sound is taken over: {job:?}");
    }
    assert!(queue.complete());
}

#[test]
fn the_picture_before_stands_in_for_its_successor_until_its_loop_is_gone() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.set_library(library(&[1], Some(8)));
    assert_eq!(made(&mut queue, now).0, hash(8));
    queue.set_library(Arc::new(Library { problems: denied(), ..without_bytes(&[1, 2, 3], 9) }));
    assert_eq!(queue.picture(), hash(8), "room is not made at the cost of its loop");
    let (picture, job) = made(&mut queue, now);
    assert_eq!((picture, job.hash()), (hash(8), hash(2)), "the first track has a rendition");
    assert!(queue.without().unwrap().contains("with the picture before it"));
    let job = start(&mut queue, now);
    queue.on(&job.hash(), Outcome::Unpictured("gone".into()), now);
    assert_eq!(made(&mut queue, now).0, backdrop_hash());
}

#[test]
fn what_another_node_has_made_is_enough_with_whatever_picture() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.set_library(Arc::new(Library { problems: denied(), ..without_bytes(&[1, 2, 3], 9) }));
    let theirs = profile().rendition(&hash(2), &hash(9));
    let mut both = There::default();
    let names = [theirs.clone(), profile().rendition(&hash(1), &backdrop_hash())];
    both.on_listing(names.iter().cloned().collect());
    for (n, id) in [(2, &names[0]), (1, &names[1])] {
        let mut meta = crate::media::synthetic::meta(1, 9);
        (meta.id, meta.source_hash) = (id.clone(), hash(n));
        let sealed =
            crate::render::exchange::Sealed { meta, audio: hash(1), video: hash(2), headers: hash(3) };
        both.on_description(id, Ok(&sealed));
    }
    queue.set_there(Arc::new(both));
    assert_eq!(made(&mut queue, now).1.hash(), hash(3));
    assert_eq!(queue.next(now), Next::Wait(None));
    assert_eq!(queue.tracks()[1].state, State::Ready { id: theirs, cells: 9, here: false });
    let cells: Vec<_> = queue.tracks().iter().map(|track| track.state.is_ready()).collect();
    assert_eq!(cells, [true; 3]);
}

proptest! {
    /// Whatever becomes of the background, every track gets a rendition, and with the background at
    /// last once that is here.
    #[test]
    fn no_background_silences_the_channel(steps in prop::collection::vec(0u8..5, 0..30), ends_here in any::<bool>()) {
        let (mut queue, mut now) = (queue(), Instant::now());
        let tracks = [1, 2, 3];
        queue.set_library(Arc::new(without_bytes(&tracks, 9)));
        for step in steps {
            match step {
                0 => queue.set_library(Arc::new(without_bytes(&tracks, 9))),
                1 => queue.set_library(Arc::new(Library { problems: denied(), ..without_bytes(&tracks, 8) })),
                2 => queue.set_library(library(&tracks, Some(8))),
                3 => now += PATIENCE / 2,
                _ => if let Next::Start(job) = queue.next(now) {
                    let outcome = match &job {
                        Job::Picture(picture) => {
                            prop_assert!(picture.as_ref().is_none_or(|picture| picture.path.is_some()));
                            Outcome::Pictured
                        }
                        Job::Track { .. } => rendered(&job),
                    };
                    queue.on(&job.hash(), outcome, now);
                },
            }
        }
        let end = if ends_here { Library::clone(&library(&tracks, Some(7))) } else { without_bytes(&tracks, 7) };
        queue.set_library(Arc::new(end));
        for _ in 0..12 {
            match queue.next(now) {
                Next::Start(job) => {
                    let outcome = if let Job::Picture(_) = job { Outcome::Pictured } else { rendered(&job) };
                    queue.on(&job.hash(), outcome, now);
                }
                Next::Wait(Some(until)) => now = until,
                Next::Wait(None) => break,
            }
        }
        prop_assert!(queue.tracks().iter().all(|track| track.state.is_ready()));
        prop_assert_eq!(queue.complete(), ends_here);
    }
}
