//! The whole daemon on a machine whose end is announced: by a metadata service that speaks as the
//! real one, and fails as it does.

mod rig;

use nonstop::host::imds::fake::Fault;
use nonstop::host::interruption::Path;
use rig::corpus::FEW;
use rig::daemon::{Channel, Daemon};
use rig::imds::{INSTANCE, Metadata};
use rig::nginx::Nginx;
use rig::{recording, unix_now, wait};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// How long something may take that takes a moment, on a machine that does other things, too.
const SOON: Duration = Duration::from_secs(20);
/// The first track has to be rendered.
const RENDERED: Duration = Duration::from_secs(90);
/// What a status takes to be asked for, on the same machine.
const ASKING: Duration = Duration::from_secs(1);

/// A channel that is told where its metadata are, and of a proxy that must not see them.
fn channel(name: &str, nginx: &Nginx, metadata: &Metadata) -> Channel {
    let mut channel = Channel::with(name, &FEW);
    channel.to("here", &nginx.url(), None, "");
    channel.environment = vec![
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url()),
        ("http_proxy", "http://127.0.0.1:1".into()),
    ];
    channel.render();
    channel
}

fn wait_for_phase(daemon: &mut Daemon<'_>, phase: &str, within: Duration) -> serde_json::Value {
    daemon.wait_for(&format!("the channel is {phase}"), within, |status| {
        (status["phase"] == phase).then(|| status.clone())
    })
}

#[test]
fn an_interruption_is_told_at_once_and_the_channel_leaves_in_order_and_comes_back_if_it_was_none() {
    const WARNING: Duration = Duration::from_secs(25);
    let (nginx, metadata) = (Nginx::start(), Metadata::start());
    let channel = channel("interrupted", &nginx, &metadata);
    let mut daemon = channel.run();
    daemon.wait_for_ingest(0, 0, "live", SOON);
    daemon.wait_for_music(RENDERED);
    assert_eq!(daemon.status().expect("it answers")["node"], INSTANCE);
    // Its token dies with the notice, as if both came from one trouble.
    metadata.revoke_tokens();
    metadata.interrupt(WARNING);
    let (announced, deadline) = (Instant::now(), unix_now() + WARNING.as_secs_f64());
    let status = daemon.wait_for("the status has the notice", SOON, |status| {
        status["notice"].is_object().then(|| status.clone())
    });
    let took = announced.elapsed();
    assert!(took < SECOND * 3 + ASKING, "it took {took:?} to tell");
    assert_eq!(status["notice"]["reason"], "spot interruption: terminate");
    assert!(status["notice"]["deadline"].is_string());
    // The end is known, and the stream goes on.
    assert_eq!(
        (&status["phase"], &status["destinations"][0]["ingests"][0]["state"]),
        (&"draining".into(), &"live".into())
    );
    let log = daemon.process.log();
    assert!(log.contains("this machine is going away"), "the log does not say it");
    nginx.wait_for_more(SECOND * 5);
    wait_for_phase(&mut daemon, "drained", WARNING + SOON);
    assert!(unix_now() < deadline, "it was off the air {} s after the deadline", unix_now() - deadline);
    wait::until("nobody publishes", SOON, || (!nginx.has_publisher()).then_some(()));
    for said in ["the session ended in order", "drained", "off the air; waiting for the machine to go"] {
        assert!(daemon.process.log().contains(said), "{said:?} is not in the log");
    }
    let proof = recording::prove(&nginx.recordings(), &mut channel.programme());
    proof.unbroken();
    let end = proof.spans.last().expect("there are some").audio.end as f64 * 1024.0 / 48_000.0;
    assert!(end > deadline - 12.0, "it left {} s early", deadline - end);
    // It was no interruption after all: the same process goes on air again.
    nginx.set_aside();
    let pid = daemon.process.pid();
    metadata.withdraw(Path::Spot);
    wait_for_phase(&mut daemon, "on_air", SECOND * 35 + SOON);
    nginx.wait_for_more(SOON);
    let status = daemon.status().expect("it answers");
    assert!(status["notice"].is_null(), "{}", status["notice"]);
    assert_eq!(daemon.process.pid(), pid);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_signal_ends_a_channel_that_has_left_the_air() {
    let (nginx, metadata) = (Nginx::start(), Metadata::start());
    let channel = channel("signalled", &nginx, &metadata);
    let mut daemon = channel.run();
    daemon.wait_for_ingest(0, 0, "live", SOON);
    // Its date has passed already.
    metadata.interrupt(Duration::ZERO);
    wait_for_phase(&mut daemon, "drained", SOON);
    let asked = Instant::now();
    assert_eq!(daemon.stop(), 0);
    assert!(asked.elapsed() < SECOND * 3, "it took {:?}", asked.elapsed());
}

#[test]
fn advice_and_a_metadata_service_that_fails_change_nothing_on_air() {
    let (nginx, metadata) = (Nginx::start(), Metadata::start());
    let channel = channel("advised", &nginx, &metadata);
    let mut daemon = channel.run();
    daemon.wait_for_ingest(0, 0, "live", SOON);
    daemon.wait_for_music(RENDERED);
    metadata.advise();
    daemon.wait_for("the status has the advice", SOON, |status| {
        let reason = status["notice"]["reason"].as_str()?;
        assert_eq!(status["phase"], "on_air");
        reason.starts_with("advice to rebalance").then_some(())
    });
    for fault in [
        Fault::Status(503),
        Fault::Status(403),
        Fault::Hangs,
        Fault::Says("<html>".into()),
        Fault::RefusesTokens,
        Fault::Truncated,
        Fault::Closes,
        Fault::OneEach,
    ] {
        metadata.fail(fault.clone());
        wait::let_pass(SECOND * 4);
        let status = daemon.status().expect("it answers");
        let ingest = &status["destinations"][0]["ingests"][0];
        assert_eq!((&status["phase"], &ingest["state"]), (&"on_air".into(), &"live".into()), "{fault:?}");
        assert_eq!(ingest["failures"], 0, "{fault:?}");
    }
    // When the service is itself again and takes the advice back, it is gone from the status.
    metadata.withdraw(Path::Rebalance);
    daemon.wait_for("the advice is gone", SECOND * 60, |status| status["notice"].is_null().then_some(()));
    assert_eq!(daemon.stop(), 0);
    let recordings = nginx.recordings();
    assert_eq!(recordings.len(), 1, "the stream went on in one session");
    recording::prove(&recordings, &mut channel.programme()).unbroken();
}
