use super::super::resolve::Schedule;
use super::*;
use crate::media::synthetic::{self, Recipe, digest};
use crate::media::{Credits, Grid, ProfileId, RenditionId};
use crate::render::Quarantined;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::OnceLock;

const RULES: Rules = Rules { order: Order::Shuffle, seed: 5, low: 900, high: 1200, must: 20, margin: 6 };

/// A shelf of tracks that are ready and so many cells long, pending (0), or quarantined (1).
fn shelf(tracks: &[u64]) -> Shelf {
    static STANDBY: OnceLock<Arc<crate::media::Rendition>> = OnceLock::new();
    let standby = STANDBY.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let grid = Grid::new(crate::config::FrameRate::new(30).unwrap());
        let recipe = Recipe { number: 99, cells: 1, pictures: 1, gop: 1, key_bytes: 0 };
        Arc::new(synthetic::rendition(dir.path(), grid, recipe).unwrap())
    });
    let track = |(n, cells): (usize, &u64)| Shelved {
        source: format!("{n:03}.ogg"),
        hash: ContentHash::of(&digest(n as u64)),
        credits: Credits { title: format!("Track {n}"), ..Credits::default() },
        state: match cells {
            0 => State::Pending,
            1 => State::Quarantined,
            cells => State::Ready { id: RenditionId::of(&digest(n as u64)), cells: *cells, here: true },
        },
    };
    Shelf {
        profile: ProfileId::of(&digest(0)),
        standby: standby.clone(),
        tracks: tracks.iter().enumerate().map(track).collect(),
        rendering: None,
        quarantined: Vec::<Quarantined>::new(),
        paused: None,
        without: None,
        listed: true,
        complete: false,
    }
}

fn tracks() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![Just(0), Just(1), 2u64..700], 0..20)
}

fn apply(schedule: &mut Schedule, entries: Vec<Entry>) {
    if let Some(first) = entries.first() {
        schedule.overlay(first.start, entries.into_iter().map(Arc::new));
    }
}

proptest! {
    /// Whatever the shelf holds, however late the schedule is: what is added begins where the rest
    /// ended, or so late that nobody can have sent it; only ready tracks are in it; it is enough.
    #[test]
    fn what_is_appended_is_ready_in_time_and_enough(
        tracks in tracks(), scheduled in 0u64..1_500, now in 10_000u64..10_100, untouched: bool,
    ) {
        let shelf = shelf(&tracks);
        let mut schedule = Schedule::default();
        if scheduled > 0 {
            schedule.overlay(Cell(9_500), [Arc::new(super::super::testing::entry(0, 9_500, scheduled))]);
        }
        let now = Cell(now);
        let plan = extend(&schedule, &shelf, now, untouched, &RULES);
        let soonest = if untouched { now } else { now.plus(RULES.margin) };
        let end = schedule.end().filter(|end| *end > soonest).unwrap_or(soonest);
        if let Some(first) = plan.entries.first() {
            prop_assert_eq!(first.start, end);
            prop_assert!(end < now.plus(RULES.low), "nothing was to be added yet");
        }
        for pair in plan.entries.windows(2) {
            prop_assert_eq!(pair[0].end(), pair[1].start);
            prop_assert_eq!(pair[0].number + 1, pair[1].number);
        }
        for entry in &plan.entries {
            let index = tracks.iter().enumerate().position(|(n, _)| ContentHash::of(&digest(n as u64)) == entry.track);
            prop_assert_eq!(tracks[index.unwrap()], entry.cells);
        }
        let reached = plan.entries.last().map_or(end, Entry::end);
        let any_ready = tracks.iter().any(|cells| *cells > 1);
        if any_ready {
            prop_assert!(reached >= now.plus(RULES.must), "not even what must be: {reached} of {now}");
            prop_assert!(plan.again.is_some() || reached >= now.plus(RULES.high));
        }
        for wish in &plan.wishes {
            let index = (0..tracks.len()).position(|n| ContentHash::of(&digest(n as u64)) == *wish);
            prop_assert_eq!(tracks[index.unwrap()], 0, "only what is not ready is wished for");
        }
        if !tracks.is_empty() && tracks.iter().all(|cells| *cells == 0) {
            prop_assert!(!plan.wishes.is_empty());
        }
    }

    #[test]
    fn a_skip_and_a_queued_track_change_nothing_that_may_have_been_sent(
        lengths in prop::collection::vec(2u64..300, 1..12), at in 0u64..400, track in any::<prop::sample::Index>(),
    ) {
        let shelf = shelf(&lengths);
        let mut schedule = Schedule::default();
        let plan = extend(&schedule, &shelf, Cell(1_000), true, &RULES);
    apply(&mut schedule, plan.entries);
        let now = Cell(1_000 + at);
        let before = schedule.clone();
        for entries in [
            skip(&schedule, &shelf, now, &RULES),
            queue(&schedule, track.get(&shelf.tracks), now, &RULES).unwrap(),
        ] {
            let mut after = before.clone();
            apply(&mut after, entries);
            for cell in 1_000..=now.0 + RULES.margin - 1 {
                prop_assert_eq!(before.at(Cell(cell)).map(|a| &a.entry), after.at(Cell(cell)).map(|a| &a.entry));
            }
            // No hole comes up that was not there.
            for cell in now.0..before.end().unwrap().0.min(after.end().unwrap().0) {
                prop_assert!(after.at(Cell(cell)).is_some(), "a hole at {cell}");
            }
        }
    }
}

#[test]
fn a_sequence_goes_on_behind_what_was_queued_in_between() {
    let rules = Rules { order: Order::Sequential, ..RULES };
    let shelf = shelf(&[400, 400, 400, 400]);
    let mut schedule = Schedule::default();
    let plan = extend(&schedule, &shelf, Cell(0), true, &rules);
    apply(&mut schedule, plan.entries);
    let sources =
        |schedule: &Schedule| -> Vec<_> { schedule.airings().map(|a| a.entry.source.clone()).collect() };
    assert_eq!(sources(&schedule), ["000.ogg", "001.ogg", "002.ogg"]);
    let queued = queue(&schedule, &shelf.tracks[0], Cell(100), &rules).unwrap();
    apply(&mut schedule, queued);
    let plan = extend(&schedule, &shelf, Cell(900), false, &rules);
    apply(&mut schedule, plan.entries);
    assert_eq!(sources(&schedule), ["000.ogg", "000.ogg", "001.ogg", "002.ogg", "003.ogg", "000.ogg"]);
}
