//! What a destination says of itself: the public type of this stage.

use crate::config::{Destination, Redundancy};
use crate::media::MediaTime;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// One of a destination's two endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The first choice.
    Primary,
    /// The second.
    Backup,
}

impl Role {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Backup,
            Self::Backup => Self::Primary,
        }
    }

    /// `primary` or `backup`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an ingest is used for just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IngestState {
    /// Not needed: the other one carries the stream.
    Idle,
    /// A session is being opened.
    Connecting,
    /// A session carries the stream.
    Live,
    /// A session sends its last and ends in order.
    Draining,
    /// It failed; the next attempt is due later.
    Waiting,
}

impl IngestState {
    /// As it stands in status, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Draining => "draining",
            Self::Waiting => "waiting",
        }
    }
}

impl fmt::Display for IngestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A destination's state.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationStatus {
    /// As configured.
    pub name: String,
    /// As configured.
    pub redundancy: Redundancy,
    /// Primary, then backup if there is one.
    pub ingests: Vec<IngestStatus>,
    /// How often one ingest had to take over from the other since the start.
    pub failovers: u64,
}

impl DestinationStatus {
    /// Before anything was sent.
    pub fn idle(destination: &Destination, now: MediaTime) -> Self {
        let roles = [Role::Primary, Role::Backup].into_iter();
        let ingests = roles.take(1 + usize::from(destination.backup.is_some())).map(|ingest| IngestStatus {
            ingest,
            state: IngestState::Idle,
            since: now,
            acked_lag: None,
            acked: None,
            sent_bytes: 0,
            failures: 0,
            last_error: None,
        });
        Self {
            name: destination.name.clone(),
            redundancy: destination.redundancy,
            ingests: ingests.collect(),
            failovers: 0,
        }
    }

    /// Whether the stream is being carried by at least one ingest.
    pub fn live(&self) -> bool {
        self.ingests.iter().any(|ingest| matches!(ingest.state, IngestState::Live | IngestState::Draining))
    }
}

/// An ingest's state.
#[derive(Clone, Debug, PartialEq)]
pub struct IngestStatus {
    /// Which of the two.
    pub ingest: Role,
    /// What it is used for.
    pub state: IngestState,
    /// Since when.
    pub since: MediaTime,
    /// How far what the peer acknowledged lies behind the programme's now; zero when it is ahead.
    /// `None` while no session is open. At most a second old.
    pub acked_lag: Option<Duration>,
    /// All media before this was acknowledged by the peer, in this session or an earlier one. At most
    /// a second old.
    pub acked: Option<MediaTime>,
    /// Bytes handed to the kernel for this ingest since the start, TLS and RTMP included.
    pub sent_bytes: u64,
    /// Failed sessions and attempts since the start.
    pub failures: u64,
    /// Why the last one failed.
    pub last_error: Option<String>,
}
