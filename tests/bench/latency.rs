//! How soon the first media byte is where it has to be.

use super::Stage;
use crate::rig::daemon::Channel;
use crate::rig::netns::{BACKUP, Network, PRIMARY};
use crate::rig::nginx::Nginx;
use crate::rig::wire::Wire;
use crate::rig::{root_or_skip, wait};
use std::fmt::Write;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(120);

pub fn measure(stage: &Stage, report: &mut String) {
    let _ = writeln!(report, "## Time to the first media byte\n");
    let _ = writeln!(report, "| | median | worst | of | target |\n|---|--:|--:|--:|---|");
    let mut line = |what: &str, mut took: Vec<Duration>, most: Duration| {
        if took.is_empty() {
            let _ = writeln!(report, "| {what} | – | – | 0 | not measured: needs root |");
            return;
        }
        took.sort();
        let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
        let verdict = if worst <= most { "met" } else { "**missed**" };
        let (median, worst, of) = (median.as_millis(), worst.as_millis(), took.len());
        let _ = writeln!(report, "| {what} | {median} ms | {worst} ms | {of} | ≤ {most:?}: {verdict} |");
    };
    eprintln!("starts …");
    line("from the start of the process, warm", starts(stage), Duration::from_secs(1));
    eprintln!("resets …");
    line("from a reset of the primary, on the backup", resets(stage), Duration::from_millis(500));
    eprintln!("black holes …");
    // Noticed within 3 s; then it takes what a reset takes.
    line("from a black hole, on the backup", black_holes(stage), Duration::from_millis(3500));
}

fn starts(stage: &Stage) -> Vec<Duration> {
    let nginx = Nginx::start();
    let wire = Wire::to(nginx.socket());
    let mut channel = stage.channel("starts");
    channel.to("here", &wire.url(), None, "");
    let once = || {
        let started = Instant::now();
        let daemon = channel.run();
        let took = wire.first_media_after(started, LONG) - started;
        assert_eq!(daemon.stop(), 0);
        took
    };
    // The first one writes the schedule.
    once();
    (0..10).map(|_| once()).collect()
}

fn resets(stage: &Stage) -> Vec<Duration> {
    let (primary, backup) = (Nginx::start(), Nginx::start());
    let wires = [Wire::to(primary.socket()), Wire::to(backup.socket())];
    let mut channel = stage.channel("resets");
    channel.to("here", &wires[0].url(), Some(&wires[1].url()), "");
    let mut daemon = channel.run();
    let mut took = Vec::new();
    for round in 0..5 {
        back_on_primary(&mut daemon);
        wait::let_pass(Duration::from_millis(3000 + 130 * round));
        let reset = wires[0].reset();
        took.push(wires[1].first_media_after(reset, LONG) - reset);
    }
    assert_eq!(daemon.stop(), 0);
    took
}

fn black_holes(stage: &Stage) -> Vec<Duration> {
    if !root_or_skip("measuring a black hole") {
        return Vec::new();
    }
    let network = Network::new();
    let at = |address| Nginx::start_in(Some(&network.ingest), address, 1935, 8080);
    let (primary, backup) = (at(PRIMARY), at(BACKUP));
    let mut channel: Channel = stage.channel("black-holes");
    channel.namespace = Some(network.daemon.clone());
    channel.to("here", &primary.url(), Some(&backup.url()), "");
    let mut daemon = channel.run();
    let mut took = Vec::new();
    for round in 0..3 {
        back_on_primary(&mut daemon);
        wait::let_pass(Duration::from_millis(4000 + 170 * round));
        let before = backup.recorded();
        network.swallow(PRIMARY);
        let swallowed = Instant::now();
        wait::until("the backup records", LONG, || (backup.recorded() > before + 1000).then_some(()));
        took.push(swallowed.elapsed());
        network.deliver(PRIMARY);
    }
    assert_eq!(daemon.stop(), 0);
    took
}

fn back_on_primary(daemon: &mut crate::rig::daemon::Daemon) {
    daemon.wait_for("it is back on the primary", LONG, |s| {
        let ingests = &s["destinations"][0]["ingests"];
        (ingests[0]["state"] == "live" && ingests[1]["state"] == "idle").then_some(())
    });
}
