//! The control socket as a file: one daemon a folder, and nothing of a dead one in the way.
//!
//! A lock on the folder says whether a daemon lives: the kernel lets go of it however the daemon
//! ends, and it leaves no file behind. So two daemons that start at once cannot both win, which looking at the socket
//! alone would allow.

use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// The socket's name in the runtime folder.
pub const NAME: &str = "control.sock";
/// Owner and group may speak to the daemon.
const MODE: u32 = 0o660;

/// The listening socket. Its file goes when this is dropped.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    _lock: File,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another daemon has it.
    #[error("a daemon is already running with {0}")]
    AlreadyRunning(PathBuf),
    /// The file system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl Socket {
    /// Listens on [`NAME`] in `folder`, which must exist. Replaces the socket of a dead daemon,
    /// and refuses to touch that of a living one. Needs a tokio runtime.
    pub fn bind(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(NAME);
        let fail = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { action, path, source }
        };
        let lock = File::open(folder).map_err(fail("open", folder))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::AlreadyRunning(path)),
            Err(TryLockError::Error(source)) => return Err(fail("lock", folder)(source)),
        }
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fail("replace", &path)(e)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(fail("listen on", &path))?;
        let socket = Self { listener, path, _lock: lock };
        let permissions = Permissions::from_mode(MODE);
        std::fs::set_permissions(&socket.path, permissions).map_err(fail("open up", &socket.path))?;
        Ok(socket)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Ours for certain: the lock is still held. Left behind, it would only be replaced later.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileTypeExt;

    #[tokio::test]
    async fn the_socket_is_for_owner_and_group_and_goes_with_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let socket = Socket::bind(folder.path()).unwrap();
        let meta = std::fs::metadata(socket.path()).unwrap();
        assert!(meta.file_type().is_socket());
        assert_eq!(meta.permissions().mode() & 0o777, 0o660);
        let path = socket.path().to_owned();
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_living_daemons_socket_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let first = Socket::bind(folder.path()).unwrap();
        assert!(
            matches!(Socket::bind(folder.path()), Err(Error::AlreadyRunning(path)) if path == first.path())
        );
        assert!(first.path().exists());
        drop(first);
        Socket::bind(folder.path()).unwrap();
    }

    #[tokio::test]
    async fn a_dead_daemons_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        // What a killed daemon leaves: a socket file that nobody listens on, an unlocked lock.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let socket = Socket::bind(folder.path()).unwrap();
        std::os::unix::net::UnixStream::connect(socket.path()).unwrap();
    }

    #[tokio::test]
    async fn an_error_names_what_was_attempted_on_what() {
        let error = Socket::bind(Path::new("/nonexistent")).unwrap_err();
        assert!(error.to_string().starts_with("cannot open /nonexistent: "), "{error}");
    }
}
