use super::*;
use crate::config::{Audio, Bitrate, FrameRate, FrameSize, Keyframe, Loudness, Rate, Video};
use crate::library::Motion;
use crate::media::Credits;
use crate::render::{Quarantined, State};
use proptest::prelude::*;

fn profile() -> Profile {
    let video = Video {
        size: FrameSize { width: 1280, height: 720 },
        fps: FrameRate::new(30).unwrap(),
        keyframe: Keyframe(2000),
        bitrate: Bitrate::from_bits(2_000_000),
        rate: Rate::Capped,
    };
    Profile::new(&video, &Audio { bitrate: Bitrate::from_bits(128_000), loudness: Loudness::Off })
}

fn hash(n: u8) -> ContentHash {
    ContentHash::of(&[n; 32])
}

fn library(tracks: &[u8], background: Option<u8>) -> Arc<Library> {
    let track = |n: &u8| {
        let source = format!("{n}.ogg");
        let credits = Credits { title: source.clone(), ..Credits::default() };
        Arc::new(Track { path: Some(source.clone().into()), source, hash: hash(*n), size: 1, credits })
    };
    let background = background.map(|n| Picture {
        source: "b.png".into(),
        path: Some("b.png".into()),
        hash: hash(n),
        motion: Motion::Still,
    });
    Arc::new(Library {
        tracks: tracks.iter().map(track).collect(),
        background,
        complete: true,
        ..Library::default()
    })
}

const PAUSE: Duration = Duration::from_secs(30);

fn queue() -> Queue {
    Queue::new(profile(), Vec::new(), Quarantine::default(), PAUSE)
}

fn rendered(job: &Job) -> Outcome {
    let Job::Track { track, id, .. } = job else { panic!("{job:?}") };
    Outcome::Rendered(Known { id: id.clone(), cells: 7, track: track.hash.clone() })
}

fn start(queue: &mut Queue, now: Instant) -> Job {
    match queue.next(now) {
        Next::Start(job) => job,
        wait => panic!("{wait:?}"),
    }
}

/// The next job that is about a track; pictures on the way are made at once.
fn start_track(queue: &mut Queue, now: Instant) -> Job {
    let mut job = start(queue, now);
    while let Job::Picture(_) = job {
        queue.on(&job.hash(), Outcome::Pictured, now);
        job = start(queue, now);
    }
    job
}

#[test]
fn what_is_not_on_this_machine_is_waited_for_and_holds_up_nobody() {
    let (mut queue, now) = (queue(), Instant::now());
    let mut library = Library::clone(&library(&[1, 2], Some(9)));
    library.background.as_mut().unwrap().path = None;
    queue.set_library(Arc::new(library.clone()));
    assert!(matches!(queue.next(now), Next::Wait(Some(_))), "no picture, no rendition for now");
    library.background.as_mut().unwrap().path = Some("b.png".into());
    let first = Arc::make_mut(&mut library.tracks[0]);
    let (path, away) = (first.path.take(), first.hash.clone());
    queue.set_library(Arc::new(library.clone()));
    assert_eq!(start_track(&mut queue, now).hash(), hash(2));
    assert_eq!(queue.next(now), Next::Wait(None));
    Arc::make_mut(&mut library.tracks[0]).path = path;
    queue.set_library(Arc::new(library));
    assert_eq!(start_track(&mut queue, now).hash(), away);
}

#[test]
fn the_picture_comes_first_and_nothing_overtakes_it() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.set_library(library(&[1], Some(9)));
    let job = start(&mut queue, now);
    assert!(matches!(&job, Job::Picture(Some(picture)) if picture.hash == hash(9)));
    assert_eq!(queue.next(now), Next::Wait(None));
    queue.on(&job.hash(), Outcome::Pictured, now);
    assert_eq!(start(&mut queue, now).source(), "1.ogg");
}

#[test]
fn a_picture_that_is_refused_leaves_the_built_in_one() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.set_library(library(&[1], Some(9)));
    let job = start(&mut queue, now);
    assert!(queue.on(&job.hash(), Outcome::Refused("too large".into()), now));
    let Job::Track { picture, .. } = start_track(&mut queue, now) else { panic!("a track comes next") };
    assert_eq!(picture, backdrop_hash());
    assert_eq!(queue.quarantined(), [Quarantined { source: "b.png".into(), reason: "too large".into() }]);
}

#[test]
fn until_the_first_scan_is_over_a_picture_may_still_turn_up() {
    let (mut queue, now) = (queue(), Instant::now());
    let unfinished =
        |background| Arc::new(Library { complete: false, ..(*library(&[1], background)).clone() });
    queue.set_library(unfinished(None));
    assert_eq!(queue.next(now), Next::Wait(None));
    queue.set_library(unfinished(Some(100)));
    assert_eq!(start_track(&mut queue, now).source(), "1.ogg");
    assert!(!queue.complete() && !queue.listed());
}

#[test]
fn a_passing_failure_is_tried_three_times_with_longer_pauses() {
    let (mut queue, mut now) = (queue(), Instant::now());
    queue.set_library(library(&[1], None));
    for pause in [PAUSE, 4 * PAUSE] {
        let job = start_track(&mut queue, now);
        assert!(!queue.on(&job.hash(), Outcome::Failed("killed".into()), now));
        assert_eq!(queue.next(now), Next::Wait(Some(now + pause)));
        assert_eq!(queue.tracks()[0].state, State::Pending);
        now += pause;
    }
    let job = start_track(&mut queue, now);
    assert!(queue.on(&job.hash(), Outcome::Failed("killed".into()), now));
    assert_eq!(queue.tracks()[0].state, State::Quarantined);
    assert_eq!(queue.quarantined()[0].reason, "killed (tried 3 times)");
    assert!(queue.complete());
}

#[test]
fn what_the_machine_is_to_blame_for_counts_against_no_file() {
    let (mut queue, mut now) = (queue(), Instant::now());
    queue.set_library(library(&[1, 2], None));
    for _ in 0..10 {
        let job = start_track(&mut queue, now);
        queue.on(&job.hash(), Outcome::Held("the disk is full".into()), now);
        assert_eq!(queue.paused().as_deref(), Some("the disk is full"));
        assert_eq!(queue.next(now), Next::Wait(Some(now + PAUSE)));
        now += PAUSE;
    }
    let job = start_track(&mut queue, now);
    queue.on(&job.hash(), rendered(&job), now);
    assert_eq!((queue.paused(), queue.quarantined()), (None, Vec::new()));
}

#[test]
fn under_a_new_picture_the_old_rendition_plays_until_its_sound_is_taken_over() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.set_library(library(&[1], None));
    let first = start_track(&mut queue, now);
    let Job::Track { id: old, .. } = first.clone() else { panic!("a track") };
    queue.on(&first.hash(), rendered(&first), now);
    queue.set_library(library(&[1], Some(100)));
    assert_eq!(queue.tracks()[0].state, State::Ready { id: old.clone(), cells: 7, here: true });
    assert!(!queue.complete());
    let second = start_track(&mut queue, now);
    let Job::Track { id, like, .. } = second.clone() else { panic!("a track") };
    assert_eq!(like, Some(old));
    queue.on(&second.hash(), rendered(&second), now);
    assert_eq!(queue.tracks()[0].state, State::Ready { id, cells: 7, here: true });
    assert!(queue.complete());
}

#[test]
fn a_removed_rendition_is_made_again() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.set_library(library(&[1], None));
    let job = start_track(&mut queue, now);
    queue.on(&job.hash(), rendered(&job), now);
    assert_eq!(queue.next(now), Next::Wait(None));
    let Job::Track { id, .. } = &job else { panic!("a track") };
    queue.forget(id);
    assert_eq!(start_track(&mut queue, now), job);
}

proptest! {
    #[test]
    fn whatever_happens_each_file_is_rendered_or_set_aside_once_and_wishes_lead(
        tracks in prop::collection::vec(0u8..12, 1..20), wishes in prop::collection::vec(0u8..16, 0..6),
        outcomes in prop::collection::vec(0u8..8, 400), parallel in 1usize..4,
    ) {
        let (mut queue, mut now) = (queue(), Instant::now());
        queue.set_library(library(&tracks, None));
        let wishes: Vec<_> = wishes.into_iter().map(hash).collect();
        queue.set_wishes(wishes.clone().into());
        let (mut running, mut done) = (Vec::<Job>::new(), HashSet::new());
        for outcome in outcomes {
            while running.len() < parallel {
                match queue.next(now) {
                    Next::Start(Job::Picture(_)) => {
                        queue.on(&backdrop_hash(), Outcome::Pictured, now);
                    }
                    Next::Start(job) => {
                        let fresh = !running.iter().any(|other| other.hash() == job.hash());
                        prop_assert!(fresh && !done.contains(&job.hash()), "{} twice", job.source());
                        running.push(job);
                    }
                    Next::Wait(Some(until)) if running.is_empty() => {
                        prop_assert!(until > now);
                        now = until;
                    }
                    Next::Wait(_) => break,
                }
            }
            let Some(job) = running.pop() else { break };
            let (hash, end) = (job.hash(), match outcome {
                0 => Outcome::Refused("broken".into()),
                1 => Outcome::Failed("killed".into()),
                2 => Outcome::Held("full".into()),
                _ => rendered(&job),
            });
            queue.on(&hash, end, now);
            let shelved = queue.tracks().into_iter().find(|t| t.hash == hash).unwrap();
            if shelved.state != State::Pending {
                done.insert(hash);
            }
        }
        let all: HashSet<_> = tracks.iter().map(|n| hash(*n)).collect();
        prop_assert_eq!(done, all);
        prop_assert!(queue.complete());
    }
}

#[test]
fn a_loop_that_has_gone_is_made_again_before_the_track() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.set_library(library(&[1], Some(9)));
    let job = start_track(&mut queue, now);
    assert!(!queue.on(&job.hash(), Outcome::Unpictured("gone".into()), now));
    let picture = start(&mut queue, now);
    assert!(matches!(picture, Job::Picture(_)), "{picture:?}");
    queue.on(&picture.hash(), Outcome::Pictured, now);
    assert_eq!(start(&mut queue, now), job);
}

#[test]
fn what_cannot_be_reached_is_tried_until_it_can_and_never_set_aside() {
    let (mut queue, mut now) = (queue(), Instant::now());
    queue.set_library(library(&[1], None));
    for doublings in [0, 1, 2, 3, 4, 4, 4] {
        let job = start_track(&mut queue, now);
        assert!(!queue.on(&job.hash(), Outcome::Away("no such file".into()), now));
        let until = now + PAUSE * (1 << doublings);
        assert_eq!(queue.next(now), Next::Wait(Some(until)));
        assert_eq!((queue.tracks()[0].state.clone(), queue.quarantined()), (State::Pending, Vec::new()));
        now = until;
    }
    let job = start_track(&mut queue, now);
    assert!(!queue.on(&job.hash(), Outcome::Failed("killed".into()), now), "the first that counts");
}

/// What lies in the bucket: renditions of these tracks with the built-in picture, described or not.
fn there(described: &[u8], unread: &[u8]) -> Arc<There> {
    let id = |n: &u8| profile().rendition(&hash(*n), &backdrop_hash());
    let mut there = There::default();
    there.on_listing(described.iter().chain(unread).map(id).collect());
    for n in described {
        let mut meta = crate::media::synthetic::meta(1, 9);
        (meta.id, meta.source_hash, meta.credits.title) = (id(n), hash(*n), format!("Tagged {n}"));
        let (audio, video, headers) = (hash(1), hash(2), hash(3));
        let sealed = crate::render::exchange::Sealed { meta, audio, video, headers };
        there.on_description(&id(n), Ok(&sealed));
    }
    Arc::new(there)
}

#[test]
fn what_lies_in_the_bucket_is_ready_without_its_original_and_without_a_picture() {
    let (mut queue, now) = (queue(), Instant::now());
    let mut library = Library::clone(&library(&[1, 2, 3], None));
    for track in &mut library.tracks {
        Arc::make_mut(track).path = None;
    }
    queue.set_library(Arc::new(library.clone()));
    assert_eq!(*queue.wants(), [hash(1), hash(2), hash(3)]);
    queue.set_there(there(&[1], &[2]));
    let shelved = queue.tracks();
    assert!(matches!(shelved[0].state, State::Ready { cells: 9, here: false, .. }), "{shelved:?}");
    assert_eq!(shelved[0].credits.title, "Tagged 1", "the node that had the original has read its tags");
    assert_eq!((&shelved[1].state, &shelved[2].state), (&State::Pending, &State::Pending));
    assert_eq!(*queue.wants(), [hash(3)], "what lies there is not rendered, though not yet described");
    assert_eq!(queue.next(now), Next::Wait(None), "not even the picture is needed");
    queue.set_there(there(&[1, 2, 3], &[]));
    assert!(queue.complete() && queue.wants().is_empty());
    let State::Ready { id, .. } = queue.tracks()[0].state.clone() else { panic!() };
    queue.take_in(Known { id: id.clone(), cells: 9, track: hash(1) });
    assert!(matches!(queue.tracks()[0].state, State::Ready { here: true, .. }));
    assert_eq!(queue.kept().count(), 0, "all of it can be fetched again");
    queue.forget(&id);
    assert!(matches!(queue.tracks()[0].state, State::Ready { here: false, .. }));
}

#[test]
fn what_another_node_has_rendered_meanwhile_is_not_rendered_here() {
    let (mut queue, now) = (queue(), Instant::now());
    queue.set_library(library(&[1, 2], None));
    queue.set_there(there(&[], &[]));
    let job = start_track(&mut queue, now);
    assert_eq!(job.hash(), hash(1));
    queue.set_wishes([hash(2)].into());
    assert_eq!(*queue.wants(), [hash(1), hash(2)], "what is being read stays first");
    queue.set_there(there(&[1], &[]));
    assert!(!queue.on(&job.hash(), Outcome::Elsewhere, now));
    assert_eq!(start_track(&mut queue, now).hash(), hash(2));
}

mod stand_in;
