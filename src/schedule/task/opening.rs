//! Keeps the renditions open that are on air soon, and does without those that cannot be opened.
//!
//! Opening takes a moment from a disk and many from a bucket, so it goes on beside everything else:
//! what is on air first, then what comes next, a few at a time. What is not open when its time comes
//! leaves the standby card on, and is joined where it then is.

use super::{Keeper, OPEN_BEHIND, Open};
use crate::media::{Cell, Rendition, RenditionId};
use crate::render::{Shelf, Shelved, State, Unopened};
use crate::schedule::Airing;
use crate::store::Store;
use crate::telemetry::messages;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

/// Renditions on air within this time are open: at least the next track, whatever its length.
pub(super) const OPEN_AHEAD: Duration = Duration::from_secs(20 * 60);
/// Renditions that are opened at a time: a bucket gives them fast enough, and each takes a disk
/// buffer and a connection.
const AT_ONCE: usize = 3;
/// What is on air within this time does not wait for its turn.
const SOON: Duration = Duration::from_secs(30);
/// Before the channel goes on air, what is on air within this time is waited for …
const FIRST: Duration = Duration::from_secs(10);
/// … for this long at most. Whoever joins later finds the standby card.
const PATIENCE: Duration = Duration::from_secs(3);
/// The first pause after a rendition could not be reached; it doubles …
const AGAIN: Duration = Duration::from_secs(1);
/// … this often, to half a minute.
const DOUBLINGS: u32 = 5;

/// How an opening ended, and whose it was.
pub(super) type Opened = Result<(tokio::task::Id, Result<Rendition, Unopened>), JoinError>;

/// The renditions that are being opened, and those that could not be.
#[derive(Default)]
pub(super) struct Openings {
    running: JoinSet<Result<Rendition, Unopened>>,
    named: HashMap<RenditionId, AbortHandle>,
    /// Out of reach: how often in a row, and when to try again.
    away: HashMap<RenditionId, (u32, Instant)>,
}

impl Openings {
    /// Waits for the next one to end; for ever if none runs. Cancel-safe.
    pub(super) async fn ended(&mut self) -> Opened {
        match self.running.join_next_with_id().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Those that could not be reached when they were last asked for.
    pub(super) fn away(&self) -> impl Iterator<Item = &RenditionId> {
        self.away.keys()
    }

    /// Gives up and forgets what is not `near`.
    fn keep(&mut self, near: &[RenditionId]) {
        self.named.retain(|id, opening| {
            let kept = near.contains(id);
            if !kept {
                opening.abort();
            }
            kept
        });
        self.away.retain(|id, _| near.contains(id));
    }

    fn take_name(&mut self, task: tokio::task::Id) -> Option<RenditionId> {
        let id = self.named.iter().find(|(_, opening)| opening.id() == task).map(|(id, _)| id.clone())?;
        self.named.remove(&id);
        Some(id)
    }
}

impl<S: Store, O: Open> Keeper<S, O> {
    /// Begins to open what comes within [`OPEN_AHEAD`] and closes what is over. Says when there is
    /// more to do, if nothing ends before.
    pub(super) fn open_what_is_near(&mut self, now: Cell) -> Option<Cell> {
        let grid = self.settings.grid;
        let behind = Cell(now.0.saturating_sub(grid.cells_in(OPEN_BEHIND)));
        let ahead = now.plus(grid.cells_in(OPEN_AHEAD));
        let soon = now.plus(grid.cells_in(SOON));
        let coming = self.aired.from(behind);
        let later = coming.clone().map(|airing| airing.from).find(|from| *from > ahead);
        let later = later.map(|from| Cell(from.0 - grid.cells_in(OPEN_AHEAD)));
        let (over, near): (Vec<_>, Vec<_>) =
            coming.take_while(|airing| airing.from <= ahead).partition(|airing| airing.to <= now);
        // What is over is for those who resend; what nobody has had yet comes before it.
        let urgent = |airing: &Airing| airing.to > now && airing.from <= soon;
        let near = near.into_iter().chain(over).map(|a| (urgent(a), a.entry.rendition.clone()));
        let near: Vec<_> = near.collect();
        let ids: Vec<_> = near.iter().map(|(_, id)| id.clone()).collect();
        self.open.retain(|id, _| ids.contains(id));
        self.openings.keep(&ids);
        let mut again: Option<Instant> = None;
        for (urgent, id) in near {
            let openings = &mut self.openings;
            if self.open.contains_key(&id) || self.broken.contains(&id) || openings.named.contains_key(&id) {
                continue;
            }
            if let Some((_, until)) = openings.away.get(&id).filter(|(_, until)| *until > Instant::now()) {
                again = Some(again.map_or(*until, |again| again.min(*until)));
                continue;
            }
            if openings.named.len() < AT_ONCE || urgent {
                let opening = openings.running.spawn((self.settings.open)(&id));
                openings.named.insert(id, opening);
            }
        }
        let again = again.map(|at| now.plus(grid.cells_in(at - Instant::now()) + 1));
        [again, later].into_iter().flatten().min()
    }

    /// Waits a little for what is on air at once, so that whoever begins to send begins with it.
    pub(super) async fn open_what_is_first(&mut self) {
        let patience = Instant::now() + PATIENCE;
        loop {
            let now = self.now();
            let first = now.plus(self.settings.grid.cells_in(FIRST));
            let opening = |airing: &Airing| self.openings.named.contains_key(&airing.entry.rendition);
            if !self.aired.from(now).take_while(|airing| airing.from <= first).any(opening) {
                return;
            }
            let Ok(opened) = tokio::time::timeout_at(patience, self.openings.ended()).await else { return };
            self.on_opened(opened);
            self.turn().await;
        }
    }

    /// One opening has ended. The turn that follows shows it to everyone.
    pub(super) fn on_opened(&mut self, opened: Opened) {
        let task = opened.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        // What is no longer near was given up.
        let Some(id) = self.openings.take_name(task) else { return };
        let opened = match opened {
            Ok((_, opened)) => opened,
            Err(panicked) => Err(Unopened::Broken(panicked.to_string())),
        };
        match opened {
            Ok(rendition) => {
                self.openings.away.remove(&id);
                self.open.insert(id, Arc::new(rendition));
            }
            Err(Unopened::Away(reason)) => {
                let times = self.openings.away.get(&id).map_or(0, |(times, _)| *times);
                if times == 0 {
                    tracing::warn!(message_id = messages::RENDITION_AWAY, rendition = %id, reason, "a scheduled rendition is out of reach");
                }
                let pause = AGAIN * (1 << times.min(DOUBLINGS));
                self.openings.away.insert(id, (times + 1, Instant::now() + pause));
            }
            Err(Unopened::Broken(reason)) => {
                tracing::error!(message_id = messages::RENDITION_UNOPENED, rendition = %id, reason, "a scheduled rendition cannot be opened; it is rendered anew");
                self.broken.insert(id);
                self.outputs.broken.send_replace(Arc::new(self.broken.clone()));
                self.settle();
            }
        }
    }

    /// Takes a shelf over. What the renderer no longer calls ready it has taken note of, and renders
    /// anew.
    pub(super) fn on_shelf(&mut self, shelf: Arc<Shelf>) {
        if !self.broken.is_empty() {
            let ready: HashSet<_> = shelf.tracks.iter().filter_map(|track| named(&track.state)).collect();
            // While the library is still listed, a track that is not there yet says nothing.
            self.broken.retain(|id| !shelf.listed || ready.contains(&id));
        }
        self.given = shelf;
        self.settle();
    }

    /// The shelf as the schedule sees it: what is broken is not rendered, and, while this node is
    /// alone, neither is what lies only in the bucket.
    pub(super) fn settle(&mut self) {
        let here = |track: &Shelved| matches!(track.state, State::Ready { here: true, .. });
        let alone = self.alone.is_some() && self.given.tracks.iter().any(here);
        let unfit = |track: &Shelved| {
            named(&track.state).is_some_and(|id| self.broken.contains(id) || (alone && !here(track)))
        };
        let mut shelf = self.given.clone();
        if shelf.tracks.iter().any(unfit) {
            let shelf = Arc::make_mut(&mut shelf);
            shelf.tracks.iter_mut().filter(|track| unfit(track)).for_each(|t| t.state = State::Pending);
        }
        self.shelf = shelf;
    }
}

fn named(state: &State) -> Option<&RenditionId> {
    match state {
        State::Ready { id, .. } => Some(id),
        State::Pending | State::Quarantined => None,
    }
}
