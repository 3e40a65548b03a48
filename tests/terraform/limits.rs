//! What Terraform's variables take is what the daemon takes: a value that only the daemon refuses
//! would be found out by a machine that has no other to go back to.

use crate::{have_terraform, outputs, root, terraform};
use nonstop::config;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use tempfile::TempDir;

/// Variables of a channel, and whether they are to be taken.
fn cases() -> Vec<(Value, bool)> {
    let video = |key: &str, value: &str, taken| (json!({ "video": { key: value } }), taken);
    let fps = |fps: u32, taken| (json!({ "video": { "fps": fps } }), taken);
    let audio = |key: &str, value: &str, taken| (json!({ "audio": { key: value } }), taken);
    let ingests = |primary: &str, backup: Option<&str>, taken| {
        let mut destination = json!({ "name": "own", "primary": primary });
        if let Some(backup) = backup {
            destination["backup"] = backup.into();
        }
        (json!({ "destinations": [destination] }), taken)
    };
    let named = |names: &[&str], taken| {
        let own = |name: &&str| json!({ "name": name, "primary": "rtmp://ingest.example.org/live" });
        (json!({ "destinations": names.iter().map(own).collect::<Vec<_>>() }), taken)
    };
    vec![
        video("size", "1280x720", true),
        video("size", "128x128", true),
        video("size", "126x128", false),
        video("size", "1281x720", false),
        video("size", "3840x2160", true),
        video("size", "3840x2162", false),
        video("size", "4000x1000", false),
        fps(9, false),
        fps(10, true),
        fps(29, false),
        fps(60, true),
        fps(64, false),
        video("keyframe", "199ms", false),
        video("keyframe", "200ms", true),
        video("keyframe", "1.5s", true),
        video("keyframe", "4s", true),
        video("keyframe", "4.1s", false),
        video("keyframe", "10s", false),
        video("keyframe", "1.", false),
        video("keyframe", "1..5s", false),
        video("keyframe", "2", false),
        video("keyframe", "1050ms", false),
        (json!({ "video": { "fps": 24, "keyframe": "1.3s" } }), false),
        (json!({ "video": { "fps": 24, "keyframe": "1.5s" } }), true),
        video("bitrate", "99k", false),
        video("bitrate", "100k", true),
        video("bitrate", "2500000", true),
        video("bitrate", "51M", true),
        video("bitrate", "51.1M", false),
        video("bitrate", "2 megabits", false),
        video("rate", "constant", true),
        video("rate", "variable", false),
        audio("bitrate", "47k", false),
        audio("bitrate", "48k", true),
        audio("bitrate", "320k", true),
        audio("bitrate", "321k", false),
        audio("loudness", "off", true),
        audio("loudness", "-5", true),
        audio("loudness", "-4.9", false),
        audio("loudness", "-30", true),
        audio("loudness", "-31", false),
        audio("loudness", "loud", false),
        (json!({ "order": "sequential" }), true),
        (json!({ "order": "random" }), false),
        (json!({ "background": "pictures/night.jpg" }), true),
        (json!({ "background": "night.txt" }), false),
        named(&["a", "b"], true),
        named(&["a", "a"], false),
        named(&["my own"], false),
        ingests("rtmps://ingest.example.org:8443/live", None, true),
        ingests("rtmp://ingest.example.org/live", Some("rtmp://backup.example.org/live"), true),
        ingests("rtmp://ingest.example.org/live", Some("rtmp://ingest.example.org/live"), false),
        ingests("http://ingest.example.org/live", None, false),
        ingests("rtmp://ingest.example.org:0/live", None, false),
        ingests("rtmp://ingest.example.org:65536/live", None, false),
        ingests("rtmp://ingest.example.org", None, false),
    ]
}

/// Which of `cases` the module's variables refuse: each case is a call of it on a line of its own.
fn refused_by_terraform(cases: &[Value]) -> BTreeSet<usize> {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("module")).unwrap();
    fs::copy(root().join("terraform/variables.tf"), folder.path().join("module/variables.tf")).unwrap();
    let call = |(i, case): (usize, &Value)| {
        let arguments = case.as_object().unwrap().iter();
        let arguments: String = arguments.map(|(name, value)| format!("  {name} = {value}\n")).collect();
        format!("module \"case{i}\" {{\n  source = \"./module\"\n  channel = \"lofi\"\n{arguments}}}\n")
    };
    // What a case says of one variable is one line, so the line of a refusal tells the case.
    let main: String = cases.iter().enumerate().map(call).collect();
    let calls: Vec<_> = main
        .lines()
        .scan(0, |call, line| {
            *call += usize::from(line.starts_with("module "));
            Some(*call - 1)
        })
        .collect();
    fs::write(folder.path().join("main.tf"), &main).unwrap();
    let terraform = |arguments: &[&str]| terraform(folder.path(), arguments);
    let done = terraform(&["init", "-input=false"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let done = terraform(&["validate", "-json"]);
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    let diagnostics = told["diagnostics"].as_array().unwrap().clone();
    let planned = if diagnostics.is_empty() {
        let done = terraform(&["plan", "-input=false", "-json"]);
        let text = String::from_utf8(done.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["type"] == "diagnostic").map(|line| line["diagnostic"].clone()).collect()
    } else {
        diagnostics
    };
    let refusals = planned.iter().map(|diagnostic| {
        assert_eq!(diagnostic["summary"], "Invalid value for variable", "{diagnostic:#}");
        assert_eq!(diagnostic["range"]["filename"], "main.tf", "{diagnostic:#}");
        let line = diagnostic["range"]["start"]["line"].as_u64().unwrap();
        calls[usize::try_from(line).unwrap() - 1]
    });
    refusals.collect()
}

/// The same, as the module `user-data` wants it.
fn rendered(cases: &[Value]) -> Vec<String> {
    let whole = |case: &Value| {
        let mut whole = json!({
            "channel": "lofi", "source_url": "s3://my-bucket/lofi", "secret": "nonstop/lofi",
            "destinations": [{ "name": "own", "primary": "rtmp://ingest.example.org/live" }],
        });
        whole.as_object_mut().unwrap().extend(case.as_object().unwrap().clone());
        whole
    };
    let outputs = outputs("user-data", &cases.iter().map(whole).collect::<Vec<_>>());
    outputs.iter().map(|output| output["config"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn terraform_refuses_what_the_daemon_would_refuse_and_nothing_else() {
    if !have_terraform() {
        return;
    }
    let (variables, taken): (Vec<_>, Vec<_>) = cases().into_iter().unzip();
    let refused = refused_by_terraform(&variables);
    let mut wrong = Vec::new();
    for (i, config) in rendered(&variables).iter().enumerate() {
        let case = &variables[i];
        let daemon = config::parse(config).is_ok();
        let terraform = !refused.contains(&i);
        if (daemon, terraform) != (taken[i], taken[i]) {
            wrong.push(format!("{case}: meant {}, daemon {daemon}, terraform {terraform}", taken[i]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_variable_has_a_type_and_a_description_and_refuses_what_cannot_work() {
    let text = fs::read_to_string(root().join("terraform/variables.tf")).unwrap();
    let variables: Vec<_> = text.split("\nvariable \"").skip(1).collect();
    assert!(variables.len() > 25, "does this test look at the right file?");
    for variable in variables {
        let (name, body) = variable.split_once('"').unwrap();
        let has = |what: &str| body.lines().any(|line| line.starts_with(&format!("  {what}")));
        assert!(has("description ") && has("type "), "{name}");
        // Every bool can work, and every tag.
        let free = body.contains("= bool\n") || name == "tags";
        assert!(free || has("validation {"), "{name} takes anything");
    }
}
