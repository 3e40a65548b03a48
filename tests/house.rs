//! The rules that hold the house together, as tests: who may await, who may see whom, who may name
//! what, and how long a file may be. They read the source as text, with comments and strings told
//! apart from code, and say file and line of what breaks a rule.

#[path = "house/messages.rs"]
mod messages;
#[path = "house/source.rs"]
mod source;

use source::{Source, has_word, identifiers, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The stages, in the order in which the data flows.
const STAGES: [&str; 6] = ["library", "render", "schedule", "timeline", "publish", "handover"];
/// More than this and a file holds more than one concept.
const MOST_LINES: usize = 400;
/// The files that may say `unsafe`, each small and alone with its reason.
const UNSAFE: [&str; 2] = ["host/kernel.rs", "publish/task/tcp_info.rs"];

// ---- rule 1: deciding and doing live in separate files -----------------------------------------

/// What only a task may do. Text, as it stands in code once white space is squeezed.
const DOING: [&str; 22] = [
    ".await",
    "async fn",
    "async move",
    "async {",
    "tokio::spawn",
    "spawn_blocking",
    "spawn_local",
    "std::fs",
    "tokio::fs",
    "fs::",
    "File::open",
    "File::create",
    "OpenOptions",
    "std::net",
    "tokio::net",
    "TcpStream",
    "std::process",
    "tokio::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "tokio::time::sleep",
];

#[test]
fn only_tasks_await_spawn_touch_disk_or_network_or_read_a_clock() {
    let mut broken = Vec::new();
    for file in source::all().iter().filter(|f| stage(f).is_some() && !is_task(f)) {
        for (line, code) in file.product_code() {
            broken.extend(DOING.iter().filter(|what| has_word(code, what)).map(|what| file.at(line, what)));
        }
    }
    none(broken, "only task.rs, or a file under task/, may do this in a stage");
}

// ---- rule 2: a stage sees what is directly upstream, and nothing else --------------------------

#[test]
fn a_stage_sees_only_the_stage_directly_upstream() {
    let mut broken = Vec::new();
    for file in source::all() {
        let Some(stage) = stage(&file) else { continue };
        let place = STAGES.iter().position(|s| *s == stage).expect("stage() gives one of STAGES");
        for (line, seen) in file.crate_paths() {
            let allowed = match STAGES.iter().position(|s| *s == seen) {
                Some(other) => other == place || other + 1 == place,
                None => !["service", "cli"].contains(&seen.as_str()),
            };
            if !allowed {
                broken.push(file.at(line, &format!("crate::{seen}")));
            }
        }
    }
    none(broken, "a stage sees the public type of the stage directly upstream, never one downstream");
}

#[test]
fn what_the_stages_share_sees_no_stage() {
    let mut broken = Vec::new();
    for file in source::all().iter().filter(|f| ["media", "config", "host"].contains(&f.top())) {
        for (line, seen) in file.crate_paths() {
            if STAGES.contains(&seen.as_str()) || ["service", "cli", "control"].contains(&seen.as_str()) {
                broken.push(file.at(line, &format!("crate::{seen}")));
            }
        }
    }
    none(broken, "media, config and host are below every stage");
}

#[test]
fn nobody_but_the_command_line_imports_the_service() {
    let mut broken = Vec::new();
    for file in source::all()
        .iter()
        .filter(|f| !["service", "service.rs", "cli", "cli.rs", "main.rs"].contains(&f.top()))
    {
        for (line, seen) in file.crate_paths() {
            if seen == "service" {
                broken.push(file.at(line, "crate::service"));
            }
        }
    }
    none(broken, "service.rs wires; nobody imports it but cli and tests");
}

// ---- rule 3: each tool and protocol is named in one place --------------------------------------

/// Words that belong to one folder or file: (word, in which identifiers or strings, homes).
struct Home {
    /// Part of an identifier, in any case.
    word: &'static str,
    /// Path prefixes below `src/` where it may stand.
    homes: &'static [&'static str],
    /// Whole identifiers that may stand anywhere, and why.
    but: &'static [&'static str],
}

const HOMES: [Home; 5] = [
    // `ffmpeg` is what rendition.json calls the version of what made it, and the name under which
    // the program's path is handed from the command line to render.
    Home { word: "ffmpeg", homes: &["render"], but: &["ffmpeg"] },
    Home { word: "libx264", homes: &["render"], but: &[] },
    // In config it is the scheme of a URL.
    Home { word: "rtmp", homes: &["publish", "config"], but: &[] },
    Home { word: "sd_notify", homes: &["host/systemd.rs"], but: &[] },
    Home { word: "aws_", homes: &["aws"], but: &[] },
];

#[test]
fn each_tool_and_protocol_is_named_in_code_in_its_own_folder_only() {
    let mut broken = Vec::new();
    for file in source::all() {
        for home in HOMES.iter().filter(|home| !home.homes.iter().any(|at| file.path.starts_with(at))) {
            for (line, code) in file.product_code() {
                broken.extend(
                    identifiers(code)
                        .filter(|word| word.to_lowercase().contains(home.word) && !home.but.contains(word))
                        .map(|word| file.at(line, word)),
                );
            }
        }
    }
    none(broken, "FFmpeg is named in render, RTMP in publish, systemd in host/systemd.rs, AWS in aws");
}

#[test]
fn only_render_runs_ffmpeg() {
    // Prose for people may name FFmpeg anywhere; a string that is nothing but a program's name or
    // one of its options is no prose.
    let is_argument = |s: &str| {
        ["ffmpeg", "ffprobe", "libx264", "aac"].contains(&s)
            || ["-c:", "-filter", "-hide_banner", "-nostdin", "-loglevel"].iter().any(|o| s.starts_with(o))
    };
    let mut broken = Vec::new();
    for file in source::all().iter().filter(|f| f.top() != "render") {
        for (line, text) in file.product_strings() {
            if is_argument(text) {
                broken.push(file.at(line, text));
            }
        }
    }
    none(broken, "FFmpeg's command lines are made in render and nowhere else");
}

// ---- rule 5: small files, one concept each -----------------------------------------------------

#[test]
fn files_are_small_and_say_what_they_are_for() {
    let mut broken = Vec::new();
    for file in source::all() {
        let lines = file.text.lines().count();
        if lines > MOST_LINES {
            broken.push(format!("src/{}: {lines} lines, at most {MOST_LINES}", file.path.display()));
        }
        // What `tests.rs` is for, its name and place say.
        if !file.text.starts_with("//! ") && !file.path.ends_with("tests.rs") {
            broken.push(format!("src/{}: does not start with what it is for (//!)", file.path.display()));
        }
        let name = file.path.to_string_lossy();
        if ["util", "utils", "helpers", "manager", "common", "misc"]
            .iter()
            .any(|bad| name.split(['/', '.', '_']).any(|part| part == *bad))
        {
            broken.push(format!("src/{name}: a name that says nothing"));
        }
    }
    none(broken, "one concept per file");
}

#[test]
fn unsafe_code_sits_alone_in_the_files_listed_here() {
    let mut broken = Vec::new();
    for file in source::all() {
        let uses: Vec<_> = file
            .code
            .iter()
            .enumerate()
            .filter(|(_, code)| identifiers(code).any(|word| word == "unsafe"))
            .map(|(line, _)| file.at(line, "unsafe"))
            .collect();
        let listed = UNSAFE.iter().any(|path| file.path == Path::new(path));
        match (listed, uses.is_empty()) {
            (false, _) => broken.extend(uses),
            (true, true) => broken.push(format!("src/{}: listed, but needs no unsafe", file.path.display())),
            (true, false) if !file.text.contains("SAFETY:") => {
                broken.push(format!("src/{}: unsafe without a SAFETY comment", file.path.display()));
            }
            (true, false) => {}
        }
    }
    none(broken, "unsafe is allowed in the files listed in this test, each with its reason");
}

#[test]
fn main_is_short() {
    let main =
        source::all().into_iter().find(|f| f.path == Path::new("main.rs")).expect("src/main.rs exists");
    assert!(main.text.lines().count() <= 60, "main.rs parses, runs one verb, and maps errors to exit codes");
}

// ---- what is shipped ---------------------------------------------------------------------------

#[test]
fn no_file_names_the_place_where_it_was_written() {
    // Written in two parts, so that this file does not break the rule itself.
    let traces =
        [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("issue", " #")];
    let mut broken = Vec::new();
    for path in shipped() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            for trace in traces.iter().filter(|trace| line.contains(*trace)) {
                broken.push(format!("{}:{}: {trace}", path.display(), number + 1));
            }
        }
    }
    none(broken, "what is shipped says nothing about where it was made");
}

#[test]
fn dependencies_are_free_come_from_one_registry_and_bring_one_tls_stack() {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host()])
        .current_dir(root())
        .output()
        .expect("cargo runs, since it runs this test");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("cargo writes JSON");
    let free: BTreeSet<&str> = [
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BlueOak-1.0.0",
        "ISC",
        "Zlib",
        "0BSD",
        "Unlicense",
        "CC0-1.0",
        "MPL-2.0",
        "Unicode-3.0",
        "CDLA-Permissive-2.0",
        "Apache-2.0 WITH LLVM-exception",
    ]
    .into();
    let mut broken = Vec::new();
    for package in metadata["packages"].as_array().expect("a list of packages") {
        let name = package["name"].as_str().unwrap_or_default();
        // Every part of an AND must be free, and one part of an OR.
        let license =
            package["license"].as_str().unwrap_or_default().replace(['(', ')'], "").replace('/', " OR ");
        if !license.split(" AND ").all(|all| all.split(" OR ").any(|one| free.contains(one.trim()))) {
            broken.push(format!("{name}: licence {license:?}"));
        }
        if ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls", "rml_rtmp"].contains(&name) {
            broken.push(format!("{name}: a second TLS stack, or a crate that was found unfit"));
        }
        if package["source"]
            .as_str()
            .is_some_and(|source| !source.starts_with("registry+https://github.com/rust-lang/"))
        {
            broken.push(format!("{name}: from {}", package["source"]));
        }
    }
    none(broken, "dependencies");
}

#[test]
fn the_rules_can_be_broken() {
    let file = Source::new(
        "schedule/page.rs".into(),
        "//! x\nuse crate::{media::Cell, publish::{A, B}, library};\n// tokio::spawn in a comment\nfn f() { \
         let s = \"Instant::now\"; let c = '\"'; x. await; } /* std::fs */\nfn g<'a>(x: &'a str) { tokio::spawn(x) }\n\
         #[cfg(test)]\nmod laws;\n#[cfg(test)]\nmod tests {\n use std::fs; }\nfn h() { fs::read() }\n"
            .into(),
    );
    assert_eq!(stage(&file), Some("schedule"));
    let seen: Vec<_> = file.crate_paths().map(|(_, seen)| seen).collect();
    assert_eq!(seen, ["media", "publish", "library"]);
    let found: Vec<_> = file
        .product_code()
        .flat_map(|(line, code)| {
            DOING.iter().filter(|w| has_word(code, w)).map(move |w| (line + 1, *w)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(found, [(4, ".await"), (5, "tokio::spawn"), (11, "fs::")]);
    assert_eq!(file.test_modules()[0], Path::new("schedule/page/laws.rs"));
    assert_eq!(file.product_strings().map(|(_, s)| s).collect::<Vec<_>>(), ["Instant::now"]);
}

fn stage(file: &Source) -> Option<&'static str> {
    STAGES.into_iter().find(|stage| file.top().trim_end_matches(".rs") == *stage)
}

fn is_task(file: &Source) -> bool {
    file.path.iter().skip(1).any(|part| part == "task.rs" || part == "task")
}

/// Every file of the checkout but what is built.
fn shipped() -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![root().to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the checkout can be read") {
            let path = entry.expect("the checkout can be read").path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if [".git", "target", "corpus"].contains(&name) {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

fn host() -> &'static str {
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" }
}

#[track_caller]
fn none(broken: Vec<String>, rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}
