//! Whatever the ingests do, the union of what they recorded is the programme.

use crate::rig::corpus::FEW;
use crate::rig::daemon::{Channel, Daemon};
use crate::rig::nginx::{Mute, Nginx};
use crate::rig::recording::{self, Proof};
use crate::rig::wait;
use crate::rig::wire::Wire;
use crate::{RENDERED, SOON, soaked};
use std::time::{Duration, Instant};

/// From a reset to the first media byte at the other ingest. The design's number is 500 ms, which
/// `make bench` measures; this leaves room for a build that is not optimised and a machine that
/// does other things, too.
const TAKEN_OVER: Duration = Duration::from_millis(1500);
/// The primary is tried again with backoff.
const TAKEN_BACK: Duration = Duration::from_secs(60);

/// A primary and a backup, each behind a wire, and a channel that is rendered already.
struct Scene {
    primary: Nginx,
    backup: Nginx,
    wires: [Wire; 2],
    channel: Channel,
}

impl Scene {
    fn new(name: &str, more: &str) -> Self {
        let (primary, backup) = (Nginx::start(), Nginx::start());
        let wires = [Wire::to(primary.socket()), Wire::to(backup.socket())];
        let mut channel = Channel::with(name, &FEW);
        channel.to("here", &wires[0].url(), Some(&wires[1].url()), more);
        channel.render();
        Self { primary, backup, wires, channel }
    }

    /// Holds what both recorded against the programme.
    fn prove(&self) -> Proof {
        let recordings = [self.primary.recordings(), self.backup.recordings()].concat();
        recording::prove(&recordings, &mut self.channel.programme())
    }
}

fn on_air<'a>(scene: &'a Scene) -> Daemon<'a> {
    let mut daemon = scene.channel.run();
    daemon.wait_for_music(RENDERED);
    daemon.wait_for_ingest(0, 0, "live", SOON);
    scene.primary.wait_for_more(SOON);
    daemon
}

fn failovers(daemon: &Daemon) -> u64 {
    daemon.status().and_then(|s| s["destinations"][0]["failovers"].as_u64()).expect("the daemon answers")
}

#[test]
fn a_reset_primary_is_replaced_at_once_and_taken_back_without_a_gap() {
    let scene = Scene::new("reset", "");
    let mut daemon = on_air(&scene);
    for round in 0..soaked(2, 20) {
        wait::let_pass(Duration::from_millis(3000 + 370 * (round % 7)));
        let reset = scene.wires[0].reset();
        let took = scene.wires[1].first_media_after(reset, SOON) - reset;
        assert!(took < TAKEN_OVER, "the backup carried on after {took:?}");
        daemon.wait_for("the primary was taken back", TAKEN_BACK, |s| {
            let ingests = &s["destinations"][0]["ingests"];
            (ingests[0]["state"] == "live" && ingests[1]["state"] == "idle").then_some(())
        });
        assert!(failovers(&daemon) > round);
    }
    assert_eq!(daemon.stop(), 0);
    let proof = scene.prove();
    proof.unbroken();
    assert!(
        proof.overlap() > 1.0,
        "the primary was taken back before the backup let go:\n{}",
        proof.describe()
    );
}

#[test]
fn a_primary_that_closes_in_order_is_no_different() {
    let scene = Scene::new("dropped", "");
    let mut daemon = on_air(&scene);
    wait::let_pass(Duration::from_secs(3));
    let dropped = Instant::now();
    assert_eq!(scene.primary.drop_publisher(), 1);
    let took = scene.wires[1].first_media_after(dropped, SOON) - dropped;
    assert!(took < TAKEN_OVER, "the backup carried on after {took:?}");
    daemon.wait_for_ingest(0, 0, "live", TAKEN_BACK);
    wait::let_pass(Duration::from_secs(2));
    assert_eq!(daemon.stop(), 0);
    scene.prove().unbroken();
}

#[test]
fn a_primary_that_is_away_for_long_is_taken_back_when_it_returns() {
    let mut scene = Scene::new("away", "");
    let mut daemon = scene.channel.run();
    daemon.wait_for_music(RENDERED);
    daemon.wait_for_ingest(0, 0, "live", SOON);
    wait::let_pass(Duration::from_secs(3));
    scene.primary.kill();
    daemon.wait_for_ingest(0, 1, "live", SOON);
    wait::let_pass(Duration::from_secs(soaked(10, 60)));
    scene.primary.start_again();
    daemon.wait_for_ingest(0, 0, "live", TAKEN_BACK);
    daemon.wait_for_ingest(0, 1, "idle", SOON);
    wait::let_pass(Duration::from_secs(2));
    assert_eq!(daemon.stop(), 0);
    scene.prove().unbroken();
}

#[test]
fn a_primary_that_stops_reading_is_noticed_within_seconds() {
    let scene = Scene::new("frozen", "");
    let mut daemon = on_air(&scene);
    wait::let_pass(Duration::from_secs(3));
    // What the wire has taken in but not passed on is lost with it, so nothing is proved about that.
    let stalled = scene.wires[0].stall(true);
    let took = scene.wires[1].first_media_after(stalled, Duration::from_secs(30)) - stalled;
    assert!(took < Duration::from_secs(6), "the backup carried on after {took:?}");
    daemon.wait_for_ingest(0, 1, "live", SOON);
    scene.wires[0].stall(false);
    daemon.wait_for_ingest(0, 0, "live", TAKEN_BACK);
    assert_eq!(daemon.stop(), 0);
    scene.prove();
}

#[test]
fn when_both_are_away_it_tries_for_ever_and_returns_to_where_the_programme_is() {
    let mut scene = Scene::new("both-away", "");
    let mut daemon = scene.channel.run();
    daemon.wait_for_music(RENDERED);
    daemon.wait_for_ingest(0, 0, "live", SOON);
    wait::let_pass(Duration::from_secs(3));
    scene.primary.kill();
    scene.backup.kill();
    daemon.wait_for("neither is live", SOON, |s| {
        let ingests = s["destinations"][0]["ingests"].as_array()?;
        ingests.iter().all(|i| i["state"] != "live").then_some(())
    });
    let away = soaked(16, 120);
    wait::let_pass(Duration::from_secs(away));
    scene.primary.start_again();
    scene.backup.start_again();
    // Whichever was tried first; the other is in no hurry then.
    daemon.wait_for("one is live again", TAKEN_BACK, |s| {
        let ingests = s["destinations"][0]["ingests"].as_array()?;
        ingests.iter().any(|i| i["state"] == "live").then_some(())
    });
    wait::let_pass(Duration::from_secs(4));
    assert_eq!(daemon.stop(), 0);
    // What is older than 10 s is not sent any more, and what is younger is.
    let proof = scene.prove();
    let missing = proof.missing();
    assert!(missing > 0.0 && missing < away as f64 + 35.0, "{missing} s are missing:\n{}", proof.describe());
}

#[test]
fn with_both_ingests_each_gets_the_whole_programme_and_neither_minds_the_other() {
    let mut scene = Scene::new("both", "redundancy = \"both\"");
    let mut daemon = scene.channel.run();
    daemon.wait_for_music(RENDERED);
    daemon.wait_for_ingest(0, 0, "live", SOON);
    daemon.wait_for_ingest(0, 1, "live", SOON);
    wait::let_pass(Duration::from_secs(6));
    scene.backup.kill();
    wait::let_pass(Duration::from_secs(3));
    scene.backup.start_again();
    daemon.wait_for_ingest(0, 1, "live", TAKEN_BACK);
    wait::let_pass(Duration::from_secs(3));
    assert_eq!(daemon.stop(), 0);
    let mut programme = scene.channel.programme();
    let primary = recording::prove(&scene.primary.recordings(), &mut programme);
    assert_eq!(primary.spans.len(), 1, "the primary never noticed:\n{}", primary.describe());
    let proof = scene.prove();
    assert!(proof.overlap() > 8.0, "both carry the same units:\n{}", proof.describe());
    proof.unbroken();
}

#[test]
fn a_dead_destination_does_not_disturb_another() {
    let (nginx, mute) = (Nginx::start(), Mute::new());
    let mut channel = Channel::with("two", &FEW);
    channel.to("alive", &nginx.url(), None, "").to("mute", &mute.url(), Some("rtmp://127.0.0.1:1/live2"), "");
    channel.render();
    let mut daemon = channel.run();
    daemon.wait_for_music(RENDERED);
    daemon.wait_for_ingest(0, 0, "live", SOON);
    wait::let_pass(Duration::from_secs(12));
    let failures = daemon.wait_for("the mute one was given up", SOON, |s| {
        s["destinations"][1]["ingests"][0]["failures"].as_u64().filter(|n| *n > 0)
    });
    assert!(failures < 20, "it is tried again and again without a pause: {failures} times");
    assert_eq!(daemon.stop(), 0);
    let proof = recording::prove(&nginx.recordings(), &mut channel.programme());
    assert!(proof.unbroken() > 10.0);
    assert_eq!(proof.spans.len(), 1, "{}", proof.describe());
}
