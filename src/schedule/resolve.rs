//! From pages to what is on air when: the later page wins from its first cell on.

use super::page::{Entry, Page};
use crate::media::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

/// A stretch of an entry that is really on air: `from..to` lies within the entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Airing {
    /// First cell on air. It is the entry's own start, unless this node came to the entry late.
    pub from: Cell,
    /// First cell no longer on air.
    pub to: Cell,
    /// Whose.
    pub entry: Arc<Entry>,
}

/// What is on air when, in order and without overlaps; between two airings may be a hole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    airings: VecDeque<Airing>,
}

impl Schedule {
    /// Lays a page over what was there before.
    pub fn apply(&mut self, page: &Page) {
        if let Some(first) = page.entries.first() {
            self.overlay(first.start, page.entries.iter().map(|e| Arc::new(e.clone())));
        }
    }

    /// From `from` on, what is on air is `entries` and nothing else. An entry that began before
    /// `from` is joined where it then is.
    pub fn overlay(&mut self, from: Cell, entries: impl IntoIterator<Item = Arc<Entry>>) {
        self.cut(from);
        for entry in entries {
            let airing = Airing { from: entry.start.max(from), to: entry.end(), entry };
            if airing.from < airing.to {
                self.airings.push_back(airing);
            }
        }
    }

    /// What was on air before everything that is here, as pages tell that are older than all of it.
    pub fn prepend(&mut self, mut older: Self) {
        if let Some(first) = self.airings.front() {
            older.cut(first.from);
        }
        older.airings.append(&mut self.airings);
        *self = older;
    }

    /// Nothing is on air from `at` on.
    pub fn cut(&mut self, at: Cell) {
        while self.airings.back().is_some_and(|last| last.from >= at) {
            self.airings.pop_back();
        }
        if let Some(last) = self.airings.back_mut() {
            last.to = last.to.min(at);
        }
    }

    /// Forgets what ended before `before`, but for the last `keep` airings.
    pub fn forget(&mut self, before: Cell, keep: usize) {
        while self.airings.len() > keep && self.airings.front().is_some_and(|first| first.to <= before) {
            self.airings.pop_front();
        }
    }

    /// Every airing, in order.
    pub fn airings(&self) -> impl DoubleEndedIterator<Item = &Airing> + ExactSizeIterator + Clone {
        self.airings.iter()
    }

    /// What is on air at `cell`; `None` in a hole.
    pub fn at(&self, cell: Cell) -> Option<&Airing> {
        let after = self.airings.partition_point(|airing| airing.from <= cell);
        self.airings.get(after.checked_sub(1)?).filter(|airing| cell < airing.to)
    }

    /// Airings that end after `cell`, in order: what is on air at it, and what comes next.
    pub fn from(&self, cell: Cell) -> impl Iterator<Item = &Airing> + Clone {
        let first = self.airings.partition_point(|airing| airing.to <= cell);
        self.airings.range(first..)
    }

    /// How far it is scheduled from `cell` on without a hole: the first cell of the next hole, which
    /// is `cell` itself if nothing is on air at it.
    pub fn reach(&self, cell: Cell) -> Cell {
        let unbroken = |at: Cell, airing: &Airing| (airing.from <= at).then_some(airing.to);
        self.from(cell).try_fold(cell, |at, airing| unbroken(at, airing).ok_or(at)).unwrap_or_else(|at| at)
    }

    /// The first cell after everything that is scheduled; `None` if nothing is.
    pub fn end(&self) -> Option<Cell> {
        self.airings.back().map(|last| last.to)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::entry;
    use super::*;
    use proptest::prelude::*;

    /// Naive: which entry is on air at `cell`, by asking every page, the latest first.
    fn model(overlays: &[(u64, Vec<(u64, u64)>)], cell: u64) -> Option<(usize, usize)> {
        let (page, (_, entries)) = overlays.iter().enumerate().rev().find(|(_, (from, _))| cell >= *from)?;
        entries.iter().position(|(at, n)| (*at..at + n).contains(&cell)).map(|entry| (page, entry))
    }

    proptest! {
        #[test]
        fn the_later_page_wins_from_its_first_cell_on(
            pages in prop::collection::vec((0u64..200, prop::collection::vec((0u64..5, 1u64..30), 1..5)), 0..8),
        ) {
            let mut schedule = Schedule::default();
            let mut overlays = Vec::new();
            for (p, (from, steps)) in pages.iter().enumerate() {
                let mut at = *from;
                let mut entries = Vec::new();
                for (gap, cells) in steps {
                    at += gap;
                    entries.push((at, *cells));
                    at += cells;
                }
                let numbered = entries.iter().enumerate();
                let arcs = numbered.map(|(e, (at, n))| Arc::new(entry((p * 10 + e) as u64, *at, *n)));
                schedule.overlay(Cell(*from), arcs);
                overlays.push((*from, entries));
            }
            for cell in 0..400 {
                let naive = model(&overlays, cell).map(|(p, e)| (p * 10 + e) as u64);
                prop_assert_eq!(schedule.at(Cell(cell)).map(|a| a.entry.number), naive, "at {}", cell);
                let hole = (cell..).find(|cell| model(&overlays, *cell).is_none());
                prop_assert_eq!(Some(schedule.reach(Cell(cell)).0), hole, "from {}", cell);
            }
            for (a, b) in schedule.airings().zip(schedule.airings().skip(1)) {
                prop_assert!(a.from < a.to && a.to <= b.from);
            }
        }

        #[test]
        fn pages_may_be_learned_of_from_the_end_on(
            pages in prop::collection::vec((0u64..200, prop::collection::vec(1u64..30, 1..5)), 1..8), chunk in 1usize..4,
        ) {
            let resolve = |pages: &[(u64, Vec<u64>)]| {
                let mut schedule = Schedule::default();
                for (p, (from, lengths)) in pages.iter().enumerate() {
                    let mut at = *from;
                    let entries: Vec<_> = lengths.iter().map(|cells| {
                        at += cells;
                        Arc::new(entry(p as u64, at - cells, *cells))
                    }).collect();
                    schedule.overlay(Cell(*from), entries);
                }
                schedule
            };
            let numbers = |schedule: &Schedule| -> Vec<_> {
                schedule.airings().map(|a| (a.from, a.to, a.entry.start)).collect()
            };
            let mut learned = Schedule::default();
            pages.rchunks(chunk).for_each(|older| learned.prepend(resolve(older)));
            prop_assert_eq!(numbers(&learned), numbers(&resolve(&pages)));
        }

        #[test]
        fn forgetting_the_past_changes_nothing_from_then_on(
            lengths in prop::collection::vec(1u64..20, 1..20), before in 0u64..300, keep in 0usize..5,
        ) {
            let mut at = 10;
            let mut schedule = Schedule::default();
            for (i, cells) in lengths.iter().enumerate() {
                schedule.overlay(Cell(at), [Arc::new(entry(i as u64, at, *cells))]);
                at += cells;
            }
            let mut short = schedule.clone();
            short.forget(Cell(before), keep);
            prop_assert!(short.airings().len() >= keep.min(lengths.len()));
            for cell in before..at + 5 {
                prop_assert_eq!(short.at(Cell(cell)), schedule.at(Cell(cell)));
            }
        }
    }

    #[test]
    fn an_entry_that_began_earlier_is_joined_where_it_then_is() {
        let mut schedule = Schedule::default();
        schedule.overlay(Cell(50), [Arc::new(entry(1, 40, 30))]);
        let airing = schedule.at(Cell(60)).unwrap();
        assert_eq!((airing.from, airing.to, airing.entry.start), (Cell(50), Cell(70), Cell(40)));
        assert!(schedule.at(Cell(45)).is_none());
    }
}
