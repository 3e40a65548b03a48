//! What is wrong with a configuration, said to a person: a sentence with file, line and key, and
//! a hint. All that is wrong is said at once.
//!
//! Invariant: nothing here holds a value that may be a secret.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the configuration {} cannot be read: {source}\n\nhint: {}", path.display(), hint(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file, or the text, is no valid configuration.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "name the file with --config, or write one: docs/config.md shows a whole one"
        }
        io::ErrorKind::PermissionDenied => "run this as a user who may read it",
        _ => "it has to be a text file in UTF-8 of at most 1 MiB",
    }
}

/// Everything that is wrong with one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The file, if it came from one.
    pub file: Option<PathBuf>,
    /// At least one, by line.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1; `None` if it is about something that is nowhere.
    pub line: Option<usize>,
    /// The key with its section, `video.fps`; empty for a line that is not TOML.
    pub key: String,
    /// One sentence, without the full stop.
    pub sentence: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            match (&self.file, problem.line) {
                (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
                (Some(file), None) => write!(f, "{}: ", file.display())?,
                (None, Some(line)) => write!(f, "line {line}: ")?,
                (None, None) => {}
            }
            write!(f, "{}.", problem.sentence)?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n\nhint: {hint}")?;
            }
        }
        Ok(())
    }
}
