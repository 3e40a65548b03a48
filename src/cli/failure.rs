//! How a verb ends: an exit code from one table, and for a person a sentence and a hint.

use crate::config;
use crate::control::{client, socket};
use crate::host::{folders, key};
use crate::telemetry::journal;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

/// The exit codes, as the help and the man page show them.
pub const TABLE: &str = "\
Exit codes:
   0  done; of `run`: drained in good order
  64  the command line is wrong
  69  something outside is missing or refuses: FFmpeg, a folder, an ingest,
      the daemon
  70  nonstop itself failed
  78  the configuration or a stream key is wrong; starting again will not help";

/// See [`TABLE`]; the numbers are those of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, drained.
    Done = 0,
    /// EX_USAGE
    Usage = 64,
    /// EX_UNAVAILABLE
    Unavailable = 69,
    /// EX_SOFTWARE
    Internal = 70,
    /// EX_CONFIG
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a verb did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the process ends with.
    pub exit: Exit,
    /// What stderr gets: a sentence, or several, each with its hint. Empty when all has been said.
    pub message: String,
}

impl Failure {
    /// A failure that `message` explains; it may hold its hint, after an empty line.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.message = format!("{}\n\nhint: {hint}", self.message);
        self
    }

    /// A verb that has said on stdout what is wrong.
    pub fn said(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Something panicked.
    pub fn bug() -> Self {
        Self::new(Exit::Internal, "nonstop has failed inside, which is a bug")
            .hint("please report what stands above, together with `nonstop --version`")
    }

    /// Says it on stderr, and gives the exit code.
    pub fn tell(&self, env: &dyn Fn(&str) -> Option<OsString>) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("{}", dress(&self.message, colors(&io::stderr(), env)));
        }
        self.exit.into()
    }
}

/// Whether `output` is to be coloured: a terminal, and nobody says no (no-color.org).
pub fn colors(output: &impl IsTerminal, env: &dyn Fn(&str) -> Option<OsString>) -> bool {
    output.is_terminal()
        && env("NO_COLOR").is_none_or(|value| value.is_empty())
        && env("TERM").is_none_or(|term| term != "dumb")
}

/// Sentences stand out, hints stay behind. Control characters other than line breaks, which a file
/// name may hold, are made visible.
fn dress(message: &str, color: bool) -> String {
    let clean = |line: &str| line.replace(|c: char| c.is_control(), "\u{fffd}");
    let dressed = message.lines().map(|line| match (color, line.strip_prefix("hint:")) {
        (false, _) => clean(line),
        (true, Some(hint)) => format!("\x1b[36mhint:\x1b[0m{}", clean(hint)),
        (true, None) if line.is_empty() => String::new(),
        (true, None) => format!("\x1b[31m{}\x1b[0m", clean(line)),
    });
    dressed.collect::<Vec<_>>().join("\n")
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::new(Exit::Config, error)
    }
}

impl From<key::Error> for Failure {
    fn from(error: key::Error) -> Self {
        // Its text has its hint. A key is part of the configuration, wherever it lies.
        Self::new(Exit::Config, error)
    }
}

impl From<folders::Error> for Failure {
    fn from(error: folders::Error) -> Self {
        Self::new(Exit::Unavailable, &error).hint(error.hint())
    }
}

impl From<socket::Error> for Failure {
    fn from(error: socket::Error) -> Self {
        let failure = Self::new(Exit::Unavailable, &error);
        match error {
            socket::Error::AlreadyRunning(_) => failure
                .hint("`nonstop status` shows it; a second one needs a configuration and folders of its own"),
            socket::Error::Io { .. } => failure,
        }
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        let failure = Self::new(Exit::Unavailable, &error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<journal::Error> for Failure {
    fn from(error: journal::Error) -> Self {
        match error {
            journal::Error::Filter { .. } => Self::new(Exit::Usage, error).hint(
                "a filter is a level (error, warn, info, debug, trace), or info,nonstop::publish=debug",
            ),
            journal::Error::Taken(_) => Self::new(Exit::Internal, error),
            journal::Error::Thread(_) => Self::new(Exit::Unavailable, error),
        }
    }
}

/// Of writing to stdout. Whoever closed it (`nonstop plan | head`) has seen enough.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::said(Exit::Done),
            _ => Self::new(Exit::Unavailable, format!("cannot write what was asked for: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_a_sentence_an_empty_line_and_a_hint() {
        let failure = Failure::new(Exit::Unavailable, "no such folder").hint("make it");
        assert_eq!(dress(&failure.message, false), "no such folder\n\nhint: make it");
        assert_eq!(
            dress(&failure.message, true),
            "\x1b[31mno such folder\x1b[0m\n\n\x1b[36mhint:\x1b[0m make it"
        );
        assert_eq!(dress("a\x1b[2Jb", false), "a\u{fffd}[2Jb");
    }

    #[test]
    fn the_table_has_every_code() {
        for exit in [Exit::Done, Exit::Usage, Exit::Unavailable, Exit::Internal, Exit::Config] {
            assert!(TABLE.contains(&format!("\n  {:>2}  ", exit as u8)), "{exit:?}");
        }
    }

    #[test]
    fn a_reader_who_has_seen_enough_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)), Failure::said(Exit::Done));
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit, Exit::Unavailable);
    }
}
