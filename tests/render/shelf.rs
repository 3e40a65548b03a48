//! The shelf: what is first, what stays, what goes, and what it costs to start again.

use crate::bench::{Stage, library, make, picture, settings, track};
use crate::rig::corpus;
use nonstop::media::RenditionId;
use nonstop::render::State;
use nonstop::render::task;
use std::fs;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

fn few() -> Vec<Arc<nonstop::library::Track>> {
    corpus::FEW.iter().map(|item| track(&item.file(), item.name)).collect()
}

#[tokio::test]
async fn a_warm_cache_is_on_the_shelf_at_once_and_without_an_ffmpeg() {
    let scratch = tempfile::tempdir().unwrap();
    let (warm, _in_use) = settings(scratch.path());
    let mut stage = Stage::start(warm, library(few(), None)).await;
    let before = stage.until("all of it", |shelf| shelf.complete).await;
    stage.stop().await;
    // A process that died in the middle of its work left this behind.
    let left = scratch.path().join("renditions/.work-1-1");
    fs::create_dir(&left).unwrap();
    // And one rendition is not whole.
    let State::Ready { id, .. } = &before.tracks[2].state else { panic!() };
    let torn = scratch.path().join("renditions").join(id.as_str()).join("audio.flv");
    let file = fs::File::options().write(true).open(&torn).unwrap();
    file.set_len(fs::metadata(&torn).unwrap().len() - 9).unwrap();

    let (mut settings, _in_use) = settings(scratch.path());
    settings.ffmpeg = "/nonexistent/ffmpeg".into();
    let begun = Instant::now();
    let mut stage = Stage::start(settings, library(few(), None)).await;
    let shelf = stage.until("the shelf", |shelf| !shelf.tracks.is_empty()).await;
    assert!(begun.elapsed().as_millis() < 500, "{:?}", begun.elapsed());
    assert_eq!(shelf.tracks[..2], before.tracks[..2]);
    assert_eq!(shelf.tracks[2].state, State::Pending);
    stage.stop().await;

    let (settings, _in_use) = crate::bench::settings(scratch.path());
    let mut stage = Stage::start(settings, library(few(), None)).await;
    let shelf = stage.until("the torn one made again", |shelf| shelf.complete).await;
    assert_eq!(shelf.tracks, before.tracks);
    assert!(!left.exists());
}

#[tokio::test]
async fn wishes_come_first_and_the_rest_in_the_librarys_order() {
    let scratch = tempfile::tempdir().unwrap();
    let (settings, _in_use) = settings(scratch.path());
    let mut stage = Stage::start(settings, library(Vec::new(), None)).await;
    let tracks = few();
    stage.wishes.send_replace(Arc::from([tracks[2].hash.clone(), tracks[1].hash.clone()]));
    stage.library.send_replace(Arc::new(library(tracks.clone(), None)));
    let mut order = Vec::new();
    stage
        .until("all of it", |shelf| {
            for shelved in shelf.tracks.iter().filter(|t| matches!(t.state, State::Ready { .. })) {
                if !order.contains(&shelved.source) {
                    order.push(shelved.source.clone());
                }
            }
            shelf.complete
        })
        .await;
    assert_eq!(order, [2, 1, 0].map(|i| tracks[i].source.clone()));
}

#[tokio::test]
async fn one_file_under_two_names_is_rendered_once() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut settings, _in_use) = settings(scratch.path());
    settings.parallel = 2.try_into().unwrap();
    let song = corpus::FEW[1].file();
    let mut stage = Stage::start(settings, library(vec![track(&song, "a"), track(&song, "b")], None)).await;
    let shelf = stage.until("both", |shelf| shelf.complete).await;
    assert_eq!(shelf.tracks[0].state, shelf.tracks[1].state);
    assert_eq!(shelf.tracks[1].source, "b");
}

#[tokio::test]
async fn a_full_disk_costs_what_nobody_wants_and_then_only_a_pause() {
    let scratch = tempfile::tempdir().unwrap();
    let tracks = few();
    let (first, _in_use) = settings(scratch.path());
    let mut stage = Stage::start(first, library(tracks[..2].to_vec(), None)).await;
    let shelf = stage.until("two tracks", |shelf| shelf.complete).await;
    stage.stop().await;
    let ids: Vec<RenditionId> = shelf
        .tracks
        .iter()
        .map(|t| match &t.state {
            State::Ready { id, .. } => id.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    // No disk has so much room. The first is on air, the second is in no library any more.
    let (mut full, in_use) = settings(scratch.path());
    full.keep_free = 1 << 60;
    in_use.send_replace(Arc::new([ids[0].clone()].into()));
    let mut stage = Stage::start(full, library(tracks[2..].to_vec(), None)).await;
    let shelf = stage.until("a pause", |shelf| shelf.paused.is_some()).await;
    assert!(shelf.paused.as_ref().unwrap().starts_with("the disk is full"), "{:?}", shelf.paused);
    assert_eq!((shelf.tracks[0].state.clone(), shelf.quarantined.len()), (State::Pending, 0));
    let there = |id: &RenditionId| scratch.path().join("renditions").join(id.as_str()).exists();
    assert_eq!(ids.iter().map(there).collect::<Vec<_>>(), [true, false]);
    assert!(there(&shelf.standby.meta.id));
}

#[tokio::test]
async fn a_track_can_be_played_while_it_waits_for_its_new_picture() {
    let scratch = tempfile::tempdir().unwrap();
    let (settings, _in_use) = settings(&scratch.path().join("cache"));
    let mut stage = Stage::start(settings, library(few(), None)).await;
    let before = stage.until("all of it", |shelf| shelf.complete).await;
    let pale = make(&scratch.path().join("pale.png"), "-f lavfi -i color=white:s=64x36 -frames:v 1");
    stage.library.send_replace(Arc::new(library(few(), Some(picture(&pale)))));
    let mut seen = 0;
    let after = stage
        .until("the new picture", |shelf| {
            assert!(shelf.tracks.iter().all(|t| matches!(t.state, State::Ready { .. })), "{shelf:#?}");
            seen += 1;
            shelf.complete && shelf.tracks[0] != before.tracks[0]
        })
        .await;
    assert!(seen > 1 && after.tracks.iter().zip(&before.tracks).all(|(a, b)| a.state != b.state));
}

#[tokio::test]
async fn a_rendition_of_another_profile_is_none_of_this_one() {
    let scratch = tempfile::tempdir().unwrap();
    let (first, _in_use) = settings(scratch.path());
    let shelf = task::first_shelf(&first).await.unwrap();
    let (mut second, _in_use) = settings(scratch.path());
    second.audio.loudness = nonstop::config::Loudness::Lufs(-16.0);
    let other = task::first_shelf(&second).await.unwrap();
    assert_ne!(shelf.profile, other.profile);
    assert_ne!(shelf.standby.meta.id, other.standby.meta.id);
    assert_eq!(shelf.standby.video.header, other.standby.video.header);
}

#[tokio::test]
async fn a_rendition_that_cannot_be_opened_is_made_anew_and_standby_never() {
    let folder = tempfile::tempdir().unwrap();
    let (mut settings, _in_use) = settings(folder.path());
    let (broken, reports) = watch::channel(Arc::default());
    settings.broken = reports;
    let mut stage = Stage::start(settings, library(few(), None)).await;
    let shelf = stage.until("all is rendered", |shelf| shelf.complete).await;
    // Cut in its middle and given its end again: what is looked at before a job does not tell.
    let file = stage.folder(&shelf.tracks[0]).join("audio.flv");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, [&whole[..whole.len() / 2], &whole[whole.len() - 1000..]].concat()).unwrap();
    let State::Ready { id, .. } = &shelf.tracks[0].state else { panic!("it is ready") };
    assert!(task::open(&stage.renditions, id).is_err());

    let standby = &shelf.standby.meta.id;
    broken.send_replace(Arc::new([id.clone(), standby.clone()].into()));
    stage.until("it is taken back", |shelf| shelf.tracks[0].state == State::Pending).await;
    let shelf = stage.until("it is rendered anew", |shelf| shelf.complete).await;
    stage.open(&shelf.tracks[0]);
    assert_eq!(fs::read(&file).unwrap().len(), whole.len());
    task::open(&stage.renditions, standby).expect("standby lies there untouched");

    // Another report with the same in it does not take it back once more.
    let made = fs::metadata(&file).unwrap().modified().unwrap();
    let State::Ready { id: other, .. } = &shelf.tracks[1].state else { panic!("it is ready") };
    broken.send_replace(Arc::new([id.clone(), other.clone()].into()));
    stage.until("the other is taken back", |shelf| shelf.tracks[1].state == State::Pending).await;
    stage.until("the other is rendered anew", |shelf| shelf.complete).await;
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), made);
    stage.stop().await;
}

#[tokio::test]
async fn a_cache_that_is_cleared_meanwhile_costs_a_pause_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, _in_use) = settings(folder.path());
    let mut stage = Stage::start(settings, library(few()[..1].to_vec(), None)).await;
    stage.until("the first is rendered", |shelf| shelf.complete).await;
    fs::remove_dir_all(folder.path().join("loops")).unwrap();
    stage.library.send_replace(Arc::new(library(few()[..2].to_vec(), None)));
    let shelf = stage.until("the second", |shelf| shelf.complete && shelf.tracks.len() == 2).await;
    stage.open(&shelf.tracks[1]);
    fs::remove_dir_all(folder.path().join("renditions")).unwrap();
    stage.library.send_replace(Arc::new(library(few(), None)));
    let shelf = stage.until("the third", |shelf| shelf.complete && shelf.tracks.len() == 3).await;
    stage.open(&shelf.tracks[2]);
    stage.stop().await;
}
