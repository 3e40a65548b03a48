//! A network that swallows packets, in network namespaces of the test's own.

use crate::rig::corpus::FEW;
use crate::rig::daemon::{Channel, Daemon};
use crate::rig::netns::{BACKUP, Network, PRIMARY};
use crate::rig::nginx::Nginx;
use crate::rig::{recording, root_or_skip, wait};
use crate::{RENDERED, SOON, soaked};
use std::time::{Duration, Instant};

/// Noticed within 3 s by the design; then connecting, and what the status is asked through.
const TAKEN_OVER: Duration = Duration::from_millis(4500);

/// A channel whose ingests are on another host.
struct Abroad {
    channel: Channel,
    primary: Nginx,
    backup: Nginx,
    network: Network,
}

impl Abroad {
    /// Rendered, and not running yet.
    fn new(name: &str) -> Self {
        let network = Network::new();
        let at = |address| Nginx::start_in(Some(&network.ingest), address, 1935, 8080);
        let (primary, backup) = (at(PRIMARY), at(BACKUP));
        let mut channel = Channel::with(name, &FEW);
        channel.namespace = Some(network.daemon.clone());
        channel.to("here", &primary.url(), Some(&backup.url()), "");
        channel.render();
        Self { channel, primary, backup, network }
    }

    /// It plays to the primary.
    fn on_air(&self) -> Daemon<'_> {
        let mut daemon = self.channel.run();
        daemon.wait_for_music(RENDERED);
        daemon.wait_for_ingest(0, 0, "live", SOON);
        daemon
    }
}

#[test]
fn nothing_is_lost_when_the_primary_becomes_a_black_hole() {
    if !root_or_skip("a black hole") {
        return;
    }
    let abroad = Abroad::new("black-hole");
    let mut daemon = abroad.on_air();
    let Abroad { network, primary, backup, channel } = &abroad;
    for _ in 0..soaked(1, 10) {
        wait::let_pass(Duration::from_secs(4));
        let before = backup.recorded();
        network.swallow(PRIMARY);
        let swallowed = Instant::now();
        wait::until("the backup records", SOON, || (backup.recorded() > before + 1000).then_some(()));
        let took = swallowed.elapsed();
        assert!(took < TAKEN_OVER, "the backup carried on after {took:?}");
        wait::let_pass(Duration::from_secs(3));
        network.deliver(PRIMARY);
        daemon.wait_for("the primary was taken back", Duration::from_secs(60), |s| {
            let ingests = &s["destinations"][0]["ingests"];
            (ingests[0]["state"] == "live" && ingests[1]["state"] == "idle").then_some(())
        });
    }
    wait::let_pass(Duration::from_secs(2));
    assert_eq!(daemon.stop(), 0);
    let recordings = [primary.recordings(), backup.recordings()].concat();
    recording::prove(&recordings, &mut channel.programme()).unbroken();
}

#[test]
fn a_reset_from_the_network_loses_nothing() {
    if !root_or_skip("a reset from the network") {
        return;
    }
    let abroad = Abroad::new("reset-network");
    let mut daemon = abroad.on_air();
    let Abroad { network, primary, backup, channel } = &abroad;
    wait::let_pass(Duration::from_secs(4));
    network.reset(PRIMARY);
    daemon.wait_for_ingest(0, 1, "live", SOON);
    wait::let_pass(Duration::from_secs(3));
    network.accept(PRIMARY);
    daemon.wait_for_ingest(0, 0, "live", Duration::from_secs(60));
    wait::let_pass(Duration::from_secs(2));
    assert_eq!(daemon.stop(), 0);
    let recordings = [primary.recordings(), backup.recordings()].concat();
    recording::prove(&recordings, &mut channel.programme()).unbroken();
}
