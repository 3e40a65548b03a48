//! `nonstop check` as an operator runs it where the music is in a bucket and the key in a secret:
//! each thing that is wrong is named with its remedy.

use crate::rig::http::{Answer, Http, answer, s3_error};
use crate::rig::moto::Moto;
use crate::rig::{Scratch, corpus};
use serde_json::json;
use std::process::Command;
use std::time::{Duration, Instant};

const KEY: &str = "ch3c-kk3y-1nth-3s3c";

struct Check {
    environment: Vec<(&'static str, String)>,
    source: &'static str,
    key: &'static str,
    background: Option<&'static str>,
    more: &'static str,
}

impl Check {
    fn at(moto: &Moto) -> Self {
        Self {
            environment: moto.environment().to_vec(),
            source: "s3://check-music/lofi",
            key: "{ secret = \"check/key\", field = \"youtube\" }",
            background: None,
            more: "",
        }
    }

    fn set(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.to_owned()));
        self
    }

    /// The lines about the bucket and the key, each on one line, and the exit code.
    fn run(&self) -> (String, i32) {
        let scratch = Scratch::new("check-cloud");
        let background = self.background.map(|name| format!("background = \"{name}\"\n")).unwrap_or_default();
        let config = format!(
            "channel = \"lofi\"\n[media]\nsource = \"{}\"\n{background}[[destination]]\nname = \"youtube\"\n\
             primary = \"rtmp://127.0.0.1:1/live2\"\nkey = {}\n{}",
            self.source, self.key, self.more
        );
        let file = scratch.path().join("nonstop.toml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nonstop"));
        command.arg("check").arg("--config").arg(file);
        for folder in ["state", "cache", "runtime"] {
            command.arg(format!("--{folder}-dir")).arg(scratch.path().join(folder));
        }
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // No credentials of whoever runs the tests.
        command.env("HOME", scratch.path()).envs(self.environment.iter().cloned());
        let output = command.output().unwrap();
        let all =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!all.contains(KEY), "{all}");
        (all, output.status.code().unwrap())
    }

    /// Runs it and wants each of `wanted` to be said.
    #[track_caller]
    fn says(&self, wanted: &[&str]) -> String {
        let (text, _) = self.run();
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for wanted in wanted {
            assert!(flat.contains(wanted), "no {wanted:?} in:\n{text}");
        }
        flat
    }
}

#[test]
fn each_thing_that_is_wrong_is_named_with_its_remedy() {
    let moto = Moto::shared();
    moto.make_bucket("check-music");
    let fields = json!({ "youtube": KEY }).to_string();
    moto.call("secretsmanager.CreateSecret", &json!({"Name": "check/key", "SecretString": fields}));

    Check::at(moto).says(&["! bucket s3://check-music/lofi: 0 tracks, 0 rendered; the standby card"]);
    moto.put_object("check-music", "lofi/a.mp3", b"music");
    moto.put_object("check-music", "lofi/deep/b.flac", b"music");
    moto.put_object("check-music", "lofi/renditions/x/rendition.json", b"{}");
    let said = Check::at(moto).says(&[
        "✓ bucket s3://check-music/lofi: 2 tracks, 1 rendered",
        "✓ bucket read a.mp3 can be read",
        "✓ bucket write objects can be written on condition, and removed",
        "✓ youtube key in the field youtube of the secret check/key",
    ]);
    assert!(!said.contains("✗ bucket"), "{said}");

    let mut check = Check::at(moto);
    check.background = Some("card.png");
    check.says(&["✗ background there is no \"card.png\" below s3://check-music/lofi"]);
    let mut check = Check::at(moto);
    check.source = "s3://check-none/lofi";
    check.says(&[
        "✗ bucket cannot list s3://check-none/lofi/: there is no such bucket",
        "hint: create the bucket",
    ]);
    let mut check = Check::at(moto);
    check.key = "{ secret = \"check/key\", field = \"Youtube\" }";
    check.says(&[
        "✗ youtube key the secret \"check/key\" has no field \"Youtube\"",
        "hint: is the field's name right?",
    ]);
    let mut check = Check::at(moto);
    check.key = "{ secret = \"check/none\" }";
    check.says(&["✗ youtube key cannot read the secret \"check/none\": ", "hint: is the name right"]);

    let mut check = Check::at(moto);
    check.environment.retain(|(name, _)| !["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].contains(name));
    check.says(&["there are no AWS credentials", "hint: give the instance a role"]);
    let mut check = Check::at(moto);
    check.environment.retain(|(name, _)| *name != "AWS_REGION");
    check.says(&["no AWS region is set", "hint: set AWS_REGION"]);
    let mut check = Check::at(moto);
    check.set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    check.says(&[
        "✗ bucket cannot list s3://check-music/lofi/: ",
        "Connection refused",
        "hint: is the address right",
    ]);
    assert!(corpus::background().exists());
}

#[test]
fn only_what_the_daemon_would_play_and_show_is_counted_and_read() {
    let moto = Moto::shared();
    moto.make_bucket("check-odd");
    let check = || {
        let mut check = Check::at(moto);
        check.source = "s3://check-odd/lofi";
        check
    };
    // None of these can be read, and none of them has to be.
    for key in ["._b.mp3", ".trash/c.mp3", "@eaDir/d.mp3", "a.txt", "renditions/e.mp3", "slots/f.mp3"] {
        moto.put_as("check-odd", &format!("lofi/{key}"), b"x", "GLACIER");
    }
    let said = check().says(&["! bucket s3://check-odd/lofi: 0 tracks, 0 rendered; the standby card"]);
    assert!(!said.contains("bucket read"), "{said}");
    moto.put_object("check-odd", "lofi/songs/g.mp3", b"music");
    let said =
        check().says(&["✓ bucket s3://check-odd/lofi: 1 track, 0", "✓ bucket read songs/g.mp3 can be"]);
    assert!(!said.contains("✗ bucket"), "{said}");
    moto.put_as("check-odd", "lofi/background.jpg", b"picture", "GLACIER");
    check().says(&[
        "✓ bucket read songs/g.mp3 can be read",
        "✗ bucket read cannot read s3://check-odd/lofi/background.jpg: it is archived",
    ]);
    moto.put_object("check-odd", "lofi/.art/card.png", b"picture");
    let mut hidden = check();
    hidden.background = Some(".art/card.png");
    hidden.says(&["✗ background \".art/card.png\" is passed over", "hint: put it elsewhere, and correct"]);
}

#[test]
fn what_the_policy_denies_is_named_with_what_to_allow() {
    let denied = || Answer::Bytes(s3_error("403 Forbidden", "AccessDenied", "no policy allows it"));
    let listed = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>lofi/a.mp3</Key><Size>3</Size>\
                  <ETag>\"a\"</ETag></Contents></ListBucketResult>";
    let listing =
        || Answer::Bytes(answer("200 OK", &[("Content-Type", "application/xml")], listed.as_bytes()));
    let check = |http: &Http| {
        let mut check = Check::at(Moto::shared());
        check.set("AWS_ENDPOINT_URL", &http.endpoint());
        check
    };
    let http = Http::start(move |_, _| denied());
    check(&http).says(&[
        "cannot list",
        "access is denied (AccessDenied: no policy",
        "s3:ListBucket on arn:aws:s3:::check-music",
    ]);
    let http = Http::start(move |_, head| if head.contains("list-type=2") { listing() } else { denied() });
    check(&http).says(&[
        "✗ bucket read cannot read s3://check-music/lofi/a.mp3",
        "s3:GetObject on arn:aws:s3:::check-music/lofi/*",
        "✗ bucket write cannot write s3://check-music/lofi/renditions/check-",
        "s3:PutObject on arn:aws:s3:::check-music/lofi/renditions/*",
        "s3:PutObject on arn:aws:s3:::check-music/lofi/schedule/*",
        "s3:PutObject on arn:aws:s3:::check-music/lofi/slots/*",
    ]);
    // A policy that was written before there were slots.
    let front = Http::start(move |_, head| match head {
        head if head.contains("list-type=2") => listing(),
        head if head.contains("/slots/") => denied(),
        head if head.starts_with("GET") => Answer::Bytes(answer("200 OK", &[("ETag", "\"a\"")], b"abc")),
        _ => Answer::Bytes(answer("412 Precondition Failed", &[], b"")),
    });
    let said = check(&front).says(&["s3:PutObject on arn:aws:s3:::check-music/lofi/slots/*"]);
    assert!(!said.contains("lofi/schedule/*"), "{said}");
    // A store that takes every write.
    let http = Http::start(move |_, head| match head {
        head if head.contains("list-type=2") => listing(),
        head if head.starts_with("GET") => Answer::Bytes(answer("200 OK", &[("ETag", "\"a\"")], b"abc")),
        _ => Answer::Bytes(answer("200 OK", &[("ETag", "\"b\"")], b"")),
    });
    check(&http).says(&["✓ bucket read", "✗ bucket write the store does not honour If-None-Match"]);
    // One that lets anybody write over what somebody else has written.
    let taken = std::sync::Mutex::new(std::collections::HashSet::new());
    let http = Http::start(move |_, head| {
        let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
        match head.to_lowercase() {
            head if head.contains("list-type=2") => listing(),
            head if head.starts_with("get") => Answer::Bytes(answer("200 OK", &[("ETag", "\"a\"")], b"abc")),
            head if head.contains("if-none-match") && !taken.lock().unwrap().insert(path) => {
                let code = "PreconditionFailed";
                Answer::Bytes(s3_error("412 Precondition Failed", code, "it is there"))
            }
            _ => Answer::Bytes(answer("200 OK", &[("ETag", "\"b\"")], b"")),
        }
    });
    check(&http).says(&[
        "✗ bucket write the store does not honour If-Match on s3://check-music/lofi/renditions/",
        "does not honour If-Match on s3://check-music/lofi/slots/",
    ]);
}

#[test]
fn the_log_group_and_a_webhook_s_secret_are_tried_and_no_metric_is_sent() {
    let moto = Moto::shared();
    let hook = "https://hooks.example.com/ch3c-kh00k";
    moto.call("secretsmanager.CreateSecret", &json!({"Name": "check/hook", "SecretString": hook}));
    moto.call("secretsmanager.CreateSecret", &json!({"Name": "check/other", "SecretString": "ch3c-kh00k"}));
    moto.call("Logs_20140328.CreateLogGroup", &json!({ "logGroupName": "/check/logs" }));
    let mut check = Check::at(moto);
    check.more = "[cloudwatch]\nnamespace = \"check\"\nlogs = \"/check/logs\"\n\
                  [[webhook]]\nname = \"ops\"\nurl = { secret = \"check/hook\" }\n";
    let good = [
        "✓ webhook ops its address is in the secret check/hook",
        "· CloudWatch metrics go to check; whether the role's policy allows cloudwatch:PutMetricData was not",
        "✓ log group /check/logs takes lines",
    ];
    check.says(&good);
    // The stream is there by now.
    let said = check.says(&good);
    assert!(!said.contains("kh00k"), "{said}");
    let request = json!({ "logGroupName": "/check/logs", "logStreamName": "lofi/check" });
    let events = moto.call("Logs_20140328.GetLogEvents", &request);
    assert_eq!(events["events"].as_array().unwrap().len(), 2, "{events}");

    check.more = "[cloudwatch]\nlogs = \"/check/none\"\n\
                  [[webhook]]\nname = \"ops\"\nurl = { secret = \"check/none\" }\n\
                  [[webhook]]\nname = \"chat\"\nurl = { secret = \"check/other\" }\n";
    let said = check.says(&[
        "✗ webhook ops the webhook gets no alerts: cannot read the secret \"check/none\": ",
        "✗ webhook chat the webhook gets no alerts: the secret \"check/other\" holds no address of a webhook",
        "hint: store the whole address as text",
        "✗ log group the log cannot go to /check/none: ",
        "hint: nonstop makes no log group: `aws logs create-log-group --log-group-name /check/none`",
    ]);
    assert!(!said.contains("kh00k"), "{said}");

    let denied = br#"{"__type":"AccessDeniedException","message":"no policy allows it"}"#;
    let http = Http::start(move |_, _| {
        let kind = [("Content-Type", "application/x-amz-json-1.1")];
        Answer::Bytes(answer("400 Bad Request", &kind, denied))
    });
    check.more = "[cloudwatch]\nnamespace = \"check\"\nlogs = \"/check/logs\"\n";
    check.set("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", &http.endpoint());
    check.says(&[
        "✗ log group the log cannot go to /check/logs: ",
        "logs:CreateLogStream and logs:PutLogEvents on",
    ]);
    check.environment.retain(|(name, _)| !["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].contains(name));
    check.says(&[
        "✗ CloudWatch metrics cannot be sent: there are no AWS credentials hint: give the instance a role",
    ]);
}

#[test]
fn a_wrong_clock_and_expired_credentials_are_not_called_missing_ones() {
    for (status, code, named, hint) in [
        (
            "403 Forbidden",
            "RequestTimeTooSkewed",
            "this machine's clock is wrong (RequestTimeTooSkewed: words)",
            "hint: set the clock: `timedatectl` says how it is; systemd-timesyncd or chrony",
        ),
        (
            "400 Bad Request",
            "ExpiredToken",
            "the credentials have expired (ExpiredToken: words)",
            "hint: a role's credentials are renewed by themselves; those in AWS_* variables or in ~/.aws are not",
        ),
    ] {
        let http = Http::start(move |_, _| Answer::Bytes(s3_error(status, code, "words")));
        let mut check = Check::at(Moto::shared());
        check.set("AWS_ENDPOINT_URL", &http.endpoint());
        check.says(&[&format!("✗ bucket cannot list s3://check-music/lofi/: {named}"), hint]);
    }
}

#[test]
fn metadata_that_do_not_answer_hold_nobody_up() {
    let moto = Moto::shared();
    let hangs = Http::start(|_, _| Answer::Hang(Vec::new()));
    let mut check = Check::at(moto);
    check.environment.retain(|(name, _)| ["AWS_ENDPOINT_URL"].contains(name));
    check.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &hangs.endpoint());
    let start = Instant::now();
    check.says(&["no AWS region is set, and this machine's metadata names none"]);
    assert!(!hangs.requests().is_empty());
    // The bucket and the key ask one after the other, and FFmpeg is looked at, too: some 8 s where nobody
    // else computes.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
