//! A reader's position on the timeline.

use super::units::Place;
use crate::media::{Cell, Kind, MediaTime, RenditionId};
use serde::{Deserialize, Serialize};

/// A position, and which pictures a decoder that has followed it can go on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    position: MediaTime,
    decodable: Option<(RenditionId, Cell)>,
}

impl Cursor {
    /// A cursor whose first unit is at `key`, the time of a keyframe.
    pub(super) const fn at(key: MediaTime) -> Self {
        Self { position: key, decodable: None }
    }

    /// Every unit before this instant has been given.
    pub const fn position(&self) -> MediaTime {
        self.position
    }

    pub(super) fn advance(&mut self, to: MediaTime) {
        self.position = self.position.max(to);
    }

    /// Whether the unit there can be given to a decoder that has followed this cursor. Only when
    /// the schedule was changed under the cursor's feet can a picture come up that refers to others
    /// which were never sent; such pictures are passed over up to the next keyframe.
    pub(super) fn admit(&mut self, place: &Place) -> bool {
        let origin = || (place.rendition.meta.id.clone(), place.anchor);
        match place.kind {
            Kind::Audio => true,
            Kind::Video { key: true } => {
                self.decodable = Some(origin());
                true
            }
            Kind::Video { key: false } => self
                .decodable
                .as_ref()
                .is_some_and(|(id, anchor)| *id == place.rendition.meta.id && *anchor == place.anchor),
        }
    }
}
