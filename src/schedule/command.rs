//! What an operator may ask of the schedule, and what is answered.

use super::page::Entry;
use crate::config::Order;
use crate::media::Credits;
use tokio::sync::oneshot;

/// A request. The answer goes to `reply`; nobody waiting for it is no error.
#[derive(Debug)]
pub enum Command {
    /// End what is on air, as soon as it may change.
    Skip {
        /// What comes instead.
        reply: oneshot::Sender<Result<Entry, Refusal>>,
    },
    /// Put a track next.
    Queue {
        /// Path below the media source, or an unmistakable part of path, title or artist.
        track: String,
        /// What was queued.
        reply: oneshot::Sender<Result<Queued, Refusal>>,
    },
    /// Choose in this order from now on. What is scheduled stays.
    Reorder(Order),
    /// What plays when.
    Plan {
        /// How many entries and forecasts at the most.
        count: usize,
        /// What is scheduled, and behind it what the rotation would choose as things are.
        reply: oneshot::Sender<Plan>,
    },
}

/// How [`Command::Queue`] was carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Queued {
    /// It is in the schedule.
    Scheduled(Entry),
    /// It is being rendered first, and goes into the schedule as soon as it is ready.
    Rendering {
        /// Path below the media source.
        source: String,
        /// Who made what.
        credits: Credits,
    },
}

/// See [`Command::Plan`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// On air and scheduled.
    pub scheduled: Vec<Entry>,
    /// Path and credits of what would be chosen next.
    pub forecast: Vec<(String, Credits)>,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No track is ready.
    #[error("no track is ready to be played yet")]
    NothingReady,
    /// The channel is still starting.
    #[error("the channel is still starting")]
    Starting,
    /// No track matches.
    #[error("no track matches {asked:?}{}", .nearest.as_ref().map_or_else(String::new, |n| format!("; did you mean {n}?")))]
    NoSuchTrack {
        /// What was asked for.
        asked: String,
        /// The path that looks most like it.
        nearest: Option<String>,
    },
    /// Several match; some of them.
    #[error("{asked:?} could be any of: {}", .matches.join(", "))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// Some of the tracks that match.
        matches: Vec<String>,
    },
    /// It cannot be played.
    #[error("{track} cannot be played: {reason}")]
    Quarantined {
        /// Path below the media source.
        track: String,
        /// Why.
        reason: String,
    },
    /// Too many wait already.
    #[error("{0} tracks are waiting to be rendered already")]
    QueueFull(usize),
}

/// The one track of `sources` (path, title, artist) that `asked` means.
pub fn find<'a, T>(
    asked: &str,
    tracks: &'a [T],
    names: impl Fn(&T) -> (&str, &Credits),
) -> Result<&'a T, Refusal> {
    let exact = tracks.iter().find(|track| names(track).0 == asked);
    if let Some(track) = exact {
        return Ok(track);
    }
    let wanted = asked.to_lowercase();
    let title = |track: &&T| names(track).1.title.to_lowercase() == wanted;
    let part = |track: &&T| {
        let (source, credits) = names(track);
        source.to_lowercase().contains(&wanted) || credits.to_string().to_lowercase().contains(&wanted)
    };
    let by_title: Vec<_> = tracks.iter().filter(title).collect();
    let matches = if by_title.is_empty() { tracks.iter().filter(part).collect() } else { by_title };
    match &matches[..] {
        [] => {
            Err(Refusal::NoSuchTrack { asked: asked.to_owned(), nearest: nearest(&wanted, tracks, &names) })
        }
        [track] => Ok(track),
        several => Err(Refusal::Ambiguous {
            asked: asked.to_owned(),
            matches: several.iter().take(5).map(|track| names(track).0.to_owned()).collect(),
        }),
    }
}

/// The path whose file name or title looks most like `wanted`, if any looks like it at all.
fn nearest<T>(wanted: &str, tracks: &[T], names: impl Fn(&T) -> (&str, &Credits)) -> Option<String> {
    let likeness = |track: &T| {
        let (source, credits) = names(track);
        let file = source.rsplit('/').next().unwrap_or(source).to_lowercase();
        let title = credits.title.to_lowercase();
        strsim::jaro_winkler(wanted, &file).max(strsim::jaro_winkler(wanted, &title))
    };
    let rated = tracks.iter().map(|track| (likeness(track), track)).filter(|(likeness, _)| *likeness > 0.8);
    rated.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, track)| names(track).0.to_owned())
}
