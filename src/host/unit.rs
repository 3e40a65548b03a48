//! The packaged service, as root's shell has to imagine it: where it keeps things, and what it can
//! see. It has a user of its own, is in nobody's group, and home folders are out of its sight.

use super::folders::{self, Folders, Given};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where units are, of the administrator and of packages.
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// What the unit does not see: `ProtectHome=yes`.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
/// What it has for itself: `PrivateTmp=yes`.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// The unit of a packaged configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// `nonstop`, or `nonstop@NAME`
    pub name: String,
    /// What its folders and its user are called: `nonstop`, or `nonstop-NAME`.
    pub folder: String,
    /// Whether the administrator has changed it, or has given it a user: nothing here is certain then.
    pub changed: bool,
}

/// Why a file or a folder is no use to the unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shut {
    /// It is below this folder, of which the unit sees nothing.
    Home(PathBuf),
    /// It is below this folder, of which the unit has one of its own.
    Temporary(PathBuf),
    /// The mode of this file or folder lets only its owner or its group in.
    Mode(PathBuf, u32),
}

impl Unit {
    /// The unit of `config`, if that is a packaged one, its unit is installed, and root looks on its
    /// behalf: somebody else sees with their own eyes, and the unit itself knows better.
    pub fn seen_by_root(config: &Path, env: &dyn Fn(&str) -> Option<OsString>) -> Option<Self> {
        // What belongs to a process is the folder of the process.
        let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        let without = ["STATE_DIRECTORY", "CACHE_DIRECTORY"].iter().all(|name| env(name).is_none());
        (root && without).then(|| Self::find(config, Path::new("/")))?
    }

    fn find(config: &Path, root: &Path) -> Option<Self> {
        let folder = folders::of_unit(config)?;
        let (name, file) = match folder.strip_prefix("nonstop-") {
            None => (folder.clone(), "nonstop.service"),
            Some(name) => (format!("nonstop@{name}"), "nonstop@.service"),
        };
        let below = |folder: &str, name: &str| root.join(&folder[1..]).join(name);
        let own = format!("{name}.service");
        UNITS.iter().find(|units| below(units, file).exists())?;
        let replaced =
            UNITS[..2].iter().any(|units| below(units, file).exists() || below(units, &own).exists());
        let edited = UNITS
            .iter()
            .any(|units| [file, &own].iter().any(|unit| below(units, &format!("{unit}.d")).exists()));
        let users = fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
        let user = users.lines().any(|line| line.split(':').next() == Some(&folder));
        Some(Self { name, folder, changed: replaced || edited || user })
    }

    /// Its folders, but for those that the command line says.
    pub fn folders(&self, given: &Given) -> Folders {
        let below = |given: &Option<PathBuf>, base: &str| {
            given.clone().unwrap_or_else(|| Path::new(base).join(&self.folder))
        };
        Folders {
            state: below(&given.state, "/var/lib"),
            cache: below(&given.cache, "/var/cache"),
            runtime: below(&given.runtime, "/run"),
        }
    }
}

/// What keeps the unit from reading this file or folder, if anything does. What is not there, it says
/// nothing about.
pub fn shut(path: &Path) -> Option<Shut> {
    let mode = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.is_dir(), meta.permissions().mode()));
    // A link is followed where it leads to, but has to be found first.
    let real = fs::canonicalize(path).ok().filter(|real| real != path);
    [Some(path), real.as_deref()].into_iter().flatten().find_map(|path| shut_by(path, &mode))
}

/// `mode` says whether something is a folder, and its mode.
fn shut_by(path: &Path, mode: &dyn Fn(&Path) -> Option<(bool, u32)>) -> Option<Shut> {
    let below = |folders: &[&str]| folders.iter().find(|folder| path.starts_with(folder)).map(PathBuf::from);
    if let Some(home) = below(&HOMES) {
        return Some(Shut::Home(home));
    }
    if let Some(temporary) = below(&TEMPORARY) {
        return Some(Shut::Temporary(temporary));
    }
    let mut above: Vec<_> = path.ancestors().collect();
    above.reverse();
    above.into_iter().find_map(|part| {
        let (folder, mode) = mode(part)?;
        let wanted = match (part == path, folder) {
            (false, _) => 0o001,
            (true, true) => 0o005,
            (true, false) => 0o004,
        };
        (mode & wanted != wanted).then(|| Shut::Mode(part.to_owned(), mode & 0o7777))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_that_of_a_packaged_configuration_where_it_is_installed() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, content: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        let find = |config: &str| Unit::find(Path::new(config), root.path());
        assert_eq!(find("/etc/nonstop/nonstop.toml"), None, "a program without its package");
        put("usr/lib/systemd/system/nonstop.service", "");
        put("usr/lib/systemd/system/nonstop@.service", "");
        put("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        assert_eq!(find("/srv/nonstop.toml"), None);
        let unit = find("/etc/nonstop/jazz.toml").unwrap();
        assert_eq!((unit.name.as_str(), unit.changed), ("nonstop@jazz", false));
        let given = Given { cache: Some("/big".into()), ..Given::default() };
        let Folders { state, cache, runtime } = unit.folders(&given);
        assert_eq!(
            [state, cache, runtime],
            ["/var/lib/nonstop-jazz", "/big", "/run/nonstop-jazz"].map(PathBuf::from)
        );

        put("etc/systemd/system/nonstop@jazz.service.d/override.conf", "");
        assert!(find("/etc/nonstop/jazz.toml").unwrap().changed);
        assert!(!find("/etc/nonstop/nonstop.toml").unwrap().changed);
        put("etc/passwd", "nonstop:x:990:990::/:/bin/false\n");
        assert!(find("/etc/nonstop/nonstop.toml").unwrap().changed, "it is that user");
    }

    #[test]
    fn what_is_for_its_owner_and_group_alone_is_shut_and_so_is_what_lies_below_it() {
        let mode = |path: &Path| match path.to_str().unwrap() {
            "/" | "/srv" | "/srv/music" | "/srv/link" => Some((true, 0o40755)),
            "/srv/ours" => Some((true, 0o40750)),
            "/srv/listed" => Some((true, 0o40754)),
            "/srv/passed" => Some((true, 0o40751)),
            "/srv/key" => Some((false, 0o100600)),
            path if path.ends_with(".pem") => Some((false, 0o100644)),
            _ => None,
        };
        let shut = |path: &str| shut_by(Path::new(path), &mode);
        for open in ["/srv/music", "/srv/ca.pem", "/srv/passed/ca.pem", "/srv/missing"] {
            assert_eq!(shut(open), None, "{open}");
        }
        assert_eq!(shut("/srv/key"), Some(Shut::Mode("/srv/key".into(), 0o600)));
        assert_eq!(shut("/srv/ours/ca.pem"), Some(Shut::Mode("/srv/ours".into(), 0o750)));
        for folder in ["/srv/ours", "/srv/listed", "/srv/passed"] {
            assert!(matches!(shut(folder), Some(Shut::Mode(..))), "{folder}");
        }
        assert_eq!(shut("/home"), Some(Shut::Home("/home".into())));
        assert_eq!(shut("/root"), Some(Shut::Home("/root".into())));
        assert_eq!(shut("/var/tmp/music"), Some(Shut::Temporary("/var/tmp".into())));
        assert_eq!(shut("/homework"), None);
    }
}
