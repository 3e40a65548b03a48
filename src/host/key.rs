//! Reads a stream key from where the configuration says it is. Nothing here repeats a byte of it.

use crate::config::tell::is_url;
use crate::config::{KeySource, Secret};
use crate::telemetry::messages;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Bytes of the longest key that is taken; platforms' keys have 20 to 200.
const LONGEST: usize = 512;

/// Why there is no stream key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the stream key in {} cannot be read: {source}\n\nhint: it has to be readable for the user that nonstop runs as", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file's first line is no key.
    #[error("the first line of {} {reason}\n\nhint: write the stream key into it, and nothing else", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// The second half of the sentence.
        reason: &'static str,
    },
    /// There is no folder of credentials.
    #[error(
        "the credential {0:?} was not handed over\n\nhint: systemd does that, with LoadCredential={0}:/etc/nonstop/{0} in the unit; by hand, set CREDENTIALS_DIRECTORY to a folder that holds it"
    )]
    NoCredentials(String),
    /// It is in no file.
    #[error("the stream key in the secret {0:?} is to be asked for in Secrets Manager")]
    Elsewhere(String),
}

impl Error {
    /// What is wrong, in words that do for whatever is kept as stream keys are.
    pub fn reason(&self) -> String {
        match self {
            Self::Read { path, source } => format!("{} cannot be read: {source}", path.display()),
            Self::Unfit { path, reason } => format!("the first line of {} {reason}", path.display()),
            Self::NoCredentials(name) => format!("the credential {name:?} was not handed over"),
            Self::Elsewhere(name) => format!("the secret {name:?} is in no file"),
        }
    }
}

/// Reads the stream key: the first line of a file, or of a credential in `credentials`, the folder
/// that systemd names in `CREDENTIALS_DIRECTORY`. Blocks as long as the disk does.
///
/// # Errors
/// See [`Error`]. A file that others may read is no error, but is warned of.
pub fn read(source: &KeySource, credentials: Option<&Path>) -> Result<Secret, Error> {
    read_as(first_line, source, credentials)
}

/// Reads the address of a webhook, which is kept as stream keys are. Blocks as long as the disk does.
///
/// # Errors
/// See [`Error`].
pub fn address(source: &KeySource, credentials: Option<&Path>) -> Result<Secret, Error> {
    read_as(first_address, source, credentials)
}

/// What a text has to be.
pub type Fit = fn(&[u8]) -> Result<Secret, &'static str>;

fn read_as(fit: Fit, source: &KeySource, credentials: Option<&Path>) -> Result<Secret, Error> {
    match source {
        KeySource::File(path) => {
            warn_of_others(path);
            from_file(fit, path)
        }
        KeySource::Credential(name) => match credentials {
            Some(folder) => from_file(fit, &folder.join(name)),
            None => Err(Error::NoCredentials(name.clone())),
        },
        KeySource::Secret { secret, .. } => Err(Error::Elsewhere(secret.clone())),
    }
}

/// Not for credentials: systemd gives the service access to them by an access control list, which a
/// mode shows as rights of the group, and keeps everybody else out of their folder.
fn warn_of_others(path: &Path) {
    // What cannot be asked cannot be read either, and that is then said.
    if std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
        tracing::warn!(message_id = messages::KEY_EXPOSED, path = %path.display(), "others may read the file with the stream key; chmod 600 keeps it to its owner");
    }
}

fn from_file(fit: Fit, path: &Path) -> Result<Secret, Error> {
    let mut content = Vec::with_capacity(LONGEST * 2);
    let outcome =
        read_start(path, &mut content).map_err(|source| Error::Read { path: path.to_owned(), source });
    let key =
        outcome.and_then(|()| fit(&content).map_err(|reason| Error::Unfit { path: path.to_owned(), reason }));
    content.fill(0);
    std::hint::black_box(&content);
    key
}

/// Reads as much as tells a key from a text that is too long, into a buffer that need not grow
/// (and so leaves no copies behind).
fn read_start(path: &Path, content: &mut Vec<u8>) -> io::Result<()> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        // Opening a pipe would wait for who writes into it.
        return Err(io::Error::other("it is not a file"));
    }
    content.resize(LONGEST * 2, 0);
    let (mut file, mut length) = (File::open(path)?, 0);
    while length < content.len() {
        match file.read(&mut content[length..])? {
            0 => break,
            n => length += n,
        }
    }
    content.truncate(length);
    Ok(())
}

/// The key on the first line of a text, or why that is none: the second half of a sentence.
pub fn first_line(content: &[u8]) -> Result<Secret, &'static str> {
    let key = line(content)?;
    if key.expose().contains("://") {
        return Err("holds an address and not a stream key");
    }
    Ok(key)
}

/// The webhook's address on the first line of a text, or why that is none.
pub fn first_address(content: &[u8]) -> Result<Secret, &'static str> {
    let address = line(content)?;
    if is_url(address.expose()) { Ok(address) } else { Err("holds no address of a webhook") }
}

fn line(content: &[u8]) -> Result<Secret, &'static str> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let content = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content);
    let line = content.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii();
    match line {
        [] => Err("is empty"),
        _ if line.len() > LONGEST => Err("is longer than a stream key"),
        _ if !line.iter().all(u8::is_ascii_graphic) => Err("holds characters that no stream key has"),
        _ => Ok(Secret::new(std::str::from_utf8(line).expect("printable ASCII is UTF-8"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn file(folder: &tempfile::TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn the_first_line_is_the_key() {
        let folder = tempfile::tempdir().unwrap();
        for content in
            ["abcd-1234", "abcd-1234\n", "  abcd-1234 \r\nthe key of our channel\n", "\u{feff}abcd-1234\n"]
        {
            let path = file(&folder, "key", content);
            assert_eq!(read(&KeySource::File(path), None).unwrap().expose(), "abcd-1234", "{content:?}");
        }
        let longest = "k".repeat(LONGEST);
        let path = file(&folder, "key", &longest);
        assert_eq!(read(&KeySource::File(path), None).unwrap().expose(), longest);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("secret{}", "k".repeat(LONGEST));
        let endless = format!("secret{}", "k".repeat(100_000));
        let bad: [&[u8]; 8] = [
            b"",
            b"\nsecret",
            b"   \n",
            b"sec\x00ret",
            b"secret\x1b[2J",
            b"secret \xc3\xa4",
            long.as_bytes(),
            endless.as_bytes(),
        ];
        for content in bad {
            let said = read(&KeySource::File(file(&folder, "key", content)), None).unwrap_err().to_string();
            assert!(said.contains("\n\nhint: ") && !said.contains("secret"), "{said}");
        }
        let said =
            read(&KeySource::File(file(&folder, "key", "rtmp://secret/x")), None).unwrap_err().to_string();
        assert!(said.contains("an address") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn a_webhook_s_address_is_kept_in_the_same_places() {
        let folder = tempfile::tempdir().unwrap();
        file(&folder, "hook", "https://hooks.example.com/secret\n");
        let source = KeySource::Credential("hook".into());
        let read = address(&source, Some(folder.path())).unwrap();
        assert_eq!(read.expose(), "https://hooks.example.com/secret");
        let path = file(&folder, "key", "secret");
        let said = address(&KeySource::File(path), None).unwrap_err().to_string();
        assert!(said.contains("holds no address") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn credentials_are_in_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        file(&folder, "stream-key", "abcd");
        let source = KeySource::Credential("stream-key".into());
        assert_eq!(read(&source, Some(folder.path())).unwrap().expose(), "abcd");
        assert!(matches!(read(&source, None), Err(Error::NoCredentials(_))));
        let missing = read(&KeySource::Credential("other".into()), Some(folder.path())).unwrap_err();
        assert!(missing.to_string().contains("/other cannot be read: No such file"), "{missing}");
    }

    #[test]
    fn a_key_that_others_may_read_is_read_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "key", "abcd");
        for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let log = Arc::new(Mutex::new(Vec::new()));
            let into = log.clone();
            let writer = move || Log(into.clone());
            let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
            let key =
                tracing::subscriber::with_default(subscriber, || read(&KeySource::File(path.clone()), None));
            assert_eq!(key.unwrap().expose(), "abcd");
            let said = String::from_utf8(log.lock().unwrap().clone()).unwrap();
            assert_eq!(said.contains("WARN") && said.contains("chmod 600"), warned, "{mode:o}: {said}");
        }
    }

    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_pipe_or_a_folder_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let said = read(&KeySource::File(folder.path().into()), None).unwrap_err().to_string();
        assert!(said.contains("it is not a file"), "{said}");
    }
}
