//! What stands in for a background that is not on this machine. Pure.
//!
//! A background that cannot be fetched must not silence the channel. While it is missing, a track
//! that has no rendition at all gets one with another picture: the one before, whose loop lies here,
//! or the built-in card. Everything else stays as it is: a rendition with the background counts as
//! ready where another node has made it, and everything is rendered with the background once that
//! is here. Nodes need not agree on who has it: what is on air is what the schedule names, and a
//! rendition is named after the picture that it holds.

use super::Queue;
use crate::library::Picture;
use crate::media::{ContentHash, RenditionId};
use crate::render::profile::backdrop_hash;
use std::time::{Duration, Instant};

/// A background that is on its way is waited for so long while there is music to render.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// See the module's head.
#[derive(Default)]
pub(super) struct StandIn {
    phase: Phase,
    /// The picture before, whose loop lay ready.
    before: Option<ContentHash>,
    /// The loop of the built-in one lies ready.
    built_in: bool,
    /// While it stands in, the rendition of each track with it.
    names: Vec<RenditionId>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// The background is here, or nothing needs it.
    #[default]
    Idle,
    /// Nothing but the background is missing, since then.
    Awaiting(Instant),
    /// Another picture is in its place.
    In,
}

impl Queue {
    /// The background, if renditions need it and it is not here.
    fn lacking(&self) -> Option<&Picture> {
        self.background().filter(|picture| picture.path.is_none() && !self.pictured)
    }

    /// What stands in, or would.
    fn substitute(&self) -> ContentHash {
        self.stand_in.before.clone().unwrap_or_else(backdrop_hash)
    }

    pub(super) fn is_stood_in(&self) -> bool {
        self.stand_in.phase == Phase::In
    }

    /// The content of the picture that renditions are made with now, or would be.
    pub fn picture(&self) -> ContentHash {
        match self.lacking() {
            Some(_) => self.substitute(),
            None => self.picture.clone(),
        }
    }

    /// Whether the loop of [`Queue::picture`] lies ready.
    pub(super) fn has_loop(&self) -> bool {
        match self.lacking() {
            Some(_) => self.stand_in.before.is_some() || self.stand_in.built_in,
            None => self.pictured,
        }
    }

    /// There is nothing to render.
    pub(super) fn awaits_nothing(&mut self) {
        if self.stand_in.phase != Phase::In {
            self.stand_in.phase = Phase::Idle;
        }
    }

    /// There is something to render. Until when the background is waited for, if it is.
    pub(super) fn awaits_picture(&mut self, now: Instant) -> Option<Instant> {
        self.lacking()?;
        let until = match self.stand_in.phase {
            Phase::In => return None,
            Phase::Awaiting(since) => since + PATIENCE,
            Phase::Idle => now + PATIENCE,
        };
        // What is wrong with the background itself does not pass by waiting.
        if self.fault().is_none() && until > now {
            self.stand_in.phase = Phase::Awaiting(until - PATIENCE);
            return Some(until);
        }
        self.stand_in.phase = Phase::In;
        self.name_stand_ins();
        None
    }

    /// Why the background does not come, where that is its own fault.
    fn fault(&self) -> Option<&str> {
        let source = &self.background()?.source;
        self.library.problems.iter().find(|p| p.source == *source).map(|p| p.reason.as_str())
    }

    /// Library, quarantine or picture have changed. `last` was the picture until now, if its loop lay
    /// ready and it is another one now.
    pub(super) fn settle_stand_in(&mut self, last: Option<ContentHash>) {
        if last.is_some() {
            self.stand_in.before = last;
        }
        if self.lacking().is_none() {
            self.stand_in.phase = Phase::Idle;
        }
        self.name_stand_ins();
    }

    fn name_stand_ins(&mut self) {
        self.stand_in.names.clear();
        if self.is_stood_in() {
            let picture = self.substitute();
            let names = self.library.tracks.iter().map(|track| self.profile.rendition(&track.hash, &picture));
            self.stand_in.names = names.collect();
        }
    }

    /// The built-in picture's loop lies ready.
    pub(super) fn on_built_in(&mut self) {
        self.stand_in.built_in = true;
    }

    /// The loop of what stands in has gone.
    pub(super) fn on_loop_gone(&mut self) {
        if self.stand_in.before.take().is_none() {
            self.stand_in.built_in = false;
        }
        self.name_stand_ins();
    }

    /// What to render of a track now.
    pub(super) fn name(&self, i: usize) -> &RenditionId {
        self.stand_in.names.get(i).unwrap_or(&self.wanted[i])
    }

    /// Whether a track can do until the background is here: it has a rendition with another picture.
    pub(super) fn makes_do(&self, i: usize) -> bool {
        let stand_in = self.stand_in.names.get(i);
        stand_in.is_some_and(|id| self.there.has(id) || self.heard.contains_key(&self.library.tracks[i].hash))
    }

    /// That a background is waited for, for a person.
    pub(super) fn waiting(&self) -> Option<String> {
        let picture = self.lacking().filter(|_| matches!(self.stand_in.phase, Phase::Awaiting(_)))?;
        Some(format!("it waits for {}, which is not here yet", picture.source))
    }

    /// That rendering goes on without the background, and why, in one sentence for a person.
    pub fn without(&self) -> Option<String> {
        let picture = self.lacking().filter(|_| self.is_stood_in())?;
        (0..self.wanted.len()).find(|i| !self.is_done(*i))?;
        let with = match &self.stand_in.before {
            Some(before) if *before != backdrop_hash() => "the picture before it",
            _ => "the built-in card",
        };
        let late = || format!("it has not come within {} s", PATIENCE.as_secs());
        let why = self.fault().map_or_else(late, str::to_owned);
        Some(format!("rendering goes on without {}, with {with}: {why}", picture.source))
    }
}
