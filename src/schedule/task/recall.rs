//! What this machine last aired and was going to air, kept in a file of its own: a process that
//! starts while the store is out of reach goes on with it, instead of choosing anew what is on air.
//!
//! It is a help and no truth: whatever the store says counts, a file that cannot be read costs nothing
//! but itself, and one that cannot be written is tried again. It names the source whose programme it
//! is: a channel that was pointed at other music does not go on with the old one's.

use super::{Keeper, Open, RETRY};
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
use tokio::time::Instant;

/// A disk that does not answer within this is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest rest of a file that cannot be written: a disk that is full now has room some time.
const RESTS: Duration = Duration::from_secs(300);

/// Where it is kept, and of what.
pub struct Notes {
    /// The file.
    pub path: PathBuf,
    /// The music's bucket and prefix.
    pub source: String,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Known {
    format: u32,
    source: String,
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
    notes: Option<Notes>,
    written: Vec<Airing>,
    /// One writer at most; while it hangs, nothing is written.
    writing: JoinSet<io::Result<()>>,
    /// How often in a row it could not be written.
    failures: u32,
    /// When that is tried again, if nothing else is to be written before.
    again: Option<Instant>,
}

impl Recall {
    /// Kept in the file of `notes`; nowhere if there are none.
    pub(super) fn new(notes: Option<Notes>) -> Self {
        Self { notes, written: Vec::new(), writing: JoinSet::new(), failures: 0, again: None }
    }

    /// Writes down what is on air, and what comes, if it is not what was written last or that failed.
    fn keep<'a>(&mut self, profile: &ProfileId, airings: impl Iterator<Item = &'a Airing>) {
        let now = Instant::now();
        while let Some(ended) = self.writing.try_join_next() {
            let failed = !matches!(ended, Ok(Ok(())));
            self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
            self.again = failed.then(|| now + rest(self.failures));
        }
        let Some(Notes { path, source }) = &self.notes else { return };
        let airings: Vec<&Airing> = airings.take(MAX_ENTRIES).collect();
        // What has ended since is no reason to write.
        let ended = self.written.len().checked_sub(airings.len());
        let same = ended.is_some_and(|ended| self.written[ended..].iter().eq(airings.iter().copied()));
        let due = !same || self.again.is_some_and(|again| again <= now);
        if !self.writing.is_empty() || airings.is_empty() || !due {
            return;
        }
        self.written = airings.iter().copied().cloned().collect();
        let path = path.clone();
        let airings = airings.into_iter().map(|airing| Stretch {
            from: airing.from,
            to: airing.to,
            entry: Entry::clone(&airing.entry),
        });
        let (source, profile) = (source.clone(), profile.clone());
        let known = Known { format: FORMAT, source, profile, airings: airings.collect() };
        self.writing.spawn_blocking(move || {
            let written = serde_json::to_vec(&known).map_err(io::Error::from);
            written.and_then(|bytes| file::replace(&path, &bytes)).inspect_err(|error| {
                tracing::debug!(path = %path.display(), %error, "what is on air is not written down");
            })
        });
    }

    /// What was written down for a profile.
    async fn read(&self, profile: &ProfileId) -> Schedule {
        let Some(Notes { path, source }) = &self.notes else { return Schedule::default() };
        let path = path.clone();
        let read = spawn_blocking(move || fs::read(path));
        let Ok(Ok(Ok(bytes))) = tokio::time::timeout(PATIENCE, read).await else {
            return Schedule::default();
        };
        parse(&bytes, source, profile)
    }
}

/// How long a file rests that could not be written so often in a row.
fn rest(failures: u32) -> Duration {
    RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(RESTS)
}

/// Nothing, if it is damaged or of another source, profile or format.
fn parse(bytes: &[u8], source: &str, profile: &ProfileId) -> Schedule {
    let mut schedule = Schedule::default();
    let Ok(known) = serde_json::from_slice::<Known>(bytes) else { return schedule };
    if known.format != FORMAT || known.source != source || known.profile != *profile {
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

    const SOURCE: &str = "s3://bucket/lofi";

    fn notes(path: &Path) -> Notes {
        Notes { path: path.to_owned(), source: SOURCE.to_owned() }
    }

    async fn kept(path: &Path, schedule: &Schedule, from: Cell) -> Schedule {
        let profile = ProfileId::of(&digest(1));
        let mut recall = Recall::new(Some(notes(path)));
        recall.keep(&profile, schedule.from(from));
        while recall.writing.join_next().await.is_some() {}
        recall.read(&profile).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_written_is_tried_again_ever_more_seldom_though_nothing_moves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/recall.json");
        let profile = ProfileId::of(&digest(1));
        let mut schedule = Schedule::default();
        schedule.overlay(Cell(3), [entry(1, 2, 7).into()]);
        let mut recall = Recall::new(Some(notes(&path)));
        // A look each second, as long as the writer needs at each.
        let mut tries = async |seconds: u64| {
            let mut tries = Vec::new();
            for second in 0..seconds {
                recall.keep(&profile, schedule.from(Cell(3)));
                if !recall.writing.is_empty() {
                    tries.push(second);
                }
                while !recall.writing.is_empty() {
                    tokio::task::yield_now().await;
                    recall.keep(&profile, schedule.from(Cell(3)));
                }
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            tries
        };
        let failed = tries(1200).await;
        assert_eq!(failed[..6], [0, 5, 15, 35, 75, 155]);
        assert!(failed.windows(2).all(|pair| pair[1] - pair[0] <= RESTS.as_secs()), "{failed:?}");
        std::fs::create_dir(folder.path().join("state")).unwrap();
        assert_eq!(tries(600).await.len(), 1, "once it is written, it is left alone");
        assert_eq!(recall.read(&profile).await.airings().len(), 1);
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
            prop_assert_eq!(parse(&bytes, SOURCE, &profile).airings().len(), 0);
            let airings = vec![Stretch { from: Cell(3), to: Cell(9), entry: entry(1, 2, 7) }];
            let known = Known { format: FORMAT, source: SOURCE.into(), profile: profile.clone(), airings };
            let whole = serde_json::to_vec(&known).unwrap();
            prop_assert_eq!(parse(&whole, SOURCE, &profile).airings().len(), 1);
            prop_assert_eq!(parse(&whole, SOURCE, &ProfileId::of(&digest(2))).airings().len(), 0);
            for other in ["s3://other/lofi", "s3://bucket/jazz", "s3://bucket", ""] {
                prop_assert_eq!(parse(&whole, other, &profile).airings().len(), 0, "{}", other);
            }
            prop_assert_eq!(parse(&whole[..cut.min(whole.len() - 1)], SOURCE, &profile).airings().len(), 0);
        }
    }
}
