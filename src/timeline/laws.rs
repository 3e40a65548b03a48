//! The laws of the timeline, against a naive reference model.

use super::{Cursor, Reader, units};
use crate::config::units::FrameRate;
use crate::media::synthetic::{self, Recipe, digest};
use crate::media::{Cell, Grid, Kind, MediaTime, ProfileId, Rendition, RenditionId, Unit};
use crate::schedule::programme::Programme;
use crate::schedule::testing::entry;
use crate::schedule::{Entry, Schedule};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const STANDBY: u64 = 9_999;
/// The programmes begin some weeks after the epoch, so that times are not small.
const EPOCH: u64 = 5_000_000;

/// Renditions 0–5 of differing length and loop, and the standby.
fn renditions(dir: &std::path::Path, grid: Grid) -> HashMap<u64, Arc<Rendition>> {
    let loops = [(3, 60, 60), (7, 60, 30), (12, 48, 48), (1, 120, 60), (5, 7, 3), (9, 1, 1)];
    let numbered = loops.iter().enumerate().map(|(n, l)| (n as u64, *l));
    numbered
        .chain([(STANDBY, (4, 60, 60))])
        .map(|(number, (cells, pictures, gop))| {
            let recipe = Recipe { number, cells, pictures, gop, key_bytes: 20 };
            (number, Arc::new(synthetic::rendition(dir, grid, recipe).unwrap()))
        })
        .collect()
}

/// A schedule of (gap before, rendition, cells cut off its end by a later page).
#[derive(Clone, Debug)]
struct Plan(Vec<(u64, u64, u64)>);

fn plan() -> impl Strategy<Value = Plan> {
    let step = (prop_oneof![4 => Just(0), 1 => 1u64..6], 0u64..6, prop_oneof![4 => Just(0), 1 => 0u64..3]);
    prop::collection::vec(step, 0..10).prop_map(Plan)
}

fn programme(plan: &Plan, grid: Grid, all: &HashMap<u64, Arc<Rendition>>) -> Programme {
    let (mut schedule, mut at) = (Schedule::default(), EPOCH);
    for (number, (gap, rendition, cut)) in plan.0.iter().enumerate() {
        let cells = all[rendition].meta.cells;
        let entry =
            Entry { rendition: all[rendition].meta.id.clone(), ..entry(number as u64, at + gap, cells) };
        schedule.overlay(entry.start, [Arc::new(entry)]);
        at += gap + cells.saturating_sub(*cut).max(1);
    }
    Programme {
        grid,
        profile: ProfileId::of(&digest(0)),
        standby: all[&STANDBY].clone(),
        airings: schedule.airings().cloned().collect(),
        open: all.values().map(|r| (r.meta.id.clone(), r.clone())).collect(),
        alone: None,
    }
}

/// The reference: walks cell by cell, and says what each frame's body is.
fn model(
    plan: &Plan,
    grid: Grid,
    all: &HashMap<u64, Arc<Rendition>>,
    cells: std::ops::Range<u64>,
) -> Vec<Unit> {
    let mut starts = Vec::new();
    let mut at = EPOCH;
    for (gap, rendition, cut) in &plan.0 {
        let cells = all[rendition].meta.cells;
        starts.push((at + gap, cells, *rendition));
        at += gap + cells.saturating_sub(*cut).max(1);
    }
    let mut units = Vec::new();
    for cell in cells {
        // The latest entry that has started; if it is over, the hole after it.
        let latest = starts.iter().rev().find(|(start, ..)| *start <= cell);
        let (number, anchor) = match latest {
            Some((start, cells, rendition)) if cell < start + cells => (*rendition, *start),
            Some((start, cells, _)) => (STANDBY, start + cells),
            None => (STANDBY, 0),
        };
        let rendition = &all[&number];
        let base = cell * grid.cell_samples();
        let mut here = Vec::new();
        for k in 0..grid.video_frames() {
            let frame = ((cell - anchor) * grid.video_frames() + k) % rendition.video.frames();
            let key = rendition.video.is_key(frame);
            here.push(Unit {
                time: MediaTime::from_samples(base + k * grid.video_frame_samples()),
                kind: Kind::Video { key },
                body: synthetic::video_body(number, frame, key, 20).into(),
            });
        }
        for k in 0..grid.audio_frames() {
            let frame = ((cell - anchor) * grid.audio_frames() + k) % rendition.audio.frames();
            here.push(Unit {
                time: MediaTime::from_samples(base + k * 1024),
                kind: Kind::Audio,
                body: synthetic::audio_body(number, frame).into(),
            });
        }
        here.sort_by_key(|unit| (unit.time, unit.kind == Kind::Audio));
        units.extend(here);
    }
    units
}

async fn read(reader: &mut Reader, cursor: &mut Cursor, until: MediaTime) -> Vec<Unit> {
    let mut units = Vec::new();
    while cursor.position() < until {
        units.extend(reader.read(cursor, until).await.unwrap());
    }
    units
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn fps() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![24u32, 25, 30, 50, 60])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn it_gives_what_the_naive_model_gives_from_wherever_a_cursor_is_opened(
        plan in plan(), fps in fps(), start in 0u64..60_000, steps in prop::collection::vec(1u64..40_000, 1..12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let grid = Grid::new(FrameRate::new(fps).unwrap());
        let all = renditions(dir.path(), grid);
        let expected = model(&plan, grid, &all, EPOCH - 1_000..EPOCH + 90);
        let (_tx, rx) = watch::channel(Arc::new(programme(&plan, grid, &all)));
        let mut reader = Reader::new(rx);
        let mut at = MediaTime::from_samples(EPOCH * grid.cell_samples() - 30_000 + start * 10);
        let mut cursor = reader.cursor(at);
        let first = cursor.position();
        let mut got = Vec::new();
        for step in steps {
            at = at.plus(Duration::from_millis(step));
            at = at.min(grid.start(Cell(EPOCH + 90)));
            got.extend(block_on(read(&mut reader, &mut cursor, at)));
        }
        // The keyframe where it begins is the last one at or before what was asked for.
        prop_assert!(got.first().is_none_or(|unit| unit.kind.is_key()));
        let expected: Vec<_> = expected.into_iter().filter(|u| first <= u.time && u.time < cursor.position()).collect();
        prop_assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(&expected) {
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_cursor_begins_at_the_last_keyframe_at_or_before(plan in plan(), fps in fps(), at in 0u64..90_000) {
        let dir = tempfile::tempdir().unwrap();
        let grid = Grid::new(FrameRate::new(fps).unwrap());
        let all = renditions(dir.path(), grid);
        let at = MediaTime::from_samples(EPOCH * grid.cell_samples()).plus(Duration::from_millis(at));
        let naive = model(&plan, grid, &all, EPOCH - 40..EPOCH + 400).into_iter();
        let key = naive.filter(|u| u.kind.is_key() && u.time <= at).map(|u| u.time).max();
        let programme = programme(&plan, grid, &all);
        prop_assert_eq!(Some(units::key_at_or_before(&programme, at)), key);
        let join = units::join_after(&programme, at);
        prop_assert!(join > at && programme.grid.start(programme.grid.cell_at(join)) == join);
    }
}

/// Three weeks at every rate, each look-up far from the last: times are exact wherever one looks.
#[test]
fn sound_and_pictures_never_drift_over_weeks() {
    let dir = tempfile::tempdir().unwrap();
    for fps in [24, 25, 30, 50, 60] {
        let grid = Grid::new(FrameRate::new(fps).unwrap());
        let all = renditions(dir.path(), grid);
        let weeks = 21 * 86_400 * 48_000 / grid.cell_samples();
        let mut schedule = Schedule::default();
        let (mut at, mut number) = (EPOCH, 0);
        while at < EPOCH + weeks {
            let rendition = &all[&(number % 6)];
            let entry =
                Entry { rendition: rendition.meta.id.clone(), ..entry(number, at, rendition.meta.cells) };
            schedule.overlay(Cell(at), [Arc::new(entry)]);
            at += rendition.meta.cells;
            number += 1;
        }
        let mut programme = programme(&Plan(Vec::new()), grid, &all);
        programme.airings = schedule.airings().cloned().collect();
        let (mut last, mut audio, mut video) = (MediaTime::default(), 0u64, 0u64);
        for hour in 0..21 * 24 {
            let from = grid.start(Cell(EPOCH)).plus(Duration::from_secs(hour * 3600));
            for unit in units::units(&programme, from, from.plus(Duration::from_secs(2))) {
                assert!(unit.time >= last, "time went back at hour {hour}");
                last = unit.time;
                let (samples, seen) = match unit.kind {
                    Kind::Audio => (1024, &mut audio),
                    Kind::Video { .. } => (grid.video_frame_samples(), &mut video),
                };
                assert_eq!(unit.time.samples() % samples, 0, "off its grid at hour {hour}");
                *seen += samples;
            }
        }
        assert!(audio.abs_diff(video) < 21 * 24 * 2_000, "{fps} fps: {audio} and {video} samples");
    }
}

#[test]
fn a_change_under_a_cursor_never_gives_a_picture_that_cannot_be_decoded() {
    let dir = tempfile::tempdir().unwrap();
    let grid = Grid::new(FrameRate::new(30).unwrap());
    let all = renditions(dir.path(), grid);
    let before = programme(&Plan(vec![(0, 2, 0)]), grid, &all);
    let after = {
        let mut schedule = Schedule::default();
        let late = Entry { rendition: RenditionId::of(&digest(1)), ..entry(7, EPOCH - 2, 7) };
        schedule.overlay(
            Cell(EPOCH),
            [Arc::new(Entry { rendition: RenditionId::of(&digest(2)), ..entry(1, EPOCH, 12) })],
        );
        schedule.overlay(Cell(EPOCH + 1), [Arc::new(late)]);
        let airings = schedule.airings().cloned().collect();
        Programme { airings, ..before.clone() }
    };
    let (tx, rx) = watch::channel(Arc::new(before));
    let mut reader = Reader::new(rx);
    block_on(async {
        let mut cursor = reader.cursor(grid.start(Cell(EPOCH)));
        read(&mut reader, &mut cursor, grid.start(Cell(EPOCH + 1))).await;
        tx.send_replace(Arc::new(after));
        let units = read(&mut reader, &mut cursor, grid.start(Cell(EPOCH + 5))).await;
        let first = units.iter().find(|u| u.kind != Kind::Audio).unwrap();
        assert!(first.kind.is_key());
        // Rendition 1 has a keyframe every 30 pictures, and its 49th picture was due first.
        assert_eq!(first.body, synthetic::video_body(1, 0, true, 20));
        let audio = units.iter().filter(|u| u.kind == Kind::Audio).count() as u64;
        assert_eq!(audio, 4 * grid.audio_frames());
    });
}

#[test]
fn what_cannot_be_read_is_replaced_by_the_standby_until_it_is_opened_anew() {
    let dir = tempfile::tempdir().unwrap();
    let grid = Grid::new(FrameRate::new(30).unwrap());
    let all = renditions(dir.path(), grid);
    let mut programme = programme(&Plan(vec![(0, 2, 0)]), grid, &all);
    let file = dir.path().join("2.audio.flv");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..40]).unwrap();
    let (tx, rx) = watch::channel(Arc::new(programme.clone()));
    let mut reader = Reader::new(rx);
    block_on(async {
        let mut cursor = reader.cursor(grid.start(Cell(EPOCH)));
        let units = read(&mut reader, &mut cursor, grid.start(Cell(EPOCH + 2))).await;
        assert_eq!(units[0].body, synthetic::video_body(STANDBY, 0, true, 20));
        assert_eq!(units.len() as u64, 2 * (grid.audio_frames() + grid.video_frames()));

        // A change of the programme alone is no reason to try again.
        tx.send_replace(Arc::new(programme.clone()));
        let mut cursor = reader.cursor(grid.start(Cell(EPOCH)));
        std::fs::write(&file, &whole).unwrap();
        let units = read(&mut reader, &mut cursor, grid.start(Cell(EPOCH + 1))).await;
        assert_eq!(units[0].body, synthetic::video_body(STANDBY, 0, true, 20));

        let recipe = Recipe { number: 2, cells: 12, pictures: 48, gop: 48, key_bytes: 20 };
        let again = synthetic::rendition(dir.path(), grid, recipe).unwrap();
        programme.open.insert(again.meta.id.clone(), Arc::new(again));
        tx.send_replace(Arc::new(programme));
        let mut cursor = reader.cursor(grid.start(Cell(EPOCH)));
        let units = read(&mut reader, &mut cursor, grid.start(Cell(EPOCH + 1))).await;
        assert_eq!(units[0].body, synthetic::video_body(2, 0, true, 20));
    });
}
