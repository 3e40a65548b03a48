//! `nonstop render`: the whole library ahead of air, with a bar and an estimate.

mod tally;

use super::args::Places;
use super::failure::colors;
use super::{Env, Exit, Failure, ask, runtime, width};
use crate::config::{self, Config, Source};
use crate::host::{Folders, Signals};
use crate::library::{self, Library};
use crate::media::{ContentHash, RenditionId};
use crate::render::{self, Shelf};
use crate::telemetry::journal;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tally::{Estimate, News, Tally, summary};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) fn render(
    places: &Places,
    ffmpeg: Option<PathBuf>,
    log: Option<&str>,
    env: Env,
) -> Result<Exit, Failure> {
    let config = config::load(&places.config)?;
    let root = folder(&config.media.source)?;
    // The summary says what failed; a log in the midst of the bar would only tear it.
    let quiet = env(journal::VARIABLE).is_none().then_some("off");
    let _log = journal::start(log.or(quiet), env)?;
    let folders = Folders::find(&places.given(), env, &config.channel)?;
    folders.create()?;
    let (shelf, how) = runtime()?.block_on(all(config, root, &folders.cache, ffmpeg))?;
    ask::print(&summary(&shelf, width(), colors(&io::stdout(), env)))?;
    match how {
        End::Complete => Ok(Exit::Done),
        End::Paused(reason) => Err(Failure::new(Exit::Unavailable, format!("rendering is paused: {reason}"))),
        End::Interrupted => Err(Failure::new(Exit::Unavailable, "interrupted before all was done")
            .hint("what is done stays done; the same command goes on from there")),
    }
}

/// The folder of the music. What is in a bucket is fetched and shared by the daemon alone.
fn folder(source: &Source) -> Result<PathBuf, Failure> {
    match source {
        Source::Folder(folder) => Ok(folder.clone()),
        Source::Bucket { .. } => {
            let why = format!("{source} is a bucket, and this verb renders folders of music only");
            Err(Failure::new(Exit::Unavailable, why).hint(
                "there is nothing to do: the daemon itself renders a bucket's music ahead of air, and keeps it there",
            ))
        }
    }
}

/// How it ended.
enum End {
    Complete,
    Paused(String),
    Interrupted,
}

/// Renders until nothing is left to render, or nothing can be. When the future ends, FFmpeg ends.
async fn all(
    config: Config,
    root: PathBuf,
    cache: &Path,
    ffmpeg: Option<PathBuf>,
) -> Result<(Arc<Shelf>, End), Failure> {
    let mut signals = Signals::new()?;
    let (library_sender, library) = watch::channel(Arc::new(Library::default()));
    let (_wishes, wished) = watch::channel(Arc::<[ContentHash]>::from([]));
    let (_in_use, in_use) = watch::channel(Arc::new(there(cache)));
    let broken = watch::channel(Arc::default()).1;
    let mut settings =
        render::task::Settings::new(cache.to_owned(), config.video, config.audio, in_use, broken);
    settings.parallel = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    if let Some(program) = ffmpeg {
        settings.ffmpeg = program;
    }
    let first = render::task::first_shelf(&settings).await.map_err(unavailable)?;
    let (shelf_sender, shelf) = watch::channel(first);
    let cancel = CancellationToken::new();
    let reading = library::task::Settings::new(root, config.media.background, cache);
    let end = tokio::select! {
        end = follow(shelf.clone()) => end?,
        _ = signals.next() => End::Interrupted,
        result = library::task::run(reading, library_sender, cancel.clone()) => return Err(ended(result)),
        result = render::task::run(settings, library, wished, shelf_sender, cancel.clone()) => {
            return Err(ended(result));
        }
    };
    let shelf = shelf.borrow().clone();
    Ok((shelf, end))
}

fn unavailable(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Unavailable, error)
}

fn ended(result: Result<(), impl std::fmt::Display>) -> Failure {
    match result {
        Ok(()) => Failure::bug(),
        Err(error) => unavailable(error),
    }
}

/// The renditions that are there already. A daemon may be playing them, so none of them is given up
/// for room on the disk.
fn there(cache: &Path) -> HashSet<RenditionId> {
    let folders = std::fs::read_dir(cache.join("renditions")).into_iter().flatten().flatten();
    let names = folders.filter_map(|folder| folder.file_name().into_string().ok());
    names.filter_map(|name| RenditionId::try_from(name).ok()).collect()
}

/// Shows how far it is, until it goes no further: a bar on a terminal, else a line for each track.
async fn follow(mut shelf: watch::Receiver<Arc<Shelf>>) -> io::Result<End> {
    let terminal = io::stdout().is_terminal();
    let target = if terminal { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let style = ProgressStyle::with_template("  {bar:30.green} {wide_msg}")
        .expect("this template is the same each time, and a test has read it");
    bar.set_style(style.progress_chars("━━─"));
    let (mut news, mut estimate) = (News::default(), Estimate::default());
    loop {
        let now = shelf.borrow_and_update().clone();
        let tally = Tally::of(&now);
        let lines = news.lines(&now);
        if terminal {
            bar.set_length(tally.all());
            bar.set_position(tally.done());
            bar.set_message(tally.message(estimate.left(&tally, Instant::now())));
        } else {
            lines.iter().try_for_each(|line| writeln!(io::stdout(), "{line}"))?;
        }
        if now.complete {
            bar.finish_and_clear();
            return Ok(End::Complete);
        }
        if let Some(reason) = &now.paused {
            bar.finish_and_clear();
            return Ok(End::Paused(reason.clone()));
        }
        if shelf.changed().await.is_err() {
            // The renderer has ended, and says itself why.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_left_to_the_daemon_and_is_no_fault_of_the_configuration() {
        let failure = folder(&Source::Bucket { bucket: "music".into(), prefix: "lofi".into() }).unwrap_err();
        assert_eq!(failure.exit, Exit::Unavailable);
        assert!(failure.message.starts_with("s3://music/lofi is a bucket, and this verb"), "{failure:?}");
        assert!(failure.message.contains("hint: there is nothing to do: the daemon itself"), "{failure:?}");
        assert_eq!(folder(&Source::Folder("/srv/music".into())).unwrap(), PathBuf::from("/srv/music"));
    }
}
