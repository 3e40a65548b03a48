//! The log: into the journal with its fields where stderr is the journal, else as lines for a
//! person on stderr. Whoever logs never waits: `writer` says how.

use super::limit::{LeftOut, Limit};
use super::record::For;
use super::writer::{self, Sink};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{EnvFilter, FilterExt, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, fmt};

/// The variable with the filter, which `--log` overrides.
pub const VARIABLE: &str = "NONSTOP_LOG";

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error("{text:?} is not a log filter")]
    Filter {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Something else has taken the log over.
    #[error("the log is taken already")]
    Taken(#[from] tracing::subscriber::SetGlobalDefaultError),
    /// The thread that writes cannot be started.
    #[error("the log's thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// The log of this process. Dropping it waits a second at most for the last lines; hold it to the end.
#[must_use = "the last lines are lost without it"]
pub struct Log {
    left_out: LeftOut,
    lost: LeftOut,
    waiting: writer::Waiting,
}

impl Log {
    /// Lines left out because there were too many of a kind.
    pub fn left_out(&self) -> LeftOut {
        self.left_out.clone()
    }

    /// Lines lost because whoever takes the log did not take them.
    pub fn lost(&self) -> LeftOut {
        self.lost.clone()
    }

    /// From now on every line also goes to `tap`, which must not wait.
    pub fn tap(&self, tap: impl Fn(&super::Record) + Send + Sync + 'static) {
        self.waiting.tap(Arc::new(tap));
    }
}

/// Starts the log of this process, once. `filter` is what `--log` says (`debug`,
/// `info,nonstop::publish=trace`), else [`VARIABLE`] does, else everything from INFO on is logged.
pub fn start(filter: Option<&str>, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Log, Error> {
    let given = filter.map(str::to_owned).or_else(|| env(VARIABLE)?.into_string().ok());
    let filter = parse(given.as_deref().unwrap_or_default())?;
    let stream = env("JOURNAL_STREAM").and_then(|stream| stream.into_string().ok());
    let is_journal = is_journal(&io::stderr(), stream.as_deref());
    let color = io::stderr().is_terminal() && env("NO_COLOR").is_none_or(|value| value.is_empty());
    let sink = move || match is_journal.then(journal) {
        Some(Ok(journal)) => sink(journal, For::Journal),
        _ => sink(lines(io::stderr, color), For::Person),
    };
    let limit = Limit::default();
    let (left_out, lost) = (limit.left_out(), LeftOut::default());
    let (layer, waiting) = writer::start(sink, lost.clone())?;
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter.and(limit)));
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(Log { left_out, lost, waiting })
}

/// A subscriber of its own, which the process does not know: it sees what it is shown.
fn sink(layer: impl Layer<Registry> + Send + Sync, reader: For) -> Sink {
    (Box::new(tracing_subscriber::registry().with(layer)), reader)
}

fn parse(text: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(text)
        .map_err(|source| Error::Filter { text: text.to_owned(), source })
}

/// Fields go in under their own names (`journalctl DESTINATION=youtube`), and INFO is *info*, not
/// the *notice* that tracing-journald makes of it.
fn journal() -> io::Result<tracing_journald::Layer> {
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
        ..PriorityMappings::new()
    };
    Ok(tracing_journald::layer()?
        .with_syslog_identifier("nonstop".to_owned())
        .with_field_prefix(None)
        .with_priority_mappings(priorities))
}

fn lines<S, W>(writer: W, color: bool) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt::layer().compact().with_target(false).with_ansi(color).with_writer(Lossy(writer))
}

/// Whether `stream` (`device:inode`, as systemd tells it) is what `output` leads to. Telling by the
/// variable alone would be wrong for `nonstop run 2> file` in a service's shell.
fn is_journal(output: &impl AsFd, stream: Option<&str>) -> bool {
    let Some(stream) = stream else { return false };
    let Ok(file) = output.as_fd().try_clone_to_owned() else { return false };
    File::from(file).metadata().is_ok_and(|meta| stream == format!("{}:{}", meta.dev(), meta.ino()))
}

/// Writes what can be written: a log that is full or gone must not end the stream.
struct Lossy<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Lossy<W> {
    type Writer = Lossy<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Lossy(self.0.make_writer())
    }
}

impl<W: Write> Write for Lossy<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.0.write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Takes lines down.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(filter: &str) -> String {
        let out = Lines::default();
        let layer = lines(out.clone(), false).with_filter(parse(filter).unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(destination = "youtube", "on air");
            tracing::debug!("detail");
        });
        out.text()
    }

    #[test]
    fn a_line_has_its_level_its_sentence_and_its_fields() {
        let line = logged("");
        assert!(line.ends_with("INFO on air destination=\"youtube\"\n"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn the_filter_chooses_and_a_bad_one_is_named() {
        assert_eq!(logged("debug").lines().count(), 2);
        assert_eq!(logged("warn"), "");
        assert_eq!(parse("nonstop=loud").unwrap_err().to_string(), "\"nonstop=loud\" is not a log filter");
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let meta = file.metadata().unwrap();
        let same = format!("{}:{}", meta.dev(), meta.ino());
        assert!(is_journal(&file, Some(&same)));
        assert!(!is_journal(&file, Some("8:1")));
        assert!(!is_journal(&file, None));
    }

    #[test]
    fn a_log_that_cannot_be_written_is_no_error() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(Lossy(full).write(b"line\n").unwrap(), 5);
    }
}
