//! Machines with a node each, a bucket with music, and the two ingests.

use crate::rig::corpus::{self, FEW};
use crate::rig::daemon::{Channel, Daemon};
use crate::rig::hosts::{self, Hosts};
use crate::rig::imds::Metadata;
use crate::rig::moto::Moto;
use crate::rig::nginx::Nginx;
use crate::rig::programme::Programme;
use crate::rig::{Scratch, recording, wait};
use crate::{SOON, let_pass};
use nonstop::host::interruption::Path;
use nonstop::store::{Objects, Store};
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first track has to be fetched and rendered.
const RENDERED: Duration = Duration::from_secs(150);

pub fn rounds() -> usize {
    if std::env::var_os("NONSTOP_SOAK").is_some() { 50 } else { 1 }
}

/// A recording, and how far it had come.
struct Recording {
    path: PathBuf,
    bytes: u64,
    written: SystemTime,
}

impl Recording {
    /// Fails if there is more of it now.
    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(self.path.metadata().expect("it is there").len(), self.bytes, "more was sent");
        // That it was closed since is not when it was sent, by which its place is looked for.
        let file = File::options().write(true).open(&self.path).expect("it is there");
        file.set_modified(self.written).expect("it can be set");
    }
}

pub struct Scene {
    // Before what it lives in.
    daemons: Vec<Option<Daemon<'static>>>,
    nodes: Vec<&'static Channel>,
    metadata: Vec<Metadata>,
    primary: Nginx,
    backup: Nginx,
    moto: Moto,
    scratch: Scratch,
    bucket: String,
    /// What nothing was to be added to.
    ended: Vec<Recording>,
    clock: Option<PathBuf>,
    clocks: Vec<i64>,
    dice: u64,
    pub hosts: Hosts,
}

impl Scene {
    pub fn new(name: &str, nodes: usize) -> Self {
        let hosts = Hosts::new(nodes);
        let scratch = Scratch::new(name);
        let at = |address: &str| Nginx::start_in(Some(&hosts.cloud), address, 1935, 8080);
        let (primary, backup) = (at(&hosts.primary()), at(&hosts.backup()));
        let moto = Moto::start_at(Some(&hosts.cloud), &format!("{}:5000", hosts.bucket()), scratch.path());
        let bucket = format!("handover-{name}");
        moto.make_bucket(&bucket);
        let music = scratch.folder("music");
        let mut files: Vec<_> = FEW[..3].iter().map(|item| item.put(&music)).collect();
        files.push(corpus::background());
        for file in files {
            let content = std::fs::read(&file).expect("the corpus can be read");
            let name = file.file_name().and_then(|name| name.to_str()).expect("the corpus has plain names");
            let name = if name.ends_with(".jpg") { "background.jpg" } else { name };
            moto.put_object(&bucket, &format!("lofi/{name}"), &content);
        }
        let instance = |node: usize| format!("i-{node:017}");
        let metadata = (0..nodes).map(|node| Metadata::start_at(&hosts.test(), &instance(node))).collect();
        let mut scene = Self {
            daemons: (0..nodes).map(|_| None).collect(),
            nodes: Vec::new(),
            metadata,
            primary,
            backup,
            moto,
            scratch,
            bucket,
            ended: Vec::new(),
            clock: None,
            clocks: vec![0; nodes],
            dice: seed() ^ name.len() as u64,
            hosts,
        };
        for node in 0..nodes {
            let channel = scene.channel(name, node);
            scene.nodes.push(Box::leak(Box::new(channel)));
        }
        scene
    }

    fn channel(&self, name: &str, node: usize) -> Channel {
        let mut channel = Channel::new(&format!("{name}-{node}"));
        channel.namespace = Some(self.hosts.nodes[node].clone());
        channel.source = Some(format!("s3://{}/lofi", self.bucket));
        let metadata = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.metadata[node].url());
        let rest =
            self.moto.environment().into_iter().filter(|(name, _)| *name != "AWS_EC2_METADATA_DISABLED");
        channel.environment = rest.chain([metadata]).collect();
        channel.to("here", &self.primary.url(), Some(&self.backup.url()), "");
        channel
    }

    /// Sets a node's wall clock off, before it is started.
    pub fn set_clock(&mut self, node: usize, millis: i64) {
        self.clock.get_or_insert_with(|| hosts::clock_off(self.scratch.path()));
        self.clocks[node] = millis;
    }

    /// Below that many.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    /// Lets up to so many milliseconds pass.
    pub fn pass(&mut self, most: u64) {
        let millis = self.roll(most);
        let_pass(millis);
    }

    /// Starts a node, and goes on at once.
    pub fn begin(&mut self, node: usize) {
        self.metadata[node].withdraw(Path::Spot);
        let setup = self.clock.as_ref().map(|library| {
            format!("export LD_PRELOAD={} CLOCK_OFF_MS={}", library.display(), self.clocks[node])
        });
        let setup: Vec<&str> = setup.iter().map(String::as_str).collect();
        self.daemons[node] = Some(self.nodes[node].run_by(&setup));
    }

    /// Starts a node, and waits until it is on air. The first one has to render first.
    pub fn start(&mut self, node: usize) {
        let first = self.daemons.iter().all(Option::is_none);
        self.begin(node);
        if first {
            self.daemon(node).wait_for_music(RENDERED);
            wait::until("three tracks and the card are in the bucket", RENDERED, || {
                (self.renditions() == 4).then_some(())
            });
            // What was on before the bucket had it all is not looked at.
            self.wait_for_ingest(node, 0, "live", SOON);
        }
        self.wait_for_air(node);
    }

    #[track_caller]
    pub fn wait_for_air(&mut self, node: usize) {
        self.wait_for_air_within(node, SOON);
    }

    #[track_caller]
    pub fn wait_for_air_within(&mut self, node: usize, within: Duration) {
        self.daemon(node).wait_for(&format!("node {node} is on air"), within, |status| {
            on_air(status).iter().any(|live| *live).then_some(())
        });
    }

    /// Until it carries the stream on primary, and on primary only.
    #[track_caller]
    pub fn wait_for_alone(&mut self, node: usize) {
        self.wait_for_alone_within(node, SOON);
    }

    #[track_caller]
    pub fn wait_for_alone_within(&mut self, node: usize, within: Duration) {
        self.daemon(node).wait_for(&format!("node {node} has primary alone"), within, |status| {
            (on_air(status) == [true, false]).then_some(())
        });
    }

    /// Until each ingest gets the stream from somebody.
    #[track_caller]
    pub fn wait_for_both_ingests(&mut self) {
        wait::until("both ingests get the stream from two nodes", crate::EXPIRED * 2, || {
            let airs: Vec<_> =
                self.daemons.iter().flatten().filter_map(|d| d.status()).map(|s| on_air(&s)).collect();
            let on = |ingest: usize| airs.iter().filter(|air| air[ingest]).count();
            let one_each = airs.iter().all(|air| *air != [true, true]);
            (on(0) == 1 && on(1) == 1 && one_each).then_some(())
        });
    }

    #[track_caller]
    pub fn wait_for_ingest(&mut self, node: usize, ingest: usize, state: &str, within: Duration) {
        self.daemon(node).wait_for_ingest(0, ingest, state, within);
    }

    #[track_caller]
    pub fn wait_for_phase(&mut self, node: usize, phase: &str, within: Duration) {
        self.daemon(node).wait_for(&format!("node {node} is {phase}"), within, |status| {
            (status["phase"] == phase).then_some(())
        });
    }

    /// How often a node's log has something.
    pub fn said(&mut self, node: usize, line: &str) -> usize {
        self.daemon(node).process.log().matches(line).count()
    }

    /// Until a node has taken an ingest's slot.
    #[track_caller]
    pub fn wait_for_slot(&mut self, node: usize, ingest: &str) {
        let daemon = self.daemon(node);
        let taken = |log: &str| {
            let lines = log.lines().filter(|line| line.contains("this node may use the ingest"));
            lines.filter(|line| line.contains(ingest)).count()
        };
        let before = taken(&daemon.process.log());
        wait::until("the slot is taken", crate::EXPIRED, || {
            (taken(&daemon.process.log()) > before).then_some(())
        });
    }

    /// Nothing more comes of what primary has recorded of the latest session.
    pub fn is_over_on_primary(&mut self) {
        let recordings = self.primary.recordings().into_iter();
        let mut recordings = recordings.map(|path| (path.metadata().expect("it is there"), path));
        let (metadata, path) = recordings.rfind(|(metadata, _)| metadata.len() > 0).expect("there is one");
        let written = metadata.modified().expect("it has a time");
        self.ended.push(Recording { path, bytes: metadata.len(), written });
    }

    pub fn phase(&mut self, node: usize) -> String {
        let status = self.daemon(node).status().expect("it answers");
        status["phase"].as_str().expect("it is a word").to_owned()
    }

    /// Whether a node sends to an ingest.
    pub fn is_on(&mut self, node: usize, ingest: usize) -> bool {
        self.daemon(node).status().is_some_and(|status| on_air(&status)[ingest])
    }

    pub fn interrupt(&self, node: usize, within: Duration) {
        self.metadata[node].interrupt(within);
    }

    /// What a node's Auto Scaling group wants it to be.
    pub fn is_to_be(&self, node: usize, state: &str) {
        self.metadata[node].say(Path::Group.as_str(), state);
    }

    pub fn signal(&mut self, node: usize, signal: &str) {
        self.daemon(node).process.signal(signal);
    }

    pub fn kill(&mut self, node: usize) {
        self.daemon(node).process.kill();
        self.daemons[node] = None;
        self.set_aside();
    }

    /// Ends a node in order.
    pub fn stop(&mut self, node: usize) {
        let daemon = self.daemons[node].take().expect("it runs");
        assert_eq!(daemon.stop(), 0);
        self.set_aside();
    }

    fn set_aside(&self) {
        self.primary.set_aside();
        self.backup.set_aside();
    }

    /// Ends all, and holds what was recorded against the programme. No two nodes have wanted one
    /// ingest at once.
    pub fn prove(mut self) {
        let rivals = self.rivals();
        let recordings = self.all();
        told(&recording::prove(&recordings, &mut self.programme()));
        assert_eq!(rivals, [0, 0], "two nodes wanted primary, or backup, at once");
    }

    fn rivals(&self) -> [usize; 2] {
        [&self.primary, &self.backup].map(Nginx::rivals)
    }

    /// The same where an ingest may have held on to a session, and a session may have stood still.
    pub fn prove_after_frosts(mut self) {
        let recordings = self.all();
        told(&recording::prove_leaping(&recordings, &mut self.programme()));
    }

    /// Ends all; what was recorded.
    fn all(&mut self) -> Vec<PathBuf> {
        self.pass(5_000);
        for node in 0..self.daemons.len() {
            if self.daemons[node].is_some() {
                self.stop(node);
            }
        }
        self.ended.iter().for_each(Recording::is_untouched);
        [self.primary.recordings(), self.backup.recordings()].concat()
    }

    fn daemon(&mut self, node: usize) -> &mut Daemon<'static> {
        self.daemons[node].as_mut().expect("it runs")
    }

    /// The programme by the schedule in the bucket, with what the first node rendered.
    fn programme(&self) -> Programme {
        let state = self.scratch.folder("state");
        block_on(async {
            let bucket = self.moto.aws().bucket(&self.bucket, "lofi");
            for object in bucket.objects("schedule/").await.expect("moto lists") {
                let path = state.join(&object.key);
                std::fs::create_dir_all(path.parent().expect("a page has a folder")).expect("a folder");
                let (bytes, _) = bucket.get(&object.key).await.expect("moto answers").expect("it was listed");
                std::fs::write(path, bytes).expect("a page can be written");
            }
        });
        Programme::load(&state, &self.nodes[0].cache(), u64::from(self.nodes[0].fps))
    }

    /// Descriptions in the bucket.
    fn renditions(&self) -> usize {
        let bucket = self.moto.aws().bucket(&self.bucket, "lofi");
        let objects = block_on(bucket.objects("renditions/")).expect("moto lists");
        objects.iter().filter(|object| object.key.ends_with("/rendition.json")).count()
    }
}

fn told(proof: &recording::Proof) {
    let seconds = proof.unbroken();
    println!("{seconds:.1} s without a hole, {:.1} s of it twice", proof.overlap());
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.daemons.clear();
        if !std::thread::panicking() {
            for node in &self.nodes {
                // A leftover costs disk and fails no test.
                let _ = std::fs::remove_dir_all(node.path());
            }
        }
    }
}

/// Which of the two ingests a node sends to.
fn on_air(status: &Value) -> [bool; 2] {
    [0, 1].map(|ingest| status["destinations"][0]["ingests"][ingest]["state"] == "live")
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be had").block_on(work)
}

/// Of this run, printed once.
fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("HANDOVER_SEED").ok().map(|text| text.parse().expect("a number"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        let seed = given.unwrap_or(u64::from(now.subsec_nanos()));
        println!("HANDOVER_SEED={seed}");
        seed
    })
}
