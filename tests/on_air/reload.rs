//! A configuration is read again while the channel is on the air: a good one is taken over as far as
//! can be, a bad one changes nothing, and neither is seen at the ingest.

use crate::rig::corpus::FEW;
use crate::rig::daemon::{Channel, Daemon};
use crate::rig::nginx::Nginx;
use crate::rig::{recording, wait};
use crate::{RENDERED, SOON};

/// Changes the configuration, asks the daemon to read it, and waits until it has said so.
fn reload(daemon: &Daemon, channel: &Channel, this: &str, that: &str, said: &str) {
    let file = channel.path().join("nonstop.toml");
    let text = std::fs::read_to_string(&file).expect("it was written");
    assert!(text.contains(this), "{text}");
    std::fs::write(&file, text.replacen(this, that, 1)).expect("the target folder can be written");
    let before = daemon.process.log().len();
    daemon.process.signal("HUP");
    wait::until(said, SOON, || daemon.process.log()[before..].contains(said).then_some(()));
}

/// Whether the tracks that will be chosen next follow each other by path, over and over.
fn by_path(channel: &Channel) -> bool {
    let plan = channel.command(&["plan", "--json", "-n", "1000"], false).stdout;
    let plan: serde_json::Value = serde_json::from_slice(&plan).expect("it is JSON");
    let chosen: Vec<_> =
        plan["forecast"].as_array().expect("a list").iter().map(|track| track["source"].as_str()).collect();
    assert!(chosen.len() > 10 * FEW.len(), "{plan}");
    let mut paths: Vec<_> = FEW.iter().map(|item| Some(item.name)).collect();
    paths.sort_unstable();
    let mut order = paths.iter().cycle().skip_while(|path| **path != chosen[0]);
    chosen.iter().all(|path| order.next() == Some(path))
}

#[test]
fn a_reload_is_not_seen_on_the_air_whether_the_configuration_is_good_or_bad() {
    let nginx = Nginx::start();
    let mut channel = Channel::with("reload", &FEW);
    channel.to("here", &nginx.url(), None, "");
    channel.render();
    let mut daemon = channel.run();
    daemon.wait_for_ingest(0, 0, "live", SOON);
    daemon.wait_for_music(RENDERED);
    let (pid, before) = (daemon.process.pid(), by_path(&channel));

    reload(&daemon, &channel, "\"shuffle\"", "\"shufle\"", "the new configuration is refused");
    reload(&daemon, &channel, "\"shufle\"", "\"sequential\"", "the configuration was read again");
    reload(&daemon, &channel, "fps = 30", "fps = 25", "holds after a restart");
    let log = daemon.process.log();
    let refused = log.lines().find(|line| line.contains("is refused")).expect("it was said");
    assert!(refused.contains("nonstop.toml:") && refused.contains("shufle"), "{refused}");
    let partly = log.lines().find(|line| line.contains("holds after a restart")).expect("it was said");
    assert!(partly.contains("video.fps") && !partly.contains("rotation"), "{partly}");

    // Behind what was scheduled before, tracks are chosen by path from then on.
    assert!(!before && by_path(&channel));

    assert_eq!(daemon.process.pid(), pid);
    assert_eq!(daemon.stop(), 0);
    let proof = recording::prove(&nginx.recordings(), &mut channel.programme());
    assert_eq!(proof.spans.len(), 1, "one session, without a break: {}", proof.describe());
}
