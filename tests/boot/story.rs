//! The first machine's power-on, its notice, and its successor.

use crate::cloud::Cloud;
use crate::instance::Instance;
use crate::phases::Phases;
use crate::rig::daemon::KEY;
use crate::rig::{recording, wait};
use serde_json::Value;
use std::time::{Duration, Instant};

/// From power-on to the first media byte, on a machine that does other things, too.
const ON_AIR: Duration = Duration::from_secs(90);
/// The first track has to be fetched and rendered.
const RENDERED: Duration = Duration::from_secs(90);
/// What takes a moment.
const SOON: Duration = Duration::from_secs(30);
/// What a spot instance is given.
const NOTICE: Duration = Duration::from_secs(120);
/// How much of the programme is recorded before anything else happens.
const SOME: Duration = Duration::from_secs(8);

pub fn told() {
    let began = Instant::now();
    let cloud = Cloud::new(2);
    let user_data = cloud.user_data();
    assert!(!user_data.contains(KEY), "whoever may look at an instance may read its user data");

    let mut first = Instance::power_on(&cloud, 0, &user_data);
    let media = first.wait_for_media(&cloud.primary, ON_AIR);
    let mut phases = first.phases(media);
    phases.0.push(("first music", first.wait_for("music is on air", RENDERED, plays_music)));
    tell("the first machine: its user data, an empty bucket but for music", &phases);
    assert!(first.credentials() > 0, "it used its role");
    assert_eq!(
        first.files_that_hold(KEY.as_bytes()),
        [""; 0],
        "no file of the machine's holds the stream key"
    );
    let rendered = wait::until("all is rendered", RENDERED, || cloud.renditions());
    wait::let_pass(SOME);
    assert_eq!(cloud.backup.recorded(), 0, "it has published to one ingest");

    first.interrupt(NOTICE);
    let noticed = Instant::now();
    let mut second = Instance::power_on(&cloud, 1, &user_data);
    let media = second.wait_for_media(&cloud.backup, ON_AIR);
    first.wait_for_word("off the air; waiting for the machine to go", NOTICE);
    let left = noticed.elapsed();
    assert!(left < NOTICE, "it left when its successor was there, and not for want of time");
    let cache = cloud.folder("cache");
    first.save_renditions(&cache);
    drop(first);
    tell("its successor: the same user data, renditions in the bucket", &second.phases(media));
    second.wait_for("it has the primary ingest", SOON, |status| {
        let state = |ingest: usize| &status["destinations"][0]["ingests"][ingest]["state"];
        state(0) == "live" && state(1) != "live"
    });
    wait::let_pass(SOME);
    second.stop();

    let proof = recording::prove(&cloud.recordings(), &mut cloud.programme(&cache));
    let recorded = proof.unbroken();
    let (sessions, overlap) = (proof.spans.len(), proof.overlap());
    assert!(sessions >= 3, "both had the primary ingest, and one the backup:\n{}", proof.describe());
    assert_eq!(cloud.renditions(), Some(rendered), "nothing was rendered twice");
    assert_eq!(cloud.primary.rivals() + cloud.backup.rivals(), 0, "never two on one ingest");
    eprintln!(
        "{sessions} sessions, {recorded:.1} s of the programme without a hole, {overlap:.1} s of it twice; \
         the first machine left {:.1} s after its notice; {:.0} s in all\n{}\n",
        left.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        proof.describe(),
    );
}

fn plays_music(status: &Value) -> bool {
    status["now"]["source"].is_string()
}

fn tell(which: &str, phases: &Phases) {
    eprintln!("\n{which}\n{phases}");
}
