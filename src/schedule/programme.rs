//! The programme: the schedule, together with the opened renditions that it names.
//!
//! This is what the timeline reads. It is total: whatever the instant, something is on air. Where
//! nothing is scheduled, or what is scheduled is not to be had on this machine, that is the standby
//! rendition, repeated from the start of the hole on.

use super::resolve::Airing;
use crate::media::{Cell, Grid, ProfileId, Rendition, RenditionId};
use crate::store;
use std::collections::HashMap;
use std::sync::Arc;

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Programme {
    /// The cell arithmetic of its profile.
    pub grid: Grid,
    /// The profile of every rendition in it.
    pub profile: ProfileId,
    /// What is on air when nothing else can be.
    pub standby: Arc<Rendition>,
    /// What is scheduled, in order, without overlaps.
    pub airings: Vec<Airing>,
    /// The renditions that are open: those on air within the next minutes, or a minute ago.
    pub open: HashMap<RenditionId, Arc<Rendition>>,
    /// Why the log is out of reach, if it is: then this node goes on alone.
    pub alone: Option<store::Error>,
}

/// A stretch of one rendition on air, from its start at `anchor` on, repeated if need be.
#[derive(Clone, Debug)]
pub struct Span {
    /// First cell on air.
    pub from: Cell,
    /// First cell no longer on air; far away in a hole that nothing ends yet.
    pub to: Cell,
    /// The cell at which the rendition's first cell stands; at or before `from`.
    pub anchor: Cell,
    /// What is on air.
    pub rendition: Arc<Rendition>,
}

impl Programme {
    /// What is on air at `cell`.
    pub fn span_at(&self, cell: Cell) -> Span {
        let after = self.airings.partition_point(|airing| airing.from <= cell);
        let before = after.checked_sub(1).map(|i| &self.airings[i]);
        if let Some(Airing { from, to, entry }) = before.filter(|airing| cell < airing.to) {
            let (from, to) = (*from, *to);
            return match self.open.get(&entry.rendition) {
                Some(rendition) => Span { from, to, anchor: entry.start, rendition: rendition.clone() },
                None => Span { from, to, anchor: from, rendition: self.standby.clone() },
            };
        }
        let from = before.map_or(Cell(0), |airing| airing.to);
        let to = self.airings.get(after).map_or(Cell(u64::MAX), |airing| airing.from);
        Span { from, to, anchor: from, rendition: self.standby.clone() }
    }
}
