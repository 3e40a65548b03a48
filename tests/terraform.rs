//! What `terraform/` says and what the program does are the same: the bill, the configuration, the
//! policy, the names of metrics. Only modules that need no provider are run here; the rest is held
//! to its promises by `make test-terraform`.

use nonstop::config;
use nonstop::cost::{Prices, Usage, bill, prices};
use nonstop::telemetry::metrics::METRICS;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

#[path = "terraform/limits.rs"]
mod limits;
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
fn terraform_and_nonstop_cost_make_the_same_bill() {
    if !have_terraform() {
        return;
    }
    let channels = rendered();
    let case = |(channel, config): &(Value, config::Config)| {
        let destinations = channel["destinations"].as_array().unwrap().iter().map(|destination| {
            json!({
                "backup": destination.get("backup").is_some(),
                "redundancy": destination["redundancy"].as_str().unwrap_or("failover"),
            })
        });
        json!({
            "video_bitrate": channel["video"]["bitrate"].as_str().unwrap_or("2000k"),
            "audio_bitrate": channel["audio"]["bitrate"].as_str().unwrap_or("128k"),
            "fps": config.video.fps.get(), "size": config.video.size.to_string(),
            "destinations": destinations.collect::<Vec<_>>(),
            "metrics": config.cloudwatch.namespace.is_some(),
        })
    };
    let theirs = outputs("cost", &channels.iter().map(case).collect::<Vec<_>>());
    for ((_, config), theirs) in channels.iter().zip(theirs) {
        let ours = bill(&Usage::at_most(config), None, &Prices::known());
        let case = &ours.cases[0];
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        for item in &case.items {
            let usd = theirs["items"][item.item].as_f64().unwrap_or_else(|| panic!("no {}", item.item));
            assert!(close(usd, item.usd), "{}: {} here, {usd} by Terraform", item.item, item.usd);
        }
        assert_eq!(theirs["items"].as_object().unwrap().len(), case.items.len());
        assert!(close(theirs["total"].as_f64().unwrap(), case.total), "{theirs}");
        assert!(close(theirs["unless_free"].as_f64().unwrap(), case.unless_free), "{theirs}");
        assert!(close(theirs["gb"].as_f64().unwrap(), case.egress_gb));
        assert_eq!(theirs["machine"], ours.instance.as_str());
        assert_eq!(theirs["machines"].as_array().unwrap().len(), ours.instances.len() + 1);
        let sentence = theirs["sentence"].as_str().unwrap();
        assert!(sentence.contains(&format!("{:.2} US$ a month", case.total)), "{sentence}");
        assert!(sentence.contains(&ours.as_of) && sentence.contains(&ours.region), "{sentence}");
    }
}

#[test]
fn two_machines_cost_two_machines_and_two_streams() {
    if !have_terraform() {
        return;
    }
    let case = |nodes: u32| {
        json!({
            "video_bitrate": "2M", "audio_bitrate": "128k", "fps": 30, "size": "1280x720", "nodes": nodes,
            "destinations": [{ "backup": true, "redundancy": "failover" }],
        })
    };
    let bills = outputs("cost", &[case(1), case(2)]);
    for item in ["machine", "disk", "public address"] {
        let usd = |i: usize| bills[i]["items"][item].as_f64().unwrap();
        assert!((usd(1) - 2.0 * usd(0)).abs() < 1e-9 && usd(0) > 0.0, "{item}");
    }
    assert!((bills[1]["gb"].as_f64().unwrap() - 2.0 * bills[0]["gb"].as_f64().unwrap()).abs() < 1e-6);
}

#[test]
fn the_prices_that_terraform_reads_are_those_of_the_one_file() {
    let path = root().join("terraform/modules/cost/prices.json");
    let prices: toml::Table = toml::from_str(prices::FILE).unwrap();
    let text = serde_json::to_string_pretty(&prices).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap();
    assert_eq!(there, text, "run `UPDATE_DOCS=1 cargo test the_prices_that` to write it anew");
}

/// `*` in a policy's resource stands for anything.
fn covers(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().map_or_else(
        || value.as_str().into_iter().collect(),
        |values| values.iter().filter_map(Value::as_str).collect(),
    )
}

#[test]
fn the_role_is_given_the_documented_policy_and_nothing_else() {
    if !have_terraform() {
        return;
    }
    let text = fs::read_to_string(root().join("docs/aws.md")).unwrap();
    let document = text.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let account = |service: &str, name: &str| format!("arn:aws:{service}:eu-central-1:111122223333:{name}");
    let case = json!({
        "bucket_arn": "arn:aws:s3:::my-bucket", "prefix": "lofi", "namespace": "nonstop",
        "secret_arn": account("secretsmanager", "secret:nonstop/lofi-AbCdEf"),
        "group_arn": account("autoscaling", "autoScalingGroup:*:autoScalingGroupName/nonstop-lofi"),
        "log_group_arn": account("logs", "log-group:/nonstop/lofi"),
    });
    let given: Value = serde_json::from_str(outputs("policy", &[case])[0]["json"].as_str().unwrap()).unwrap();
    assert_eq!(given["Version"], document["Version"]);
    let (given, document) =
        (given["Statement"].as_array().unwrap(), document["Statement"].as_array().unwrap());
    assert_eq!(given.len(), document.len());
    for documented in document {
        let sid = &documented["Sid"];
        let given = given.iter().find(|given| given["Sid"] == *sid).unwrap_or_else(|| panic!("no {sid}"));
        assert_eq!(given["Effect"], documented["Effect"], "{sid}");
        assert_eq!(strings(&given["Action"]), strings(&documented["Action"]), "{sid}");
        let condition = |of: &Value| {
            let text = of.get("Condition").map(Value::to_string).unwrap_or_default();
            text.replace(['[', ']'], "")
        };
        assert_eq!(condition(given), condition(documented), "{sid}");
        let patterns = strings(&documented["Resource"]);
        for resource in strings(&given["Resource"]) {
            assert!(patterns.iter().any(|pattern| covers(pattern, resource)), "{sid}: {resource}");
        }
        let count = strings(&given["Resource"]).len();
        assert!(count >= patterns.len(), "{sid} leaves out a resource");
    }
}

#[test]
fn patterns_of_resources_are_understood() {
    for (pattern, name, is) in [
        ("*", "anything", true),
        ("a/*", "a/b/c", true),
        ("a/*", "b/a/c", false),
        ("a-*:x/*", "a-1:x/y", true),
        ("a-*:x/*", "a-1:z/y", false),
        ("a", "a", true),
        ("a", "ab", false),
        ("a*b", "a-c", false),
    ] {
        assert_eq!(covers(pattern, name), is, "{pattern} {name}");
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

#[test]
fn stream_keys_reach_the_secret_and_no_argument() {
    if !have_terraform() {
        return;
    }
    let case = json!({
        "region": "eu-central-1", "bucket": "my-bucket", "channel": "lofi", "secret": "nonstop/lofi",
        "names": ["youtube", "twitch-2"],
    });
    let commands = &outputs("commands", &[case])[0];
    let folder = TempDir::new().unwrap();
    // Amazon's program reads what a file:// names, and so does this one.
    let aws = "#!/bin/sh\nprintf '%s\\n' \"$@\" >arguments\nenv >environment\ncat \"${8#file://}\" >given\n";
    executable(&folder.path().join("aws"), aws);
    let mut shell = Command::new("sh")
        .args(["-c", commands["put_keys"].as_str().unwrap()])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let keys = ["abcd-%s-1234", "live_12_a'b$c"];
    std::io::Write::write_all(
        &mut shell.stdin.take().unwrap(),
        format!("{}\n{}\n", keys[0], keys[1]).as_bytes(),
    )
    .unwrap();
    assert!(shell.wait().unwrap().success());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let given: Value = serde_json::from_str(&read("given")).unwrap();
    assert_eq!(given, json!({ "youtube": keys[0], "twitch-2": keys[1] }));
    for place in ["arguments", "environment"] {
        assert!(keys.iter().all(|key| !read(place).contains(key)), "a key is in {place}");
    }
    assert!(read("arguments").starts_with("secretsmanager\nput-secret-value\n"), "{}", read("arguments"));
}

fn executable(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What stands in the README's walk, command by command.
fn walk() -> Vec<String> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let section = text.split("## On AWS, from an empty account").nth(1).expect("the README has the walk");
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    block.lines().map(|line| line.split("  #").next().unwrap().trim().to_owned()).collect()
}

#[test]
fn every_command_of_the_walk_is_one_that_there_is() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut outputs = 0;
    for command in walk() {
        let inner =
            command.strip_prefix("eval \"$(").and_then(|rest| rest.strip_suffix(")\"")).unwrap_or(&command);
        let words: Vec<_> = inner.split_whitespace().collect();
        match words.as_slice() {
            ["aws", "sts", "get-caller-identity"] => {}
            ["make", target] => assert!(makefile.contains(&format!("\n{target}: ")), "{command}"),
            ["terraform", folder, verb, arguments @ ..] => {
                let folder = folder.strip_prefix("-chdir=").expect(&command);
                let text = fs::read_to_string(root().join(folder).join("main.tf")).expect(&command);
                match (*verb, arguments) {
                    ("init", []) => {}
                    ("apply", ["-var", assignment]) => {
                        let (given, _) = assignment.split_once('=').expect(&command);
                        let asked = text.split("\nvariable \"").skip(1).filter(|variable| {
                            let end = variable.find("\n}").unwrap();
                            !variable[..end].contains("default ")
                        });
                        let asked: Vec<_> =
                            asked.map(|variable| variable.split('"').next().unwrap()).collect();
                        assert_eq!(asked, [given], "what has no default has to be given");
                    }
                    ("output", ["-raw", name]) => {
                        assert!(text.contains(&format!("\noutput \"{name}\"")), "{command}");
                        outputs += 1;
                    }
                    _ => panic!("{command}: nothing is known of it"),
                }
            }
            _ => panic!("{command}: nothing is known of it"),
        }
    }
    assert_eq!(outputs, 3);
}
