//! Whose fault a failure is: the file's, nobody's for long, or the machine's. It decides whether the
//! file is set aside, tried again, or everything waits.

use super::ffmpeg;
use crate::media::flv;
use crate::render::pack;
use std::io;

/// Why a job did not end well.
#[derive(Debug)]
pub enum Failure {
    /// The file is at fault.
    File(String),
    /// It may go right another time.
    Passing(String),
    /// The file cannot be reached now, as when a disk or a network mount is away.
    Away(String),
    /// The machine is at fault.
    Host(String),
    /// The picture's loop has gone from the cache.
    Unpictured(String),
}

impl Failure {
    /// Why, in words.
    pub fn into_reason(self) -> String {
        match self {
            Self::File(reason)
            | Self::Passing(reason)
            | Self::Away(reason)
            | Self::Host(reason)
            | Self::Unpictured(reason) => reason,
        }
    }
}

/// FFmpeg's words for a file that cannot be reached.
const AWAY: [&str; 3] = ["No such file or directory", "Input/output error", "Stale file handle"];

/// Why a file of the library's cannot be looked at. It was read once, so its source may be away.
pub fn unreadable(error: io::Error) -> Failure {
    let reason = format!("cannot read it: {error}");
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::Passing(reason),
        _ => Failure::Away(reason),
    }
}

/// Whose fault it is that FFmpeg did not do it.
pub fn blame(error: ffmpeg::Error) -> Failure {
    use ffmpeg::Error as E;
    match error {
        E::Start { .. } => Failure::Host(format!("FFmpeg is missing: {error}")),
        E::Exit { notes, status } => {
            let said = |text| notes.lines().any(|line| line.contains(text));
            let reason = notes.reason().or_else(|| notes.last_words().map(str::to_owned));
            let reason = reason.unwrap_or_else(|| format!("FFmpeg ended with status {status} and no word"));
            match () {
                () if said("No space left on device") || said("Disk quota exceeded") => {
                    Failure::Host("the disk is full".into())
                }
                () if said("Cannot allocate memory") => Failure::Passing("FFmpeg ran out of memory".into()),
                // The library has seen it, so it was there a moment ago.
                () if AWAY.into_iter().any(said) => Failure::Away(reason),
                () if said("Format not on whitelist") => {
                    Failure::File("it is no music: FFmpeg takes it for another kind of file".into())
                }
                () => Failure::File(format!("FFmpeg cannot read it: {reason}")),
            }
        }
        E::Signal { signal: libc::SIGKILL } => {
            Failure::Passing("FFmpeg was killed, as happens when memory runs out".into())
        }
        E::Signal { signal } => Failure::Passing(format!("FFmpeg crashed (signal {signal})")),
        E::Stalled(_) | E::Late(_) | E::Flood(_) => Failure::Passing(format!("FFmpeg was stopped: {error}")),
        E::Io(_) => Failure::Host(error.to_string()),
    }
}

/// Whose fault it is that FFmpeg's output cannot be packed.
pub fn packing(error: pack::Error) -> Failure {
    match error {
        pack::Error::Write(e) | pack::Error::Flv(flv::Error::Io(e)) => on_disk(e),
        other => Failure::Passing(format!("FFmpeg's output cannot be used: {other}")),
    }
}

/// The cache cannot be written: no file's fault.
pub fn on_disk(error: io::Error) -> Failure {
    Failure::Host(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full".into(),
        _ => format!("the cache cannot be written: {error}"),
    })
}

/// What FFmpeg made would not join with what it made before.
pub fn other_headers(what: &str) -> Failure {
    Failure::File(format!(
        "FFmpeg gave its {what} other codec headers than the rest of the profile has; clear the cache to start afresh"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::notes::Notes;

    #[test]
    fn a_source_that_is_away_is_not_the_files_fault() {
        for words in AWAY {
            let mut notes = Notes::default();
            notes.line(&format!("[error] file:/music/a.mp3: {words}"));
            let exit = ffmpeg::Error::Exit { status: 251, notes: Box::new(notes) };
            assert!(matches!(blame(exit), Failure::Away(reason) if reason == words));
        }
        for code in [libc::ENOENT, libc::EIO, libc::ESTALE] {
            assert!(matches!(unreadable(io::Error::from_raw_os_error(code)), Failure::Away(_)));
        }
    }
}
