//! What the units say agrees with what the program believes about them.

use nonstop::cli::Exit;
use nonstop::host::folders::{self, Given};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Sections and directives, without comments.
fn directives(unit: &str) -> Vec<String> {
    let lines = unit.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

fn value(unit: &str, directive: &str) -> String {
    let found: Vec<_> =
        unit.lines().filter_map(|line| line.strip_prefix(directive)?.strip_prefix('=')).collect();
    assert_eq!(found.len(), 1, "{directive} stands there once");
    found[0].to_owned()
}

#[test]
fn a_further_channel_differs_from_the_first_in_names_only() {
    let first = directives(&unit("nonstop.service"));
    let further: Vec<_> = directives(&unit("nonstop@.service"))
        .into_iter()
        .map(|line| {
            line.replace("the music channel %i that", "a music channel that")
                .replace("/%i.toml", "/nonstop.toml")
                .replace("/%i.stream-key", "/stream-key")
                .replace("=nonstop-%i", "=nonstop")
        })
        .collect();
    assert_eq!(first, further);
}

#[test]
fn every_section_and_directive_stands_there_with_an_explanation() {
    let text = unit("nonstop.service");
    for paragraph in text.split("\n\n").skip(1) {
        let plain = ["[Install]", "[Unit]"].iter().any(|section| paragraph.starts_with(section));
        assert!(plain || paragraph.contains('#'), "unexplained:\n{paragraph}");
    }
}

#[test]
fn the_program_looks_where_the_units_put_things() {
    for (name, config, channel) in [("nonstop.service", "nonstop", ""), ("nonstop@.service", "jazz", "jazz")]
    {
        let unit = unit(name).replace("%i", channel);
        let file = PathBuf::from(format!("{}/{config}.toml", folders::ETC));
        assert!(value(&unit, "ExecStart").contains(&format!(" --config {}", file.display())));
        assert!(unit.contains(&format!(
            "\nExecReload=/usr/bin/nonstop check --config-only --config {}\n",
            file.display()
        )));
        let runtime = format!("/run/{}", value(&unit, "RuntimeDirectory"));
        let looked = folders::runtime_of(&Given::default(), &|_| None, &file, || None);
        assert_eq!(looked, [PathBuf::from(runtime)]);
        let key = folders::credential(&file, "stream-key").unwrap();
        assert_eq!(value(&unit, "LoadCredential"), format!("stream-key:{}", key.display()));
        assert_eq!(value(&unit, "RestartPreventExitStatus"), (Exit::Config as u8).to_string());
    }
}

/// As systemctl lists them: aligned, and only those of a pattern if it is given one.
const JOBS: &str = r#"#!/bin/sh
for pattern; do :; done
case $pattern in -*) pattern='*' ;; esac
while read -r number unit job state; do
    case $unit in $pattern) printf '%5s %-30s %-8s %s\n' "$number" "$unit" "$job" "$state" ;; esac
done <<'END'
7 nonstop.service restart running
12 nonstop@a\x2db.service stop running
131 nonstop@ab.service start waiting
132 nonstop@a.service stop waiting
133 a.nonstop@ab.service stop waiting
END
"#;

#[test]
fn a_process_is_told_of_a_stop_and_of_nothing_else_whatever_its_channel_is_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let systemctl = folder.path().join("systemctl");
    std::fs::write(&systemctl, JOBS).expect("it is written");
    std::fs::set_permissions(&systemctl, PermissionsExt::from_mode(0o755)).expect("it is its owner's");
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    for (file, name, told) in [
        ("nonstop.service", "nonstop.service", false),
        ("nonstop@.service", "nonstop@a\\x2db.service", true),
        ("nonstop@.service", "nonstop@ab.service", false),
        ("nonstop@.service", "nonstop@a.service", true),
        ("nonstop@.service", "nonstop@b.service", false),
    ] {
        let line = value(&unit(file), "ExecStop");
        let line = line.strip_prefix("-+/bin/sh -c '").expect("root's shell does it");
        let (script, rest) = line.split_once('\'').expect("the quote ends");
        // As systemd hands it over: specifiers after the words are known.
        let args = rest.split_whitespace().map(|word| word.replace("%n", name));
        let mut process =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat runs");
        let done = Command::new("/bin/sh")
            .args(["-c", &script.replace("$$", "$").replace("%n", name)])
            .args(args)
            .env("PATH", &path)
            .env("MAINPID", process.id().to_string())
            .output()
            .expect("the shell runs");
        assert!(done.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        // Untold, it ends with its input.
        drop(process.stdin.take());
        let ended = process.wait().expect("it ends");
        assert_eq!(ended.signal(), told.then_some(libc::SIGUSR1), "{name}");
    }
}
