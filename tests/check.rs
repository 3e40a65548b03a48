//! `nonstop check` as an operator runs it, against real FFmpeg and ingests that fail on script.

mod rig;

use rig::Scratch;
use rig::corpus;
use rig::ingest::{Handshake, Ingest, Options, Record, Reply, Script, Stage};
use std::path::PathBuf;

const KEY: &str = "k3y4-ch3c-k0nl-y00y";

/// A channel's files.
struct Channel {
    scratch: Scratch,
    config: String,
}

impl Channel {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let music = scratch.folder("music");
        std::fs::copy(corpus::background(), music.join("background.jpg")).unwrap();
        let config = format!("channel = \"{name}\"\n[media]\nsource = \"{}\"\n", music.display());
        Self { scratch, config }
    }

    fn to(mut self, name: &str, ingest: &Ingest, more: &str) -> Self {
        let key = self.file("stream-key", KEY);
        self.config += &format!(
            "[[destination]]\nname = \"{name}\"\nprimary = \"{}\"\nkey = {{ file = \"{}\" }}\n{more}\n",
            ingest.url(),
            key.display()
        );
        self
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.scratch.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs the check; gives its lines and its exit code.
    async fn check(&self, more: &[&str]) -> (String, i32) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_nonstop"));
        command.arg("check").arg("--config").arg(self.file("nonstop.toml", &self.config)).args(more);
        for folder in ["state", "cache", "runtime"] {
            command.arg(format!("--{folder}-dir")).arg(self.scratch.path().join(folder));
        }
        let output = command.kill_on_drop(true).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let all = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!all.contains(KEY), "{all}");
        (text, output.status.code().unwrap())
    }
}

#[track_caller]
fn has(text: &str, line: &str) {
    let words: Vec<_> = line.split(' ').collect();
    let found = text.lines().any(|l| l.split_whitespace().collect::<Vec<_>>().starts_with(&words));
    assert!(found, "no line {line:?} in:\n{text}");
}

#[tokio::test]
async fn a_channel_in_order_passes_and_no_ingest_hears_the_key() {
    let plain = Ingest::start(Options { app: Some("live2".into()), ..Options::default() }).await;
    let tls =
        Ingest::start(Options { app: Some("live2?backup=1".into()), tls: true, ..Options::default() }).await;
    let channel = Channel::new("check-passes");
    let authority = channel.file("ca.pem", tls.authority());
    let channel =
        channel.to("plain", &plain, "").to("safe", &tls, &format!("ca_file = \"{}\"", authority.display()));
    let (text, exit) = channel.check(&[]).await;
    for subject in ["configuration", "state", "cache", "runtime", "FFmpeg", "background", "plain key"] {
        has(&text, &format!("✓ {subject}"));
    }
    has(&text, "✓ plain primary");
    has(&text, "✓ safe primary");
    assert_eq!(exit, 0, "{text}");
    for ingest in [plain, tls] {
        let session = ingest.session(0).await;
        session.until("its end", Record::ended).await;
        session.look(|record| {
            assert!(record.connect.is_some());
            assert_eq!((&record.key, record.published, record.media), (&None, None, 0));
        });
        assert_eq!(ingest.sessions().len(), 1);
    }
}

#[tokio::test]
async fn each_ingest_that_fails_gets_a_cross_and_all_are_looked_at() {
    let refusing = Script {
        connect: Reply::refuse("NetConnection.Connect.InvalidApp", "no such application"),
        ..Script::default()
    };
    let resetting = Script { handshake: Handshake::Reset, ..Script::default() };
    let refuses = Ingest::start(Options { script: refusing, ..Options::default() }).await;
    let resets = Ingest::start(Options { script: resetting, ..Options::default() }).await;
    let down = Ingest::start(Options::default()).await;
    down.stop().await;
    let untrusted = Ingest::start(Options { tls: true, ..Options::default() }).await;
    let fine = Ingest::start(Options::default()).await;
    let channel = Channel::new("check-fails")
        .to("refuses", &refuses, "")
        .to("resets", &resets, "")
        .to("down", &down, "")
        .to("untrusted", &untrusted, "")
        .to("fine", &fine, "");
    let (text, exit) = channel.check(&[]).await;
    for name in ["refuses", "resets", "down", "untrusted"] {
        has(&text, &format!("✗ {name} primary"));
    }
    has(&text, "✓ fine primary");
    assert!(text.contains("no such application"), "{text}");
    assert_eq!(exit, 69, "{text}");

    let (text, exit) = channel.check(&["--offline"]).await;
    assert!(!text.contains("primary") && exit == 0, "{text}");
    assert_eq!(fine.sessions().len(), 1, "nobody is asked offline");
    fine.session(0).await.look(|record| assert!(record.stage > Stage::Shaken));
}

#[tokio::test]
async fn a_wrong_configuration_ends_the_check_with_its_line() {
    let mut channel = Channel::new("check-config");
    channel.config += "[video]\nbitrat = \"2M\"\n";
    let (text, exit) = channel.check(&[]).await;
    has(&text, "✗ configuration");
    assert!(text.contains("nonstop.toml:5") && text.contains("did you mean `bitrate`?"), "{text}");
    assert_eq!(exit, 78);
}

#[tokio::test]
async fn of_the_configuration_alone_nothing_else_has_to_be_there() {
    let down = Ingest::start(Options::default()).await;
    down.stop().await;
    let mut channel = Channel::new("check-config-only").to("down", &down, "");
    std::fs::remove_file(channel.scratch.path().join("stream-key")).unwrap();
    let (text, exit) = channel.check(&["--config-only"]).await;
    has(&text, "✓ configuration");
    assert_eq!((text.lines().count(), exit), (1, 0), "{text}");
    assert!(!channel.scratch.path().join("state").exists(), "it only looks");

    channel.config += "bitrat = \"2M\"\n";
    let (text, exit) = channel.check(&["--config-only"]).await;
    has(&text, "✗ configuration");
    assert!(text.lines().next().unwrap().contains("bitrat"), "the reason comes first:\n{text}");
    assert_eq!(exit, 78);
}

#[tokio::test]
async fn what_is_told_by_itself_is_looked_at_and_nobody_is_told_anything() {
    let fine = Ingest::start(Options::default()).await;
    let posted = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut channel = Channel::new("check-tells").to("fine", &fine, "");
    let url = format!("http://{}/s3cr3t-path", posted.local_addr().unwrap());
    let hook = channel.file("hook", &url);
    let missing = channel.scratch.path().join("missing");
    channel.config += &format!(
        "[[webhook]]\nname = \"here\"\nurl = \"{url}\"\n[[webhook]]\nname = \"kept\"\nurl = {{ file = {hook:?} }}\n\
         [metrics]\nlisten = \"{taken}\"\n"
    );
    let (text, exit) = channel.check(&["--offline"]).await;
    has(&text, "✓ webhook here its address is in the configuration");
    has(&text, &format!("✓ webhook kept its address is in {}", hook.display()));
    has(&text, &format!("✓ metrics {taken} is free"));
    assert!(!text.contains("s3cr3t-path") && exit == 0, "{text}");

    channel.config += &format!(
        "[[webhook]]\nname = \"lost\"\nurl = {{ file = {missing:?} }}\n\
         [[webhook]]\nname = \"handed\"\nurl = {{ credential = \"hook\" }}\n"
    );
    let other = std::net::TcpListener::bind(taken).unwrap();
    let (text, exit) = channel.check(&["--offline"]).await;
    let gone = format!("{} cannot be read: No such file", missing.display());
    has(&text, &format!("✗ webhook lost the webhook gets no alerts: {gone}"));
    has(&text, "✗ webhook handed the webhook gets no alerts: the credential \"hook\" was not handed over");
    assert!(text.contains("LoadCredential=hook:/etc/nonstop/hook"), "{text}");
    has(
        &text,
        &format!("✗ metrics metrics cannot be served: {taken} cannot be taken: Address already in use"),
    );
    assert!(text.contains("choose another port in [metrics] listen"), "{text}");
    assert_eq!(exit, 78, "{text}");
    posted.set_nonblocking(true).unwrap();
    assert!(posted.accept().is_err(), "nothing is posted");
    drop(other);
}
