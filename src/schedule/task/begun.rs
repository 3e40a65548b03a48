//! The end of the log, read while a shelf is still being made: a store that does not answer is waited
//! for meanwhile, and not after it.

use super::OPEN_BEHIND;
use super::log::Log;
use crate::host::Clock;
use crate::media::{Cell, Grid, ProfileId};
use crate::schedule::Page;
use crate::store::{Error, Store};
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(500);

/// What [`super::start`] goes on from.
pub struct Begun<S> {
    pub(super) log: Log<S>,
    pub(super) read: Result<Vec<Page>, Error>,
}

/// Reads the end of the log of a profile while `beside` goes on, and gives what came of both. What
/// fails is tried again for as long as that takes: a network that was not up yet is by then.
pub async fn begin<S: Store, T>(
    store: S,
    profile: &ProfileId,
    grid: Grid,
    clock: &Clock,
    beside: impl Future<Output = T>,
) -> (T, Begun<S>) {
    let over = CancellationToken::new();
    let beside = async {
        let result = beside.await;
        over.cancel();
        result
    };
    let reading = async {
        let mut log = Log::new(store, format!("schedule/{profile}"));
        let mut found = read(&mut log, Some(since(grid, clock))).await;
        while found.is_err() && !over.is_cancelled() {
            let again = async {
                sleep(AGAIN).await;
                read(&mut log, Some(since(grid, clock))).await
            };
            tokio::select! {
                // What was half read is read again.
                () = over.cancelled() => log = log.anew(),
                again = again => found = again,
            }
        }
        Begun { log, read: found }
    };
    tokio::join!(beside, reading)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::units::FrameRate;
    use crate::media::synthetic::digest;
    use crate::store::memory::{Fault, Memory};
    use std::time::UNIX_EPOCH;
    use tokio::time::Instant;

    /// How long it took, and whether it was read, with a store that has a fault for so long and
    /// something beside that takes so long, in milliseconds.
    async fn begun(fault: Fault, faulty: u64, card: u64) -> (u64, bool) {
        let store = Memory::default();
        store.set_fault(fault);
        let mended = store.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(faulty)).await;
            mended.set_fault(Fault::None);
        });
        let clock = Clock::on(|| UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let (profile, grid) = (ProfileId::of(&digest(0)), Grid::new(FrameRate::new(30).unwrap()));
        let start = Instant::now();
        let card = sleep(Duration::from_millis(card));
        let ((), begun) = begin(store, &profile, grid, &clock, card).await;
        (start.elapsed().as_millis() as u64, begun.read.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_at_first_is_read_by_the_time_the_card_is_there() {
        assert_eq!(begun(Fault::None, 0, 3_000).await, (3_000, true));
        assert_eq!(begun(Fault::Refuses, 1_000, 3_000).await, (3_000, true));
        assert_eq!(begun(Fault::Refuses, 60_000, 3_000).await, (3_000, false));
        let (took, read) = begun(Fault::Hangs, 60_000, 5_000).await;
        assert!(!read && took == 5_000, "a retry holds nothing up: {took} ms");
        let (took, _) = begun(Fault::Hangs, 60_000, 0).await;
        assert!(took < 3_500, "{took} ms");
    }
}
