//! What is announced about this machine's end: from what the metadata service says to notices, each
//! of which is announced once and taken back once. Pure; [`task`] asks the service.
//!
//! # Theory of operation
//!
//! Four paths each say something or nothing. What a path says becomes [`Notice`]s with stable ids, so
//! that hearing one twice is one event. A notice ends in one of two ways:
//!
//! - *withdrawn*: the service has not said it for [`WITHDRAWN`]. One answer without it is not enough:
//!   going off the air and on again costs more than waiting to be sure.
//! - *forgotten*: it is still said, but nothing came of it. Advice to rebalance is forgotten after
//!   [`REBALANCE_HOLDS`], and an interruption that the machine has outlived by [`OUTLIVED`]. Neither
//!   is announced again, until the service has once stopped saying it.
//!
//! What an Auto Scaling group says about the machine holds for as long as it says so.
//!
//! A question that was not answered is no observation: nothing follows from it.
//!
//! Rejected: to end on a date of scheduled maintenance. It is a window of hours, the machine's own
//! shutdown asks for an orderly end when it comes, and until then the channel belongs on the air.

mod rounds;
mod said;
pub mod task;

pub use said::Unreadable;
pub use task::{Outlook, Service};

use crate::media::Timestamp;
use said::Heard;
use std::time::{Duration, SystemTime};

/// Advice to rebalance is taken for a false alarm when nothing has followed for this long. A group
/// with capacity rebalancing starts a replacement within two or three minutes of it, and then says
/// that this machine is to go; so what follows comes as a notice of its own.
pub const REBALANCE_HOLDS: Duration = Duration::from_secs(15 * 60);
/// An interruption that should have happened this long ago is taken for one that does not happen. Should
/// it come all the same, the stream breaks off as it would have; and if it does not come, every second
/// of this was silence for nothing.
pub const OUTLIVED: Duration = Duration::from_secs(15);
/// What the service has not said for this long, it has taken back.
pub const WITHDRAWN: Duration = Duration::from_secs(30);
/// From a spot notice to the end: what AWS promises, and more than it ever gives. So the date is not
/// trusted beyond it, which a clock that is slow would have us do.
pub const SPOT_WARNING: Duration = Duration::from_secs(120);
/// More announcements than these from one path are a fault of the service.
const MOST: usize = 16;

/// A path of the metadata service that announces something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// The spot interruption.
    Spot,
    /// What the Auto Scaling group wants the machine to be.
    Group,
    /// Advice to rebalance.
    Rebalance,
    /// Scheduled maintenance.
    Maintenance,
}

/// An announcement about this machine's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The same for as long as it is the same event: `spot 2026-11-22T17:16:05Z`.
    pub id: String,
    /// What is announced.
    pub kind: Kind,
    /// When this process first heard of it.
    pub heard: SystemTime,
    /// When it takes effect, as far as that is known. Of an interruption, never before `heard` and
    /// at most [`SPOT_WARNING`] after it.
    pub at: Option<SystemTime>,
    /// What the service said, word for word.
    pub raw: String,
}

/// See [`Notice`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The spot machine is taken away; `terminate`, `stop` or `hibernate`.
    Interruption(String),
    /// The Auto Scaling group lets it go: `Terminated`, `Detached`, `Standby`, `Warmed:Stopped`.
    Released(String),
    /// Its risk of being interrupted is higher than others'.
    Rebalance,
    /// Maintenance with its code: `system-reboot`, `instance-retirement`.
    Maintenance {
        /// AWS's word for what happens.
        code: String,
        /// When its window ends.
        until: Option<SystemTime>,
    },
}

/// What a notice asks of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// To be ready; nothing changes on air.
    Prepare,
    /// To leave the air once another node is on: when the machine goes, if it does, is not known.
    Yield,
    /// To leave the air in good order.
    Drain,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// News.
    Announced(Notice),
    /// The same event, to another time or in another form.
    Moved(Notice),
    /// It was taken back.
    Withdrawn(Notice),
    /// Nothing came of it.
    Forgotten(Notice),
    /// It was over before this process began.
    Stale(Notice),
    /// A path says something that cannot be understood. Told once, until it can be again.
    Unreadable(Path, Unreadable),
}

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Interruption {
    spot: Slate,
    group: Slate,
    rebalance: Slate,
    maintenance: Slate,
}

/// What one path has said.
#[derive(Clone, Debug, Default)]
struct Slate {
    notices: Vec<Written>,
    /// Whether it has ever said nothing: what it says from then on is new.
    cleared: bool,
    unreadable: bool,
}

#[derive(Clone, Debug)]
struct Written {
    notice: Notice,
    /// Still said, but nothing came of it.
    spent: bool,
    /// Since when it has not been said.
    missing: Option<SystemTime>,
}

impl Path {
    /// The most urgent first.
    pub const ALL: [Self; 4] = [Self::Spot, Self::Group, Self::Rebalance, Self::Maintenance];

    /// Below the service's address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spot => "/latest/meta-data/spot/instance-action",
            Self::Group => "/latest/meta-data/autoscaling/target-lifecycle-state",
            Self::Rebalance => "/latest/meta-data/events/recommendations/rebalance",
            Self::Maintenance => "/latest/meta-data/events/maintenance/scheduled",
        }
    }
}

impl Notice {
    /// What it asks of the channel.
    pub fn urgency(&self) -> Urgency {
        match &self.kind {
            // A group names no time, and one that means it has the machine shut down, which ends the
            // channel in order. Until then it may be long: a hook of somebody else's, or for ever.
            Kind::Released(_) => Urgency::Yield,
            Kind::Interruption(_) => Urgency::Drain,
            Kind::Rebalance | Kind::Maintenance { .. } => Urgency::Prepare,
        }
    }

    /// One sentence for a person, without the time: `spot interruption: terminate`.
    pub fn reason(&self) -> String {
        match &self.kind {
            Kind::Interruption(action) => format!("spot interruption: {action}"),
            Kind::Released(state) => format!("the Auto Scaling group lets this machine go: {state}"),
            Kind::Rebalance => {
                "advice to rebalance: a spot interruption is likelier than elsewhere".to_owned()
            }
            Kind::Maintenance { code, until: None } => format!("scheduled maintenance: {code}"),
            Kind::Maintenance { code, until: Some(until) } => {
                format!("scheduled maintenance: {code}, by {}", Timestamp::from(*until))
            }
        }
    }

    /// When nothing is expected of it any more.
    fn forgotten_at(&self) -> Option<SystemTime> {
        match self.kind {
            Kind::Interruption(_) => self.at.map(|at| at + OUTLIVED),
            Kind::Rebalance => Some(self.heard + REBALANCE_HOLDS),
            Kind::Released(_) | Kind::Maintenance { .. } => None,
        }
    }
}

impl Interruption {
    /// What the service says at `path`; `None` is what it says when there is nothing (404).
    pub fn on(&mut self, path: Path, said: Option<&str>, now: SystemTime) -> Vec<Change> {
        let slate = self.slate(path);
        let heard = match said.map_or(Ok(Vec::new()), |text| said::hear(path, text)) {
            Ok(heard) => heard,
            Err(_) if slate.unreadable => return Vec::new(),
            Err(unreadable) => {
                slate.unreadable = true;
                return vec![Change::Unreadable(path, unreadable)];
            }
        };
        slate.unreadable = false;
        let changes = slate.on(path, heard, said.is_none(), now);
        changes.into_iter().chain(self.tick(now)).collect()
    }

    /// What changes by itself.
    pub fn tick(&mut self, now: SystemTime) -> Vec<Change> {
        Path::ALL.into_iter().flat_map(|path| self.slate(path).tick(now)).collect()
    }

    /// What is announced, the most urgent first, and of those the nearest.
    pub fn notices(&self) -> Vec<Notice> {
        let slates = [&self.spot, &self.group, &self.rebalance, &self.maintenance];
        let written = slates.into_iter().flat_map(|slate| &slate.notices).filter(|written| !written.spent);
        let mut notices: Vec<_> = written.map(|written| written.notice.clone()).collect();
        notices.sort_by_key(|n| (std::cmp::Reverse(n.urgency()), n.at.is_none(), n.at, n.heard));
        notices
    }

    fn slate(&mut self, path: Path) -> &mut Slate {
        match path {
            Path::Spot => &mut self.spot,
            Path::Group => &mut self.group,
            Path::Rebalance => &mut self.rebalance,
            Path::Maintenance => &mut self.maintenance,
        }
    }
}

impl Slate {
    fn on(&mut self, path: Path, heard: Vec<Heard>, absent: bool, now: SystemTime) -> Vec<Change> {
        self.cleared |= heard.is_empty();
        let mut changes = Vec::new();
        for written in &mut self.notices {
            let said = heard.iter().any(|heard| written.is(path, heard));
            // A machine that has left its group for good may have no state in it any more.
            let left = matches!(&written.notice.kind, Kind::Released(state) if state == "Detached");
            let missing = !(said || left && absent);
            written.missing = missing.then(|| written.missing.unwrap_or(now));
        }
        for heard in heard.into_iter().take(MOST) {
            match self.notices.iter_mut().find(|written| written.is(path, &heard)) {
                Some(written) => changes.extend(written.hear(heard)),
                None => changes.extend(self.announce(heard, now)),
            }
        }
        changes
    }

    fn announce(&mut self, heard: Heard, now: SystemTime) -> Option<Change> {
        let dated = heard.at;
        let notice = heard.into_notice(now);
        // What was said before this process began may be long over. Only its date can tell.
        let holds = match notice.kind {
            Kind::Interruption(_) => OUTLIVED,
            _ => REBALANCE_HOLDS,
        };
        let passing = matches!(notice.kind, Kind::Interruption(_) | Kind::Rebalance);
        let stale = passing && !self.cleared && dated.is_some_and(|dated| dated + holds <= now);
        self.notices.push(Written { notice: notice.clone(), spent: stale, missing: None });
        Some(if stale { Change::Stale(notice) } else { Change::Announced(notice) })
    }

    fn tick(&mut self, now: SystemTime) -> Vec<Change> {
        let mut changes = Vec::new();
        self.notices.retain_mut(|written| {
            if written.missing.is_some_and(|since| since + WITHDRAWN <= now) {
                if !written.spent {
                    changes.push(Change::Withdrawn(written.notice.clone()));
                }
                return false;
            }
            if !written.spent && written.notice.forgotten_at().is_some_and(|at| at <= now) {
                written.spent = true;
                changes.push(Change::Forgotten(written.notice.clone()));
            }
            true
        });
        changes
    }
}

impl Written {
    /// Whether what is heard is this. There is one spot interruption at a time, whatever its time is.
    fn is(&self, path: Path, heard: &Heard) -> bool {
        let same = self.notice.id == heard.id || self.notice.raw == heard.raw;
        same || (path == Path::Spot && !self.spent)
    }

    fn hear(&mut self, heard: Heard) -> Option<Change> {
        if self.notice.raw == heard.raw {
            return None;
        }
        let before = (self.notice.kind.clone(), self.notice.at);
        let heard = Heard { id: self.notice.id.clone(), ..heard };
        self.notice = heard.into_notice(self.notice.heard);
        let moved = !self.spent && before != (self.notice.kind.clone(), self.notice.at);
        moved.then(|| Change::Moved(self.notice.clone()))
    }
}

#[cfg(test)]
mod tests;
