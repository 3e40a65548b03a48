//! Keeps the renditions open that are on air soon, and does without those that cannot be opened.

use super::{Keeper, OPEN_BEHIND, Open};
use crate::media::Cell;
use crate::render::{Shelf, Shelved, State};
use crate::store::Store;
use crate::telemetry::messages;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Renditions on air within this time are open: at least the next track, whatever its length.
pub(super) const OPEN_AHEAD: Duration = Duration::from_secs(20 * 60);
/// How long a turn waits for the disk to open renditions; those that take longer are asked for again.
const OPENING: Duration = Duration::from_secs(3);

impl<S: Store, O: Open> Keeper<S, O> {
    /// Opens what comes within [`OPEN_AHEAD`] and closes what is over. Says when there is more to do.
    pub(super) async fn open_what_is_near(&mut self, now: Cell) -> Option<Cell> {
        let grid = self.settings.grid;
        let behind = Cell(now.0.saturating_sub(grid.cells_in(OPEN_BEHIND)));
        let ahead = now.plus(grid.cells_in(OPEN_AHEAD));
        let coming = self.aired.from(behind);
        let near: Vec<_> = coming.clone().take_while(|airing| airing.from <= ahead).collect();
        let near: HashSet<_> = near.iter().map(|airing| airing.entry.rendition.clone()).collect();
        let next = coming.map(|airing| airing.from).find(|from| *from > ahead);
        self.open.retain(|id, _| near.contains(id));
        self.opening.retain(|id, _| near.contains(id));
        let patience = Instant::now() + OPENING;
        let mut broken = false;
        for id in near {
            if self.open.contains_key(&id) || self.broken.contains(&id) {
                continue;
            }
            let (open, wanted) = (self.settings.open.clone(), id.clone());
            let start = || tokio::task::spawn_blocking(move || open(&wanted));
            let mut opening = self.opening.remove(&id).unwrap_or_else(start);
            let opened = tokio::time::timeout_at(patience, &mut opening).await;
            match opened.map(|joined| joined.map_err(io::Error::other).flatten()) {
                Ok(Ok(rendition)) => drop(self.open.insert(id, Arc::new(rendition))),
                Ok(Err(error)) => {
                    tracing::error!(message_id = messages::RENDITION_UNOPENED, rendition = %id, %error, "a scheduled rendition cannot be opened; it is rendered anew");
                    broken |= self.broken.insert(id);
                }
                // The disk takes its time; the next turn asks again.
                Err(_) => drop(self.opening.insert(id, opening)),
            }
        }
        if broken {
            self.outputs.broken.send_replace(Arc::new(self.broken.clone()));
            self.on_shelf(self.shelf.clone());
        }
        if broken || !self.opening.is_empty() {
            return Some(now.plus(1));
        }
        next.map(|from| Cell(from.0 - grid.cells_in(OPEN_AHEAD)))
    }

    /// Takes a shelf over, but for what is broken: to the schedule that is not rendered. What the
    /// renderer no longer calls ready it has taken note of, and renders anew.
    pub(super) fn on_shelf(&mut self, shelf: Arc<Shelf>) {
        let named = |state: &State| match state {
            State::Ready { id, .. } => Some(id.clone()),
            State::Pending | State::Quarantined => None,
        };
        if !self.broken.is_empty() {
            let ready: HashSet<_> = shelf.tracks.iter().filter_map(|track| named(&track.state)).collect();
            // While the library is still listed, a track that is not there yet says nothing.
            self.broken.retain(|id| !shelf.listed || ready.contains(id));
        }
        let mut shelf = shelf;
        let broken = |track: &Shelved| named(&track.state).is_some_and(|id| self.broken.contains(&id));
        if shelf.tracks.iter().any(broken) {
            let shelf = Arc::make_mut(&mut shelf);
            shelf.tracks.iter_mut().filter(|t| broken(t)).for_each(|track| track.state = State::Pending);
        }
        self.shelf = shelf;
    }
}
