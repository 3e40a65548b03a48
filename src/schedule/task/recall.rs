//! What this machine last aired and was going to air, kept in a file of its own: a process that
//! starts while the store is out of reach goes on with it, instead of choosing anew what is on air.
//!
//! It is a help and no truth: whatever the store says counts, and a file that cannot be written or
//! read costs nothing but itself.

use super::{Keeper, Open};
use crate::host::file;
use crate::media::{Cell, ProfileId};
use crate::schedule::page::{Entry, FORMAT, MAX_ENTRIES};
use crate::schedule::{Airing, Schedule};
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::{JoinSet, spawn_blocking};

/// A disk that does not answer within this is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Known {
    format: u32,
    profile: ProfileId,
    airings: Vec<Stretch>,
}

/// An airing as it is stored.
#[derive(Serialize, Deserialize)]
struct Stretch {
    from: Cell,
    to: Cell,
    entry: Entry,
}

/// The file, and what was last written to it.
pub(super) struct Recall {
    path: Option<PathBuf>,
    written: Vec<Airing>,
    /// One writer at most; while it hangs, nothing is written.
    writing: JoinSet<()>,
}

impl Recall {
    /// Kept in the file `path`; nowhere if there is none.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, written: Vec::new(), writing: JoinSet::new() }
    }

    /// Writes down what is on air, and what comes, if it is not what was written last.
    fn keep<'a>(&mut self, profile: &ProfileId, airings: impl Iterator<Item = &'a Airing>) {
        let Some(path) = &self.path else { return };
        while self.writing.try_join_next().is_some() {}
        let airings: Vec<&Airing> = airings.take(MAX_ENTRIES).collect();
        // What has ended since is no reason to write.
        let ended = self.written.len().checked_sub(airings.len());
        let same = ended.is_some_and(|ended| self.written[ended..].iter().eq(airings.iter().copied()));
        if !self.writing.is_empty() || airings.is_empty() || same {
            return;
        }
        self.written = airings.iter().copied().cloned().collect();
        let path = path.clone();
        let airings = airings.into_iter().map(|airing| Stretch {
            from: airing.from,
            to: airing.to,
            entry: Entry::clone(&airing.entry),
        });
        let known = Known { format: FORMAT, profile: profile.clone(), airings: airings.collect() };
        self.writing.spawn_blocking(move || {
            let written = serde_json::to_vec(&known).map_err(io::Error::from);
            if let Err(error) = written.and_then(|bytes| file::replace(&path, &bytes)) {
                tracing::debug!(path = %path.display(), %error, "what is on air is not written down");
            }
        });
    }

    /// What was written down for a profile.
    async fn read(&self, profile: &ProfileId) -> Schedule {
        let Some(path) = self.path.clone() else { return Schedule::default() };
        let read = spawn_blocking(move || fs::read(path));
        let Ok(Ok(Ok(bytes))) = tokio::time::timeout(PATIENCE, read).await else {
            return Schedule::default();
        };
        parse(&bytes, profile)
    }
}

/// Nothing, if it is damaged or of another profile or format.
fn parse(bytes: &[u8], profile: &ProfileId) -> Schedule {
    let mut schedule = Schedule::default();
    let Ok(known) = serde_json::from_slice::<Known>(bytes) else { return schedule };
    if known.format != FORMAT || known.profile != *profile {
        return schedule;
    }
    for Stretch { from, to, mut entry } in known.airings.into_iter().take(MAX_ENTRIES) {
        // Skipped, it ended earlier than it was meant to.
        entry.cells = entry.cells.min(to.0.saturating_sub(entry.start.0));
        schedule.overlay(from, [entry.into()]);
    }
    schedule
}

impl<S: Store, O: Open> Keeper<S, O> {
    /// Goes on with what this machine knew, where the store has not said anything.
    pub(super) async fn recall(&mut self) {
        if self.alone.is_some() {
            self.aired = self.recall.read(&self.shelf.profile).await;
        }
    }

    /// Writes down what is on air from `now` on.
    pub(super) fn note(&mut self, now: Cell) {
        self.recall.keep(&self.shelf.profile, self.aired.from(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::synthetic::digest;
    use crate::schedule::testing::entry;
    use proptest::prelude::*;
    use std::path::Path;
    use std::sync::Arc;

    async fn kept(path: &Path, schedule: &Schedule, from: Cell) -> Schedule {
        let profile = ProfileId::of(&digest(1));
        let mut recall = Recall::new(Some(path.to_owned()));
        recall.keep(&profile, schedule.from(from));
        while recall.writing.join_next().await.is_some() {}
        recall.read(&profile).await
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_read_is_on_air_as_what_was_written(
            pages in prop::collection::vec((0u64..200, prop::collection::vec(1u64..30, 1..5)), 1..6), from in 0u64..250,
        ) {
            let mut schedule = Schedule::default();
            for (number, (at, lengths)) in pages.iter().enumerate() {
                let mut end = *at;
                let entries: Vec<_> = lengths.iter().map(|cells| {
                    end += cells;
                    Arc::new(entry(number as u64, end - cells, *cells))
                }).collect();
                // Joined in the middle of its first entry.
                schedule.overlay(Cell(at + lengths[0] / 2), entries);
            }
            let folder = tempfile::tempdir().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let read = runtime.block_on(kept(&folder.path().join("recall.json"), &schedule, Cell(from)));
            for cell in from..400 {
                let what = |schedule: &Schedule| {
                    schedule.at(Cell(cell)).map(|a| (a.entry.number, a.entry.start, a.entry.rendition.clone()))
                };
                prop_assert_eq!(what(&read), what(&schedule), "at {}", cell);
            }
        }

        #[test]
        fn damage_is_nothing_known(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..300) {
            let profile = ProfileId::of(&digest(1));
            prop_assert_eq!(parse(&bytes, &profile).airings().len(), 0);
            let airings = vec![Stretch { from: Cell(3), to: Cell(9), entry: entry(1, 2, 7) }];
            let whole = serde_json::to_vec(&Known { format: FORMAT, profile: profile.clone(), airings }).unwrap();
            prop_assert_eq!(parse(&whole, &profile).airings().len(), 1);
            prop_assert_eq!(parse(&whole, &ProfileId::of(&digest(2))).airings().len(), 0);
            prop_assert_eq!(parse(&whole[..cut.min(whole.len() - 1)], &profile).airings().len(), 0);
        }
    }
}
