//! The log: into the journal with its fields where stderr is the journal, else as lines for a
//! person on stderr.

use super::limit::{LeftOut, Limit};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{EnvFilter, FilterExt, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, fmt};

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
}

/// Starts the log of this process, once. `filter` is what `--log` says (`debug`,
/// `info,nonstop::publish=trace`), else [`VARIABLE`] does, else everything from INFO on is logged.
/// Gives the count of lines that were left out because there were too many of a kind.
pub fn start(filter: Option<&str>, env: &dyn Fn(&str) -> Option<OsString>) -> Result<LeftOut, Error> {
    let given = filter.map(str::to_owned).or_else(|| env(VARIABLE)?.into_string().ok());
    let filter = parse(given.as_deref().unwrap_or_default())?;
    let limit = Limit::default();
    let left_out = limit.left_out();
    let stream = env("JOURNAL_STREAM").and_then(|stream| stream.into_string().ok());
    let journal = if is_journal(&io::stderr(), stream.as_deref()) { journal().ok() } else { None };
    let layer = match journal {
        Some(journal) => journal.boxed(),
        None => {
            let color = io::stderr().is_terminal() && env("NO_COLOR").is_none_or(|value| value.is_empty());
            lines(io::stderr, color).boxed()
        }
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter.and(limit)));
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(left_out)
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
    use std::sync::{Arc, Mutex};

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
