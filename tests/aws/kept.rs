//! The whole daemon with its key in Secrets Manager, killed while nobody can ask there: it is on air
//! again with the key that it had, and without one it waits.

use crate::rig::daemon::Channel;
use crate::rig::http::{Answer, Http, answer};
use crate::rig::keeper::Keeper;
use crate::rig::moto::{Moto, environment_at};
use crate::rig::{free_port, wait};
use crate::rotation::ingest;
use serde_json::{Value, json};
use std::time::Duration;

const OLD: &str = "k3pt-t00l-0ng1-sthe-01d0";
const KEY: &str = "k3pt-0ver-4lln-1ght-keyy";
/// A start, with the standby card rendered on a busy machine.
const SOON: Duration = Duration::from_secs(120);

fn denied(_: usize, _: &str) -> Answer {
    let body = br#"{"__type":"AccessDeniedException","Message":"User: x is not authorized"}"#;
    Answer::Bytes(answer("400 Bad Request", &[("Content-Type", "application/x-amz-json-1.1")], body))
}

fn holds_key(bytes: &[u8]) -> bool {
    [OLD, KEY].iter().any(|key| bytes.windows(key.len()).any(|window| window == key.as_bytes()))
}

#[test]
fn a_key_that_was_read_outlives_the_daemon_while_the_secret_is_out_of_reach() {
    let moto = Moto::shared();
    let secret = |key: &str| json!({ "youtube": key }).to_string();
    moto.call("secretsmanager.CreateSecret", &json!({"Name": "kept/key", "SecretString": secret(OLD)}));
    let mut channel = Channel::new("kept");
    channel.to("youtube", &ingest(KEY), None, "");
    let start = channel.destinations.find("key = {").expect("the destination has a key");
    let end = start + channel.destinations[start..].find('}').expect("it ends") + 1;
    channel.destinations.replace_range(start..end, "key = { secret = \"kept/key\", field = \"youtube\" }");
    let keeper = Keeper::start(channel.path());
    let environment = |endpoint: &str| {
        let mut environment = environment_at(endpoint).to_vec();
        environment.push(("NOTIFY_SOCKET", keeper.socket.display().to_string()));
        environment.push(("NONSTOP_LOG", "trace".to_owned()));
        environment
    };
    const KEEP: &str = "set -- \"$@\" --keep-sessions";
    let content = || {
        let kept = keeper.kept();
        assert!(kept.len() <= 2 && kept.iter().all(|kept| kept.name.starts_with("key-")), "{kept:?}");
        let [kept] = &kept[..] else { return None };
        std::fs::read(&kept.path).ok()
    };

    // The first one is kept, and its successor in its place.
    channel.environment = environment(&moto.endpoint());
    let mut daemon = channel.run_by(&[KEEP]);
    wait::until("the key is kept", SOON, || (content()? == OLD.as_bytes()).then_some(()));
    moto.call("secretsmanager.PutSecretValue", &json!({"SecretId": "kept/key", "SecretString": secret(KEY)}));
    daemon.wait_for_ingest(0, 0, "live", Duration::from_secs(90));
    wait::until("the new key is kept", SOON, || (content()? == KEY.as_bytes()).then_some(()));
    daemon.process.kill();
    drop(daemon);

    let (denies, hangs) = (Http::start(denied), Http::start(|_, _| Answer::Hang(Vec::new())));
    let away = "the stream key cannot be reached, and the one of before the restart serves; trying on";
    let lost = "the stream key can be read no more until someone changes something, and the one of before";
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    for (endpoint, said) in [(nowhere.clone(), away), (denies.endpoint(), lost), (hangs.endpoint(), away)] {
        channel.environment = environment(&endpoint);
        let setup = [vec![KEEP.to_owned()], keeper.pass()].concat();
        let before = std::fs::metadata(channel.log()).expect("it is there").len() as usize;
        let mut daemon = channel.run_by(&setup.iter().map(String::as_str).collect::<Vec<_>>());
        let status =
            daemon.wait_for("it is on air with the kept key, and says so", SOON, |status: &Value| {
                let trouble = &status["troubles"][0];
                let told = trouble["part"] == "key"
                    && trouble["reason"].as_str()?.starts_with("youtube has the key of before the restart: ");
                (told && status["destinations"][0]["ingests"][0]["state"] == "live").then(|| status.clone())
            });
        assert!(!holds_key(status.to_string().as_bytes()), "the status tells the key");
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{}/{file}", daemon.process.pid())).expect("it runs");
            assert!(!bytes.is_empty() && !holds_key(&bytes), "the key is in {file}");
        }
        let log = daemon.process.log();
        assert!(log[before..].contains(said), "{}", &log[before..]);
        assert_eq!(content().as_deref(), Some(KEY.as_bytes()), "it is kept for the next one, too");
        daemon.process.kill();
    }

    channel.environment = environment(&nowhere);
    let mut daemon = channel.run_by(&[KEEP]);
    daemon.wait_for("without a kept key it waits", SOON, |status| {
        let ingest = &status["destinations"][0]["ingests"][0];
        assert_ne!(ingest["state"], "live", "there is no key to be live with");
        ingest["last_error"].as_str().filter(|error| error.starts_with("cannot read the secret")).map(drop)
    });
    let log = daemon.process.log();
    assert!(log.contains("the stream key cannot be reached, and the destination waits for it"), "{log}");
    assert!(!holds_key(log.as_bytes()), "the log at trace tells the key");
    assert_eq!(daemon.stop(), 0);
}
