//! What cannot be rendered, and why. A verdict holds for these bytes, this profile and this FFmpeg;
//! when one of them changes, it is tried again.

use crate::media::{ContentHash, ProfileId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The oldest verdicts go when there are more; a library has thousands of files, not all broken.
const MOST: usize = 10_000;

/// All verdicts, of all profiles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    verdicts: BTreeMap<(ContentHash, ProfileId), Verdict>,
}

/// Why a file cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    ffmpeg: String,
    reason: String,
}

/// A line of `quarantine.json`.
#[derive(Serialize, Deserialize)]
struct Line {
    hash: ContentHash,
    profile: ProfileId,
    /// First line of `ffmpeg -version`.
    ffmpeg: String,
    reason: String,
}

impl Quarantine {
    /// Reads `quarantine.json`. What cannot be read is nothing: the files are tried again.
    pub fn from_json(json: &[u8]) -> Self {
        let lines: Vec<Line> = serde_json::from_slice(json).unwrap_or_default();
        let verdicts = lines
            .into_iter()
            .map(|l| ((l.hash, l.profile), Verdict { ffmpeg: l.ffmpeg, reason: l.reason }))
            .collect();
        Self { verdicts }
    }

    /// `quarantine.json`.
    pub fn to_json(&self) -> Vec<u8> {
        let line = |((hash, profile), verdict): (&(ContentHash, ProfileId), &Verdict)| Line {
            hash: hash.clone(),
            profile: profile.clone(),
            ffmpeg: verdict.ffmpeg.clone(),
            reason: verdict.reason.clone(),
        };
        let lines: Vec<Line> = self.verdicts.iter().map(line).collect();
        serde_json::to_vec_pretty(&lines).expect("text and names always serialise")
    }

    /// Why this file cannot be rendered, if that is known.
    pub fn reason(&self, hash: &ContentHash, profile: &ProfileId) -> Option<&str> {
        // Cloning two reference counts is what a look-up by a pair of references would cost.
        self.verdicts.get(&(hash.clone(), profile.clone())).map(|verdict| verdict.reason.as_str())
    }

    /// Puts a file in.
    pub fn insert(&mut self, hash: ContentHash, profile: ProfileId, ffmpeg: &str, reason: String) {
        if self.verdicts.len() >= MOST {
            self.verdicts.pop_first();
        }
        self.verdicts.insert((hash, profile), Verdict { ffmpeg: ffmpeg.to_owned(), reason });
    }

    /// Lets out what another FFmpeg could not render. Whether there was any.
    pub fn release_others(&mut self, ffmpeg: &str) -> bool {
        let before = self.verdicts.len();
        self.verdicts.retain(|_, verdict| verdict.ffmpeg == ffmpeg);
        self.verdicts.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_holds_for_its_file_profile_and_ffmpeg() {
        let (a, b) = (ContentHash::of(&[1; 32]), ContentHash::of(&[2; 32]));
        let (p, q) = (ProfileId::of(&[1; 32]), ProfileId::of(&[2; 32]));
        let mut quarantine = Quarantine::default();
        quarantine.insert(a.clone(), p.clone(), "ffmpeg version 5", "no sound".into());
        assert_eq!(quarantine.reason(&a, &p), Some("no sound"));
        assert_eq!((quarantine.reason(&b, &p), quarantine.reason(&a, &q)), (None, None));
        assert_eq!(Quarantine::from_json(&quarantine.to_json()), quarantine);
        assert!(!quarantine.release_others("ffmpeg version 5"));
        assert!(quarantine.release_others("ffmpeg version 7"));
        assert_eq!(quarantine.reason(&a, &p), None);
    }

    #[test]
    fn a_damaged_file_is_an_empty_quarantine() {
        assert_eq!(Quarantine::from_json(b"[{\"hash\": \"../../etc\"}]"), Quarantine::default());
    }
}
