//! What to append to the schedule, decided from the schedule, the shelf and the time alone.

use super::page::{Entry, MAX_ENTRIES};
use super::resolve::{Airing, Schedule};
use super::rotation::{self, Candidate};
use crate::config::Order;
use crate::media::{Cell, ContentHash, RenditionId};
use crate::render::{Shelf, Shelved, State};
use std::collections::HashSet;

/// How far the renderer is told ahead what will be wanted, in tracks.
const WISHES: usize = 8;

/// How the schedule is kept.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How the next track is chosen.
    pub order: Order,
    /// Makes one channel's shuffle differ from another's.
    pub seed: u64,
    /// Appends when less than this is scheduled, in cells.
    pub low: u64,
    /// Appends up to this much, in cells.
    pub high: u64,
    /// Nearer than this, in cells, whatever is ready is better than waiting for what is not.
    pub must: u64,
    /// Nothing that starts nearer than this may change, in cells: it may have been sent.
    pub margin: u64,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extension {
    /// To be appended as a page, if any.
    pub entries: Vec<Entry>,
    /// Tracks that are wanted soon and not ready, the most urgent first.
    pub wishes: Vec<ContentHash>,
    /// When to look again, even if nothing changes before.
    pub again: Option<Cell>,
}

/// Keeps the schedule ahead of `now`. `untouched` says that nothing has been sent yet, so that even
/// the current cell may be scheduled.
pub fn extend(schedule: &Schedule, shelf: &Shelf, now: Cell, untouched: bool, rules: &Rules) -> Extension {
    let soonest = now.plus(if untouched { 0 } else { rules.margin });
    // What lies behind a hole is not waited for: it was planned for another now, by a wrong clock or
    // before an accident, and the page that fills the hole takes its place.
    let end = schedule.reach(soonest);
    let mut plan = Extension::default();
    if end >= now.plus(rules.low) {
        plan.again = Some(Cell(end.0 - rules.low));
        plan.wishes = forecast(schedule, shelf, &[], rules, WISHES).filter_map(pending).collect();
        return plan;
    }
    let mut at = end;
    while at < now.plus(rules.high) && plan.entries.len() < MAX_ENTRIES {
        let number = next_number(schedule, &plan.entries);
        let chosen = choose(schedule, shelf, &plan.entries, rules, number, |_| true);
        let chosen = match chosen {
            Some(shelved) if shelved.state == State::Pending => {
                if at >= now.plus(rules.must) {
                    plan.again = Some(Cell(at.0 - rules.must));
                    break;
                }
                choose(schedule, shelf, &plan.entries, rules, number, |shelved| shelved.state.is_ready())
            }
            other => other,
        };
        let Some(entry) = chosen.and_then(|shelved| entry(shelved, number, at)) else { break };
        at = entry.end();
        plan.entries.push(entry);
    }
    plan.wishes = forecast(schedule, shelf, &plan.entries, rules, WISHES).filter_map(pending).collect();
    plan
}

/// The next `count` tracks that the rotation would choose after what is scheduled and `planned`, as
/// if every track were ready.
pub fn forecast<'a>(
    schedule: &'a Schedule,
    shelf: &'a Shelf,
    planned: &[Entry],
    rules: &'a Rules,
    count: usize,
) -> impl Iterator<Item = &'a Shelved> {
    let mut planned = planned.to_vec();
    (0..count).map_while(move |_| {
        let number = next_number(schedule, &planned);
        let shelved = choose(schedule, shelf, &planned, rules, number, |_| true)?;
        // Only its track and its number matter to the choices that follow.
        let at = planned.last().map(Entry::end).or(schedule.end()).unwrap_or_default();
        planned.push(standing_for(shelved, number, at));
        Some(shelved)
    })
}

/// A page that drops what is on air at the first cell that may change: what was to come next comes
/// now, and if nothing was, what the rotation chooses among what is ready.
pub fn skip(schedule: &Schedule, shelf: &Shelf, now: Cell, rules: &Rules) -> Vec<Entry> {
    let at = now.plus(rules.margin);
    let skipped = schedule.at(at).map_or(at, |airing| airing.to);
    let mut entries = moved(schedule, skipped, at, next_number(schedule, &[]));
    if entries.is_empty() {
        entries.extend(ready_at(schedule, shelf, rules, at));
    }
    entries
}

/// A page that puts `track` behind what is on air (and behind what was queued before), and moves
/// the rest back. `None` if the track is not ready.
pub fn queue(schedule: &Schedule, track: &Shelved, now: Cell, rules: &Rules) -> Option<Vec<Entry>> {
    let soonest = now.plus(rules.margin);
    let mut at = schedule.at(soonest).map_or(soonest, |airing| airing.to);
    while let Some(airing) = schedule.at(at).filter(|airing| airing.entry.queued) {
        at = airing.to;
    }
    let number = next_number(schedule, &[]);
    let queued = Entry { queued: true, ..entry(track, number, at)? };
    let rest = moved(schedule, at, queued.end(), number + 1);
    Some([vec![queued], rest].concat())
}

/// What is scheduled from `from` on, with new numbers, back to back from `to` on.
fn moved(schedule: &Schedule, from: Cell, to: Cell, number: u64) -> Vec<Entry> {
    let whole = schedule.from(from).filter(|airing| airing.from >= from).take(MAX_ENTRIES - 1);
    back_to_back(whole, to, number)
}

/// The airings' entries with new numbers, each from the end of the one before on, the first from `at`.
fn back_to_back<'a>(airings: impl Iterator<Item = &'a Airing>, mut at: Cell, number: u64) -> Vec<Entry> {
    airings
        .zip(number..)
        .map(|(airing, number)| {
            let entry = Entry { start: at, number, ..Entry::clone(&airing.entry) };
            at = entry.end();
            entry
        })
        .collect()
}

/// A page without the tracks that have left the library since they were scheduled, and without the
/// renditions that turned out to be `broken`, from the first of them on; what follows moves up. What
/// is on air ends early only if it is broken. Empty if there is nothing to leave out, or if nothing
/// else could take its place.
pub fn without_lost(
    schedule: &Schedule,
    shelf: &Shelf,
    broken: &HashSet<RenditionId>,
    now: Cell,
    rules: &Rules,
) -> Vec<Entry> {
    let soonest = now.plus(rules.margin);
    let gone = |entry: &Entry| {
        let same = shelf.tracks.iter().find(|shelved| shelved.hash == entry.track);
        shelf.listed && same.is_none_or(|shelved| shelved.state == State::Quarantined)
    };
    let lost = |airing: &&Airing| {
        broken.contains(&airing.entry.rendition) || (airing.from >= soonest && gone(&airing.entry))
    };
    let mut coming = schedule.from(soonest).skip_while(|airing| !lost(airing)).peekable();
    let Some(at) = coming.peek().map(|airing| airing.from.max(soonest)) else { return Vec::new() };
    let kept = coming.filter(|airing| !lost(airing));
    let mut entries = back_to_back(kept, at, next_number(schedule, &[]));
    if entries.is_empty() {
        entries.extend(ready_at(schedule, shelf, rules, at));
    }
    entries
}

/// What the rotation chooses for `at` among what is ready.
fn ready_at(schedule: &Schedule, shelf: &Shelf, rules: &Rules, at: Cell) -> Option<Entry> {
    let number = next_number(schedule, &[]);
    let chosen = choose(schedule, shelf, &[], rules, number, |shelved| shelved.state.is_ready());
    chosen.and_then(|shelved| entry(shelved, number, at))
}

fn choose<'a>(
    schedule: &Schedule,
    shelf: &'a Shelf,
    planned: &[Entry],
    rules: &Rules,
    number: u64,
    fit: impl Fn(&Shelved) -> bool,
) -> Option<&'a Shelved> {
    let playable = shelf.tracks.iter().filter(|shelved| shelved.state != State::Quarantined && fit(shelved));
    let playable: Vec<_> = playable.collect();
    let candidates: Vec<_> = playable
        .iter()
        .map(|shelved| Candidate {
            track: &shelved.hash,
            source: &shelved.source,
            artist: shelved.credits.artist.as_deref(),
        })
        .collect();
    let scheduled = schedule.airings().rev().map(|airing| &*airing.entry);
    // What an operator put in between does not move the place that a sequence has come to.
    let counts = |entry: &&Entry| rules.order == Order::Shuffle || !entry.queued;
    let history = planned.iter().rev().chain(scheduled).filter(counts).map(|entry| Candidate {
        track: &entry.track,
        source: &entry.source,
        artist: entry.credits.artist.as_deref(),
    });
    rotation::next(rules.order, rules.seed, number, &candidates, history).map(|i| playable[i])
}

fn next_number(schedule: &Schedule, planned: &[Entry]) -> u64 {
    // Numbers rise but for what was moved or joined late, which is never far from the end.
    let scheduled = schedule.airings().rev().take(64).map(|airing| &*airing.entry);
    scheduled.chain(planned).map(|entry| entry.number + 1).max().unwrap_or(0)
}

fn entry(shelved: &Shelved, number: u64, start: Cell) -> Option<Entry> {
    let State::Ready { id, cells, .. } = &shelved.state else { return None };
    Some(Entry {
        number,
        start,
        cells: *cells,
        rendition: id.clone(),
        source: shelved.source.clone(),
        track: shelved.hash.clone(),
        credits: shelved.credits.clone(),
        queued: false,
    })
}

fn standing_for(shelved: &Shelved, number: u64, start: Cell) -> Entry {
    entry(shelved, number, start).unwrap_or_else(|| Entry {
        number,
        start,
        cells: 1,
        // A track has no rendition before it is rendered; its own hash is as good a name here.
        rendition: shelved.hash.as_str().to_owned().try_into().expect("both names have one form"),
        source: shelved.source.clone(),
        track: shelved.hash.clone(),
        credits: shelved.credits.clone(),
        queued: false,
    })
}

fn pending(shelved: &Shelved) -> Option<ContentHash> {
    (shelved.state == State::Pending).then(|| shelved.hash.clone())
}

#[cfg(test)]
mod tests;
