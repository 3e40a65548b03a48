//! What the units say agrees with what the program believes about them.

use nonstop::cli::Exit;
use nonstop::host::folders::{self, Given};
use std::path::{Path, PathBuf};

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
