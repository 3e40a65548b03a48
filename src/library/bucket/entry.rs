//! One object of a bucket: what it is, in which version, and what was read in it.

use super::Listed;
use crate::library::credits::credits;
use crate::library::files::{self, Kind};
use crate::library::scan::About;
use crate::library::tags::Tags;
use crate::library::{Motion, Picture, Track};
use crate::media::ContentHash;
use crate::store::{Object, Version};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;

/// See the module's head.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) version: Version,
    pub(super) item: Item,
}

/// What an object is to the rest of the house.
#[derive(Clone)]
pub(super) enum Item {
    Track { track: Arc<Track>, tags: Known },
    Background { rank: u8, size: u64, picture: Picture, is_read: bool },
}

/// What is known of a track's tags. They are not kept twice: mostly the credits hold them.
#[derive(Clone)]
pub(super) enum Known {
    /// Not read.
    Nothing,
    /// The credits are the tags.
    InCredits,
    /// The credits are from the object's name too, and would be others under another one.
    Apart(Box<Tags>),
}

/// The hash that stands for an object's bytes.
pub fn hash_of(version: &Version, size: u64) -> ContentHash {
    let mut hasher = Sha256::new();
    hasher.update(b"object of a bucket\n");
    hasher.update(size.to_be_bytes());
    // Some say a version in quotes, as HTTP has it.
    hasher.update(version.0.trim_matches('"').as_bytes());
    ContentHash::of(&hasher.finalize().into())
}

impl Entry {
    /// An object in which nothing was read.
    pub(super) fn new(object: Object, kind: Kind) -> Self {
        let Object { key: source, size, version } = object;
        let hash = hash_of(&version, size);
        let item = match kind {
            Kind::Track => {
                let credits = credits(&Tags::default(), &source);
                let track = Arc::new(Track { source, path: None, hash, size, credits });
                Item::Track { track, tags: Known::Nothing }
            }
            Kind::Background { rank } => {
                let motion = if files::is_clip(&source, &[]) { Motion::Clip } else { Motion::Still };
                let picture = Picture { source, path: None, hash, motion };
                Item::Background { rank, size, picture, is_read: false }
            }
        };
        Self { version, item }
    }

    pub(super) fn key(&self) -> &str {
        match &self.item {
            Item::Track { track, .. } => &track.source,
            Item::Background { picture, .. } => &picture.source,
        }
    }

    pub(super) fn listed(&self) -> Listed<'_> {
        let (size, hash, kind) = match &self.item {
            Item::Track { track, .. } => (track.size, &track.hash, Kind::Track),
            Item::Background { rank, size, picture, .. } => {
                (*size, &picture.hash, Kind::Background { rank: *rank })
            }
        };
        Listed { key: self.key(), version: &self.version, size, hash, kind }
    }

    /// Whether this object, of this kind, is the one that is known.
    pub(super) fn is(&self, object: &Object, kind: Kind) -> bool {
        let listed = self.listed();
        *listed.version == object.version && listed.size == object.size && listed.kind == kind
    }

    pub(super) fn is_read(&self) -> bool {
        !matches!(
            self.item,
            Item::Track { tags: Known::Nothing, .. } | Item::Background { is_read: false, .. }
        )
    }

    /// What was read in it.
    pub(super) fn about(&self) -> Option<About> {
        match &self.item {
            Item::Track { tags: Known::Nothing, .. } => None,
            Item::Track { tags: Known::Apart(tags), .. } => Some(About::Track(Tags::clone(tags))),
            Item::Track { tags: Known::InCredits, track } => {
                let credits = track.credits.clone();
                let title = Some(credits.title);
                Some(About::Track(Tags { title, artist: credits.artist, album: credits.album }))
            }
            Item::Background { picture, is_read, .. } => is_read.then_some(About::Background(picture.motion)),
        }
    }

    /// Takes in what was read in it.
    pub(super) fn learn(&mut self, about: &About) {
        match (&mut self.item, about) {
            (Item::Track { track, tags: known }, About::Track(tags)) => {
                let credits = credits(tags, &track.source);
                if track.credits != credits {
                    Arc::make_mut(track).credits = credits;
                }
                let is_in_credits = tags.title.is_some();
                *known = if is_in_credits { Known::InCredits } else { Known::Apart(Box::new(tags.clone())) };
            }
            (Item::Background { picture, is_read, .. }, About::Background(motion)) => {
                (picture.motion, *is_read) = (*motion, true);
            }
            // The same bytes serve as music and as picture under two names.
            _ => {}
        }
    }

    /// Where its bytes lie on this machine.
    pub(super) fn place(&mut self, path: impl Fn(&ContentHash) -> Option<PathBuf>) {
        match &mut self.item {
            Item::Track { track, .. } => {
                let path = path(&track.hash);
                if track.path != path {
                    Arc::make_mut(track).path = path;
                }
            }
            Item::Background { picture, .. } => picture.path = path(&picture.hash),
        }
    }
}
