//! What the queue shows: to the schedule what can be played, to the library what is wanted of it, and
//! to the disk and the bucket what is needed here. Pure.

use super::Queue;
use crate::library::Track;
use crate::media::{ContentHash, RenditionId};
use crate::render::{Quarantined, Shelved, State};
use std::collections::HashMap;
use std::sync::Arc;

/// Originals that the library is asked for at a time: more than are rendered while one is fetched.
const MOST_WANTED: usize = 32;

impl Queue {
    /// What the shelf shows of the library's tracks, in the library's order.
    pub fn tracks(&self) -> Vec<Shelved> {
        let shelved = |(i, (track, wanted)): (usize, (&Arc<Track>, &RenditionId))| {
            let here = self.known.get(wanted);
            // With another picture it can be played as well, until it has its own.
            let old = self.heard.get(&track.hash).and_then(|id| self.known.get(id));
            let stand_in = || self.there.remote(self.name(i)).filter(|_| old.is_none());
            let remote = self.there.remote(wanted).or_else(stand_in);
            let known = here.or(remote.map(|remote| &remote.known)).or(old);
            let state = match known {
                Some(known) => {
                    let (id, cells) = (known.id.clone(), known.cells);
                    State::Ready { here: self.known.contains_key(&id), id, cells }
                }
                None if self.reason(&track.hash).is_some() => State::Quarantined,
                None => State::Pending,
            };
            let (source, hash) = (track.source.clone(), track.hash.clone());
            // Without the original nobody here has read its tags.
            let credits = remote.filter(|_| track.path.is_none()).map_or(&track.credits, |r| &r.credits);
            Shelved { source, hash, credits: credits.clone(), state }
        };
        self.library.tracks.iter().zip(&self.wanted).enumerate().map(shelved).collect()
    }

    /// What cannot be played or shown, and why.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        let tracks = self.library.tracks.iter().map(|track| (&track.source, &track.hash));
        let pictures = self.library.background.iter().map(|picture| (&picture.source, &picture.hash));
        let entry = |(source, hash): (&String, &ContentHash)| {
            Some(Quarantined { source: source.clone(), reason: self.reason(hash)?.to_owned() })
        };
        pictures.chain(tracks).filter_map(entry).collect()
    }

    /// The renditions that must stay on this machine; those of its tracks that lie there under
    /// another picture included. What lies in the bucket as well can be fetched again.
    pub fn kept(&self) -> impl Iterator<Item = &RenditionId> {
        let heard = self.library.tracks.iter().filter_map(|track| self.heard.get(&track.hash));
        self.wanted.iter().chain(heard).filter(|id| self.there.remote(id).is_none())
    }

    /// The renditions that the library wants, the most urgent first; and of a track that has not its
    /// own yet, what it makes do with: another node, which may have to play it, fetches it.
    pub fn wanted(&self) -> Vec<RenditionId> {
        let mut wanted = Vec::with_capacity(self.wanted.len());
        for i in self.in_order() {
            wanted.push(self.wanted[i].clone());
            if !self.is_done(i) {
                let stand_in = Some(self.name(i)).filter(|id| **id != self.wanted[i]);
                let old = self.heard.get(&self.library.tracks[i].hash).filter(|id| Some(*id) != stand_in);
                wanted.extend(stand_in.into_iter().chain(old).cloned());
            }
        }
        wanted
    }

    /// The originals to be rendered: those that are being read, and then the most urgent first.
    pub fn wants(&self) -> Arc<[ContentHash]> {
        let running = self.library.tracks.iter().map(|track| &track.hash);
        let mut wants: Vec<_> = running.filter(|hash| self.running.contains(*hash)).cloned().collect();
        for i in self.in_order().filter(|i| !self.is_done(*i) && !self.makes_do(*i)) {
            let hash = &self.library.tracks[i].hash;
            if !wants.contains(hash) {
                wants.push(hash.clone());
            }
            if wants.len() == MOST_WANTED {
                break;
            }
        }
        wants.into()
    }

    /// The library's tracks, those that are wished for first; they come up again in their place.
    pub(super) fn in_order(&self) -> impl Iterator<Item = usize> {
        let tracks = &self.library.tracks;
        let place: HashMap<&ContentHash, usize> = match self.wishes.is_empty() {
            true => HashMap::new(),
            false => tracks.iter().enumerate().map(|(i, track)| (&track.hash, i)).collect(),
        };
        let wished: Vec<usize> = self.wishes.iter().filter_map(|hash| place.get(hash).copied()).collect();
        wished.into_iter().chain(0..tracks.len())
    }

    /// Whether nothing is to be rendered of a track: it is, or will never be.
    pub(super) fn is_done(&self, i: usize) -> bool {
        let wanted = &self.wanted[i];
        self.known.contains_key(wanted)
            || self.there.has(wanted)
            || self.reason(&self.library.tracks[i].hash).is_some()
    }
}
