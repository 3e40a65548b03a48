//! What `terraform/` says and what the program does are the same: the bill, the configuration, the
//! policy, the names of metrics. Only modules that need no provider are run here; the rest is held
//! to its promises by `make test-terraform`.

use nonstop::config;
use nonstop::telemetry::metrics::METRICS;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

#[path = "terraform/bill.rs"]
mod bill;
#[path = "terraform/commands.rs"]
mod commands;
#[path = "terraform/limits.rs"]
mod limits;
#[path = "terraform/policy.rs"]
mod policy;
#[path = "terraform/start.rs"]
mod start;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Whether there is a Terraform; says so if there is none.
fn have_terraform() -> bool {
    let there = Command::new("terraform").arg("version").output().is_ok_and(|done| done.status.success());
    if !there {
        eprintln!(
            "\n!!! SKIPPED: terraform is not installed, so its modules were not held against the program\n"
        );
    }
    there
}

/// What `module` of terraform/modules gives for each of `cases`, in their order.
fn outputs(module: &str, cases: &[Value]) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let source = root().join("terraform/modules").join(module);
    let copy = folder.path().join("module");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(source).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    // Variables that a case does not name keep the module's defaults, so each is a call of its own.
    let calls: serde_json::Map<_, _> = cases
        .iter()
        .enumerate()
        .map(|(i, case)| {
            let mut call = case.clone();
            call["source"] = json!("./module");
            (format!("case{i}"), call)
        })
        .collect();
    let wanted: serde_json::Map<_, _> =
        calls.keys().map(|name| (name.clone(), json!({ "value": format!("${{module.{name}}}") }))).collect();
    let main = json!({ "module": calls, "output": wanted });
    fs::write(folder.path().join("main.tf.json"), main.to_string()).unwrap();
    let terraform = |arguments: &[&str]| {
        let done = terraform(folder.path(), arguments);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    terraform(&["init", "-input=false"]);
    terraform(&["apply", "-input=false", "-auto-approve"]);
    let all: Value = serde_json::from_slice(&terraform(&["output", "-json"])).unwrap();
    (0..cases.len()).map(|i| all[format!("case{i}")]["value"].clone()).collect()
}

/// Runs Terraform in a folder, without a user's settings.
fn terraform(folder: &Path, arguments: &[&str]) -> Output {
    fs::write(folder.join("rc"), "").unwrap();
    let mut command = Command::new("terraform");
    command.args(arguments).current_dir(folder).env("TF_CLI_CONFIG_FILE", folder.join("rc"));
    command.env("CHECKPOINT_DISABLE", "1").stdin(Stdio::null()).output().unwrap()
}

fn executable(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Channels as unlike each other as can be: variables of the user data.
fn channels() -> Vec<Value> {
    let youtube = |redundancy: &str| {
        json!({
            "name": "youtube", "redundancy": redundancy,
            "primary": "rtmps://a.rtmps.youtube.com:443/live2",
            "backup": "rtmps://b.rtmps.youtube.com:443/live2?backup=1",
        })
    };
    let twitch = json!({ "name": "twitch", "primary": "rtmp://live.twitch.tv/app" });
    let channel = |more: Value| {
        let mut channel =
            json!({ "channel": "lofi", "source_url": "s3://my-bucket/lofi", "secret": "nonstop/lofi" });
        channel.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        channel
    };
    vec![
        channel(json!({ "destinations": [youtube("failover")] })),
        channel(json!({ "destinations": [youtube("both"), twitch] })),
        channel(json!({
            "destinations": [youtube("failover")],
            "video": { "bitrate": "200k", "keyframe": "4s", "fps": 24, "size": "854x480" },
            "audio": { "bitrate": "64k", "loudness": "off" },
        })),
        channel(json!({
            "destinations": [youtube("both"), twitch],
            "video": { "bitrate": "8.5M", "size": "1080x1920", "fps": 60, "rate": "constant" },
            "audio": { "bitrate": "320k" },
            "order": "sequential", "cache": "500MB", "background": "a \"b\" & <ü>.jpg",
            "cloudwatch": { "namespace": "nonstop", "logs": "/nonstop/lofi" },
        })),
        // Enough to reach into the second tier of prices for egress.
        channel(json!({
            "destinations": [youtube("both")],
            "video": { "bitrate": "48M", "size": "3840x2160" },
        })),
    ]
}

/// Tests run side by side, and so do their Terraforms; each is a second of CPU.
fn rendered() -> Vec<(Value, config::Config)> {
    let channels = channels();
    let rendered = outputs("user-data", &channels);
    let parse = |rendered: &Value| config::parse(rendered["config"].as_str().unwrap()).unwrap();
    channels.into_iter().zip(rendered.iter().map(parse)).collect()
}

#[test]
fn what_terraform_renders_is_the_configuration_that_was_meant() {
    if !have_terraform() {
        return;
    }
    for (meant, config) in rendered() {
        assert_eq!(config.channel, "lofi");
        assert_eq!(config.media.source.to_string(), "s3://my-bucket/lofi");
        let video = &meant["video"];
        let or = |value: &Value, default: &str| value.as_str().unwrap_or(default).to_owned();
        assert_eq!(config.video.size.to_string(), or(&video["size"], "1280x720"));
        assert_eq!(u64::from(config.video.fps.get()), video["fps"].as_u64().unwrap_or(30));
        assert_eq!(config.destinations.len(), meant["destinations"].as_array().unwrap().len());
        for (destination, meant) in config.destinations.iter().zip(meant["destinations"].as_array().unwrap())
        {
            assert_eq!(destination.name, meant["name"].as_str().unwrap());
            assert_eq!(destination.backup.is_some(), meant.get("backup").is_some());
            let both = destination.redundancy == config::Redundancy::Both;
            assert_eq!(both, meant["redundancy"] == "both");
            let config::KeySource::Secret { secret, field } = &destination.key else { panic!("no secret") };
            assert_eq!((secret.as_str(), field.as_deref()), ("nonstop/lofi", meant["name"].as_str()));
        }
        assert_eq!(config.cloudwatch.logs.as_deref(), meant["cloudwatch"]["logs"].as_str());
    }
}

#[test]
fn alarms_and_dashboard_look_at_metrics_that_are_sent() {
    let sent: Vec<_> = METRICS.iter().filter_map(|metric| metric.cloud).collect();
    let mut seen = 0;
    for (file, before) in [("alarms.tf", "metric"), ("dashboard.tf", "metrics = [[")] {
        let text = fs::read_to_string(root().join("terraform").join(file)).unwrap();
        let of_ours =
            text.lines().map(str::trim).filter(|line| !line.contains("AWS/EC2") && line.contains(before));
        for line in of_ours {
            let quoted = line.split('"').skip(1).step_by(2);
            let names =
                quoted.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()) && word.len() > 3);
            let statistics = ["Maximum", "Minimum", "SampleCount", "Average"];
            for name in names.filter(|name| !statistics.contains(name) && !name.contains(' ')) {
                if name == "CPUCreditBalance" {
                    continue;
                }
                assert!(sent.contains(&name), "{file} has {name}, and nobody sends it: {line}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 15, "only {seen} metrics were found: does this test look at the right lines?");
}
