//! Where a daemon keeps things, and where its clients find it. Pure over a look-up of the
//! environment; only [`Folders::create`] touches the disk.
//!
//! In this order: what the command line says; what systemd says (`STATE_DIRECTORY` and so on); the
//! user's own folders after the XDG Base Directory Specification, one below for each channel.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folder of packaged configurations. `nonstop.toml` in it belongs to `nonstop.service`, any
/// other `NAME.toml` to `nonstop@NAME.service`.
pub const ETC: &str = "/etc/nonstop";

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `--state-dir`
    pub state: Option<PathBuf>,
    /// `--cache-dir`
    pub cache: Option<PathBuf>,
    /// `--runtime-dir`
    pub runtime: Option<PathBuf>,
}

/// A channel's folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// What must survive: the schedule.
    pub state: PathBuf,
    /// What can be made anew: renditions.
    pub cache: PathBuf,
    /// What ends with the daemon: the control socket.
    pub runtime: PathBuf,
}

/// Why there are no folders.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither told nor to be guessed.
    #[error("there is no telling where the {what} folder should be: neither {systemd} nor HOME is set")]
    Unknown {
        /// `state`, `cache` or `runtime`.
        what: &'static str,
        /// systemd's variable for it.
        systemd: &'static str,
    },
    /// It cannot be made.
    #[error("cannot make the folder {path}: {source}")]
    Create {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { what, .. } => format!("say where with --{what}-dir FOLDER"),
            Self::Create { .. } => {
                "make it for the user that nonstop runs as, or choose others with --state-dir, --cache-dir and --runtime-dir".to_owned()
            }
        }
    }
}

/// One of the three kinds: what it is called, systemd's variable, the user's, and where that is
/// below the home folder by default.
struct Kind {
    what: &'static str,
    systemd: &'static str,
    xdg: &'static str,
    home: Option<&'static str>,
}

const STATE: Kind =
    Kind { what: "state", systemd: "STATE_DIRECTORY", xdg: "XDG_STATE_HOME", home: Some(".local/state") };
const CACHE: Kind =
    Kind { what: "cache", systemd: "CACHE_DIRECTORY", xdg: "XDG_CACHE_HOME", home: Some(".cache") };
const RUNTIME: Kind =
    Kind { what: "runtime", systemd: "RUNTIME_DIRECTORY", xdg: "XDG_RUNTIME_DIR", home: None };

impl Folders {
    /// The folders of `channel`. `env` looks a variable up.
    pub fn find(given: &Given, env: &dyn Fn(&str) -> Option<OsString>, channel: &str) -> Result<Self, Error> {
        let find = |kind: &Kind, given: &Option<PathBuf>| {
            given.clone().or_else(|| systemd(kind, env)).or_else(|| personal(kind, env, channel))
        };
        let unknown = |kind: &Kind| Error::Unknown { what: kind.what, systemd: kind.systemd };
        let state = find(&STATE, &given.state).ok_or_else(|| unknown(&STATE))?;
        let cache = find(&CACHE, &given.cache).ok_or_else(|| unknown(&CACHE))?;
        // A machine without a session (cron, a container) has no XDG_RUNTIME_DIR.
        let runtime = find(&RUNTIME, &given.runtime).unwrap_or_else(|| state.join("run"));
        Ok(Self { state, cache, runtime })
    }

    /// Makes what is missing of them, for owner and group alone.
    pub fn create(&self) -> Result<(), Error> {
        for path in [&self.state, &self.cache, &self.runtime] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(path)
                .map_err(|source| Error::Create { path: path.clone(), source })?;
        }
        Ok(())
    }
}

/// The name of a packaged configuration, without `.toml`; none, if it lies elsewhere.
fn packaged(config: &Path) -> Option<Cow<'_, str>> {
    let stem = config.file_stem().filter(|_| config.parent() == Some(Path::new(ETC)))?;
    Some(stem.to_string_lossy())
}

/// What the folders of a packaged configuration's unit are called: `nonstop`, or `nonstop-NAME`.
pub(super) fn of_unit(config: &Path) -> Option<String> {
    let stem = packaged(config)?;
    Some(if stem == "nonstop" { stem.into_owned() } else { format!("nonstop-{stem}") })
}

/// The runtime folders in which the daemon of `config` may listen, likeliest first. systemd tells
/// its service the folder, but not an operator's shell; for a packaged configuration it is known.
/// `channel` gives the channel's name if the configuration can be read.
pub fn runtime_of(
    given: &Given,
    env: &dyn Fn(&str) -> Option<OsString>,
    config: &Path,
    channel: impl FnOnce() -> Option<String>,
) -> Vec<PathBuf> {
    if let Some(folder) = given.runtime.clone().or_else(|| systemd(&RUNTIME, env)) {
        return vec![folder];
    }
    let mut folders = Vec::new();
    folders.extend(of_unit(config).map(|name| Path::new("/run").join(name)));
    if let Some(channel) = channel()
        && let Ok(own) = Folders::find(given, env, &channel)
    {
        folders.push(own.runtime);
    }
    folders
}

/// Where the unit of a packaged configuration takes the credential `name` from: the same folder,
/// `NAME` for `nonstop.toml` and `jazz.NAME` for `jazz.toml`. An operator's shell is handed none.
pub fn credential(config: &Path, name: &str) -> Option<PathBuf> {
    let stem = packaged(config)?;
    let prefix = if stem == "nonstop" { String::new() } else { format!("{stem}.") };
    Some(Path::new(ETC).join(format!("{prefix}{name}")))
}

/// systemd may name several, separated by colons; the unit's first is ours.
fn systemd(kind: &Kind, env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let value = env(kind.systemd)?;
    std::env::split_paths(&value).next().filter(|path| path.is_absolute())
}

/// The specification: a path that is not absolute is to be ignored.
fn personal(kind: &Kind, env: &dyn Fn(&str) -> Option<OsString>, channel: &str) -> Option<PathBuf> {
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(kind.xdg).or_else(|| Some(absolute("HOME")?.join(kind.home?)))?;
    Some(base.join("nonstop").join(channel))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    }

    fn folders(given: &Given, vars: &'static [(&str, &str)]) -> [String; 3] {
        let found = Folders::find(given, &env(vars), "lofi").unwrap();
        [found.state, found.cache, found.runtime].map(|path| path.display().to_string())
    }

    const SYSTEMD: &[(&str, &str)] = &[
        ("STATE_DIRECTORY", "/var/lib/nonstop:/var/lib/other"),
        ("CACHE_DIRECTORY", "/var/cache/nonstop"),
        ("RUNTIME_DIRECTORY", "/run/nonstop"),
        ("HOME", "/users/op"),
    ];

    #[test]
    fn the_command_line_comes_before_systemd_and_systemd_before_the_user() {
        assert_eq!(
            folders(&Given::default(), SYSTEMD),
            ["/var/lib/nonstop", "/var/cache/nonstop", "/run/nonstop"]
        );
        let given = Given { cache: Some("here".into()), ..Given::default() };
        assert_eq!(folders(&given, SYSTEMD), ["/var/lib/nonstop", "here", "/run/nonstop"]);
    }

    #[test]
    fn a_user_has_folders_of_their_own_for_each_channel() {
        let vars =
            &[("HOME", "/users/ann"), ("XDG_CACHE_HOME", "/scratch"), ("XDG_RUNTIME_DIR", "/run/user/1")];
        assert_eq!(
            folders(&Given::default(), vars),
            ["/users/ann/.local/state/nonstop/lofi", "/scratch/nonstop/lofi", "/run/user/1/nonstop/lofi",]
        );
    }

    #[test]
    fn relative_and_empty_variables_are_ignored_and_a_missing_session_is_made_up_for() {
        let vars = &[("HOME", "/users/ann"), ("XDG_CACHE_HOME", "scratch"), ("STATE_DIRECTORY", "")];
        assert_eq!(
            folders(&Given::default(), vars),
            [
                "/users/ann/.local/state/nonstop/lofi",
                "/users/ann/.cache/nonstop/lofi",
                "/users/ann/.local/state/nonstop/lofi/run",
            ]
        );
    }

    #[test]
    fn without_a_home_the_error_names_the_option() {
        let error = Folders::find(&Given::default(), &env(&[]), "lofi").unwrap_err();
        assert_eq!(error.hint(), "say where with --state-dir FOLDER");
    }

    #[test]
    fn a_client_looks_where_the_packaged_service_listens_and_then_in_the_users_own_folder() {
        let vars: &[(&str, &str)] = &[("HOME", "/users/op"), ("XDG_RUNTIME_DIR", "/run/user/0")];
        let look = |config: &str, channel: Option<&str>| {
            runtime_of(&Given::default(), &env(vars), Path::new(config), || channel.map(Into::into))
                .into_iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            look("/etc/nonstop/nonstop.toml", Some("lofi")),
            ["/run/nonstop", "/run/user/0/nonstop/lofi"]
        );
        assert_eq!(look("/etc/nonstop/jazz.toml", None), ["/run/nonstop-jazz"]);
        assert_eq!(look("demo.toml", Some("demo")), ["/run/user/0/nonstop/demo"]);
        let given = Given { runtime: Some("/r".into()), ..Given::default() };
        let asked = || -> Option<String> { panic!("the configuration is not needed") };
        assert_eq!(runtime_of(&given, &env(vars), Path::new("demo.toml"), asked), [PathBuf::from("/r")]);
    }

    #[test]
    fn a_credential_lies_beside_the_packaged_configuration() {
        let of = |config: &str| credential(Path::new(config), "stream-key");
        assert_eq!(of("/etc/nonstop/nonstop.toml"), Some("/etc/nonstop/stream-key".into()));
        assert_eq!(of("/etc/nonstop/jazz.toml"), Some("/etc/nonstop/jazz.stream-key".into()));
        assert_eq!(of("demo.toml"), None);
    }

    #[test]
    fn folders_are_made_with_their_parents_and_an_error_names_which() {
        let root = tempfile::tempdir().unwrap();
        let below = |name: &str| root.path().join(name);
        let folders = Folders { state: below("a/b"), cache: below("c"), runtime: below("a/b/run") };
        folders.create().unwrap();
        folders.create().unwrap();
        assert!(below("a/b/run").is_dir());
        std::fs::write(below("file"), "").unwrap();
        let blocked = Folders { cache: below("file/x"), ..folders };
        let said = blocked.create().unwrap_err().to_string();
        let begin = format!("cannot make the folder {}: ", below("file/x").display());
        assert!(said.starts_with(&begin), "{said}");
    }
}
