//! What can be checked on this machine alone: folders, media, stream keys.

use super::report::{Finding, Mark};
use super::{cloud, eyes};
use crate::cli::{Exit, Failure};
use crate::config::{Config, Destination, KeySource, Source};
use crate::control::text::{bytes, count};
use crate::host::unit::{Shut, Unit, shut};
use crate::host::{Folders, folders, kernel, key};
use crate::library::{self, Library, Motion, Problem};
use crate::render;
use crate::render::profile::Profile;
use crate::render::quarantine::Quarantine;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Below this, rendering will soon pause: a library of a hundred tracks takes about as much.
const ROOM: u64 = 1 << 30;
/// The media source is read for so long at most. What is new in it is read whole, at the speed of
/// the disk.
const READING: Duration = Duration::from_secs(20);
/// Where the renderer keeps its verdicts, in the cache.
const QUARANTINE: &str = "quarantine.json";
/// More unplayable files than these are counted only.
const PROBLEMS: usize = 5;

/// The three folders: can they be written, and is there room?
pub(super) fn folders(folders: &Folders) -> Vec<Finding> {
    if let Err(error) = folders.create() {
        return vec![Finding::cross("folders", error)];
    }
    let named = [("state", &folders.state), ("cache", &folders.cache), ("runtime", &folders.runtime)];
    named.into_iter().map(|(name, path)| folder(name, path)).collect()
}

/// The three folders of a unit, which systemd makes when it first starts, and where they are not root's
/// to make. `scratch` is where root tries things instead.
pub(super) fn folders_of_unit(folders: &Folders, scratch: &Path) -> Vec<Finding> {
    let named = [("state", &folders.state), ("cache", &folders.cache), ("runtime", &folders.runtime)];
    let mut findings: Vec<_> = named
        .into_iter()
        .map(|(name, path)| match path.exists() {
            true => folder(name, path),
            false => {
                Finding::new(Mark::Note, name, format!("{}: systemd makes it at the start", path.display()))
            }
        })
        .collect();
    if let Err(error) = fs::create_dir_all(scratch) {
        let path = scratch.to_owned();
        findings.push(Finding::cross("folders", folders::Error::Create { path, source: error }));
    }
    findings
}

fn folder(name: &str, path: &Path) -> Finding {
    if let Err(error) = writable(path) {
        let why = Failure::new(Exit::Unavailable, format!("{} cannot be written: {error}", path.display()))
            .hint("it has to be writable for the user that nonstop runs as; check as that user");
        return Finding::cross(name, why);
    }
    match kernel::free_space(path) {
        Ok(free) if name == "cache" && free < ROOM => Finding::advice(
            name,
            format!("{}: only {} free, which is little room for renditions", path.display(), bytes(free)),
        ),
        Ok(free) => Finding::tick(name, format!("{}: {} free", path.display(), bytes(free))),
        Err(_unknown) => Finding::tick(name, path.display().to_string()),
    }
}

/// Writes a file that no one else has, and takes it away.
fn writable(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".check-{}", std::process::id()));
    fs::write(&probe, b"nonstop check")?;
    fs::remove_file(&probe)
}

/// The media source: can it be read, and what is in it? This reads it as the daemon does, for as
/// long as [`READING`], and what it has learnt by then spares the daemon the reading.
/// The renderer's verdicts are in `verdicts`; where root looks for `unit`, what that sees is what counts.
pub(super) async fn media(
    config: &Config,
    cache: &Path,
    verdicts: &Path,
    unit: Option<&Unit>,
) -> Vec<Finding> {
    let root = match &config.media.source {
        Source::Folder(root) => root,
        // See cloud.rs.
        Source::Bucket { .. } => return Vec::new(),
    };
    if let Err(error) = fs::read_dir(root) {
        let why = Failure::new(Exit::Unavailable, format!("{} cannot be read: {error}", root.display()))
            .hint("it has to be a folder that the user that nonstop runs as may read; check as that user");
        return vec![Finding::cross("media", why)];
    }
    let (sender, mut library) = watch::channel(Arc::default());
    let settings = library::task::Settings::new(root.clone(), config.media.background.clone(), cache);
    let complete = async {
        // An error means that the library has ended, of which it has told on its own.
        let _ = library.wait_for(|library: &Arc<Library>| library.complete).await;
    };
    tokio::select! {
        result = library::task::run(settings, sender, CancellationToken::new()) => {
            if let Err(error) = result {
                return vec![Finding::cross("media", Failure::new(Exit::Internal, error))];
            }
        }
        () = complete => {}
        () = tokio::time::sleep(READING) => {}
    }
    let library = library.borrow().clone();
    // What the daemon or `nonstop render` found unplayable before; nothing, where neither has run.
    let verdicts = Quarantine::from_json(&fs::read(verdicts.join(QUARANTINE)).unwrap_or_default());
    let profile = Profile::new(&config.video, &config.audio);
    let unplayable = library.tracks.iter().filter_map(|track| {
        let reason = verdicts.reason(&track.hash, profile.id())?.to_owned();
        Some(Problem { source: track.source.clone(), reason })
    });
    let problems = library.problems.iter().cloned().chain(unplayable);
    let problems: Vec<Problem> =
        problems.chain(unit.map_or_else(Vec::new, |_| unseen(&library, root))).collect();
    let mut findings = tell(&library, &problems, root, config.media.background.as_deref());
    let media = findings.remove(0);
    findings.insert(0, eyes::see(media, unit, root, None));
    findings
}

/// Tracks that are shut to a unit that sees the folder itself.
fn unseen(library: &Library, root: &Path) -> Vec<Problem> {
    if shut(root).is_some() {
        return Vec::new();
    }
    let unseen = library.tracks.iter().filter_map(|track| match shut(&root.join(&track.source))? {
        Shut::Mode(path, mode) => Some(Problem {
            source: track.source.clone(),
            reason: format!("not for the service, by the mode {mode:o}: chmod o+rX {}", path.display()),
        }),
        Shut::Home(folder) | Shut::Temporary(folder) => Some(Problem {
            source: track.source.clone(),
            reason: format!("a link to below {}, which the service does not see", folder.display()),
        }),
    });
    unseen.collect()
}

fn tell(library: &Library, problems: &[Problem], root: &Path, background: Option<&str>) -> Vec<Finding> {
    let more = if library.complete { "" } else { " so far; reading goes on when the daemon runs" };
    let what = format!("{}: {}{more}", root.display(), count(library.tracks.len() as u64, "track"));
    let mut findings = vec![match library.tracks.len() {
        0 if library.complete => {
            Finding::advice("media", format!("{what}; the standby card is on air until there is one"))
        }
        _ => Finding::tick("media", what),
    }];
    for problem in problems.iter().take(PROBLEMS) {
        findings.push(Finding::advice("media", format!("{}: {}", problem.source, problem.reason)));
    }
    let more = problems.len().saturating_sub(PROBLEMS);
    if more > 0 {
        findings.push(Finding::advice("media", format!("and {more} more that cannot be played")));
    }
    findings.push(match (background, &library.background) {
        (_, Some(picture)) => {
            let motion = if picture.motion == Motion::Clip { "a clip" } else { "a picture" };
            Finding::tick("background", format!("{}, {motion}", picture.source))
        }
        (Some(wanted), None) => Finding::advice(
            "background",
            format!("{wanted} is not in the media source; the built-in card is shown until it is"),
        ),
        (None, None) => Finding::advice("background", "none; the built-in card is shown"),
    });
    findings
}

/// FFmpeg: does it do what a rendition takes? Renders the standby card, in a cache of its own.
pub(super) async fn encoder(config: &Config, program: Option<PathBuf>, cache: &Path) -> Finding {
    let scratch = Scratch(cache.join(format!(".check-{}", std::process::id())));
    let (in_use, broken) = (watch::channel(Arc::default()).1, watch::channel(Arc::default()).1);
    let (video, audio) = (config.video.clone(), config.audio.clone());
    let mut settings = render::task::Settings::new(scratch.0.clone(), video, audio, in_use, broken);
    if let Some(program) = program {
        settings.ffmpeg = program;
    }
    match render::task::first_shelf(&settings).await {
        Ok(shelf) => {
            let version = shelf.standby.meta.ffmpeg.strip_prefix("ffmpeg version ");
            let version = version.and_then(|version| version.split(' ').next()).unwrap_or("unknown");
            Finding::tick("FFmpeg", format!("{version}, renders H.264 and AAC as they are needed"))
        }
        Err(error) => {
            let why = Failure::new(Exit::Unavailable, error)
                .hint("`apt install ffmpeg` brings one that can do it; --ffmpeg names another");
            Finding::cross("FFmpeg", why)
        }
    }
}

/// A folder that goes when this is dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A destination's stream key: can it be read? What systemd hands to the service, it does not hand
/// to an operator, who is shown the file that it takes it from.
pub(super) fn key(destination: &Destination, config: &Path, credentials: Option<&Path>) -> Finding {
    let subject = format!("{} key", destination.name);
    let handed = match (&destination.key, credentials) {
        (KeySource::Credential(name), None) => folders::credential(config, name).map(KeySource::File),
        _ => None,
    };
    let source = handed.as_ref().unwrap_or(&destination.key);
    let place = match source {
        KeySource::File(path) => format!("in {}", path.display()),
        KeySource::Credential(name) => format!("in the credential {name}"),
        KeySource::Secret { secret, field } => {
            let place = cloud::place(secret, field.as_deref());
            return Finding::new(Mark::Note, subject, format!("{place}, which was not asked for"));
        }
    };
    match key::read(source, credentials) {
        Ok(_key) => Finding::tick(subject, place),
        Err(error) => Finding::cross(subject, error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::exit;
    use super::*;
    use crate::config;
    use crate::library::Picture;
    use crate::media::{ContentHash, Credits};

    fn text(findings: &[Finding]) -> String {
        findings.iter().map(|finding| finding.text(80, false)).collect()
    }

    fn library(tracks: usize) -> Library {
        let track = |i| library::Track {
            source: format!("{i}.ogg"),
            path: Some("x".into()),
            hash: ContentHash::of(&[i as u8; 32]),
            size: 1,
            credits: Credits::default(),
        };
        let tracks = (0..tracks).map(|i| Arc::new(track(i))).collect();
        Library { tracks, complete: true, ..Library::default() }
    }

    #[test]
    fn an_empty_library_without_a_picture_is_advice_and_no_cross() {
        let findings = tell(&library(0), &[], Path::new("/srv/music"), Some("cover.png"));
        insta::assert_snapshot!(text(&findings));
        assert_eq!(exit(&findings), Exit::Done);
    }

    #[test]
    fn what_cannot_be_played_is_named_up_to_a_point() {
        let background = Picture {
            source: "background.mp4".into(),
            path: Some("x".into()),
            hash: ContentHash::of(&[9; 32]),
            motion: Motion::Clip,
        };
        let library = Library { background: Some(background), complete: false, ..library(40) };
        let problems: Vec<_> = (0..7)
            .map(|i| Problem { source: format!("broken/{i}.mp3"), reason: "it ends in mid-frame".into() })
            .collect();
        insta::assert_snapshot!(text(&tell(&library, &problems, Path::new("/srv/music"), None)));
    }

    #[tokio::test]
    async fn a_missing_media_folder_and_a_missing_key_are_crosses_that_name_them() {
        let scratch = tempfile::tempdir().unwrap();
        let missing = scratch.path().join("missing");
        let text = format!(
            "[media]\nsource = {missing:?}\n[[destination]]\nname = \"here\"\n\
             primary = \"rtmp://127.0.0.1/live\"\nkey = {{ file = {missing:?} }}\n"
        );
        let config = config::parse(&text).unwrap();
        let key = key(&config.destinations[0], Path::new("nonstop.toml"), None);
        for (finding, exit) in [
            (media(&config, scratch.path(), scratch.path(), None).await.remove(0), Exit::Unavailable),
            (key, Exit::Config),
        ] {
            assert_eq!(finding.mark, Mark::Cross(exit));
            assert!(finding.message.contains(missing.to_str().unwrap()), "{finding:?}");
        }
    }

    #[test]
    fn folders_are_made_written_and_left_as_they_were() {
        let scratch = tempfile::tempdir().unwrap();
        let below = |name| scratch.path().join(name);
        let places = Folders { state: below("s"), cache: below("c"), runtime: below("r") };
        let findings = folders(&places);
        assert!(findings.iter().all(|finding| !matches!(finding.mark, Mark::Cross(_))), "{findings:?}");
        assert_eq!(fs::read_dir(below("c")).unwrap().count(), 0);
        fs::write(below("file"), "").unwrap();
        let findings = folders(&Folders { cache: below("file"), ..places });
        assert_eq!(exit(&findings), Exit::Unavailable);
    }
}
