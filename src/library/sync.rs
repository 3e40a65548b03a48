//! What to fetch from a bucket and what to let go of: what is wanted, what is here, and how much
//! there may be make a plan. Pure; `task` carries it out.
//!
//! The music of a bucket is on this machine only to be rendered. So what is wanted is fetched in the
//! order in which it is wanted, as far as it finds room, and stays when it was rendered until its
//! room is needed. The rules:
//!
//! - What is kept is the longest beginning of what is wanted that finds room. Nothing behind it is
//!   fetched, even if it is small enough for what is left: it would have to go again for what comes
//!   before it.
//! - What is *held* (it is in use, whether it is wanted or not) is never let go of.
//! - What else is here goes only if its room is needed, what was needed longest ago first. So what
//!   has left the bucket goes in time, and a listing that lies for a moment costs nothing.
//! - The first that is wanted is fetched even if it alone is more than the cache may hold, as long
//!   as the disk holds it. What the disk cannot hold even alone is passed over.
//!
//! Law: carried out, a plan is followed by an empty one.

use crate::media::ContentHash;
use std::collections::{HashMap, HashSet};

/// A file that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want<'a> {
    /// What.
    pub hash: &'a ContentHash,
    /// Bytes that it takes when it is whole.
    pub size: u64,
}

/// A file that is here, or a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// Bytes that lie here.
    pub bytes: u64,
    /// Whether they are all.
    pub whole: bool,
    /// When it was needed last, on any scale.
    pub needed: u64,
}

/// How much there may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What the operator allows.
    pub cache: u64,
    /// What the disk has for it, with what lies there already.
    pub disk: u64,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// What to let go of, before anything is fetched.
    pub evict: Vec<&'a ContentHash>,
    /// What to fetch, in this order.
    pub fetch: Vec<Want<'a>>,
    /// The first of what is wanted that the disk cannot hold, even alone.
    pub too_large: Option<Want<'a>>,
}

/// Plans. `wants` has the most urgent first, each once, and what is `held` is here and whole. What
/// is wanted and was begun (a part of it lies here) takes the room of the whole.
pub fn plan<'a>(
    wants: impl IntoIterator<Item = Want<'a>>,
    local: &'a HashMap<ContentHash, Local>,
    held: &HashSet<ContentHash>,
    room: Room,
) -> Plan<'a> {
    let mut plan = Plan::default();
    let bytes = |hash| local.get(hash).map_or(0, |local| local.bytes);
    let held_bytes: u64 = held.iter().map(bytes).sum();
    // Bytes that are taken beside what is held.
    let more = |want: &Want| match local.get(want.hash) {
        Some(_) if held.contains(want.hash) => 0,
        Some(here) if here.whole => here.bytes,
        _ => want.size,
    };

    let (mut taken, mut limit) = (held_bytes, None);
    let mut kept: HashSet<&ContentHash> = held.iter().collect();
    for want in wants {
        let is_held = held.contains(want.hash);
        if !is_held && held_bytes + more(&want) > room.disk {
            plan.too_large.get_or_insert(want);
            continue;
        }
        let limit = *limit.get_or_insert(room.cache.max(held_bytes + more(&want)).min(room.disk));
        if is_held {
            continue;
        }
        if taken + more(&want) > limit {
            break;
        }
        taken += more(&want);
        kept.insert(want.hash);
        if !local.get(want.hash).is_some_and(|here| here.whole) {
            plan.fetch.push(want);
        }
    }
    let limit = limit.unwrap_or(room.cache.min(room.disk));

    let mut others: Vec<_> = local.iter().filter(|(hash, _)| !kept.contains(hash)).collect();
    let mut total = taken + others.iter().map(|(_, local)| local.bytes).sum::<u64>();
    if total > limit {
        others.sort_by_key(|(hash, local)| (local.needed, *hash));
        for (hash, local) in others {
            if total <= limit {
                break;
            }
            total -= local.bytes;
            plan.evict.push(hash);
        }
    }
    plan
}

#[cfg(test)]
mod tests;
