//! A daemon that is killed is on air again at once, where the programme is by then; one that is
//! asked to end ends in order and leaves nothing behind.

use crate::rig::corpus::FEW;
use crate::rig::daemon::Channel;
use crate::rig::nginx::Nginx;
use crate::rig::wire::Wire;
use crate::rig::{process, recording, unix_now, wait};
use crate::{RENDERED, SOON, soaked};
use std::time::{Duration, Instant};

/// From the start of the process to its first media byte, warm. The design's number is 1 s.
const ON_AIR_AGAIN: Duration = Duration::from_secs(2);
/// Between the end of the daemon and that of what it has killed.
const GONE: Duration = Duration::from_secs(2);

#[test]
fn killed_at_any_moment_it_is_on_air_again_where_the_programme_is() {
    let nginx = Nginx::start();
    let wire = Wire::to(nginx.socket());
    let mut channel = Channel::with("killed", &FEW);
    channel.to("here", &wire.url(), None, "");
    channel.render();
    let mut daemon = channel.run();
    daemon.wait_for_music(RENDERED);
    daemon.wait_for_ingest(0, 0, "live", SOON);
    // Moments that have nothing to do with each other, the same in every run.
    let mut moment = 0x9e37_79b9_u64;
    for _ in 0..soaked(4, 40) {
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        wait::let_pass(Duration::from_millis(300 + (moment >> 40) % 4000));
        daemon.process.kill();
        drop(daemon);
        wait::until("nginx noticed", SOON, || (!nginx.has_publisher()).then_some(()));
        nginx.set_aside();
        let started = Instant::now();
        daemon = channel.run();
        let took = wire.first_media_after(started, SOON) - started;
        assert!(took < ON_AIR_AGAIN, "on air again after {took:?}");
    }
    wait::let_pass(Duration::from_secs(3));
    let stopped = unix_now();
    assert_eq!(daemon.stop(), 0);
    let proof = recording::prove(&nginx.recordings(), &mut channel.programme());
    assert!(proof.spans.len() as u64 >= soaked(4, 40), "{}", proof.describe());
    // What plays is what is due: the end of what was sent is about when it was sent.
    let end = proof.spans.last().expect("there are some").audio.end as f64 * 1024.0 / 48_000.0;
    assert!((end - stopped).abs() < 4.0, "at {stopped} it had sent up to {end}");
    let each = proof.missing() / soaked(4.0, 40.0);
    assert!(each < 2.5, "{each} s were missing each time:\n{}", proof.describe());
}

#[test]
fn asked_to_end_it_ends_in_order_and_leaves_nothing_behind() {
    let nginx = Nginx::start();
    let mut channel = Channel::with("ended", &FEW);
    channel.to("here", &nginx.url(), None, "");
    let mut daemon = channel.run();
    // In the middle of things: FFmpeg at work, a session up.
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    daemon.wait_for_music(RENDERED);
    let children = process::descendants(daemon.process.pid());
    let sessions = nginx.recordings().len();
    assert_eq!(daemon.stop(), 0);
    // What is killed is gone when the kernel has got round to it.
    wait::until("no process is left", GONE, || {
        process::processes().iter().all(|pid| !children.contains(pid)).then_some(())
    });
    let run =
        std::fs::read_dir(channel.runtime()).expect("it is there").flatten().map(|entry| entry.file_name());
    // An empty lock has to stay: who removes it may remove the next one's.
    let left: Vec<_> = run.filter(|name| name != "control.lock").collect();
    assert!(left.is_empty(), "{left:?} is left in the runtime folder");
    wait::until("nginx noticed", SOON, || (!nginx.has_publisher()).then_some(()));
    assert_eq!(nginx.recordings().len(), sessions, "it did not come back");
    recording::prove(&nginx.recordings(), &mut channel.programme()).unbroken();
}

#[test]
fn a_bad_configuration_is_refused_before_anything_happens() {
    let mut channel = Channel::new("bad");
    channel.to("here", "rtmp://127.0.0.1:1/live2", None, "redundncy = \"both\"");
    let mut daemon = channel.run();
    let status = daemon.process.wait(SOON);
    assert_eq!(status.code(), Some(78));
    let said = daemon.process.log();
    for part in ["redundncy", "redundancy", "hint:"] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert!(std::fs::read_dir(channel.state()).expect("it is there").next().is_none(), "it wrote state");
    assert!(std::fs::read_dir(channel.cache()).expect("it is there").next().is_none(), "it wrote a cache");
}
