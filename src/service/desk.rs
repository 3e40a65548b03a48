//! What the daemon says to those who ask: its status, put together from the stages' snapshots when
//! somebody wants it, and operators' requests, passed on to the schedule.

use super::notice::Notices;
use super::slots::Slots;
use crate::control::status::{self, Part, Phase, Status};
use crate::control::{self, Forecast, Plan, Refusal, Timestamp};
use crate::host::Clock;
use crate::library::Library;
use crate::media::{Credits, Grid};
use crate::publish::{DestinationStatus, IngestState, IngestStatus, Role};
use crate::render::Shelf;
use crate::render::exchange::There;
use crate::schedule::command::{self, Command};
use crate::schedule::{Airing, Entry, Programme};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// How many coming entries a status names.
const NEXT: usize = 5;

/// The stages' latest snapshots, and the way to the schedule.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) channel: String,
    pub(super) node: String,
    pub(super) started: Instant,
    pub(super) clock: Clock,
    pub(super) library: watch::Receiver<Arc<Library>>,
    pub(super) shelf: watch::Receiver<Arc<Shelf>>,
    /// What is known of the renditions in the bucket, if there is one.
    pub(super) there: Option<watch::Receiver<Arc<There>>>,
    pub(super) programme: watch::Receiver<Arc<Programme>>,
    pub(super) destinations: Vec<watch::Receiver<DestinationStatus>>,
    /// Why a destination has the stream key that an earlier process read.
    pub(super) kept_keys: watch::Receiver<BTreeMap<String, String>>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) draining: tokio_util::sync::CancellationToken,
    /// Which ingests this node may use, if it shares them.
    pub(super) slots: Slots,
    /// Off the air for a notice.
    pub(super) drained: tokio_util::sync::CancellationToken,
    pub(super) notices: Notices,
}

impl control::Handler for Desk {
    fn status(&self) -> Status {
        let now = self.clock.now();
        let programme = self.programme.borrow().clone();
        let cell = programme.grid.cell_at(now);
        let coming = programme.airings.iter().filter(|airing| airing.to > cell);
        let (on_air, next): (Vec<_>, Vec<_>) = coming.partition(|airing| airing.from <= cell);
        // Scheduled is not on air: a rendition that cannot be opened leaves the card on.
        let on_air = on_air.first().filter(|airing| programme.open.contains_key(&airing.entry.rendition));
        let next = next.into_iter().take(NEXT).map(|airing| airing_of(programme.grid, airing)).collect();
        let destinations: Vec<_> = self.destinations.iter().map(|d| d.borrow().clone()).collect();
        Status {
            channel: self.channel.clone(),
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time: now.into(),
            uptime_s: self.started.elapsed().as_secs(),
            phase: self.phase(&destinations),
            standby: on_air.is_none(),
            now: on_air.map(|airing| airing_of(programme.grid, airing).into()),
            next,
            destinations: destinations.into_iter().map(|of| destination(of, &self.slots)).collect(),
            library: library(&self.library.borrow(), &self.shelf.borrow()),
            troubles: self.troubles(),
            notice: self.notices.status(),
        }
    }

    async fn skip(&self) -> Result<status::Upcoming, Refusal> {
        let entry = self.ask(|reply| Command::Skip { reply }).await?.map_err(refusal)?;
        Ok(entry_of(self.grid(), &entry))
    }

    async fn queue(&self, track: String) -> Result<control::Queued, Refusal> {
        let queued = self.ask(|reply| Command::Queue { track, reply }).await?.map_err(refusal)?;
        Ok(match queued {
            command::Queued::Scheduled(entry) => control::Queued::Scheduled(entry_of(self.grid(), &entry)),
            command::Queued::Rendering { source, credits } => {
                control::Queued::Rendering(Forecast { source, credits })
            }
        })
    }

    async fn plan(&self, count: usize) -> Result<Plan, Refusal> {
        let plan = self.ask(|reply| Command::Plan { count, reply }).await?;
        let forecast = plan.forecast.into_iter().map(|(source, credits)| Forecast { source, credits });
        Ok(Plan {
            scheduled: plan.scheduled.iter().map(|entry| entry_of(self.grid(), entry)).collect(),
            forecast: forecast.collect(),
        })
    }
}

impl Desk {
    fn grid(&self) -> Grid {
        self.programme.borrow().grid
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Refusal> {
        let gone = || Refusal::new("the daemon is on its way out");
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    fn phase(&self, destinations: &[DestinationStatus]) -> Phase {
        let sent = |d: &DestinationStatus| d.ingests.iter().any(|ingest| ingest.sent_bytes > 0);
        match () {
            () if self.drained.is_cancelled() => Phase::Drained,
            () if self.draining.is_cancelled() || self.notices.going() || self.slots.leave() => {
                Phase::Draining
            }
            () if self.slots.stand_by() => Phase::StandingBy,
            () if destinations.iter().all(DestinationStatus::live) => Phase::OnAir,
            () if !destinations.iter().any(sent) => Phase::Starting,
            () => Phase::Degraded,
        }
    }

    /// What is wrong where things lie, in the order of the data's way.
    fn troubles(&self) -> Vec<status::Trouble> {
        let mut troubles = Vec::new();
        let mut tell = |part, reason, hint: Option<&str>| {
            troubles.push(status::Trouble { part, reason, hint: hint.map(str::to_owned) });
        };
        for problem in self.library.borrow().problems.iter().filter(|problem| problem.is_whole()) {
            tell(Part::Music, problem.reason.clone(), None);
        }
        if let Some(without) = &self.shelf.borrow().without {
            tell(Part::Music, without.clone(), None);
        }
        if let Some(there) = self.there.as_ref().map(|there| there.borrow()) {
            for error in [&there.unseen, &there.ungiven].into_iter().flatten() {
                tell(Part::Renditions, error.to_string(), error.hint());
            }
        }
        if let Some(error) = &self.programme.borrow().alone {
            tell(Part::Schedule, format!("this node goes on alone: {error}"), error.hint());
        }
        for (destination, error) in self.slots.troubles() {
            let reason = format!("the slots of {destination}: {error}; what is on air stays on air");
            tell(Part::Slots, reason, error.hint());
        }
        for (destination, reason) in self.kept_keys.borrow().iter() {
            let reason = format!("{destination} has the key of before the restart: {reason}");
            tell(Part::Key, reason, Some("mend it before the next stop, which forgets that key"));
        }
        troubles
    }

    /// One line for the service manager: what plays, and on which ingests.
    pub(super) fn line(&self) -> String {
        let status = control::Handler::status(self);
        if let (Phase::Drained, Some(notice)) = (&status.phase, &status.notice) {
            return format!("off the air, waiting for the machine to go ({})", notice.reason);
        }
        let ingests = self.destinations.iter().map(|destination| {
            let destination = destination.borrow();
            let live = destination.ingests.iter().filter(|i| i.state == IngestState::Live);
            let live: Vec<_> = live.map(|ingest| ingest.ingest.as_str()).collect();
            format!(
                "{}: {}",
                destination.name,
                if live.is_empty() { "off air".into() } else { live.join("+") }
            )
        });
        let playing = match status.now {
            Some(now) => Credits { title: now.title, artist: now.artist, album: now.album }.to_string(),
            None => "standby card".to_owned(),
        };
        format!("{playing} ({})", ingests.collect::<Vec<_>>().join(", "))
    }
}

fn refusal(refusal: command::Refusal) -> Refusal {
    let hint = match &refusal {
        command::Refusal::NoSuchTrack { .. } => {
            "name its path below the media source, its title, or a part of either"
        }
        command::Refusal::Ambiguous { .. } => "name more of it",
        command::Refusal::NothingReady | command::Refusal::Starting => "try again in a moment",
        command::Refusal::Quarantined { .. } => "replace the file; it is then tried again",
        command::Refusal::QueueFull(_) => "wait until some of them have played",
    };
    Refusal::new(refusal.to_string()).hint(hint)
}

fn entry_of(grid: Grid, entry: &Entry) -> status::Upcoming {
    let Credits { title, artist, album } = entry.credits.clone();
    let (starts, ends) = (grid.start(entry.start).into(), grid.start(entry.end()).into());
    status::Upcoming { title, artist, album, source: entry.source.clone(), starts, ends }
}

fn airing_of(grid: Grid, airing: &Airing) -> status::Upcoming {
    let ends: Timestamp = grid.start(airing.to).into();
    status::Upcoming { ends, ..entry_of(grid, &airing.entry) }
}

fn destination(destination: DestinationStatus, slots: &Slots) -> status::Destination {
    status::Destination {
        elsewhere: slots.elsewhere(&destination.name),
        name: destination.name,
        redundancy: match destination.redundancy {
            crate::config::Redundancy::Failover => status::Redundancy::Failover,
            crate::config::Redundancy::Both => status::Redundancy::Both,
        },
        ingests: destination.ingests.into_iter().map(ingest).collect(),
        failovers: destination.failovers,
    }
}

fn ingest(ingest: IngestStatus) -> status::Ingest {
    status::Ingest {
        ingest: match ingest.ingest {
            Role::Primary => status::Role::Primary,
            Role::Backup => status::Role::Backup,
        },
        state: match ingest.state {
            IngestState::Idle => status::IngestState::Idle,
            IngestState::Connecting => status::IngestState::Connecting,
            IngestState::Live => status::IngestState::Live,
            IngestState::Draining => status::IngestState::Draining,
            IngestState::Waiting => status::IngestState::Waiting,
        },
        since: ingest.since.into(),
        acked_lag_ms: ingest.acked_lag.map(|lag| lag.as_millis() as u64),
        sent_bytes: ingest.sent_bytes,
        failures: ingest.failures,
        last_error: ingest.last_error,
    }
}

fn library(library: &Library, shelf: &Shelf) -> status::Library {
    let unread = library.problems.iter().filter(|problem| !problem.is_whole());
    let unread = unread.map(|problem| (&problem.source, &problem.reason));
    let unplayable = shelf.quarantined.iter().map(|track| (&track.source, &track.reason));
    let quarantined = unread.chain(unplayable);
    status::Library {
        tracks: shelf.tracks.len() as u64,
        ready: shelf.tracks.iter().filter(|t| t.state.is_ready()).count() as u64,
        rendering: shelf.rendering.as_ref().map(|rendering| status::Rendering {
            source: rendering.source.clone(),
            done: f64::from(rendering.done),
        }),
        quarantined: quarantined
            .map(|(source, reason)| status::Quarantined { source: source.clone(), reason: reason.clone() })
            .collect(),
        paused: shelf.paused.clone(),
        complete: library.complete,
        syncing: library.syncing.map(|syncing| status::Syncing {
            files: syncing.files,
            total: syncing.total,
            bytes: syncing.bytes,
            total_bytes: syncing.total_bytes,
        }),
    }
}
