//! Debian's copyright file (DEP-5): every crate that is linked into the program, whose it is, and
//! the text of every licence. It comes from what Cargo knows and from the crates' own files, so
//! that it cannot be forgotten; a licence without a text stops the build of the package.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian keeps the texts that it does not want to be repeated.
const COMMON: [(&str, &str); 2] = [("Apache-2.0", "Apache-2.0"), ("CC0-1.0", "CC0-1.0")];

/// By what a licence's text is known in a crate's file: where it begins, after the copyright.
const TEXTS: [(&str, &str); 6] = [
    ("MIT", "Permission is hereby granted, free of charge"),
    ("ISC", "Permission to use, copy, modify, and"),
    ("BSD-3-Clause", "Redistribution and use in source and binary forms"),
    ("BlueOak-1.0.0", "# Blue Oak Model License"),
    ("Unicode-3.0", "NOTICE TO USER: Carefully read the following"),
    ("Zlib", "This software is provided 'as-is'"),
];

struct Crate {
    name: String,
    version: String,
    /// As Debian writes it: `MIT or Apache-2.0`.
    licence: String,
    authors: String,
    /// The files in which it says so itself.
    files: Vec<String>,
}

/// The whole file.
pub(crate) fn of_everything_linked() -> Result<String, Box<dyn Error>> {
    let crates = linked()?;
    let mut text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
        Upstream-Name: nonstop\n\
        Comment:\n The program holds the Rust crates below, in the versions named, unchanged.\n"
        .to_owned();
    for (i, it) in crates.iter().enumerate() {
        // The first is nonstop itself.
        let files = if i == 0 { "*".to_owned() } else { format!("{}-{}/*", it.name, it.version) };
        let holders = it.holders().join("\n           ");
        write!(text, "\nFiles: {files}\nCopyright: {holders}\nLicense: {}\n", it.licence)?;
    }
    for (licence, words) in texts(&crates)? {
        write!(text, "\nLicense: {licence}\n{words}")?;
    }
    Ok(text)
}

impl Crate {
    /// Who says that it is theirs.
    fn holders(&self) -> Vec<String> {
        let lines = self.files.iter().flat_map(|file| file.lines()).map(str::trim);
        let claims = lines
            .filter_map(|line| {
                let line = line.trim_start_matches(['/', '*', '#', ' ']);
                let claim = line.strip_prefix("Copyright").or_else(|| line.strip_prefix("copyright"))?;
                let claim =
                    claim.trim_start_matches([':', ' ']).trim_start_matches("(c)").trim_start_matches("(C)");
                // Text about copyright, or a form to be filled in, is no claim.
                let claim = claim.trim_start_matches('©').trim();
                let claims = claim.contains(|c: char| c.is_ascii_digit()) || claim.starts_with("The ");
                (claims && !claim.contains(['[', '{'])).then(|| claim.to_owned())
            })
            .collect::<BTreeSet<_>>();
        match (claims.is_empty(), self.authors.is_empty()) {
            (false, _) => claims.into_iter().collect(),
            (true, false) => vec![self.authors.clone()],
            (true, true) => vec![format!("the authors of {}", self.name)],
        }
    }
}

/// Every crate that the program is linked from on this platform, nonstop first.
fn linked() -> Result<Vec<Crate>, Box<dyn Error>> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let told = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", &platform])
        .current_dir(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("to be run by cargo")?)
        .output()?;
    if !told.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&told.stderr)).into());
    }
    let metadata: Value = serde_json::from_slice(&told.stdout)?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let id = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes: HashMap<String, Value> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|node| (id(&node["id"]), node)).collect();

    let root = id(&metadata["resolve"]["root"]);
    let (mut wanted, mut todo) = (BTreeSet::new(), vec![root.clone()]);
    while let Some(next) = todo.pop() {
        if wanted.insert(next.clone()) {
            // A kind that is not named is neither for tests nor for build scripts.
            let deps = list(&nodes[&next]["deps"]);
            let linked =
                deps.iter().filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
            todo.extend(linked.map(|dep| id(&dep["pkg"])));
        }
    }

    let mut crates = Vec::new();
    for package in list(&metadata["packages"]).iter().filter(|package| wanted.contains(&id(&package["id"]))) {
        let folder =
            PathBuf::from(id(&package["manifest_path"])).parent().map(Path::to_owned).unwrap_or_default();
        let authors = list(&package["authors"]);
        let authors: Vec<_> = authors.iter().filter_map(Value::as_str).collect();
        let found = Crate {
            name: id(&package["name"]),
            version: id(&package["version"]),
            licence: debian(&id(&package["license"])),
            authors: authors.join(", "),
            files: licence_files(&folder)?,
        };
        crates.push((id(&package["id"]) != root, found));
    }
    crates.sort_by(|(a, x), (b, y)| (a, &x.name, &x.version).cmp(&(b, &y.name, &y.version)));
    Ok(crates.into_iter().map(|(_, found)| found).collect())
}

/// `MIT/Apache-2.0` and `(MIT OR Apache-2.0) AND ISC` as Debian writes them.
fn debian(spdx: &str) -> String {
    spdx.replace('/', " or ").replace(" OR ", " or ").replace(" AND ", " and ").replace(['(', ')'], "")
}

fn licence_files(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file()
            && ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT"].iter().any(|part| name.starts_with(part))
        {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())).collect()
}

/// The text of every licence that any of `crates` is under, as DEP-5 sets it.
fn texts(crates: &[Crate]) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let names = |it: &Crate| -> Vec<String> {
        it.licence.split(" or ").flat_map(|part| part.split(" and ")).map(str::to_owned).collect()
    };
    let mut texts = BTreeMap::new();
    for name in crates.iter().flat_map(names).collect::<BTreeSet<_>>() {
        let plain = name.split(" WITH ").next().unwrap_or_default();
        if let Some((_, file)) = COMMON.iter().find(|(common, _)| *common == plain) {
            let at = format!(" On Debian systems the text is in /usr/share/common-licenses/{file}.\n");
            texts.insert(name, at);
            continue;
        }
        let Some((_, begin)) = TEXTS.iter().find(|(known, _)| *known == name) else {
            // One way of several: the others have their texts.
            if crates.iter().filter(|it| names(it).contains(&name)).all(|it| it.licence.contains(" or ")) {
                texts.insert(name, " Not the licence under which it is distributed here.\n".to_owned());
                continue;
            }
            return Err(format!("no text is known for the licence {name}").into());
        };
        let mut files = crates.iter().filter(|it| names(it).contains(&name)).flat_map(|it| &it.files);
        let words = files.find_map(|file| file.find(begin).map(|at| file[at..].trim_end().to_owned()));
        let words = words.ok_or_else(|| format!("no crate brings the text of its licence {name}"))?;
        let set = words.lines().map(|line| match line.trim_end() {
            "" => " .\n".to_owned(),
            line => format!(" {line}\n"),
        });
        texts.insert(name, set.collect());
    }
    Ok(texts)
}
