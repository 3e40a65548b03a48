//! What plays next: a pure function of the seed, the entry's number, the library and the history.
//!
//! Two nodes that see the same library and the same schedule choose the same track. A shuffle never
//! plays a track again before most of the others have played, keeps an artist's tracks apart as far
//! as the library allows, and is otherwise decided by a hash, so there is no bag to remember: the
//! history is read off the schedule.
//!
//! Rejected: a permutation per round (it must be remembered or recomputed when the library changes
//! in mid-round, and repeats tracks at the border between rounds).

use crate::config::Order;
use crate::media::ContentHash;
use std::collections::{HashMap, HashSet};

/// The most entries in a row whose artists are kept apart.
const ARTIST_GAP: usize = 3;

/// A track that may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its content; two files with the same content are one track to a shuffle.
    pub track: &'a ContentHash,
    /// Path below the media source; decides the sequential order.
    pub source: &'a str,
    /// Performer, if known.
    pub artist: Option<&'a str>,
}

/// An entry that has played or is scheduled.
pub type Past<'a> = Candidate<'a>;

/// The index of the candidate that entry `number` plays after `history` (latest first); `None` only
/// if there are no candidates.
pub fn next<'a>(
    order: Order,
    seed: u64,
    number: u64,
    candidates: &[Candidate<'_>],
    history: impl Iterator<Item = Past<'a>>,
) -> Option<usize> {
    match order {
        Order::Shuffle => shuffle(seed, number, candidates, history),
        Order::Sequential => sequential(candidates, history),
    }
}

fn sequential<'a>(
    candidates: &[Candidate<'_>],
    mut history: impl Iterator<Item = Past<'a>>,
) -> Option<usize> {
    let by_source = |a: &usize, b: &usize| candidates[*a].source.cmp(candidates[*b].source);
    let all = 0..candidates.len();
    let last = history.next();
    let after = all.clone().filter(|&i| last.is_some_and(|last| candidates[i].source > last.source));
    after.min_by(by_source).or_else(|| all.min_by(by_source))
}

fn shuffle<'a>(
    seed: u64,
    number: u64,
    candidates: &[Candidate<'_>],
    history: impl Iterator<Item = Past<'a>>,
) -> Option<usize> {
    let tracks: HashSet<_> = candidates.iter().map(|c| c.track).collect();
    let artists: HashSet<_> = candidates.iter().filter_map(|c| c.artist).collect();
    let (apart, artists_apart) = (track_gap(tracks.len()), ARTIST_GAP.min(artists.len().saturating_sub(1)));
    let (mut track_ages, mut artist_ages) = (HashMap::new(), HashMap::new());
    for (age, past) in history.take(apart.max(artists_apart)).enumerate() {
        track_ages.entry(past.track.clone()).or_insert(age);
        if let Some(artist) = past.artist {
            artist_ages.entry(artist.to_owned()).or_insert(age);
        }
    }
    let fresh = |c: &Candidate<'_>| track_ages.get(c.track).is_none_or(|age| *age >= apart);
    let rested = |c: &Candidate<'_>, gap: usize| {
        c.artist.is_none_or(|artist| artist_ages.get(artist).is_none_or(|age| *age >= gap))
    };
    // Without artists' distance, at least `tracks − apart` tracks are fresh; so this finds one.
    (0..=artists_apart).rev().find_map(|gap| {
        let fit = candidates.iter().enumerate().filter(|(_, c)| fresh(c) && rested(c, gap));
        fit.min_by_key(|(_, c)| (draw(seed, number, c.track), c.source)).map(|(i, _)| i)
    })
}

/// How many other entries must lie between two of the same track, in a library of `tracks`. A third
/// of the library (two tracks at least) is left to choose from.
pub const fn track_gap(tracks: usize) -> usize {
    let choice = if tracks / 3 > 2 { tracks / 3 } else { 2 };
    if tracks <= 2 { tracks.saturating_sub(1) } else { tracks - choice }
}

/// The seed of a channel's shuffle.
pub fn seed(channel: &str) -> u64 {
    hash(channel.bytes())
}

/// A number that is drawn anew for every entry and track.
fn draw(seed: u64, number: u64, track: &ContentHash) -> u64 {
    hash(seed.to_be_bytes().into_iter().chain(number.to_be_bytes()).chain(track.as_str().bytes()))
}

/// FNV-1a, then a finalizer that spreads it. Every node and version must agree on it.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::synthetic::digest;
    use proptest::prelude::*;

    /// Plays `count` entries; the artists are given per track.
    fn play(order: Order, seed: u64, artists: &[Option<u8>], count: usize) -> Vec<usize> {
        let hashes: Vec<_> = (0..artists.len()).map(|i| ContentHash::of(&digest(i as u64))).collect();
        let sources: Vec<_> = (0..artists.len()).map(|i| format!("{i:03}.ogg")).collect();
        let names: Vec<_> = artists.iter().map(|a| a.map(|a| a.to_string())).collect();
        let candidates: Vec<_> = (0..artists.len())
            .map(|i| Candidate { track: &hashes[i], source: &sources[i], artist: names[i].as_deref() })
            .collect();
        let mut played: Vec<usize> = Vec::new();
        for number in 0..count as u64 {
            let history = played.iter().rev().map(|i| candidates[*i]);
            played.push(next(order, seed, number, &candidates, history).unwrap());
        }
        played
    }

    fn artists() -> impl Strategy<Value = Vec<Option<u8>>> {
        prop::collection::vec(prop::option::weighted(0.9, 0u8..6), 1..40)
    }

    proptest! {
        #[test]
        fn a_track_comes_again_only_after_most_others(seed: u64, artists in artists()) {
            let played = play(Order::Shuffle, seed, &artists, 150);
            let gap = track_gap(artists.len());
            for window in played.windows(gap + 1) {
                prop_assert!(!window[1..].contains(&window[0]), "{:?}", played);
            }
        }

        #[test]
        fn two_nodes_choose_the_same_and_two_channels_do_not(seed: u64, artists in prop::collection::vec(Just(None), 10..40)) {
            let played = play(Order::Shuffle, seed, &artists, 60);
            prop_assert_eq!(&played, &play(Order::Shuffle, seed, &artists, 60));
            prop_assert_ne!(&played, &play(Order::Shuffle, seed ^ 1, &artists, 60));
        }

        #[test]
        fn sequential_goes_round_by_path(seed: u64, artists in artists()) {
            let played = play(Order::Sequential, seed, &artists, 100);
            let expected: Vec<_> = (0..100).map(|i| i % artists.len()).collect();
            prop_assert_eq!(played, expected);
        }
    }

    #[test]
    fn artists_are_kept_apart_where_the_library_allows_it() {
        let artists: Vec<_> = (0..40).map(|i| Some(i % 8)).collect();
        let played = play(Order::Shuffle, 7, &artists, 400);
        for window in played.windows(ARTIST_GAP + 1) {
            assert!(window[1..].iter().all(|i| artists[*i] != artists[window[0]]), "{window:?}");
        }
    }

    #[test]
    fn every_track_has_its_turn() {
        let played = play(Order::Shuffle, 3, &[None; 41], 41 * 6);
        for track in 0..41 {
            let turns = played.iter().filter(|i| **i == track).count();
            assert!((4..=8).contains(&turns), "track {track} had {turns} turns in six rounds");
        }
    }

    #[test]
    fn one_artist_only_is_no_obstacle() {
        assert_eq!(
            play(Order::Shuffle, 1, &[Some(1), Some(1)], 4).windows(2).filter(|w| w[0] == w[1]).count(),
            0
        );
        assert_eq!(play(Order::Shuffle, 1, &[Some(1)], 3), [0, 0, 0]);
    }
}
