//! Nodes that share a programme, a store and two ingests, in virtual time: each with the product's
//! own publisher and keeper of slots.

use crate::net::{self, Net, Phone};
use crate::programme::{reference, stream_info};
use crate::{KEY, none};
use nonstop::config::{Destination, KeySource, Redundancy, Secret};
use nonstop::handover::task::{Memory, Settings};
use nonstop::handover::{self, Phase, View};
use nonstop::host::{Clock, Drain};
use nonstop::publish::Role;
use nonstop::publish::failover::Rules;
use nonstop::publish::task::{Gate, Publisher};
use nonstop::publish::{self, DestinationStatus};
use nonstop::store::{Error, Kind, Put, Store, Version};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What is in the store, with how often it was replaced.
type Contents = Arc<Mutex<BTreeMap<String, (Vec<u8>, u64)>>>;

/// One node's way to the store.
#[derive(Clone)]
pub struct Way {
    contents: Contents,
    /// Until when it swallows everything.
    blocked: watch::Sender<Option<Instant>>,
}

impl Way {
    pub fn new() -> Self {
        Self { contents: Arc::default(), blocked: watch::channel(None).0 }
    }

    pub fn another(&self) -> Self {
        Self { contents: self.contents.clone(), blocked: watch::channel(None).0 }
    }

    pub fn block(&self, time: Duration) {
        self.blocked.send_replace(Some(Instant::now() + time));
    }

    /// There and back takes 40 ms.
    async fn answer<T>(&self, work: impl FnOnce(&mut BTreeMap<String, (Vec<u8>, u64)>) -> T) -> T {
        sleep(Duration::from_millis(20)).await;
        if self.blocked.borrow().is_some_and(|until| Instant::now() < until) {
            std::future::pending::<()>().await;
        }
        let answer = work(&mut self.contents.lock().unwrap());
        sleep(Duration::from_millis(20)).await;
        answer
    }
}

impl Store for Way {
    async fn list(&self, prefix: &str, _: &str) -> Result<Vec<String>, Error> {
        Err(Error::new(Kind::Other, "list", prefix, "nobody lists slots"))
    }

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        let found = |(bytes, version): &(Vec<u8>, u64)| (bytes.clone(), Version(version.to_string()));
        Ok(self.answer(|contents| contents.get(key).map(found)).await)
    }

    async fn put_if_absent(&self, key: &str, bytes: Vec<u8>) -> Result<Put, Error> {
        let put = |contents: &mut BTreeMap<_, _>| {
            if contents.contains_key(key) {
                return Put::Refused;
            }
            contents.insert(key.to_owned(), (bytes, 0));
            Put::Written(Version("0".into()))
        };
        Ok(self.answer(put).await)
    }

    async fn put_if_match(&self, key: &str, bytes: Vec<u8>, version: &Version) -> Result<Put, Error> {
        let put = |contents: &mut BTreeMap<String, (Vec<u8>, u64)>| match contents.get_mut(key) {
            Some((old, current)) if current.to_string() == version.0 => {
                (*old, *current) = (bytes, *current + 1);
                Put::Written(Version(current.to_string()))
            }
            _ => Put::Refused,
        };
        Ok(self.answer(put).await)
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        Err(Error::new(Kind::Other, "remove", key, "nobody removes slots"))
    }
}

/// What a node is made from, and made from again after its end.
pub struct Machine {
    pub way: Way,
    pub memory: Memory,
    /// How far its wall clock is ahead.
    pub ahead: Duration,
    pub redundancy: Redundancy,
    /// When the simulation began.
    pub start: Instant,
    pub net: net::Shared,
}

pub struct Node {
    /// Ends when it can publish.
    readied: Option<JoinHandle<()>>,
    publisher: JoinHandle<()>,
    slots: JoinHandle<()>,
    drain: watch::Sender<Option<Drain>>,
    view: watch::Receiver<View>,
    status: watch::Receiver<DestinationStatus>,
    cancel: CancellationToken,
}

impl Machine {
    /// A node that can publish after so long.
    pub fn start(&self, after: Duration) -> Node {
        let (reference, start, ahead) = (reference(), self.start, self.ahead);
        let clock = Clock::on(move || UNIX_EPOCH + reference.start().to_unix() + start.elapsed() + ahead);
        let destination = Destination {
            name: "youtube".into(),
            primary: net::url(Role::Primary),
            backup: Some(net::url(Role::Backup)),
            redundancy: self.redundancy,
            key: KeySource::Credential("stream-key".into()),
            ca_file: None,
        };
        let (gate, keeper) = Gate::kept();
        let (show, status) = watch::channel(DestinationStatus::idle(&destination, clock.now()));
        let cancel = CancellationToken::new();
        let publisher = Publisher {
            rules: Rules { unread: net::RECEIVE_BUFFER as u64, ..Rules::new(self.redundancy) },
            destination,
            keys: Secret::new(KEY).into(),
            metadata: stream_info(),
            reader: reference.reader.clone(),
            clock: clock.clone(),
            dialer: Phone(self.net.clone()),
            gate,
            inherited: Vec::new(),
            heir: None,
            beat: Box::new(|| ()),
        };
        let ready = CancellationToken::new();
        let settings = Settings {
            destination: "youtube".into(),
            me: self.memory.begin(),
            rules: handover::Rules::new(self.redundancy),
            store: Arc::new(self.way.clone()),
            clock,
            memory: self.memory.clone(),
            ready: ready.clone(),
            beat: Box::new(|| ()),
        };
        let (drain, drains) = watch::channel(None);
        let (tell, view) = watch::channel(View::default());
        let slots = handover::task::run(settings, status.clone(), keeper, drains, tell, cancel.clone());
        let publish = publish::task::run(publisher, show, cancel.clone());
        let (looks_on, idle) = (view.clone(), status.clone());
        let readied = tokio::spawn(async move {
            sleep(after).await;
            assert_eq!(looks_on.borrow().phase, Phase::Asking, "it only looks on");
            assert!(idle.borrow().ingests.iter().all(|ingest| ingest.sent_bytes == 0), "it sends nothing");
            ready.cancel();
        });
        Node {
            readied: Some(readied),
            publisher: tokio::spawn(async { publish.await.unwrap_or_else(|never| match never {}) }),
            slots: tokio::spawn(slots),
            drain,
            view,
            status,
            cancel,
        }
    }
}

impl Node {
    /// As `kill -9` does: its connections are reset.
    pub async fn kill(self) {
        self.publisher.abort();
        self.slots.abort();
        let _ = (self.publisher.await, self.slots.await);
    }

    pub fn drain(&self, within: Duration) {
        let drain = Drain { reason: "a test".into(), deadline: Instant::now() + within, patient: false };
        self.drain.send_replace(Some(drain));
    }

    /// Waits until all is given back, and ends; gives how long that took.
    pub async fn released(mut self, within: Duration) -> Duration {
        let begin = Instant::now();
        let released = self.view.wait_for(|view| view.phase == Phase::Released);
        timeout(within, released).await.expect("it leaves in time").expect("it lives");
        let took = begin.elapsed();
        self.cancel.cancel();
        timeout(Duration::from_secs(4), self.publisher).await.expect("it has nothing left to do").unwrap();
        took
    }

    /// Waits until it carries the stream, and says so in its slot. A node that is just going back to
    /// primary has both ingests for some seconds.
    pub async fn on_air(&mut self) {
        if let Some(readied) = self.readied.take() {
            readied.await.expect("it looks on in order");
        }
        let live = |status: &DestinationStatus| status.live();
        timeout(Duration::from_secs(15), self.status.wait_for(live))
            .await
            .expect("it goes on air")
            .expect("it lives");
        sleep(Duration::from_secs(2)).await;
    }

    /// Waits until it carries the stream on primary.
    pub async fn on_primary(&mut self) {
        let live = |status: &DestinationStatus| {
            status.ingests.first().is_some_and(|ingest| ingest.state == publish::IngestState::Live)
        };
        let wait = self.status.wait_for(live);
        timeout(Duration::from_secs(60), wait).await.expect("it gets primary").expect("it lives");
    }
}

/// Fails if ever an ingest was asked to take a stream that it was getting already.
pub fn nobody_was_in_anothers_way(net: &net::Shared) {
    let net = net.lock().unwrap();
    for (number, connection) in net.connections.iter().enumerate() {
        assert!(
            !connection.ingest.refused,
            "session {number} wanted {} while another had it",
            connection.role
        );
    }
}

/// Two machines that know of each other by the store only.
pub fn two(redundancy: Redundancy, folder: &std::path::Path) -> ([Machine; 2], net::Shared) {
    let (net, way, start) = (Net::new([Vec::new(), Vec::new()]), Way::new(), Instant::now());
    let machine = |name: &str, way: Way, ahead: u64| Machine {
        way,
        memory: Memory::new(&folder.join(name), name),
        ahead: Duration::from_millis(ahead),
        redundancy,
        start,
        net: net.clone(),
    };
    let other = way.another();
    ([machine("one", way, 0), machine("two", other, 500)], net)
}

/// What a destination says before it says anything.
pub fn status(node: Option<&Node>) -> DestinationStatus {
    node.map_or_else(none, |node| node.status.borrow().clone())
}
