//! What `nonstop status` says: the one snapshot of a running daemon that leaves the process.
//!
//! Scripts hold on to these names: fields are added, never renamed or removed. The stream key has
//! no place in here, nor has any text that could hold it.

use super::Timestamp;
use serde::{Deserialize, Serialize};

/// A daemon's state at [`Status::time`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The channel's name.
    pub channel: String,
    /// The machine's name or instance id.
    pub node: String,
    /// The daemon's version.
    pub version: String,
    /// When this was so.
    pub time: Timestamp,
    /// How long the daemon has run, in seconds.
    pub uptime_s: u64,
    /// Where the daemon is in its life.
    pub phase: Phase,
    /// Whether the standby card with silence is on air, because there is nothing to play.
    pub standby: bool,
    /// What is on air; `None` on standby, and before the schedule is known.
    pub now: Option<OnAir>,
    /// What comes next, soonest first.
    pub next: Vec<Upcoming>,
    /// One for every `[[destination]]`, in the configuration's order.
    pub destinations: Vec<Destination>,
    /// What there is to play.
    pub library: Library,
    /// What is wrong where music, renditions, schedule and keys lie; empty while all is well. Nothing on air
    /// depends on it.
    #[serde(default)]
    pub troubles: Vec<Trouble>,
    /// What has been announced about this machine's end.
    pub notice: Option<Notice>,
}

/// Where the daemon is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing is sent yet.
    Starting,
    /// At least one ingest of every destination gets the stream.
    OnAir,
    /// Some destination gets nothing; it is tried again without end.
    Degraded,
    /// Another node has all ingests.
    StandingBy,
    /// On the way to an orderly end.
    Draining,
    /// Off the air for a notice about this machine, until it goes or the notice is taken back.
    Drained,
    /// From a daemon that knows more phases than this program.
    #[serde(untagged)]
    Other(String),
}

impl Phase {
    /// For a person: `on air`.
    pub fn words(&self) -> &str {
        match self {
            Self::Starting => "starting",
            Self::OnAir => "on air",
            Self::Degraded => "degraded",
            Self::StandingBy => "standing by",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Other(other) => other,
        }
    }
}

/// The entry on air.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnAir {
    /// From the track's tags, else its file name.
    pub title: String,
    /// Performer.
    pub artist: Option<String>,
    /// Album.
    pub album: Option<String>,
    /// The track's path below the media source.
    pub source: String,
    /// When it began.
    pub started: Timestamp,
    /// When the next entry begins.
    pub ends: Timestamp,
}

/// An entry to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upcoming {
    /// From the track's tags, else its file name.
    pub title: String,
    /// Performer.
    pub artist: Option<String>,
    /// Album.
    pub album: Option<String>,
    /// The track's path below the media source.
    pub source: String,
    /// When it begins.
    pub starts: Timestamp,
    /// When the one after it begins.
    pub ends: Timestamp,
}

/// A platform account that is published to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Its name in the configuration.
    pub name: String,
    /// `failover` or `both`.
    pub redundancy: Redundancy,
    /// Primary first.
    pub ingests: Vec<Ingest>,
    /// How often the stream has moved to the other ingest since the daemon started.
    pub failovers: u64,
    /// Whether other nodes have every ingest that this one could have.
    #[serde(default)]
    pub elsewhere: bool,
}

/// How a destination uses its two ingests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redundancy {
    /// Backup when primary fails.
    Failover,
    /// Primary and backup all the time.
    Both,
}

/// One endpoint of a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingest {
    /// `primary` or `backup`.
    pub ingest: Role,
    /// What goes on with it.
    pub state: IngestState,
    /// Since when.
    pub since: Timestamp,
    /// How far what the peer has acknowledged is behind the programme, in milliseconds; `None`
    /// where nothing is sent.
    pub acked_lag_ms: Option<u64>,
    /// Bytes sent since the daemon started.
    pub sent_bytes: u64,
    /// Failures since the daemon started.
    pub failures: u64,
    /// The last of them.
    pub last_error: Option<String>,
}

/// Which of a destination's two ingests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The first choice.
    Primary,
    /// The second.
    Backup,
}

impl Role {
    /// `primary` or `backup`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
        }
    }
}

/// What goes on with an ingest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IngestState {
    /// Not wanted: the other ingest carries the stream.
    Idle,
    /// On the way to publishing.
    Connecting,
    /// It gets the stream.
    Live,
    /// It gets the rest of what it was sent, and then nothing.
    Draining,
    /// It failed, and is tried again after a while.
    Waiting,
    /// From a daemon that knows more states than this program.
    #[serde(untagged)]
    Other(String),
}

/// What there is to play.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Library {
    /// Tracks in the media source that can be read.
    pub tracks: u64,
    /// Those of them that have been rendered.
    pub ready: u64,
    /// What is being rendered.
    pub rendering: Option<Rendering>,
    /// What cannot be played, and why: files that could not be read, and tracks that could not
    /// be rendered.
    pub quarantined: Vec<Quarantined>,
    /// Why rendering is paused, if it is.
    pub paused: Option<String>,
    /// Whether the media source has been gone through to its end at least once.
    pub complete: bool,
    /// How far fetching from a bucket is, while something is fetched.
    #[serde(default)]
    pub syncing: Option<Syncing>,
}

/// How far fetching from a bucket is: of what is wanted to be rendered and finds room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syncing {
    /// Files that have come.
    pub files: u64,
    /// Of so many.
    pub total: u64,
    /// Bytes that have come.
    pub bytes: u64,
    /// Of so many.
    pub total_bytes: u64,
}

/// A track being rendered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rendering {
    /// The track's path below the media source.
    pub source: String,
    /// How much of it is done, from 0 to 1.
    pub done: f64,
}

/// A file that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its path below the media source.
    pub source: String,
    /// Why.
    pub reason: String,
}

/// Something that cannot be read or written where it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What it is about.
    pub part: Part,
    /// One sentence.
    pub reason: String,
    /// What a person can do about it; `None` where it passes by itself, or nobody knows.
    pub hint: Option<String>,
}

/// What lies in a bucket or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The media source.
    Music,
    /// What the nodes of a channel have rendered.
    Renditions,
    /// What plays when.
    Schedule,
    /// Which node may use which ingest.
    Slots,
    /// What an ingest is opened with.
    Key,
    /// From a daemon that knows more parts than this program.
    #[serde(untagged)]
    Other(String),
}

impl Part {
    /// Its name in `--json`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Music => "music",
            Self::Renditions => "renditions",
            Self::Schedule => "schedule",
            Self::Slots => "slots",
            Self::Key => "key",
            Self::Other(other) => other,
        }
    }
}

/// An announcement about this machine's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// One sentence: `spot interruption: terminate`.
    pub reason: String,
    /// When the machine goes, if that is known.
    pub deadline: Option<Timestamp>,
}

impl From<Upcoming> for OnAir {
    fn from(entry: Upcoming) -> Self {
        let Upcoming { title, artist, album, source, starts: started, ends } = entry;
        Self { title, artist, album, source, started, ends }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A channel in full swing.
    pub(crate) fn on_air() -> Status {
        let at = |offset: i64| Timestamp::from_unix(1_795_367_765_u64.saturating_add_signed(offset));
        let track = |title: &str, artist: Option<&str>, starts: i64, ends: i64| Upcoming {
            title: title.into(),
            artist: artist.map(Into::into),
            album: Some("The Battle for Wesnoth".into()),
            source: format!("{}.ogg", title.to_lowercase().replace(' ', "-")),
            starts: at(starts),
            ends: at(ends),
        };
        let ingest = |ingest, state, since, acked_lag_ms, sent_bytes| Ingest {
            ingest,
            state,
            since: at(since),
            acked_lag_ms,
            sent_bytes,
            failures: 0,
            last_error: None,
        };
        Status {
            channel: "lofi".into(),
            node: "i-0abc12de34f567890".into(),
            version: "0.1.0".into(),
            time: at(0),
            uptime_s: 273_900,
            phase: Phase::OnAir,
            standby: false,
            now: Some(track("Knalgan Theme", Some("Ryan Reilly"), -83, 142).into()),
            next: vec![
                track("Love Theme", Some("Aleksi Aubry-Carlson"), 142, 292),
                track("Heroes Rite", Some("Mattias Westlund"), 292, 3_842),
                track("A title that nobody tagged", None, 3_842, 4_000),
            ],
            destinations: vec![Destination {
                name: "youtube".into(),
                redundancy: Redundancy::Failover,
                ingests: vec![
                    ingest(Role::Primary, IngestState::Live, -11_520, Some(412), 12_345_678_901),
                    ingest(Role::Backup, IngestState::Idle, -11_500, None, 1_234_567),
                ],
                failovers: 0,
                elsewhere: false,
            }],
            library: Library { tracks: 41, ready: 41, complete: true, ..Library::default() },
            troubles: Vec::new(),
            notice: None,
        }
    }

    #[test]
    fn json_has_the_documented_names() {
        let mut status = on_air();
        status.library.quarantined = vec![Quarantined { source: "a.mp3".into(), reason: "empty".into() }];
        status.library.rendering = Some(Rendering { source: "b.mp3".into(), done: 0.5 });
        status.library.syncing = Some(Syncing { files: 1, total: 2, bytes: 3, total_bytes: 4 });
        let reason = "cannot list s3://music/lofi/renditions: access denied".into();
        status.troubles = vec![Trouble { part: Part::Renditions, reason, hint: Some("allow it".into()) }];
        insta::assert_snapshot!(serde_json::to_string_pretty(&status).unwrap());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let status = on_air();
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    }

    #[test]
    fn a_newer_daemon_is_understood_as_far_as_possible() {
        let text = serde_json::to_string(&on_air()).unwrap();
        let text = text.replace(r#""phase":"on_air""#, r#""phase":"dancing","mood":"good""#);
        let text = text.replace(r#""state":"live""#, r#""state":"probing""#);
        let status: Status = serde_json::from_str(&text).unwrap();
        assert_eq!(status.phase, Phase::Other("dancing".into()));
        assert_eq!(status.destinations[0].ingests[0].state, IngestState::Other("probing".into()));
    }
}
