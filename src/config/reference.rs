//! Every key of the configuration: what it holds, its range, its default, and what it is for.
//!
//! This table is what the parser knows keys and defaults from, what `docs/config.md` is made of,
//! and what the packaged configuration is tested against.

use std::fmt::Write;

/// One key.
#[derive(Debug)]
pub struct Key {
    /// `""` (before any header), `media`, `destination`, `destination.key`, …
    pub section: &'static str,
    /// Its name in the section.
    pub name: &'static str,
    /// What it holds.
    pub kind: &'static str,
    /// Which values are taken.
    pub range: &'static str,
    /// What holds if it is not given.
    pub default: Fallback,
    /// What it is for.
    pub doc: &'static str,
}

/// What holds if a key is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// It has to be given.
    Required,
    /// This value, as it is written in TOML.
    Toml(&'static str),
    /// This rule.
    Rule(&'static str),
}

use Fallback::{Required, Rule, Toml};

macro_rules! keys {
    ($($section:literal { $($name:ident: $kind:literal, $range:literal, $default:expr, $doc:literal;)* })*) => {
        &[$($(Key {
            section: $section, name: stringify!($name), kind: $kind, range: $range, default: $default, doc: $doc,
        },)*)*]
    };
}

/// All keys, in the order in which a configuration is best written.
pub fn reference() -> &'static [Key] {
    const KEYS: &[Key] = keys! {
        "" {
            channel: "name", "letters, digits, `-` and `_`, at most 64",
                Rule("the file's name without `.toml`"),
                "The channel's name, in logs and metrics, and in what nodes share.";
        }
        "media" {
            source: "folder or bucket", "a path, or `s3://bucket/prefix`", Required,
                "Where the music is, at any depth: mp3, wav, flac, ogg, oga, opus, m4a, aac.";
            background: "file", "jpg, jpeg, png, webp; mp4, mov, webm, gif, mkv",
                Rule("`background.*` at the top of the source, else a built-in card"),
                "The picture, or the clip that loops, behind the music. Relative to the source.";
            cache: "bytes", "`\"100MB\"` or more", Toml("\"1GB\""),
                "With a bucket: how much music may lie on this machine to be rendered. Renditions are not counted.";
        }
        "rotation" {
            order: "word", "`\"shuffle\"`, `\"sequential\"`", Toml("\"shuffle\""),
                "Shuffled without near repeats of a track or an artist, or by path.";
        }
        "video" {
            size: "width x height", "even, sides of 128 to 3840 pixels, at most those of 3840x2160",
                Toml("\"1280x720\""), "The picture's size in pixels.";
            fps: "pictures per second", "10 to 60, a divisor of 48000: 24, 25, 30, 50, 60 and others", Toml("30"),
                "The frame rate.";
            keyframe: "time", "`\"200ms\"` to `\"4s\"`, a whole number of pictures", Toml("\"2s\""),
                "The time between keyframes. YouTube recommends 2s and takes 4s at most; 4s halves the traffic of a still picture.";
            bitrate: "bits per second", "`\"100k\"` to `\"51M\"`", Toml("\"2000k\""),
                "The ceiling of the picture's bitrate; with `rate = \"constant\"`, the bitrate.";
            rate: "word", "`\"capped\"`, `\"constant\"`", Toml("\"capped\""),
                "Constant quality under the ceiling, or padded up to it.";
        }
        "audio" {
            bitrate: "bits per second", "`\"48k\"` to `\"320k\"`", Toml("\"128k\""),
                "The sound's bitrate: AAC-LC, stereo, 48 kHz.";
            loudness: "LUFS", "-30 to -5, or `\"off\"`", Toml("-14"),
                "The loudness that every track is brought to (EBU R128). YouTube plays at -14.";
        }
        "destination" {
            name: "name", "letters, digits, `-` and `_`, at most 64, unique",
                Rule("from the primary's host: `youtube` for `a.rtmps.youtube.com`"),
                "What the destination is called in logs, metrics and status.";
            primary: "address", "`rtmps://host[:port]/app` or `rtmp://…`, without the key", Required,
                "The ingest to publish to.";
            backup: "address", "as `primary`, and another one", Rule("none"),
                "The ingest to publish to when the primary fails.";
            redundancy: "word", "`\"failover\"`, `\"both\"`", Toml("\"failover\""),
                "Whether the backup is used when the primary fails, or both all the time.";
            ca_file: "file", "PEM", Rule("the system's certificate authorities"),
                "The certificate authorities to trust instead of the system's.";
            key: "table", "exactly one of `secret`, `credential`, `file`", Required,
                "Where the stream key comes from; never the key itself.";
        }
        "destination.key" {
            secret: "name or ARN", "at most 2048 characters", Rule("none"),
                "A secret in AWS Secrets Manager.";
            field: "text", "with `secret` only", Rule("the whole secret"),
                "The field of the secret, if the secret is a JSON object.";
            credential: "name", "letters, digits, `-`, `_` and `.`, at most 255", Rule("none"),
                "A systemd credential (`LoadCredential=`), by its name.";
            file: "file", "its first line", Rule("none"),
                "A file that only nonstop may read.";
        }
        "metrics" {
            listen: "address", "`127.0.0.1:port` or `[::1]:port`", Rule("off"),
                "Where Prometheus finds `/metrics`. On this machine only; each channel needs a port of its own.";
        }
        "cloudwatch" {
            namespace: "name", "letters, digits and `.-_/#:`, at most 255, not `AWS/…`", Rule("off"),
                "Where CloudWatch keeps the metrics, one request a minute, with the channel as dimension.";
            logs: "log group", "letters, digits and `.-_/#`, at most 512; it has to exist", Rule("off"),
                "Where CloudWatch Logs keeps a copy of the log. The journal has it in any case.";
        }
        "webhook" {
            name: "name", "letters, digits, `-` and `_`, at most 64, unique",
                Rule("`webhook`, `webhook-2`, …"),
                "What the webhook is called in the log.";
            url: "address or table", "`https://…` or `http://…`; or one of `secret`, `credential`, `file`", Required,
                "Where alerts are posted to. Whoever knows it can post too, so it is never shown.";
            kind: "word", "`\"json\"`, `\"slack\"`, `\"discord\"`", Toml("\"json\""),
                "Which form alerts have.";
        }
        "webhook.url" {
            secret: "name or ARN", "at most 2048 characters", Rule("none"),
                "A secret in AWS Secrets Manager.";
            field: "text", "with `secret` only", Rule("the whole secret"),
                "The field of the secret, if the secret is a JSON object.";
            credential: "name", "letters, digits, `-`, `_` and `.`, at most 255", Rule("none"),
                "A systemd credential (`LoadCredential=`), by its name.";
            file: "file", "its first line", Rule("none"),
                "A file that only nonstop may read.";
        }
    };
    KEYS
}

/// The key `name` of `section`. Panics if there is none: the names are this program's own.
pub(super) fn key(section: &str, name: &str) -> &'static Key {
    let mut keys = reference().iter();
    keys.find(|key| key.section == section && key.name == name)
        .unwrap_or_else(|| panic!("no key {name} in section {section:?} of the reference"))
}

impl Key {
    /// The key with its section: `video.fps`.
    pub fn path(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.section, self.name) }
    }

    /// Whether its value must never be shown: a stream key is easily put there by mistake.
    pub(super) fn is_delicate(&self) -> bool {
        matches!(self.section, "destination.key" | "webhook.url")
            || matches!(self.name, "primary" | "backup" | "key" | "url")
    }
}

/// The reference as Markdown: one table a section.
pub fn markdown() -> String {
    let mut text = String::new();
    let mut section = None;
    for key in reference() {
        if section != Some(key.section) {
            let title = match key.section {
                "" => "Before any section".to_owned(),
                "destination" => "`[[destination]]`, once for each platform".to_owned(),
                "destination.key" => "`key` of a destination".to_owned(),
                "webhook" => "`[[webhook]]`, once for each".to_owned(),
                "webhook.url" => "`url` of a webhook, if it is not the address itself".to_owned(),
                other => format!("`[{other}]`"),
            };
            let gap = if section.is_some() { "\n" } else { "" };
            let _ = write!(
                text,
                "{gap}### {title}\n\n| key | holds | values | default | |\n|---|---|---|---|---|\n"
            );
            section = Some(key.section);
        }
        let default = match key.default {
            Required => "**must be given**".to_owned(),
            Toml(value) => format!("`{value}`"),
            Rule(rule) => rule.to_owned(),
        };
        let _ = writeln!(text, "| `{}` | {} | {} | {default} | {} |", key.name, key.kind, key.range, key.doc);
    }
    text
}
