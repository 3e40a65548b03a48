//! The whole daemon with its key in Secrets Manager: it starts without it, goes on air when it is
//! there, takes up a new one after a refusal, and tells it to nobody.

use crate::rig::daemon::Channel;
use crate::rig::ingest::{Ingest, Options};
use crate::rig::moto::Moto;
use serde_json::json;
use std::sync::mpsc;
use std::time::Duration;

const OLD: &str = "r0ta-t10n-0fl4-stye-ar00";
const NEW: &str = "r0ta-t10n-0fth-1sye-ar00";
/// A start, with the standby card rendered on a busy machine.
const SOON: Duration = Duration::from_secs(120);

/// An ingest that takes `key` only, on a thread of its own; gives its address.
pub fn ingest(key: &'static str) -> String {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        crate::block_on(async {
            let options = Options { app: Some("live2".into()), key: Some(key.into()), ..Options::default() };
            let ingest = Ingest::start(options).await;
            let _ = send.send(ingest.url().to_string());
            std::future::pending::<()>().await
        })
    });
    receive.recv().expect("the ingest can be started")
}

#[test]
fn a_daemon_starts_without_its_secret_and_takes_up_what_it_becomes() {
    let moto = Moto::shared();
    let mut channel = Channel::new("rotation");
    channel.to("youtube", &ingest(NEW), None, "");
    let start = channel.destinations.find("key = {").expect("the destination has a key");
    let end = start + channel.destinations[start..].find('}').expect("it ends") + 1;
    channel
        .destinations
        .replace_range(start..end, "key = { secret = \"rotation/key\", field = \"youtube\" }");
    channel.environment.extend(moto.environment());
    channel.environment.push(("NONSTOP_LOG", "trace".into()));

    let mut daemon = channel.run();
    let error = |status: &serde_json::Value| {
        status["destinations"][0]["ingests"][0]["last_error"].as_str().map(str::to_owned)
    };
    daemon.wait_for("the missing secret is told", SOON, |status| {
        error(status).filter(|error| error.starts_with("cannot read the secret \"rotation/key\": "))
    });
    let secret = |key: &str| json!({ "youtube": key }).to_string();
    moto.call("secretsmanager.CreateSecret", &json!({"Name": "rotation/key", "SecretString": secret(OLD)}));
    daemon.wait_for("last year's key is refused", SOON, |status| {
        error(status).filter(|error| error.starts_with("the ingest refused the stream"))
    });
    moto.call(
        "secretsmanager.PutSecretValue",
        &json!({"SecretId": "rotation/key", "SecretString": secret(NEW)}),
    );
    daemon.wait_for_ingest(0, 0, "live", Duration::from_secs(90));

    let log = daemon.process.log();
    assert!(log.contains("there is no stream key until someone changes something"), "{log}");
    assert!(log.contains("the stream key has changed; the next session takes the new one"));
    for word in [OLD, NEW, "0fl4-stye", "0fth-1sye"] {
        assert!(!log.contains(word), "the log at trace tells the key");
    }
    assert_eq!(daemon.stop(), 0);
}
