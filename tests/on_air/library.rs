//! Music comes and goes, and operators skip and queue, while the stream goes on.

use crate::rig::corpus::{FEW, LATE};
use crate::rig::daemon::Channel;
use crate::rig::nginx::Nginx;
use crate::rig::{recording, wait};
use crate::{RENDERED, SOON};
use std::time::Duration;

#[test]
fn music_is_added_queued_skipped_and_removed_while_on_air() {
    let nginx = Nginx::start();
    let mut channel = Channel::with("library", &FEW);
    channel.to("here", &nginx.url(), None, "");
    channel.render();
    let mut daemon = channel.run();
    daemon.wait_for_music(RENDERED);
    daemon.wait_for_ingest(0, 0, "live", SOON);

    // A file that is still being copied is left alone until it is whole.
    let whole = std::fs::read(LATE.file()).expect("it was made");
    let path = channel.music.join(LATE.name);
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("the folder can be written");
    nginx.wait_for_more(SOON);
    std::fs::write(&path, &whole).expect("the folder can be written");
    daemon.wait_for("the new track is ready", RENDERED, |s| {
        (s["library"]["ready"].as_u64()? == FEW.len() as u64 + 1).then_some(())
    });
    let quarantined = daemon.status().expect("it answers")["library"]["quarantined"].clone();
    assert_eq!(quarantined.as_array().map(Vec::len), Some(0), "{quarantined}");

    let queued = channel.command(&["queue", LATE.name], false);
    assert!(queued.status.success(), "{}", String::from_utf8_lossy(&queued.stderr));
    daemon.wait_for("it is on air", SOON, |s| (s["now"]["source"] == LATE.name).then_some(()));

    let before = daemon.status().expect("it answers")["now"].clone();
    let skipped = channel.command(&["skip"], false);
    assert!(skipped.status.success(), "{}", String::from_utf8_lossy(&skipped.stderr));
    daemon.wait_for("another is on air", Duration::from_secs(10), |s| (s["now"] != before).then_some(()));

    std::fs::remove_file(&path).expect("it is there");
    daemon.wait_for("it is gone", SOON, |s| {
        (s["library"]["tracks"].as_u64()? == FEW.len() as u64).then_some(())
    });
    daemon.wait_for("it is not to come", SOON, |s| {
        s["next"].as_array()?.iter().all(|entry| entry["source"] != LATE.name).then_some(())
    });
    wait::let_pass(Duration::from_secs(8));
    assert_eq!(daemon.stop(), 0);

    let proof = recording::prove(&nginx.recordings(), &mut channel.programme());
    assert!(proof.unbroken() > 10.0);
    assert_eq!(proof.spans.len(), 1, "none of it was felt on air:\n{}", proof.describe());
}

#[test]
fn what_is_queued_must_exist() {
    let nginx = Nginx::start();
    let mut channel = Channel::with("queue", &FEW[..1]);
    channel.to("here", &nginx.url(), None, "");
    let mut daemon = channel.run();
    daemon.wait_for_music(RENDERED);
    let refused = channel.command(&["queue", "onne.ogg"], false);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("onne.ogg") && said.contains("hint:"), "{said}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_verb_with_no_daemon_says_so() {
    let channel = Channel::new("nobody");
    for verb in ["status", "skip"] {
        let output = channel.command(&[verb], false);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("hint:"), "{verb}: {said}");
    }
}
