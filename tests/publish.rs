//! Publishing over real sockets, in real time: TLS with an authority of its own, a reset, an end in
//! order. What faults there can be beyond that, the simulation goes through.

#[path = "simulation/ingest.rs"]
mod ingest;
#[path = "simulation/programme.rs"]
mod programme;
mod rig;

use nonstop::config::{Destination, KeySource, Redundancy, Secret};
use nonstop::host::Clock;
use nonstop::media::Kind;
use nonstop::publish::failover::Rules;
use nonstop::publish::task::bequest::{Bequest, Heir};
use nonstop::publish::task::keys::{Keys, keys};
use nonstop::publish::task::{self, Gate, Net, Publisher, trust};
use nonstop::publish::{DestinationStatus, IngestState};
use programme::{reference, stream_info};
use rig::ingest::{Act, Ending, Ingest, Options, Record, Session, Stage};
use rig::{Scratch, free_port};
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const KEY: &str = "abcd-efgh-ijkl-mnop";
/// An end in order takes at most this long (`Rules::finish`); usually it is a few milliseconds.
const FINISH: Duration = Duration::from_secs(3);
/// Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

struct OnAir {
    status: watch::Receiver<DestinationStatus>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

fn publish(destination: Destination) -> OnAir {
    publish_with(destination, Secret::new(KEY).into())
}

fn publish_with(destination: Destination, keys: Keys) -> OnAir {
    publish_from(Instant::now(), destination, keys, Vec::new(), None)
}

/// For a programme that began at `start`.
fn publish_from(
    start: Instant,
    destination: Destination,
    keys: Keys,
    inherited: Vec<Bequest>,
    heir: Option<Heir>,
) -> OnAir {
    let (status, watched) = watch::channel(DestinationStatus::idle(&destination, reference().start()));
    let publisher = Publisher {
        gate: Gate::open(),
        rules: Rules::new(destination.redundancy),
        dialer: Net::new(destination.ca_file.as_deref()).unwrap(),
        destination,
        keys,
        metadata: stream_info(),
        reader: reference().reader.clone(),
        clock: Clock::on(move || UNIX_EPOCH + reference().start().to_unix() + start.elapsed()),
        inherited,
        heir,
        beat: Box::new(|| ()),
    };
    let cancel = CancellationToken::new();
    let run = task::run(publisher, status, cancel.clone());
    let task = tokio::spawn(async { run.await.unwrap() });
    OnAir { status: watched, cancel, task }
}

impl OnAir {
    async fn until(&mut self, what: &str, wanted: impl Fn(&DestinationStatus) -> bool) -> DestinationStatus {
        if let Ok(status) = timeout(PATIENCE, self.status.wait_for(|status| wanted(status))).await {
            return status.expect("the destination goes on").clone();
        }
        panic!("waited for {what}: {:?}", *self.status.borrow());
    }

    /// Ends it, and says how long that took.
    async fn end(self) -> Duration {
        let start = Instant::now();
        self.cancel.cancel();
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
        start.elapsed()
    }
}

fn destination(primary: &Ingest, backup: Option<&Ingest>, ca_file: Option<&Path>) -> Destination {
    Destination {
        name: "youtube".into(),
        primary: primary.url(),
        backup: backup.map(Ingest::url),
        redundancy: Redundancy::Failover,
        key: KeySource::Credential("stream-key".into()),
        ca_file: ca_file.map(Path::to_owned),
    }
}

fn options(tls: bool) -> Options {
    Options { app: Some("live2?backup=1".into()), key: Some(KEY.into()), tls, ..Options::default() }
}

/// The instants at which a session's media came in.
fn arrivals(session: &Session) -> Vec<Instant> {
    session.look(|record| record.units().map(|message| message.at).collect())
}

#[tokio::test]
async fn a_reset_moves_the_stream_to_backup_within_half_a_second() {
    let (primary, backup) = (Ingest::start(options(false)).await, Ingest::start(options(false)).await);
    let mut on_air = publish(destination(&primary, Some(&backup), None));
    let first = primary.session(0).await;
    first.until("a second of media", |record| record.media > 80).await;
    let reset = Instant::now();
    first.act(Act::Reset);
    let second = backup.session(0).await;
    second.until("media", |record| record.units().count() > 2).await;
    let gap = arrivals(&second)[0] - reset;
    assert!(gap < Duration::from_millis(500), "{gap:?} to the first byte on backup");

    let status = on_air.until("a failover", |status| status.failovers == 1).await;
    assert_eq!(status.ingests[1].state, IngestState::Live);
    assert_eq!(status.ingests[0].failures, 1);
    let error = status.ingests[0].last_error.clone().unwrap();
    assert!(error.starts_with("the connection broke at media: "), "{error}");

    assert!(on_air.end().await < FINISH);
    second.until("its end", Record::ended).await;
    assert_eq!(second.look(|record| record.stage), Stage::Ended(Ending::Orderly));
    for session in [first, second] {
        assert_eq!(session.look(|record| record.faults.clone()), [""; 0]);
    }
}

#[tokio::test]
async fn tls_asks_for_the_server_by_name_and_trusts_the_given_authority_only() {
    let scratch = Scratch::new("publish");
    let (ingest, other) = (Ingest::start(options(true)).await, Ingest::start(options(true)).await);
    let authority = |ingest: &Ingest, name: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, ingest.authority()).unwrap();
        path
    };
    let (right, wrong) = (authority(&ingest, "right.pem"), authority(&other, "wrong.pem"));

    let mut on_air = publish(destination(&ingest, None, Some(&right)));
    let session = ingest.session(0).await;
    session.until("media", |record| record.media > 200).await;
    assert_eq!(session.look(|record| record.server_name.clone()).as_deref(), Some("localhost"));
    // What TLS adds is counted, and what is counted is acknowledged.
    let status = on_air.until("acknowledgements", |status| status.ingests[0].acked_lag.is_some()).await;
    assert!(status.ingests[0].sent_bytes > 0);
    assert!(on_air.end().await < FINISH);
    session.until("its end", Record::ended).await;
    assert_eq!(
        session.look(|record| (record.stage, record.faults.len())),
        (Stage::Ended(Ending::Orderly), 0)
    );

    let mut on_air = publish(destination(&ingest, None, Some(&wrong)));
    let status = on_air.until("a failure", |status| status.ingests[0].failures > 0).await;
    let error = status.ingests[0].last_error.clone().unwrap();
    assert!(error.starts_with("no TLS with localhost: "), "{error}");
    on_air.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_with_the_name_of_it() {
    let mut ingest = Ingest::start(options(false)).await;
    let mut nowhere = destination(&ingest, None, None);
    nowhere.primary.port = free_port();
    let mut on_air = publish(nowhere.clone());
    let status = on_air.until("a failure", |status| status.ingests[0].failures > 0).await;
    let expected = format!("cannot connect to 127.0.0.1 at 127.0.0.1:{}: ", nowhere.primary.port);
    let error = status.ingests[0].last_error.clone().unwrap();
    assert!(error.starts_with(&expected), "{error}");
    on_air.end().await;

    ingest = Ingest::start(Options { key: Some("another".into()), ..options(false) }).await;
    let mut on_air = publish(destination(&ingest, None, None));
    let status = on_air.until("a failure", |status| status.ingests[0].failures > 0).await;
    let error = status.ingests[0].last_error.clone().unwrap();
    assert!(error.starts_with("the ingest refused the stream: "), "{error}");
    assert!(!format!("{status:?}").contains(KEY));
    on_air.end().await;

    let missing = Net::new(Some(Path::new("missing.pem"))).map(|_| ()).unwrap_err();
    assert!(matches!(missing, trust::Error::File { .. }), "{missing}");
}

#[tokio::test]
async fn a_key_may_come_late_and_a_new_one_is_taken_up_after_a_refusal() {
    let ingest = Ingest::start(options(false)).await;
    let (keeper, late) = keys(Err("the secret cannot be read".into()));
    let mut on_air = publish_with(destination(&ingest, None, None), late);
    let status = on_air.until("the reason", |status| status.ingests[0].last_error.is_some()).await;
    assert_eq!(status.ingests[0].last_error.as_deref(), Some("the secret cannot be read"));
    assert_eq!((status.ingests[0].state, status.ingests[0].failures), (IngestState::Waiting, 0));

    keeper.hand_over(Secret::new("the-key-of-last-week"));
    timeout(PATIENCE, keeper.refused()).await.expect("the ingest refuses it");
    keeper.hand_over(Secret::new(KEY));
    on_air.until("the stream", |status| status.live()).await;
    on_air.end().await;

    // Who waits for a key is told to end like everyone else.
    let (_keeper, never) = keys(Err("it is denied".into()));
    let mut waiting = publish_with(destination(&ingest, None, None), never);
    waiting.until("the reason", |status| status.ingests[0].last_error.is_some()).await;
    assert!(waiting.end().await < FINISH);
}

/// What a process that is about to be followed by another has.
fn heir() -> (Heir, mpsc::Receiver<Bequest>) {
    let (to, left) = mpsc::channel(2);
    (Heir { wanted: CancellationToken::new(), to }, left)
}

#[tokio::test]
async fn a_session_without_tls_outlives_its_process_and_nothing_is_missing_from_it() {
    let ingest = Ingest::start(options(false)).await;
    let (start, to) = (Instant::now(), destination(&ingest, None, None));
    let (first_heir, mut left) = heir();
    let keys = || Secret::new(KEY).into();
    let on_air = publish_from(start, to.clone(), keys(), Vec::new(), Some(first_heir.clone()));
    let session = ingest.session(0).await;
    session.until("media", |record| record.media > 200).await;
    first_heir.wanted.cancel();
    assert!(on_air.end().await < FINISH);

    // As it goes through the state folder.
    let mut bequest = left.recv().await.expect("the session was left");
    let text = serde_json::to_string(&bequest.deed).unwrap();
    assert!(!text.contains(KEY));
    bequest.deed = serde_json::from_str(&text).unwrap();
    assert!(!session.look(Record::ended));

    // And on to a third process, so that what is left by an heir is as good.
    let (second_heir, mut left) = heir();
    let sent = session.look(|record| record.media);
    let on_air = publish_from(start, to.clone(), keys(), vec![bequest], Some(second_heir.clone()));
    session.until("more media", |record| record.media > sent + 200).await;
    second_heir.wanted.cancel();
    on_air.end().await;
    let bequest = left.recv().await.expect("the session was left again");
    let sent = session.look(|record| record.media);
    let mut on_air = publish_from(start, to, keys(), vec![bequest], None);
    session.until("more media", |record| record.media > sent + 200).await;
    let status = on_air.until("progress", |status| status.ingests[0].acked_lag.is_some()).await;
    assert_eq!((status.ingests[0].state, status.ingests[0].failures), (IngestState::Live, 0));
    assert!(on_air.end().await < FINISH);
    session.until("its end", Record::ended).await;

    assert_eq!(ingest.sessions().len(), 1, "no other session was opened");
    let (stage, faults) = session.look(|record| (record.stage, record.faults.clone()));
    assert_eq!((stage, faults), (Stage::Ended(Ending::Orderly), vec![]));
    let came: Vec<_> = session.look(|record| {
        let media = record.units().filter(|message| message.body.get(1) != Some(&0));
        media.map(|message| (ingest::digest(&message.body), message.timestamp)).collect()
    });
    let units = &reference().units;
    // Pictures come again in every loop, but no sound is like another.
    let sound = |(n, came): (usize, &(u64, u32))| {
        let same = |unit: &programme::Unit| unit.digest == came.0 && unit.kind == Kind::Audio;
        units.iter().position(same).map(|at| at - n)
    };
    let begin = came.iter().enumerate().find_map(sound).expect("it is of the programme");
    let base = units[begin].time;
    let expected = units[begin..][..came.len()].iter();
    let expected: Vec<_> = expected.map(|unit| (unit.digest, unit.time.millis_since(base) as u32)).collect();
    let odd = came.iter().zip(&expected).position(|(came, expected)| came != expected);
    assert_eq!(odd, None, "unit of {}: {:?}", came.len(), odd.map(|n| (&came[n], &expected[n])));
}

#[tokio::test]
async fn a_session_that_cannot_be_gone_on_with_is_closed_and_another_takes_its_place() {
    let (ingest, other) = (Ingest::start(options(false)).await, Ingest::start(options(false)).await);
    let start = Instant::now();
    let (heir, mut left) = heir();
    let keys = || Secret::new(KEY).into();
    let to = destination(&ingest, None, None);
    let on_air = publish_from(start, to, keys(), Vec::new(), Some(heir.clone()));
    let session = ingest.session(0).await;
    session.until("media", |record| record.media > 100).await;
    heir.wanted.cancel();
    on_air.end().await;
    let bequest = left.recv().await.expect("the session was left");
    // The configuration has changed meanwhile.
    let on_air = publish_from(start, destination(&other, None, None), keys(), vec![bequest], None);
    session.until("its end", Record::ended).await;
    assert_eq!(session.look(|record| record.stage), Stage::Ended(Ending::Closed));
    other.session(0).await.until("media", |record| record.media > 100).await;
    on_air.end().await;
}

#[tokio::test]
async fn a_session_of_other_codec_headers_is_closed() {
    let ingest = Ingest::start(options(false)).await;
    let (start, to) = (Instant::now(), destination(&ingest, None, None));
    let (heir, mut left) = heir();
    let on_air = publish_from(start, to.clone(), Secret::new(KEY).into(), Vec::new(), Some(heir.clone()));
    let session = ingest.session(0).await;
    session.until("media", |record| record.media > 100).await;
    heir.wanted.cancel();
    on_air.end().await;
    let mut bequest = left.recv().await.expect("the session was left");
    // Another FFmpeg had made what it sent.
    let mut deed = serde_json::to_value(&bequest.deed).unwrap();
    deed["headers"] = serde_json::Value::String("0123456789abcdef".repeat(4));
    bequest.deed = serde_json::from_value(deed).unwrap();
    let on_air = publish_from(start, to, Secret::new(KEY).into(), vec![bequest], None);
    session.until("its end", Record::ended).await;
    let next = ingest.session(1).await;
    next.until("media", |record| record.media > 100).await;
    on_air.end().await;
}

#[tokio::test]
async fn a_session_of_a_key_that_was_changed_is_closed() {
    let (start, another) = (Instant::now(), "the-key-of-next-week");
    let ingest = Ingest::start(Options { key: None, ..options(false) }).await;
    let (heir, mut left) = heir();
    let to = destination(&ingest, None, None);
    let on_air = publish_from(start, to.clone(), Secret::new(KEY).into(), Vec::new(), Some(heir.clone()));
    let session = ingest.session(0).await;
    session.until("media", |record| record.media > 100).await;
    heir.wanted.cancel();
    on_air.end().await;
    let bequest = left.recv().await.expect("the session was left");
    let on_air = publish_from(start, to, Secret::new(another).into(), vec![bequest], None);
    session.until("its end", Record::ended).await;
    let next = ingest.session(1).await;
    next.until("media", |record| record.media > 100).await;
    assert_eq!(next.look(|record| record.key.clone()).as_deref(), Some(another));
    on_air.end().await;
}
