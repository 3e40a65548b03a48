//! From the tree of known keys to a [`Config`] that can be trusted.

use super::ingest::{IngestUrl, is_key_shaped};
use super::problem::Problem;
use super::tell;
use super::tree::{Reader, Table, word};
use super::units::{Bitrate, ByteSize, FrameRate, Keyframe, Unfit};
use super::{
    Audio, CLIP_ENDINGS, Config, Destination, KeySource, Media, Order, PICTURE_ENDINGS, Rate, Redundancy,
    Rotation, Source, Video,
};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The channel of a configuration that comes from no file.
const CHANNEL: &str = "nonstop";

/// Reads and validates `text`, which stands in `file`.
pub(super) fn read(text: &str, file: Option<&Path>) -> Result<Config, Vec<Problem>> {
    let (mut reader, tree) = Reader::new(text)?;
    let config = config(&mut reader, &tree, file);
    match (config, reader.finish()) {
        (Some(config), problems) if problems.is_empty() => Ok(config),
        (_, problems) => Err(problems),
    }
}

/// Everything is read before anything is given up, so that all that is wrong is said.
fn config<'t>(reader: &mut Reader<'t>, tree: &toml::de::DeTable<'t>, file: Option<&Path>) -> Option<Config> {
    let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
    let root = reader.root(tree);
    let stem = || file?.file_stem()?.to_str()?.parse().ok();
    let channel = reader.value(&root, "channel");
    let channel =
        channel.or_else(|| if root.has("channel") { None } else { stem().or(CHANNEL.parse().ok()) });

    let media = reader.section(tree, "media");
    let source = reader.value(&media, "source").map(|source| match source {
        Source::Folder(path) => Source::Folder(folder.join(path)),
        bucket @ Source::Bucket { .. } => bucket,
    });
    let background = reader.value(&media, "background").map(|Below(path)| path);

    let cache = cache(reader, &media);

    let rotation = reader.section(tree, "rotation");
    let order = reader.value(&rotation, "order");
    let video = video(reader, tree);
    let audio = reader.section(tree, "audio");
    let bitrate = bitrate(reader, &audio, Bitrate::from_bits(48_000), Bitrate::from_bits(320_000));
    let loudness = reader.value(&audio, "loudness");

    let tables = reader.destinations(tree);
    let destinations = destinations(reader, &tables, folder);
    let (metrics, cloudwatch) = (tell::metrics(reader, tree), tell::cloudwatch(reader, tree));
    let webhooks = tell::webhooks(reader, tree, folder);
    let Name(channel) = channel?;
    Some(Config {
        channel,
        media: Media { source: source?, background, cache: cache? },
        rotation: Rotation { order: order? },
        video: video?,
        audio: Audio { bitrate: bitrate?, loudness: loudness? },
        destinations: destinations?,
        metrics,
        cloudwatch,
        webhooks: webhooks?,
    })
}

fn video<'t>(reader: &mut Reader<'t>, tree: &toml::de::DeTable<'t>) -> Option<Video> {
    let table = reader.section(tree, "video");
    let (size, rate) = (reader.value(&table, "size"), reader.value(&table, "rate"));
    let fps: Option<FrameRate> = reader.value(&table, "fps");
    let keyframe: Option<Keyframe> = reader.value(&table, "keyframe");
    let bitrate = bitrate(reader, &table, Bitrate::from_bits(100_000), Bitrate::from_bits(51_000_000));
    let (fps, keyframe) = (fps?, keyframe?);
    if keyframe.pictures(fps).is_none() {
        let sentence =
            format!("`video.keyframe` of {keyframe} is not a whole number of pictures at {fps} fps");
        let near =
            (Keyframe::MIN.0..=keyframe.0).rev().map(Keyframe).find(|time| time.pictures(fps).is_some());
        let hint =
            near.map_or("\"2s\" is one at every frame rate".to_owned(), |time| format!("\"{time}\" is one"));
        reader.wrong(&table, "keyframe", sentence, hint);
    }
    Some(Video { size: size?, fps, keyframe, bitrate: bitrate?, rate: rate? })
}

fn bitrate<'t>(
    reader: &mut Reader<'t>,
    table: &Table<'_, 't>,
    least: Bitrate,
    most: Bitrate,
) -> Option<Bitrate> {
    let bitrate = reader.value(table, "bitrate")?;
    if (least..=most).contains(&bitrate) {
        return Some(bitrate);
    }
    let hint = format!("it goes from \"{least}\" to \"{most}\"; a plain number is in bits per second");
    reader.wrong(table, "bitrate", format!("`{}` of {bitrate} is out of range", table.path("bitrate")), hint);
    None
}

fn cache<'t>(reader: &mut Reader<'t>, table: &Table<'_, 't>) -> Option<ByteSize> {
    // Less than a few files is a download for each render.
    const LEAST: ByteSize = ByteSize::from_bytes(100_000_000);
    let cache: ByteSize = reader.value(table, "cache")?;
    if cache >= LEAST {
        return Some(cache);
    }
    let hint = format!("it is at least \"{LEAST}\"; a plain number is in bytes");
    reader.wrong(table, "cache", format!("`media.cache` of {cache} is out of range"), hint);
    None
}

fn destinations<'t>(
    reader: &mut Reader<'t>,
    tables: &[Table<'_, 't>],
    folder: &Path,
) -> Option<Vec<Destination>> {
    let read: Vec<_> = tables.iter().map(|table| (*table, destination(reader, table, folder))).collect();
    let mut destinations: Vec<Destination> = Vec::new();
    for (table, destination) in &read {
        let Some(mut destination) = destination.clone() else { continue };
        let taken = |name: &str| destinations.iter().any(|other| other.name == name);
        if table.has("name") && taken(&destination.name) {
            let sentence = format!("there are two destinations named `{}`", destination.name);
            reader.wrong(table, "name", sentence, "give each its own name");
        } else if taken(&destination.name) {
            let numbered = (2..).map(|i| format!("{}-{i}", destination.name)).find(|name| !taken(name));
            destination.name = numbered.expect("one of infinitely many names is free");
        }
        destinations.push(destination);
    }
    (destinations.len() == read.len()).then_some(destinations)
}

fn destination<'t>(reader: &mut Reader<'t>, table: &Table<'_, 't>, folder: &Path) -> Option<Destination> {
    let name = reader.value(table, "name");
    let primary: Option<IngestUrl> = reader.value(table, "primary");
    let backup: Option<IngestUrl> = reader.value(table, "backup");
    let redundancy = reader.value(table, "redundancy");
    let ca_file: Option<FilePath> = reader.value(table, "ca_file");
    let key = key(reader, table, folder);
    if backup.is_some() && primary == backup {
        let sentence = "`destination.backup` is the same address as `destination.primary`".to_owned();
        reader.wrong(
            table,
            "backup",
            sentence,
            "YouTube's backup is \"rtmps://b.rtmps.youtube.com/live2?backup=1\"",
        );
    }
    if redundancy == Some(Redundancy::Both) && !table.has("backup") {
        let sentence = "`destination.redundancy = \"both\"` needs a `backup`".to_owned();
        reader.wrong(
            table,
            "redundancy",
            sentence,
            "name the backup ingest, or take redundancy = \"failover\"",
        );
    }
    if table.has("name") && name.is_none() {
        return None;
    }
    let primary = primary?;
    let name = name.map_or_else(|| name_of(&primary.host), |Name(name)| name);
    let ca_file = ca_file.map(|FilePath(path)| folder.join(path));
    Some(Destination { name, primary, backup, redundancy: redundancy?, key: key?, ca_file })
}

/// `youtube` for `a.rtmps.youtube.com`.
fn name_of(host: &str) -> String {
    let is_name = host.bytes().any(|b| b.is_ascii_alphabetic()) && !host.contains(':');
    let label = if is_name { host.rsplit('.').nth(1).unwrap_or(host) } else { "destination" };
    label.parse().map_or_else(|_| "destination".to_owned(), |Name(name)| name)
}

fn key<'t>(reader: &mut Reader<'t>, destination: &Table<'_, 't>, folder: &Path) -> Option<KeySource> {
    let table = reader.key_table(destination)?;
    place(reader, destination, &table, "key", folder)
}

/// Where the secret is that the key `name` of `owner` speaks of, in a `table` of its own.
pub(super) fn place<'t>(
    reader: &mut Reader<'t>,
    owner: &Table<'_, 't>,
    table: &Table<'_, 't>,
    name: &str,
    folder: &Path,
) -> Option<KeySource> {
    let places = ["secret", "credential", "file"];
    if places.iter().filter(|place| table.has(place)).count() != 1 {
        let sentence =
            format!("`{}` needs exactly one of `secret`, `credential` and `file`", owner.path(name));
        let example = if name == "key" { "stream-key" } else { "webhook" };
        reader.wrong(
            owner,
            name,
            sentence,
            format!("write {name} = {{ file = \"/etc/nonstop/{example}\" }}"),
        );
        return None;
    }
    let field = reader.value(table, "field").map(|Label(field)| field);
    if table.has("field") && !table.has("secret") {
        let sentence = format!("`{}.field` is of use with `secret` only", owner.path(name));
        reader.wrong(table, "field", sentence, "leave it out");
    }
    let secret = reader.value(table, "secret").map(|Label(secret)| KeySource::Secret { secret, field });
    let credential = reader.value(table, "credential").map(|Credential(name)| KeySource::Credential(name));
    let file = reader.value(table, "file").map(|FilePath(path)| KeySource::File(folder.join(path)));
    secret.or(credential).or(file)
}

/// A channel's or a destination's name.
pub(super) struct Name(pub(super) String);
/// A path below the source, parts separated by `/`.
struct Below(String);
/// A file's path.
struct FilePath(PathBuf);
/// A text without control characters.
struct Label(String);
/// The name of a systemd credential.
struct Credential(String);

impl FromStr for Name {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        match text {
            _ if text.is_empty() || text.len() > 64 || !letters => {
                Err(Unfit::new("is not a name", "names have letters, digits, `-` and `_`, at most 64"))
            }
            _ if is_key_shaped(text) => {
                Err(Unfit::new("looks like a stream key", "names are shown to everyone"))
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl FromStr for Below {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let hint = "write it as \"background.jpg\" or \"pictures/background.jpg\", inside the source";
        let inside = text.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if text.len() > 1024 || text.chars().any(char::is_control) || !inside {
            return Err(Unfit::new("is not a path inside the source", hint));
        }
        let ending = text.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
        if PICTURE_ENDINGS.iter().chain(&CLIP_ENDINGS).any(|known| *known == ending) {
            return Ok(Self(text.to_owned()));
        }
        let (pictures, clips) = (PICTURE_ENDINGS.join(", "), CLIP_ENDINGS.join(", "));
        Err(Unfit::new(
            "is neither a picture nor a clip",
            format!("pictures end in {pictures}, clips in {clips}"),
        ))
    }
}

impl FromStr for FilePath {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        match text {
            _ if text.is_empty() || text.len() > 4096 || text.chars().any(char::is_control) => {
                Err(Unfit::new("is not the path of a file", "write the whole path"))
            }
            _ if text.starts_with('~') => {
                Err(Unfit::new("starts with `~`, which only a shell understands", "write the whole path"))
            }
            _ if is_key_shaped(text) => Err(Unfit::new(
                "seems to be the stream key itself",
                "put the key into a file, and the file's path here; change a key that others may have read",
            )),
            _ => Ok(Self(text.into())),
        }
    }
}

impl FromStr for Label {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        if text.is_empty() || text.len() > 2048 || text.chars().any(char::is_control) {
            Err(Unfit::new("is empty, too long, or not on one line", "write at most 2048 characters"))
        } else if is_key_shaped(text) {
            Err(Unfit::new("seems to be the stream key itself", "write the name of the secret that holds it"))
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl FromStr for Credential {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if text.is_empty() || text.len() > 255 || !letters || text.starts_with('.') {
            let hint = "it is the name before the colon in LoadCredential=stream-key:/path";
            Err(Unfit::new("is not a credential's name", hint))
        } else if is_key_shaped(text) {
            Err(Unfit::new(
                "seems to be the stream key itself",
                "write the credential's name, as in \"stream-key\"",
            ))
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl FromStr for Order {
    type Err = Unfit;
    fn from_str(text: &str) -> Result<Self, Unfit> {
        word(text, &[("shuffle", Self::Shuffle), ("sequential", Self::Sequential)])
    }
}

impl FromStr for Rate {
    type Err = Unfit;
    fn from_str(text: &str) -> Result<Self, Unfit> {
        word(text, &[("capped", Self::Capped), ("constant", Self::Constant)])
    }
}

impl FromStr for Redundancy {
    type Err = Unfit;
    fn from_str(text: &str) -> Result<Self, Unfit> {
        word(text, &[("failover", Self::Failover), ("both", Self::Both)])
    }
}
