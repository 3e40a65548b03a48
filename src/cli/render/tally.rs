//! How far the rendering of a library is, and what is said about it. Pure.

use crate::control::ink::{self, Line, Style, wrap};
use crate::control::text::{count, span};
use crate::render::{Shelf, State};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// The bar's parts of a track.
const PARTS: u64 = 1000;

/// What there is, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) tracks: u64,
    pub(super) ready: u64,
    pub(super) quarantined: u64,
    /// Of the one being rendered: thousandths, and its name.
    pub(super) rendering: Option<(u64, String)>,
}

impl Tally {
    pub(super) fn of(shelf: &Shelf) -> Self {
        let count = |wanted: fn(&State) -> bool| {
            shelf.tracks.iter().filter(|track| wanted(&track.state)).count() as u64
        };
        let rendering = shelf.rendering.as_ref();
        Self {
            tracks: shelf.tracks.len() as u64,
            ready: count(State::is_ready),
            quarantined: count(|state| matches!(state, State::Quarantined)),
            rendering: rendering
                .map(|job| ((job.done.clamp(0.0, 1.0) * PARTS as f32) as u64, job.source.clone())),
        }
    }

    /// The bar's length.
    pub(super) fn all(&self) -> u64 {
        self.tracks * PARTS
    }

    /// How much of it is full.
    pub(super) fn done(&self) -> u64 {
        let begun = self.rendering.as_ref().map_or(0, |(done, _)| *done);
        ((self.ready + self.quarantined) * PARTS + begun).min(self.all())
    }

    /// What stands beside the bar.
    pub(super) fn message(&self, left: Option<Duration>) -> String {
        let left = left.map(|left| format!(", {} left", span(left))).unwrap_or_default();
        let name = self.rendering.as_ref().map(|(_, name)| format!(" · {name}")).unwrap_or_default();
        // A file name is a stranger's text.
        format!("{} of {}{left}{name}", self.ready, count(self.tracks, "track"))
            .replace(char::is_control, "\u{fffd}")
    }
}

/// How long the rest will take, by what has been done since the first look.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    first: Option<(Instant, u64)>,
}

impl Estimate {
    /// `None` until a tenth of a track has been done.
    pub(super) fn left(&mut self, tally: &Tally, now: Instant) -> Option<Duration> {
        let (start, before) = *self.first.get_or_insert((now, tally.done()));
        let done = tally.done().checked_sub(before).filter(|done| *done >= PARTS / 10)?;
        let elapsed = now.saturating_duration_since(start).as_secs_f64();
        let left = tally.all().saturating_sub(tally.done());
        Some(Duration::from_secs_f64((elapsed * left as f64 / done as f64).min(1e9)))
    }
}

/// A line for each track whose fate has been decided since the last look.
#[derive(Debug, Default)]
pub(super) struct News {
    told: HashSet<String>,
}

impl News {
    pub(super) fn lines(&mut self, shelf: &Shelf) -> Vec<String> {
        let mut lines = Vec::new();
        for track in &shelf.tracks {
            let what = match track.state {
                State::Pending => continue,
                State::Ready { .. } => "ready",
                State::Quarantined => "cannot be played",
            };
            if self.told.insert(track.source.clone()) {
                let line = format!("{}/{} {}: {what}", self.told.len(), shelf.tracks.len(), track.source);
                lines.push(line.replace(char::is_control, "\u{fffd}"));
            }
        }
        lines
    }
}

/// What is said at the end.
pub(super) fn summary(shelf: &Shelf, width: usize, color: bool) -> String {
    let tally = Tally::of(shelf);
    let (style, mark) = if tally.ready == tally.tracks { (Style::Good, "✓") } else { (Style::Warn, "!") };
    let head = Line::new().put(style, mark);
    let mut lines = vec![head.plain(format!(" {} of {} ready", tally.ready, count(tally.tracks, "track")))];
    for file in &shelf.quarantined {
        lines.push(Line::new().put(Style::Bad, "✗ ").plain(&file.source));
        for text in wrap(&file.reason, width.saturating_sub(2)) {
            lines.push(Line::new().put(Style::Dim, format!("  {text}")));
        }
    }
    ink::print(&lines, width, color)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(ready: u64, thousandths: u64) -> Tally {
        Tally { tracks: 40, ready, quarantined: 1, rendering: Some((thousandths, "a\nb.ogg".into())) }
    }

    #[test]
    fn the_bar_counts_tracks_and_the_part_of_one() {
        assert_eq!(tally(9, 500).done(), 10_500);
        assert_eq!(tally(9, 500).all(), 40_000);
        // The renderer may have gone on to a track that is not counted any more.
        assert_eq!(tally(39, 500).done(), 40_000);
    }

    #[test]
    fn the_estimate_follows_what_was_done_here_and_not_what_was_there() {
        let (mut estimate, start) = (Estimate::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(estimate.left(&tally(9, 0), at(0)), None);
        assert_eq!(estimate.left(&tally(9, 50), at(1)), None, "too little to tell");
        // One track in 10 s, 29 to go.
        assert_eq!(estimate.left(&tally(10, 0), at(10)), Some(Duration::from_secs(290)));
        assert_eq!(estimate.left(&tally(39, 0), at(300)), Some(Duration::ZERO));
    }

    #[test]
    fn an_estimate_survives_a_library_that_shrinks() {
        let (mut estimate, start) = (Estimate::default(), Instant::now());
        estimate.left(&tally(20, 0), start);
        assert_eq!(estimate.left(&Tally { tracks: 5, ready: 2, ..Tally::default() }, start), None);
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(
            tally(9, 0).message(Some(Duration::from_secs(200))),
            "9 of 40 tracks, 3 min 20 s left · a\u{fffd}b.ogg"
        );
    }
}
