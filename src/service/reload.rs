//! Reads the configuration again, while the channel is on the air. What can change, changes; what
//! cannot is named; and a configuration that is wrong changes nothing at all.
//!
//! Music and pictures need none of this: the library watches them all the time. What a profile is
//! made of (picture and sound) needs a restart, because renditions of two profiles cannot follow
//! each other in one session; so do source, channel and destinations, which the stages are built
//! from. A restart costs less than two seconds, which is the measure for what is worth doing here.

use crate::config::{self, Audio, Config, Media, Order, Rotation, Video};
use crate::host::Notifier;
use crate::schedule::command::Command;
use crate::telemetry::messages;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

/// The file is a page on a local disk; longer than this and that disk hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// The configuration in force, and the way to another.
pub(super) struct Reload {
    file: PathBuf,
    config: Config,
    commands: mpsc::Sender<Command>,
    notifier: Notifier,
    /// Goes before the service manager's line: why the last one was refused, or nothing.
    refused: watch::Sender<String>,
}

impl Reload {
    pub(super) fn new(
        file: PathBuf,
        config: Config,
        commands: mpsc::Sender<Command>,
        notifier: Notifier,
    ) -> Self {
        Self { file, config, commands, notifier, refused: watch::Sender::default() }
    }

    /// Why the last configuration was refused, as the beginning of a line; empty if it was not.
    pub(super) fn refused(&self) -> watch::Receiver<String> {
        self.refused.subscribe()
    }

    /// Reads it again. The service manager waits for the end of this.
    pub(super) async fn again(&mut self) {
        let _over = Under::way(&self.notifier);
        match self.read().await {
            Ok(new) => self.take_over(new).await,
            Err(why) => {
                tracing::error!(
                    message_id = messages::RELOAD_REFUSED,
                    error = why,
                    "the new configuration is refused; the one before it stays in force"
                );
                self.refused.send_replace(format!("the new configuration is refused ({why}); "));
            }
        }
    }

    async fn read(&self) -> Result<Config, String> {
        let file = self.file.clone();
        let read = tokio::time::timeout(PATIENCE, spawn_blocking(move || config::load(&file))).await;
        match read {
            Ok(Ok(Ok(config))) => Ok(config),
            Ok(Ok(Err(error))) => Err(in_a_line(&error)),
            Ok(Err(panicked)) => Err(panicked.to_string()),
            Err(_) => Err(format!("{} could not be read within {PATIENCE:?}", self.file.display())),
        }
    }

    async fn take_over(&mut self, new: Config) {
        self.refused.send_replace(String::new());
        let changes = changes(&self.config, &new);
        if let Some(order) = changes.order {
            // It fails when the schedule has ended, and then so does everything.
            let _ = self.commands.send(Command::Reorder(order)).await;
            self.config.rotation.order = order;
        }
        if changes.later.is_empty() {
            tracing::info!(message_id = messages::RELOADED, "the configuration was read again");
        } else {
            tracing::warn!(
                message_id = messages::RELOADED_IN_PART,
                keys = changes.later.join(", "),
                "the configuration was read again; some of what changed holds after a restart"
            );
        }
    }
}

/// A reload under way. However it ends, the service manager hears that it is over: it would wait.
struct Under(Notifier);

impl Under {
    fn way(notifier: &Notifier) -> Self {
        notifier.reloading();
        Self(notifier.clone())
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.ready();
    }
}

/// What is different in a new configuration.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    /// At once.
    order: Option<Order>,
    /// These keys, after a restart.
    later: Vec<&'static str>,
}

/// Compares what is in force with what is to be. Every key is taken apart here by name, so that a
/// new one cannot be forgotten.
fn changes(old: &Config, new: &Config) -> Changes {
    let Config { channel, media, rotation: Rotation { order }, video, audio, destinations, .. } = new;
    let Config { metrics, cloudwatch, webhooks, .. } = new;
    let Media { source, background, cache } = media;
    let Video { size, fps, keyframe, bitrate, rate } = video;
    let Audio { bitrate: sound, loudness } = audio;
    let later = [
        ("channel", old.channel != *channel),
        ("media.source", old.media.source != *source),
        ("media.background", old.media.background != *background),
        ("media.cache", old.media.cache != *cache),
        ("video.size", old.video.size != *size),
        ("video.fps", old.video.fps != *fps),
        ("video.keyframe", old.video.keyframe != *keyframe),
        ("video.bitrate", old.video.bitrate != *bitrate),
        ("video.rate", old.video.rate != *rate),
        ("audio.bitrate", old.audio.bitrate != *sound),
        ("audio.loudness", old.audio.loudness != *loudness),
        ("destination", old.destinations != *destinations),
        ("metrics", old.metrics != *metrics),
        ("cloudwatch", old.cloudwatch != *cloudwatch),
        ("webhook", old.webhooks != *webhooks),
    ];
    Changes {
        order: (old.rotation.order != *order).then_some(*order),
        later: later.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect(),
    }
}

/// The first thing that is wrong, and how many more there are; `nonstop check` says all of them.
fn in_a_line(error: &config::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
    match error {
        config::Error::Invalid(invalid) if invalid.problems.len() > 1 => {
            format!("{first}; and {} more", invalid.problems.len() - 1)
        }
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reference;

    const CONFIG: &str = "channel = \"a\"\n[media]\nsource = \"/m\"\n[rotation]\norder = \"shuffle\"\n[[destination]]\nprimary = \"rtmp://h/a\"\nkey = { file = \"k\" }\n";

    fn changed(this: &str, that: &str) -> Changes {
        assert!(CONFIG.contains(this), "{this}");
        let parse = |text: &str| config::parse(text).unwrap_or_else(|error| panic!("{error}"));
        changes(&parse(CONFIG), &parse(&CONFIG.replacen(this, that, 1)))
    }

    #[test]
    fn what_changes_is_taken_over_or_named() {
        assert_eq!(changed("a", "a"), Changes::default());
        assert_eq!(changed("shuffle", "sequential").order, Some(Order::Sequential));
        for (this, that, key) in [
            ("\"a\"", "\"b\"", "channel"),
            ("/m", "/n", "media.source"),
            ("[rotation]", "background = \"b.png\"\n[rotation]", "media.background"),
            ("[rotation]", "cache = \"3GB\"\n[rotation]", "media.cache"),
            ("[[d", "[video]\nsize = \"640x360\"\n[[d", "video.size"),
            ("[[d", "[video]\nfps = 25\n[[d", "video.fps"),
            ("[[d", "[video]\nkeyframe = \"4s\"\n[[d", "video.keyframe"),
            ("[[d", "[video]\nbitrate = \"1M\"\n[[d", "video.bitrate"),
            ("[[d", "[video]\nrate = \"constant\"\n[[d", "video.rate"),
            ("[[d", "[audio]\nbitrate = \"96k\"\n[[d", "audio.bitrate"),
            ("[[d", "[audio]\nloudness = -16\n[[d", "audio.loudness"),
            ("rtmp://h/a", "rtmp://h/b", "destination"),
            ("\"k\"", "\"l\"", "destination"),
        ] {
            let section = key.split('.').next().unwrap_or_default();
            assert!(reference().iter().any(|k| k.path() == key || k.section == section), "{key}");
            assert_eq!(changed(this, that), Changes { order: None, later: vec![key] }, "{key}");
        }
    }

    #[test]
    fn what_is_wrong_is_one_line() {
        let one = config::parse(&CONFIG.replace("shuffle", "shufle")).unwrap_err();
        assert_eq!(in_a_line(&one).lines().count(), 1);
        let two = config::parse(&CONFIG.replace("shuffle", "shufle").replace("source", "sorce")).unwrap_err();
        assert!(in_a_line(&two).ends_with("more"), "{}", in_a_line(&two));
    }
}
