//! What others are told of the schedule, and how long before it counts.

use super::log::PATIENCE;
use super::{Keeper, OPEN_BEHIND, Open};
use crate::media::Cell;
use crate::schedule::{Programme, plan};
use crate::store::Store;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How long before its start a page has to be chosen where other nodes air the schedule too: until the
/// writer's store has answered, until the others look, once every `poll`, and are answered, and with
/// what a publisher sends ahead, its `lead`. A second more is for the cell in which it is chosen and for
/// clocks that differ a little. A page that starts nearer would be aired by its writer alone at first.
pub const fn shared_margin(poll: Duration, lead: Duration) -> Duration {
    let (write, read) = (PATIENCE, PATIENCE);
    let told = write.saturating_add(poll).saturating_add(read);
    told.saturating_add(lead).saturating_add(Duration::from_secs(1))
}

impl<S: Store, O: Open> Keeper<S, O> {
    /// Gives the programme as it is now to those who send it. What is to be written next may take its
    /// time.
    pub(super) fn show(&self) {
        let now = self.now();
        let behind = self.settings.grid.cells_in(OPEN_BEHIND);
        // One airing before the oldest that may be read: a hole begins where it ends.
        let first = self.aired.airings().position(|airing| airing.to.0 + behind > now.0);
        let skip = first.unwrap_or(self.aired.airings().len()).saturating_sub(1);
        let programme = Programme {
            grid: self.settings.grid,
            profile: self.shelf.profile.clone(),
            standby: self.shelf.standby.clone(),
            airings: self.aired.airings().skip(skip).cloned().collect(),
            open: self.open.clone(),
            alone: self.alone.clone(),
        };
        self.programme.send_replace(Arc::new(programme));
    }

    /// Tells the renderer what it has to know.
    pub(super) fn tell(&self, now: Cell, plan: &plan::Extension) {
        let behind = self.settings.grid.cells_in(OPEN_BEHIND);
        let wishes: Arc<[_]> = self.waiting.iter().chain(&plan.wishes).cloned().collect();
        self.outputs.wishes.send_if_modified(|old| {
            let changed = *old != wishes;
            *old = wishes;
            changed
        });
        let in_use = self.aired.from(Cell(now.0.saturating_sub(behind)));
        let in_use: HashSet<_> = in_use.map(|airing| airing.entry.rendition.clone()).collect();
        self.outputs.in_use.send_replace(Arc::new(in_use));
    }
}
