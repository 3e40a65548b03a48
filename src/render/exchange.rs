//! What is known of the renditions in the bucket, and what to do about it: which descriptions to
//! read, which renditions to fetch rather than to render, and which to give. Pure;
//! [`super::task`] carries it out.
//!
//! A rendition in the bucket is a folder `renditions/<id>/` with its two files and a
//! `rendition.json`, which is written last, once, and never replaced while it is good: so its
//! presence says that the rest is whole. The files are named after their contents. Of two nodes that
//! give the same rendition at once, the one whose description comes first wins, and nothing that the
//! other has written can come between: it lies under other names.

use super::queue::Known;
use crate::media::rendition::{FORMAT, META_FILE};
use crate::media::{ContentHash, Credits, Meta, ProfileId, RenditionId};
use crate::store;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// The folder in the bucket.
pub const FOLDER: &str = "renditions/";

/// `rendition.json` in the bucket: the description, and hashes of what it describes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// As it lies on a disk.
    #[serde(flatten)]
    pub meta: Meta,
    /// Hash of the file with the sound.
    pub audio: ContentHash,
    /// Hash of the file with the pictures.
    pub video: ContentHash,
    /// Hash of both files' codec headers.
    pub headers: ContentHash,
}

/// Why a description is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not what it should be.
    #[error("its description in the bucket is damaged")]
    Damaged,
    /// It would not join with what this node has.
    #[error("it has other codec headers than this node's renditions; another FFmpeg has made it")]
    Foreign,
}

impl Sealed {
    /// Reads the description of `id`, which has to be of this profile, and to have these `headers` if
    /// they are known.
    pub fn parse(
        id: &RenditionId,
        profile: &ProfileId,
        headers: Option<&ContentHash>,
        json: &[u8],
    ) -> Result<Self, Unfit> {
        let sealed: Self = serde_json::from_slice(json).map_err(|_| Unfit::Damaged)?;
        let meta = &sealed.meta;
        if meta.format != FORMAT || meta.id != *id || meta.profile != *profile || meta.cells == 0 {
            return Err(Unfit::Damaged);
        }
        match headers {
            Some(headers) if *headers != sealed.headers => Err(Unfit::Foreign),
            _ => Ok(sealed),
        }
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("text, names and numbers always serialise")
    }

    /// The keys of the two files: sound and pictures.
    pub fn keys(&self) -> [String; 2] {
        let folder = folder(&self.meta.id);
        [format!("{folder}audio-{}.flv", self.audio), format!("{folder}video-{}.flv", self.video)]
    }
}

/// One name for a pair of codec headers.
pub fn headers(audio: &Bytes, video: &Bytes) -> ContentHash {
    let mut hash = Sha256::new();
    hash.update((audio.len() as u64).to_be_bytes());
    hash.update(audio);
    hash.update(video);
    ContentHash::of(&hash.finalize().into())
}

/// The rendition's folder in the bucket, with a slash at its end.
pub fn folder(id: &RenditionId) -> String {
    format!("{FOLDER}{id}/")
}

/// Where the description of a rendition lies in the bucket.
pub fn description(id: &RenditionId) -> String {
    format!("{}{META_FILE}", folder(id))
}

/// Whose description lies at `key`, if one does.
pub fn described(key: &str) -> Option<RenditionId> {
    let id = key.strip_prefix(FOLDER)?.strip_suffix(META_FILE)?.strip_suffix('/')?;
    id.to_owned().try_into().ok()
}

/// A rendition that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Name and length.
    pub known: Known,
    /// Who made what, as the node knew that rendered it.
    pub credits: Credits,
}

/// What lies in the bucket, as far as this node knows.
#[derive(Clone, Debug, Default)]
pub struct There {
    /// It has been looked at since the start.
    pub listed: bool,
    /// Why it could not be looked at the last time.
    pub unseen: Option<store::Error>,
    /// Why nothing could be given the last time.
    pub ungiven: Option<store::Error>,
    renditions: HashMap<RenditionId, Lies>,
}

#[derive(Clone, Debug)]
enum Lies {
    /// Its description has not been read yet.
    Unread,
    Whole(Remote),
    Unfit(Unfit),
}

impl There {
    /// What a rendition is that can be fetched.
    pub fn remote(&self, id: &RenditionId) -> Option<&Remote> {
        match self.renditions.get(id) {
            Some(Lies::Whole(remote)) => Some(remote),
            _ => None,
        }
    }

    /// Whether a rendition is or may be of use, so that nobody needs to render it.
    pub fn has(&self, id: &RenditionId) -> bool {
        matches!(self.renditions.get(id), Some(Lies::Whole(_) | Lies::Unread))
    }

    /// These descriptions lie in the bucket, and no others.
    pub fn on_listing(&mut self, ids: HashSet<RenditionId>) {
        self.listed = true;
        self.unseen = None;
        self.renditions.retain(|id, _| ids.contains(id));
        for id in ids {
            self.renditions.entry(id).or_insert(Lies::Unread);
        }
    }

    /// A description has been read.
    pub fn on_description(&mut self, id: &RenditionId, read: Result<&Sealed, Unfit>) {
        let lies = match read {
            Ok(sealed) => {
                let Meta { cells, source_hash, credits, .. } = sealed.meta.clone();
                let known = Known { id: id.clone(), cells, track: source_hash };
                Lies::Whole(Remote { known, credits })
            }
            Err(unfit) => Lies::Unfit(unfit),
        };
        self.renditions.insert(id.clone(), lies);
    }

    /// There is none after all.
    pub fn on_absence(&mut self, id: &RenditionId) {
        self.renditions.remove(id);
    }

    /// What could be fetched turned out to be no good.
    pub fn on_damage(&mut self, id: &RenditionId) {
        self.renditions.insert(id.clone(), Lies::Unfit(Unfit::Damaged));
    }

    /// The next descriptions to read, at most `count`: of those that are `wanted`, in their order.
    pub fn unread<'a>(&self, wanted: &'a [RenditionId], count: usize) -> Vec<&'a RenditionId> {
        let unread = |id: &&RenditionId| matches!(self.renditions.get(*id), Some(Lies::Unread));
        wanted.iter().filter(unread).take(count).collect()
    }

    /// The next rendition to give, of those that are `here`, in their order; and whether what lies
    /// there in its place is to be replaced.
    pub fn missing<'a>(&self, here: &'a [RenditionId]) -> Option<(&'a RenditionId, bool)> {
        here.iter().filter(|_| self.listed).find_map(|id| match self.renditions.get(id) {
            None => Some((id, false)),
            Some(Lies::Unfit(Unfit::Damaged)) => Some((id, true)),
            // What other nodes play is theirs.
            Some(Lies::Unread | Lies::Whole(_) | Lies::Unfit(Unfit::Foreign)) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::synthetic::{digest, meta};

    fn sealed(n: u64) -> Sealed {
        let hash = |n| ContentHash::of(&digest(n));
        Sealed { meta: meta(n, 7), audio: hash(n + 100), video: hash(n + 200), headers: hash(300) }
    }

    #[test]
    fn a_description_is_taken_at_its_word_only_where_it_belongs() {
        let it = sealed(1);
        let (id, profile, json) = (&it.meta.id, &it.meta.profile, it.to_bytes());
        assert_eq!(Sealed::parse(id, profile, Some(&it.headers), &json), Ok(it.clone()));
        assert_eq!(Sealed::parse(id, profile, None, &json), Ok(it.clone()));
        let other = RenditionId::of(&digest(9));
        assert_eq!(Sealed::parse(&other, profile, None, &json), Err(Unfit::Damaged));
        assert_eq!(Sealed::parse(id, profile, Some(&it.audio), &json), Err(Unfit::Foreign));
        assert_eq!(Sealed::parse(id, profile, None, &json[1..]), Err(Unfit::Damaged));
        let empty = Sealed { meta: meta(1, 0), ..it.clone() };
        assert_eq!(Sealed::parse(id, profile, None, &empty.to_bytes()), Err(Unfit::Damaged));
        assert_eq!(described(&description(id)).as_ref(), Some(id));
        assert!(it.keys().iter().all(|key| described(key).is_none()));
    }

    #[test]
    fn what_is_wanted_is_read_first_and_what_is_missing_is_given() {
        let ids: Vec<_> = (0..4).map(|n| sealed(n).meta.id).collect();
        let mut there = There::default();
        assert_eq!(there.missing(&ids), None, "nobody knows yet what is there");
        there.on_listing(ids[..3].iter().cloned().collect());
        assert_eq!(there.unread(&ids[1..], 2), [&ids[1], &ids[2]]);
        assert_eq!(there.missing(&ids), Some((&ids[3], false)));
        assert!(there.has(&ids[1]) && there.remote(&ids[1]).is_none() && !there.has(&ids[3]));
        there.on_description(&ids[1], Ok(&sealed(1)));
        there.on_description(&ids[2], Err(Unfit::Foreign));
        assert_eq!(there.remote(&ids[1]).map(|remote| remote.known.cells), Some(7));
        assert!(!there.has(&ids[2]));
        assert_eq!(there.missing(&ids[..3]), None, "another node's is left alone");
        there.on_damage(&ids[1]);
        assert_eq!(there.missing(&ids[..3]), Some((&ids[1], true)));
        there.on_listing(ids[2..].iter().cloned().collect());
        assert!(there.remote(&ids[1]).is_none() && there.unread(&ids, 9) == [&ids[3]]);
    }
}
