//! The end of the log, read while a shelf is still being made: a store that does not answer is waited
//! for meanwhile, and not after it.

use super::OPEN_BEHIND;
use super::log::Log;
use crate::host::Clock;
use crate::media::{Cell, Grid, ProfileId};
use crate::schedule::Page;
use crate::store::{Error, Store};

/// What [`super::start`] goes on from.
pub struct Begun<S> {
    pub(super) log: Log<S>,
    pub(super) read: Result<Vec<Page>, Error>,
}

/// Reads the end of the log of a profile.
pub async fn begin<S: Store>(store: S, profile: &ProfileId, grid: Grid, clock: &Clock) -> Begun<S> {
    let mut log = Log::new(store, format!("schedule/{profile}"));
    let read = read(&mut log, Some(since(grid, clock))).await;
    Begun { log, read }
}

/// From when on the schedule has to be known: what is older is not resent.
pub(super) fn since(grid: Grid, clock: &Clock) -> Cell {
    Cell(grid.cell_at(clock.now()).0.saturating_sub(grid.cells_in(OPEN_BEHIND)))
}

/// What is new in the log; with `load` its end first.
pub(super) async fn read<S: Store>(log: &mut Log<S>, load: Option<Cell>) -> Result<Vec<Page>, Error> {
    let mut pages = match load {
        Some(since) => log.load(since).await?,
        None => Vec::new(),
    };
    pages.extend(log.read_on().await?);
    Ok(pages)
}
