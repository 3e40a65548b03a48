//! What somebody should hear of, and when: a pure function of what the channel was and is.
//!
//! Each look at the channel is held against what has been told. So an alert is told once, however
//! often it is seen, and a trouble that is over before anybody could act is not told at all:
//!
//! - *off air* when a destination has had no stream for [`OFF`], and *back* when it has had it for
//!   [`BACK`] after that;
//! - *failover* at once, then at most every [`FAILOVERS`], with how many there were;
//! - *quarantine* when no further file has been set aside for [`QUIET`], at the latest after
//!   [`LONG`], all of them together;
//! - *standby* when the card has been on air for [`STANDBY`], and when it no longer is;
//! - a *notice* about the machine's end at once, and its withdrawal.
//!
//! Whether an alert was taken is said afterwards; a process goes on from what the one before it has
//! [kept](Kept).
//!
//! On the way out, only the notice and the end itself are told: that destinations fall silent then
//! is no trouble.

mod kept;

pub use kept::Kept;

use crate::control::status::{Destination, Ingest, IngestState, Phase, Status};
use crate::media::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Without a stream for this long is off air: reconnects take less.
pub const OFF: Duration = Duration::from_secs(10);
/// Before the first stream, a destination has this long: the card may have to be rendered.
pub const FIRST: Duration = Duration::from_secs(60);
/// With a stream for this long is back on air.
pub const BACK: Duration = Duration::from_secs(5);
/// Between two alerts about failovers of a destination.
pub const FAILOVERS: Duration = Duration::from_secs(300);
/// Files that are set aside within this of each other are told together …
pub const QUIET: Duration = Duration::from_secs(10);
/// … but not later than this.
pub const LONG: Duration = Duration::from_secs(60);
/// The card on air for this long is worth telling.
pub const STANDBY: Duration = Duration::from_secs(60);
/// Files that an alert names; it counts the rest.
const NAMED: usize = 5;

/// The channel at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// One for each destination.
    pub feeds: Vec<Feed>,
    /// Whether the standby card is on air.
    pub standby: bool,
    /// What cannot be played: path and reason.
    pub quarantined: Vec<(String, String)>,
    /// What is announced about the machine: the sentence, and when it goes in Unix seconds.
    pub notice: Option<(String, Option<u64>)>,
    /// Whether the channel is on its way out.
    pub draining: bool,
}

/// A destination at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// Its name.
    pub name: String,
    /// The ingests that get the stream from this node.
    pub live: Vec<&'static str>,
    /// Whether other nodes see to it: they have all its ingests, and this one stands by.
    pub elsewhere: bool,
    /// Failovers since the start.
    pub failovers: u64,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl Look {
    /// Of the daemon's status.
    pub fn of(status: &Status) -> Self {
        let live = |ingest: &&Ingest| matches!(ingest.state, IngestState::Live | IngestState::Draining);
        let feed = |destination: &Destination| Feed {
            name: destination.name.clone(),
            live: destination.ingests.iter().filter(live).map(|ingest| ingest.ingest.as_str()).collect(),
            elsewhere: destination.elsewhere,
            failovers: destination.failovers,
            error: destination.ingests.iter().find_map(|ingest| ingest.last_error.clone()),
        };
        let quarantined = status.library.quarantined.iter();
        Self {
            feeds: status.destinations.iter().map(feed).collect(),
            standby: status.standby,
            quarantined: quarantined.map(|file| (file.source.clone(), file.reason.clone())).collect(),
            notice: status
                .notice
                .as_ref()
                .map(|notice| (notice.reason.clone(), notice.deadline.map(Timestamp::unix))),
            draining: matches!(status.phase, Phase::Draining | Phase::Drained),
        }
    }
}

/// Something that somebody should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// The machine is going.
    Notice {
        /// One sentence.
        reason: String,
        /// Unix seconds.
        deadline: Option<u64>,
    },
    /// It is not going after all.
    Withdrawn {
        /// What had been said.
        reason: String,
    },
    /// The stream has moved to the other ingest.
    Failover {
        /// The destination.
        destination: String,
        /// Where it is now.
        ingests: Vec<&'static str>,
        /// How often, since it was last told.
        times: u64,
        /// Why.
        error: Option<String>,
    },
    /// A destination gets nothing.
    OffAir {
        /// The destination.
        destination: String,
        /// Why.
        error: Option<String>,
    },
    /// It gets the stream again.
    BackOnAir {
        /// The destination.
        destination: String,
        /// For how long it had none, in seconds.
        seconds: u64,
    },
    /// Files cannot be played.
    Quarantine {
        /// How many were set aside.
        files: usize,
        /// The first of them, with the reason.
        named: Vec<(String, String)>,
    },
    /// There is nothing to play.
    Standby,
    /// There is something to play again.
    Music,
    /// The channel has ended here.
    Drained {
        /// Whether every session was closed.
        whole: bool,
    },
}

/// What has been told, and what is about to be.
#[derive(Debug)]
pub struct Alerts {
    feeds: BTreeMap<String, Known>,
    /// Since when the card is on air, and whether that was told.
    standby: Option<(Instant, bool)>,
    quarantined: BTreeSet<String>,
    aside: Option<Aside>,
    notice: Option<(String, Option<u64>)>,
    started: Instant,
}

/// Files that are yet to be told.
#[derive(Debug)]
struct Aside {
    files: Vec<(String, String)>,
    /// When the first and the last of them came.
    first: Instant,
    last: Instant,
}

#[derive(Debug, Default)]
struct Known {
    failovers: u64,
    told_failover: Option<Instant>,
    air: Air,
}

#[derive(Clone, Copy, Debug, Default)]
enum Air {
    /// Never had a stream.
    #[default]
    New,
    /// Neither, and had none under the process before since then, of which nobody has heard.
    Unheard(Instant),
    On,
    /// Had one until then.
    Lost(Instant),
    /// That was told.
    Off(Off),
}

#[derive(Clone, Copy, Debug)]
struct Off {
    since: Instant,
    /// Whether somebody took the alert.
    heard: bool,
    /// With a stream again since then.
    back: Option<Instant>,
}

impl Alerts {
    /// From `now` on. Files that cannot be played by then are no news.
    pub fn new(look: &Look, now: Instant) -> Self {
        Self {
            feeds: BTreeMap::new(),
            standby: None,
            quarantined: look.quarantined.iter().map(|(source, _)| source.clone()).collect(),
            aside: None,
            notice: None,
            started: now,
        }
    }

    /// Goes on from what the process before has kept, when the wall clock says `unix`. The return of
    /// who was told to be off air is told. That they are is told again only if nobody has heard of it,
    /// when they have had as long as any destination has before its first stream.
    #[must_use]
    pub fn recalling(mut self, kept: &Kept, unix: u64) -> Self {
        for (name, off) in kept.still(self.started, unix) {
            let air = if off.heard { Air::Off(off) } else { Air::Unheard(off.since) };
            self.feeds.insert(name.clone(), Known { air, ..Known::default() });
        }
        self
    }

    /// The last alert about this destination's being off air has been taken.
    pub fn heard(&mut self, destination: &str) {
        if let Some(Known { air: Air::Off(off), .. }) = self.feeds.get_mut(destination) {
            off.heard = true;
        }
    }

    /// The destinations that are off air, as far as that was told or was to be.
    fn off(&self) -> impl Iterator<Item = (&String, Off)> {
        self.feeds.iter().filter_map(|(name, known)| match known.air {
            Air::Off(off) => Some((name, off)),
            Air::Unheard(since) => Some((name, Off { since, heard: false, back: None })),
            Air::New | Air::On | Air::Lost(_) => None,
        })
    }

    /// What there is to tell at this look.
    pub fn on(&mut self, look: &Look, now: Instant) -> Vec<Alert> {
        let mut alerts = Vec::new();
        if look.notice != self.notice {
            alerts.extend(match (&look.notice, &self.notice) {
                (Some((reason, deadline)), _) => {
                    Some(Alert::Notice { reason: reason.clone(), deadline: *deadline })
                }
                (None, Some((reason, _))) => Some(Alert::Withdrawn { reason: reason.clone() }),
                (None, None) => None,
            });
            self.notice.clone_from(&look.notice);
        }
        if look.draining {
            return alerts;
        }
        // The process before may have had others.
        self.feeds.retain(|name, _| look.feeds.iter().any(|feed| feed.name == *name));
        for feed in &look.feeds {
            let known = self.feeds.entry(feed.name.clone()).or_default();
            alerts.extend(known.air(feed, self.started, now));
            alerts.extend(known.failover(feed, now));
        }
        alerts.extend(self.quarantine(look, now));
        alerts.extend(self.card(look.standby, now));
        alerts
    }

    fn quarantine(&mut self, look: &Look, now: Instant) -> Option<Alert> {
        let sources: BTreeSet<_> = look.quarantined.iter().map(|(source, _)| source.clone()).collect();
        let new: Vec<_> =
            look.quarantined.iter().filter(|(s, _)| !self.quarantined.contains(s)).cloned().collect();
        self.quarantined = sources;
        if !new.is_empty() {
            let aside = self.aside.get_or_insert_with(|| Aside { files: Vec::new(), first: now, last: now });
            aside.files.extend(new);
            aside.last = now;
        }
        let due = |aside: &mut Aside| now >= aside.last + QUIET || now >= aside.first + LONG;
        let mut named = self.aside.take_if(due)?.files;
        let files = named.len();
        named.truncate(NAMED);
        Some(Alert::Quarantine { files, named })
    }

    fn card(&mut self, standby: bool, now: Instant) -> Option<Alert> {
        match (&mut self.standby, standby) {
            (None, true) => self.standby = Some((now, false)),
            (Some((since, told @ false)), true) if now >= *since + STANDBY => {
                *told = true;
                return Some(Alert::Standby);
            }
            (Some((_, told)), false) => {
                let told = *told;
                self.standby = None;
                return told.then_some(Alert::Music);
            }
            _ => {}
        }
        None
    }
}

impl Known {
    fn air(&mut self, feed: &Feed, started: Instant, now: Instant) -> Option<Alert> {
        let off = |since| (Air::Off(Off { since, heard: false, back: None }), Some(feed.off_air()));
        // What others have is not off the air, and is theirs to watch.
        let live = !feed.live.is_empty() || feed.elsewhere;
        let (air, alert) = match (self.air, live) {
            (Air::New, false) if now >= started + FIRST => off(started),
            (Air::Unheard(since), false) if now >= started + FIRST => off(since),
            (Air::New | Air::Unheard(_) | Air::Lost(_), true) => (Air::On, None),
            (Air::On, false) => (Air::Lost(now), None),
            (Air::Lost(since), false) if now >= since + OFF => off(since),
            (Air::Off(off @ Off { back: None, .. }), true) => {
                (Air::Off(Off { back: Some(now), ..off }), None)
            }
            (Air::Off(off), false) => (Air::Off(Off { back: None, ..off }), None),
            (Air::Off(Off { since, back: Some(back), .. }), true) if now >= back + BACK => {
                let seconds = back.saturating_duration_since(since).as_secs();
                (Air::On, Some(Alert::BackOnAir { destination: feed.name.clone(), seconds }))
            }
            (same, _) => (same, None),
        };
        self.air = air;
        alert
    }

    fn failover(&mut self, feed: &Feed, now: Instant) -> Option<Alert> {
        let times = feed.failovers.saturating_sub(self.failovers);
        let soon = self.told_failover.is_some_and(|told| now < told + FAILOVERS);
        // Who is off air is told that instead, and who was told so knows.
        if times == 0 || soon || feed.live.is_empty() {
            return None;
        }
        (self.failovers, self.told_failover) = (feed.failovers, Some(now));
        let (destination, ingests, error) = (feed.name.clone(), feed.live.clone(), feed.error.clone());
        Some(Alert::Failover { destination, ingests, times, error })
    }
}

impl Feed {
    fn off_air(&self) -> Alert {
        Alert::OffAir { destination: self.name.clone(), error: self.error.clone() }
    }
}

#[cfg(test)]
mod tests;
