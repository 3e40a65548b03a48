//! What an operator is told to run: the commands that the module `commands` makes, and the README's
//! walk.

use crate::{executable, have_terraform, outputs, root};
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};
use tempfile::TempDir;

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
