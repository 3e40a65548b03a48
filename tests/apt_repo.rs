//! The apt repository, as apt sees it: made by `packaging/apt-repo`, served by any web server, read by
//! the real apt in a root of its own. What was tampered with, what is out of date, and what was
//! signed with a key that a machine does not know, is refused.

#[path = "rig/mod.rs"]
mod rig;

#[path = "apt_repo/machine.rs"]
mod machine;
#[path = "apt_repo/site.rs"]
mod site;

use machine::Machine;
use rig::Scratch;
use site::Site;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A repository and what it is made from.
struct Repository {
    scratch: Scratch,
    site: Site,
}

impl Repository {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let site = Site::new(scratch.folder("apt"));
        Self { scratch, site }
    }

    /// A package of a version, as small as can be.
    fn package(&self, version: &str) -> PathBuf {
        let folder = self.scratch.folder(&format!("package-{version}"));
        fs::create_dir_all(folder.join("DEBIAN")).expect("the target folder can be written");
        let control = format!(
            "Package: nonstop\nVersion: {version}\nArchitecture: {}\nMaintainer: test <test@example.org>\nDescription: test\n",
            machine::architecture()
        );
        fs::write(folder.join("DEBIAN/control"), control).expect("the target folder can be written");
        let file = self.scratch.path().join(format!("nonstop_{version}_{}.deb", machine::architecture()));
        let built =
            Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&folder).arg(&file).output();
        succeeds(&built.expect("dpkg-deb runs: tests/setup has installed it"));
        file
    }

    fn key(&self, name: &str) -> String {
        self.scratch.path().join(format!("{name}.asc")).display().to_string()
    }

    fn publish(&self, keys: &[&str], more: &[&str], packages: &[&Path]) -> Output {
        self.sign(keys, &[&["--url", &self.site.url()], more].concat(), packages)
    }

    /// Without a word about where it is served.
    fn sign(&self, keys: &[&str], more: &[&str], packages: &[&Path]) -> Output {
        let mut command = Command::new(program());
        command.arg("--to").arg(self.site.folder());
        for key in keys {
            command.arg("--key").arg(self.key(key));
        }
        command.args(more).args(packages).env_remove("GNUPGHOME").output().expect("the script runs")
    }

    /// A machine that has taken over `nonstop.sources` as it is now.
    fn machine(&self, name: &str) -> Machine {
        let machine = Machine::new(self.scratch.folder(name));
        machine.knows(&self.sources());
        machine
    }

    fn sources(&self) -> String {
        fs::read_to_string(self.file("nonstop.sources")).expect("it was made")
    }

    fn file(&self, path: &str) -> PathBuf {
        self.site.folder().join(path)
    }
}

const INDEX: &str = "dists/stable/InRelease";

fn program() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/apt-repo")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

#[track_caller]
fn fails_with(output: &Output, why: &str) {
    let said = said(output);
    assert!(!output.status.success() && said.contains(why), "expected {why:?}:\n{said}");
}

/// Changes one byte of a file: the first of `what`.
fn tamper(path: &Path, what: &str) {
    let mut content = fs::read(path).expect("it is there");
    let at = content.windows(what.len()).position(|w| w == what.as_bytes()).expect("it holds this");
    content[at] ^= 1;
    fs::write(path, content).expect("the target folder can be written");
}

fn hashes(folder: &Path) -> Vec<String> {
    let index = fs::read_to_string(folder.join(INDEX)).expect("it is there");
    let lines = index.lines().filter(|line| line.starts_with(' '));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn apt_finds_every_version_and_gets_the_very_package() {
    let repository = Repository::new("apt-finds");
    let (old, new) = (repository.package("1.0"), repository.package("1.1"));
    succeeds(&repository.publish(&["key"], &[], &[&old]));
    let machine = repository.machine("machine");
    machine.update().expect("a repository that is signed by the key in its sources");
    assert_eq!(machine.candidate(), "1.0");
    succeeds(&repository.publish(&["key"], &[], &[&new]));
    machine.update().expect("a repository with another package");
    assert_eq!(machine.candidate(), "1.1");
    for (version, file) in [("1.0", &old), ("1.1", &new)] {
        let got = machine.download(version).expect("it is in the repository");
        assert!(fs::read(got).unwrap() == fs::read(file).unwrap(), "another package than was published");
    }
    // Indexes are asked for by their hash, so that no cache between can mix two states of them.
    let asked = repository.site.asked();
    assert!(asked.iter().any(|path| path.contains("/by-hash/SHA256/")), "{asked:?}");
    assert!(!asked.iter().any(|path| path.ends_with("/Packages.xz")), "{asked:?}");
}

#[test]
fn whatever_was_tampered_with_is_refused() {
    let repository = Repository::new("apt-tampered");
    let package = repository.package("1.0");
    succeeds(&repository.publish(&["key"], &[], &[&package]));
    let machine = repository.machine("machine");
    machine.update().expect("nothing was tampered with");

    let pool = repository.file("pool/main/n/nonstop").join(package.file_name().unwrap());
    tamper(&pool, "debian-binary");
    let refused = machine.download("1.0").expect_err("the package was tampered with");
    assert!(refused.contains("Hash Sum mismatch"), "{refused}");

    let index = repository.file(&format!("dists/stable/main/binary-{}", machine::architecture()));
    for hash in hashes(repository.site.folder()) {
        let path = index.join("by-hash/SHA256").join(hash);
        let mut content = fs::read(&path).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(path, content).unwrap();
    }
    let refused = repository.machine("second").update().expect_err("the index of packages was tampered with");
    assert!(refused.contains("Hash Sum mismatch"), "{refused}");

    tamper(&repository.file(INDEX), &hashes(repository.site.folder())[0]);
    let refused = repository.machine("third").update().expect_err("the signed index was tampered with");
    assert!(refused.contains("BADSIG") || refused.contains("BAD"), "{refused}");
}

#[test]
fn a_key_is_changed_while_machines_know_the_old_one_both_or_the_new_one() {
    let repository = Repository::new("apt-rotation");
    let package = repository.package("1.0");
    succeeds(&repository.publish(&["old"], &[], &[&package]));
    let first = repository.machine("first");
    first.update().expect("signed with the key that it knows");

    // Signed with both, the repository is good for those who know one of them.
    succeeds(&repository.publish(&["old", "new"], &[], &[]));
    first.update().expect("signed with the key that it knows, and another");
    let second = repository.machine("second");
    second.update().expect("it knows both");

    succeeds(&repository.publish(&["new"], &[], &[]));
    let third = repository.machine("third");
    third.update().expect("signed with the key that it knows");
    second.update().expect("it knows the new key, too");
    let refused = first.update().expect_err("it knows the old key only");
    assert!(refused.contains("NO_PUBKEY") || refused.contains("not signed"), "{refused}");
    first.knows(&repository.sources());
    first.update().expect("it has learned the new key");

    // And back to a key that was given up: nobody who has learned the new one falls for it.
    succeeds(&repository.publish(&["old"], &["--replace-keys"], &[]));
    third.update().expect_err("the key was given up");
}

#[test]
fn signed_again_it_is_where_it_was_and_by_whom_it_was() {
    let repository = Repository::new("apt-again");
    succeeds(&repository.publish(&["key"], &[], &[&repository.package("1.0")]));
    let (index, sources) = (fs::read(repository.file(INDEX)).unwrap(), repository.sources());
    // Until another day: within one second, the same is signed alike to the byte.
    succeeds(&repository.sign(&["key"], &["--days", "60"], &[]));
    assert_eq!(repository.sources(), sources, "machines find it where they did");
    let index_again = fs::read(repository.file(INDEX)).unwrap();
    assert!(index_again != index, "it was signed again");

    // The key is elsewhere: no other may take its place, be it made for that or lie about.
    let signed_by = "is signed by the key";
    fails_with(&repository.sign(&["gone"], &[], &[]), signed_by);
    assert!(!Path::new(&repository.key("gone")).exists(), "no key is made that no machine knows");
    let other = Repository::new("apt-again-other");
    succeeds(&other.publish(&["key"], &[], &[&other.package("1.0")]));
    fs::copy(other.key("key"), repository.key("other")).unwrap();
    fails_with(&repository.sign(&["other"], &[], &[]), "hint: name that key with --key");
    assert!(fs::read(repository.file(INDEX)).unwrap() == index_again, "a refusal changes nothing");
    assert_eq!(repository.sources(), sources);

    // Nor without knowing whom machines trust.
    fs::remove_file(repository.file("nonstop.sources")).unwrap();
    fails_with(&repository.sign(&["key"], &[], &[]), "names no key");
    fs::write(repository.file("nonstop.sources"), &sources).unwrap();
    succeeds(&repository.sign(&["gone"], &["--replace-keys"], &[]));
    repository.machine("machine").update().expect("it has the new file");
}

#[test]
fn two_at_once_do_not_meet() {
    let repository = Repository::new("apt-lock");
    let package = repository.package("1.0");
    fs::create_dir_all(repository.site.folder()).unwrap();
    let folder = fs::File::open(repository.site.folder()).unwrap();
    folder.lock().unwrap();
    fails_with(&repository.publish(&["key"], &[], &[&package]), "another apt-repo is at work");
    drop(folder);
    succeeds(&repository.publish(&["key"], &[], &[&package]));
}

#[test]
fn a_key_in_the_users_own_gnupg_signs_as_well() {
    let repository = Repository::new("apt-gnupg");
    let package = repository.package("1.0");
    succeeds(&repository.publish(&["made"], &[], &[&package]));
    // A folder for GnuPG's socket must have a short name.
    let home = tempfile::tempdir().unwrap();
    let gpg = |args: &[&str]| {
        let output = Command::new("gpg")
            .env("GNUPGHOME", home.path())
            .args(["--batch", "--quiet"])
            .args(args)
            .output();
        succeeds(&output.expect("gpg runs: tests/setup has installed it"))
    };
    gpg(&["--import", &repository.key("made")]);
    let listed = gpg(&["--with-colons", "--list-secret-keys"]);
    let fingerprint =
        listed.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap().trim_matches(':').to_owned();
    let output = Command::new(program())
        .arg("--to")
        .arg(repository.site.folder())
        .args(["--url", &repository.site.url(), "--key", &fingerprint])
        .env("GNUPGHOME", home.path())
        .output();
    succeeds(&output.expect("the script runs"));
    repository.machine("machine").update().expect("signed with the key that it knows");
    let _ = Command::new("gpgconf").env("GNUPGHOME", home.path()).args(["--kill", "all"]).status();
}

#[test]
fn an_index_that_is_out_of_date_is_refused() {
    let repository = Repository::new("apt-expired");
    succeeds(&repository.publish(&["key"], &["--days", "-1"], &[&repository.package("1.0")]));
    let refused = repository.machine("machine").update().expect_err("its time is over");
    assert!(refused.contains("expired"), "{refused}");
}

#[test]
fn a_version_that_is_published_stays_what_it_is() {
    let repository = Repository::new("apt-republished");
    let package = repository.package("1.0");
    succeeds(&repository.publish(&["key"], &[], &[&package]));
    succeeds(&repository.publish(&["key"], &[], &[&package]));
    let before = fs::read(repository.file(INDEX)).unwrap();
    tamper(&package, "debian-binary");
    fails_with(&repository.publish(&["key"], &[], &[&package]), "is published with another content");
    assert!(fs::read(repository.file(INDEX)).unwrap() == before, "a refusal changes nothing");
    let nothing = Repository::new("apt-nothing");
    fails_with(&nothing.publish(&["key"], &[], &[]), "there is no package to publish");
}

#[test]
fn a_machine_that_holds_the_former_index_finds_what_it_names() {
    let repository = Repository::new("apt-former");
    succeeds(&repository.publish(&["key"], &[], &[&repository.package("1.0")]));
    let former = hashes(repository.site.folder());
    succeeds(&repository.publish(&["key"], &[], &[&repository.package("1.1")]));
    let folder =
        repository.file(&format!("dists/stable/main/binary-{}/by-hash/SHA256", machine::architecture()));
    assert!(former.iter().all(|hash| folder.join(hash).exists()));
    for version in 2..9 {
        succeeds(&repository.publish(&["key"], &[], &[&repository.package(&format!("1.{version}"))]));
    }
    assert!(former.iter().all(|hash| !folder.join(hash).exists()), "what nobody names any more is removed");
    assert!(hashes(repository.site.folder()).iter().all(|hash| folder.join(hash).exists()));
}

/// The order in which things appear, here and in a bucket, is seen by a program that stands in for
/// the one that does it.
#[test]
fn what_is_referred_to_is_in_place_before_what_refers_to_it() {
    let repository = Repository::new("apt-order");
    let tools = repository.scratch.folder("tools");
    let stand_in = |name: &str, really: &str| {
        let log = repository.scratch.path().join(name);
        let script = format!("#!/bin/sh\necho \"$@\" >>'{}'\n{really}\n", log.display());
        fs::write(tools.join(name), script).unwrap();
        succeeds(&Command::new("chmod").arg("+x").arg(tools.join(name)).output().unwrap());
        log
    };
    let moved = stand_in("mv", "exec /bin/mv \"$@\"");
    let sent = stand_in("aws", "exit 0");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let run = |command: &mut Command| succeeds(&command.env("PATH", &path).output().unwrap());

    let package = repository.package("1.0");
    let key = repository.key("key");
    run(Command::new(program()).arg("--to").arg(repository.site.folder()).args(["--key", &key]).arg(package));
    run(Command::new(program()).arg("push").arg(repository.site.folder()).arg("s3://bucket/apt/"));

    let order = |log: &Path, steps: &[&str]| {
        let log = fs::read_to_string(log).unwrap();
        let at = |step: &&str| {
            log.lines().position(|line| line.contains(step)).unwrap_or_else(|| panic!("{step}: {log}"))
        };
        let places: Vec<_> = steps.iter().map(at).collect();
        assert!(places.is_sorted(), "{steps:?} at {places:?}:\n{log}");
        assert!(log.lines().last().unwrap().contains(steps[steps.len() - 1]), "{log}");
    };
    order(&moved, &["/pool/", "dists/stable/main", "Packages.xz", "InRelease"]);
    order(
        &sent,
        &[
            "s3://bucket/apt/pool",
            "--include */by-hash/*",
            "--exclude */by-hash/*",
            "apt/dists/stable/InRelease",
        ],
    );
}
