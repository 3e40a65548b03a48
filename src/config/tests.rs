//! What a bad configuration is told, and that the reference, the documents and the parser agree.

use super::reference::{Fallback, markdown, reference};
use super::*;
use proptest::prelude::*;
use std::fmt::Write;

const LEAST: &str = r#"
[media]
source = "/srv/music"
[[destination]]
primary = "rtmps://a.rtmps.youtube.com/live2"
key = { file = "stream-key" }
"#;

const WHOLE: &str = r#"
channel = "lofi"
[media]
source = "s3://my-bucket/lofi"
background = "background.jpg"
cache = "4GiB"
[rotation]
order = "sequential"
[video]
size = "1920x1080"
fps = 25
keyframe = "4s"
bitrate = "2.5M"
rate = "constant"
[audio]
bitrate = 96000
loudness = "off"
[[destination]]
name = "tube"
primary = "rtmps://a.rtmps.youtube.com:443/live2"
backup = "rtmps://b.rtmps.youtube.com:443/live2?backup=1"
redundancy = "both"
ca_file = "/etc/ca.pem"
key = { secret = "nonstop/lofi", field = "youtube_stream_key" }
[[destination]]
primary = "rtmp://live.twitch.tv/app"
key = { credential = "twitch" }
[[destination]]
primary = "rtmp://eu.twitch.tv/app"
key = { credential = "twitch" }
[[destination]]
primary = "rtmp://127.0.0.1/app"
key = { credential = "local" }
[metrics]
listen = "[::1]:9464"
[cloudwatch]
namespace = "radio/nonstop"
logs = "/nonstop/lofi"
[[webhook]]
url = "https://hooks.example.com/services/T0/B0/x"
kind = "slack"
[[webhook]]
name = "pager"
url = { file = "pager" }
[[webhook]]
url = { secret = "nonstop/lofi", field = "discord" }
kind = "discord"
"#;

#[test]
fn a_source_and_a_destination_are_enough() {
    let config = parse(LEAST).unwrap();
    assert_eq!(config.channel, "nonstop");
    assert_eq!(config.media.source, Source::Folder("/srv/music".into()));
    assert_eq!((config.media.background, config.rotation.order), (None, Order::Shuffle));
    assert_eq!(config.media.cache, ByteSize::from_bytes(1_000_000_000));
    assert_eq!(config.video.size, FrameSize { width: 1280, height: 720 });
    assert_eq!((config.video.fps.get(), config.video.keyframe), (30, Keyframe(2000)));
    assert_eq!((config.video.bitrate, config.video.rate), (Bitrate::from_bits(2_000_000), Rate::Capped));
    assert_eq!(
        (config.audio.bitrate, config.audio.loudness),
        (Bitrate::from_bits(128_000), Loudness::Lufs(-14.0))
    );
    let [destination] = &config.destinations[..] else { panic!("one destination") };
    assert_eq!((destination.name.as_str(), destination.redundancy), ("youtube", Redundancy::Failover));
    assert_eq!((&destination.backup, &destination.ca_file), (&None, &None));
    assert_eq!(destination.key, KeySource::File("stream-key".into()));
    assert!(config.metrics.listen.is_none() && config.cloudwatch.namespace.is_none());
    assert!(config.cloudwatch.logs.is_none() && config.webhooks.is_empty());
}

#[test]
fn every_key_is_read() {
    let config = parse(WHOLE).unwrap();
    assert_eq!(config.channel, "lofi");
    assert_eq!(config.media.source.to_string(), "s3://my-bucket/lofi");
    assert_eq!(config.media.background.as_deref(), Some("background.jpg"));
    assert_eq!(config.media.cache, ByteSize::from_bytes(4 << 30));
    assert_eq!(config.rotation.order, Order::Sequential);
    assert_eq!((config.video.size.to_string(), config.video.fps.get()), ("1920x1080".to_owned(), 25));
    assert_eq!((config.video.keyframe, config.video.rate), (Keyframe(4000), Rate::Constant));
    assert_eq!(config.video.bitrate, Bitrate::from_bits(2_500_000));
    assert_eq!((config.audio.bitrate, config.audio.loudness), (Bitrate::from_bits(96_000), Loudness::Off));
    let names: Vec<_> = config.destinations.iter().map(|destination| destination.name.as_str()).collect();
    assert_eq!(names, ["tube", "twitch", "twitch-2", "destination"]);
    let first = &config.destinations[0];
    assert_eq!(first.backup.as_ref().unwrap().app, "live2?backup=1");
    assert_eq!(
        (first.redundancy, first.ca_file.as_deref()),
        (Redundancy::Both, Some(Path::new("/etc/ca.pem")))
    );
    let field = Some("youtube_stream_key".to_owned());
    assert_eq!(first.key, KeySource::Secret { secret: "nonstop/lofi".into(), field });
    assert_eq!(config.destinations[1].key, KeySource::Credential("twitch".into()));
    assert_eq!(config.metrics.listen, Some("[::1]:9464".parse().unwrap()));
    assert_eq!(config.cloudwatch.namespace.as_deref(), Some("radio/nonstop"));
    assert_eq!(config.cloudwatch.logs.as_deref(), Some("/nonstop/lofi"));
    let names: Vec<_> = config.webhooks.iter().map(|webhook| (webhook.name.as_str(), webhook.kind)).collect();
    let kinds = [WebhookKind::Slack, WebhookKind::Json, WebhookKind::Discord];
    assert_eq!(names, ["webhook", "pager", "webhook-2"].into_iter().zip(kinds).collect::<Vec<_>>());
    let url = Secret::new("https://hooks.example.com/services/T0/B0/x");
    assert_eq!(config.webhooks[0].address, Address::Url(url));
    assert_eq!(config.webhooks[1].address, Address::Kept(KeySource::File("pager".into())));
    assert!(!format!("{config:?}").contains("services"), "a webhook's address is not shown");
}

#[test]
fn in_a_file_paths_count_from_its_folder_and_the_channel_is_named_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jazz.toml");
    std::fs::write(&file, LEAST.replace("/srv/music", "../music")).unwrap();
    let config = load(&file).unwrap();
    assert_eq!(config.channel, "jazz");
    assert_eq!(config.media.source, Source::Folder(folder.path().join("../music")));
    assert_eq!(config.destinations[0].key, KeySource::File(folder.path().join("stream-key")));

    std::fs::write(&file, "[video]\nfps = 29\n").unwrap();
    let said = load(&file).unwrap_err().to_string();
    assert!(said.starts_with(&format!("{}:2: `video.fps = 29` is not", file.display())), "{said}");

    for (content, name) in [(&b"\xff\xfe"[..], "not.toml"), (&vec![b'#'; 2 << 20][..], "large.toml")] {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let said = load(&file).unwrap_err().to_string();
        assert!(said.contains(name) && said.contains("\n\nhint: it has to be a text file"), "{said}");
    }
    assert!(load(&folder.path().join("none.toml")).unwrap_err().to_string().contains("hint: name the file"));
}

/// What is changed in [`LEAST`]: this becomes that.
const BAD: &[(&str, &str, &str)] = &[
    ("empty file", LEAST, ""),
    ("not TOML: a value without quotes", "\"/srv/music\"", "/srv/music"),
    ("not TOML: the key's quote is open", "{ file = \"stream-key\" }", "\"a1b2-c3d4-e5f6-g7h8"),
    ("a key twice", "[media]", "[media]\nsource = \"a\""),
    ("typo in a section", "[media]", "[medai]"),
    ("typo in a key", "source =", "sorce ="),
    ("a key of another section", "[media]", "[media]\nfps = 30"),
    ("a key above its section", "[media]", "redundancy = \"both\"\n[media]"),
    ("channel below a section", "[media]", "[media]\nchannel = \"x\""),
    ("a key like nothing", "[media]", "[media]\nzzz = 1"),
    ("the stream key's own name", "key = { file", "stream_key = { file"),
    ("a stream key as a key's name", "[media]", "[media]\na1b2-c3d4-e5f6-g7h8 = 1"),
    ("source outside the braces", "key = {", "credential = \"x\"\nkey = {"),
    ("section as a list", "[media]", "[[media]]"),
    ("section as a value", "[media]\nsource = \"/srv/music\"", "media = \"/srv/music\""),
    ("destination as a section", "[[destination]]", "[destination]"),
    (
        "no destination",
        "[[destination]]\nprimary = \"rtmps://a.rtmps.youtube.com/live2\"\nkey = { file = \"stream-key\" }",
        "",
    ),
    ("no primary", "primary = \"rtmps://a.rtmps.youtube.com/live2\"", ""),
    ("no key", "key = { file = \"stream-key\" }", ""),
    ("a bad name", "[media]", "channel = \"lo fi\"\n[media]"),
    ("a name that is a key", "[[destination]]", "[[destination]]\nname = \"a1b2-c3d4-e5f6-g7h8-i9j0\""),
    ("a list for a word", "[media]", "[rotation]\norder = [\"shuffle\"]\n[media]"),
    ("a typo in a word", "[media]", "[rotation]\norder = \"shufle\"\n[media]"),
    ("no such word", "[media]", "[video]\nrate = \"vbr\"\n[media]"),
    ("an impossible frame rate", "[media]", "[video]\nfps = 29.97\n[media]"),
    ("a size by its name", "[media]", "[video]\nsize = \"1080p\"\n[media]"),
    ("an odd size", "[media]", "[video]\nsize = \"1281x720\"\n[media]"),
    ("a slow keyframe", "[media]", "[video]\nkeyframe = \"10s\"\n[media]"),
    ("a keyframe without a unit", "[media]", "[video]\nkeyframe = 2\n[media]"),
    ("a keyframe between pictures", "[media]", "[video]\nfps = 24\nkeyframe = \"1.3s\"\n[media]"),
    ("a word as bitrate", "[media]", "[video]\nbitrate = \"fast\"\n[media]"),
    ("kilobits without k", "[media]", "[video]\nbitrate = 2000\n[media]"),
    ("too much for sound", "[media]", "[audio]\nbitrate = \"1M\"\n[media]"),
    ("too loud", "[media]", "[audio]\nloudness = 0\n[media]"),
    ("another kind of loudness", "[media]", "[audio]\nloudness = \"none\"\n[media]"),
    ("another bucket", "/srv/music", "gs://bucket"),
    ("a shell's path", "/srv/music", "~/music"),
    ("no bucket", "/srv/music", "s3://My_Bucket/lofi"),
    ("background outside", "[media]", "[media]\nbackground = \"../cover.jpg\""),
    ("background of another kind", "[media]", "[media]\nbackground = \"cover.bmp\""),
    ("a cache without a unit", "[media]", "[media]\ncache = 4"),
    ("a cache of a word", "[media]", "[media]\ncache = \"all\""),
    ("key in the address", "live2\"", "live2/a1b2-c3d4-e5f6-g7h8-i9j0\""),
    ("key as user", "//a.rtmps", "//a1b2-c3d4-e5f6-g7h8@a.rtmps"),
    ("no application", "/live2", ""),
    ("another scheme", "rtmps:", "srt:"),
    ("the key itself", "{ file = \"stream-key\" }", "\"a1b2-c3d4-e5f6-g7h8-i9j0\""),
    ("the key as a file", "\"stream-key\"", "\"a1b2-c3d4-e5f6-g7h8-i9j0\""),
    ("the key as a credential", "{ file = \"stream-key\"", "{ credential = \"a1b2-c3d4-e5f6-g7h8-i9j0\""),
    ("two places for the key", "{ file", "{ credential = \"x\", file"),
    ("no place for the key", "{ file = \"stream-key\" }", "{ }"),
    ("a field of a file", "{ file", "{ field = \"x\", file"),
    ("both without a backup", "[[destination]]", "[[destination]]\nredundancy = \"both\""),
    (
        "backup is primary",
        "[[destination]]",
        "[[destination]]\nbackup = \"rtmps://a.rtmps.youtube.com:443/live2\"",
    ),
    (
        "one name twice",
        "[[destination]]\n",
        "[[destination]]\nname = \"a\"\nprimary = \"rtmp://h/a\"\nkey = { file = \"k\" }\n[[destination]]\nname = \"a\"\n",
    ),
    ("metrics for everyone", "[media]", "[metrics]\nlisten = \"0.0.0.0:9464\"\n[media]"),
    ("metrics without a port", "[media]", "[metrics]\nlisten = \"localhost\"\n[media]"),
    ("somebody else's namespace", "[media]", "[cloudwatch]\nnamespace = \"AWS/EC2\"\n[media]"),
    ("a log group with a blank", "[media]", "[cloudwatch]\nlogs = \"my logs\"\n[media]"),
    ("a webhook without an address", "[media]", "[[webhook]]\nkind = \"slack\"\n[media]"),
    ("a webhook of no kind", "[media]", "[[webhook]]\nurl = \"https://h/a1b2\"\nkind = \"irc\"\n[media]"),
    (
        "a webhook's address without a scheme",
        "[media]",
        "[[webhook]]\nurl = \"hooks.example.com/a1b2\"\n[media]",
    ),
    ("a webhook's address nowhere", "[media]", "[[webhook]]\nurl = { }\n[media]"),
    ("a webhook as a section", "[media]", "[webhook]\nurl = \"https://h/a1b2\"\n[media]"),
    (
        "one webhook twice",
        "[media]",
        "[[webhook]]\nname = \"a\"\nurl = \"http://h\"\n[[webhook]]\nname = \"a\"\nurl = \"http://h\"\n[media]",
    ),
    (
        "many at once",
        LEAST,
        "chanel = \"x\"\n[video]\nfps = 23\nsize = \"0x0\"\n[audio]\nloudness = -99\n[[destination]]\nkey = \"k\"\n",
    ),
];

#[test]
fn a_bad_configuration_is_told_what_is_wrong() {
    let mut said = String::new();
    for (what, this, that) in BAD {
        assert!(LEAST.contains(this), "{what}: nothing to change");
        let error = parse(&LEAST.replacen(this, that, 1)).expect_err(what).to_string();
        assert!(error.contains("\n\nhint: "), "{what} gets no hint");
        let _ = write!(said, "### {what}\n{error}\n\n");
    }
    assert!(!said.contains("a1b2") && !said.contains("i9j0"), "a stream key is repeated");
    insta::assert_snapshot!("bad_configurations", said);
}

#[test]
fn all_problems_of_a_file_come_at_once_and_in_order() {
    let Err(Error::Invalid(invalid)) = parse("chanel = 1\n[video]\nfps = 1\nrate = 2\n[[destination]]\n")
    else {
        panic!("it is invalid")
    };
    let told: Vec<_> = invalid.problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect();
    let expected = [
        (Some(1), "chanel"),
        (Some(3), "video.fps"),
        (Some(4), "video.rate"),
        (Some(5), "destination.primary"),
        (Some(5), "destination.key"),
        (None, "media.source"),
    ];
    assert_eq!(told, expected);
}

proptest! {
    /// Wherever a key is pasted into a configuration, by itself or instead of something, what is
    /// said about it does not repeat it.
    #[test]
    fn a_pasted_stream_key_is_never_repeated(
        at in 0usize..WHOLE.len(), cut in 0usize..30, quoted: bool,
        key in prop::sample::select(vec!["q7w8-e9r0-t1y2-u3i4-o5p6", "live_71882771_q7w8e9r0t1y2u3i4o5p6abcdef"]),
    ) {
        let end = (at + cut).min(WHOLE.len());
        let pasted = if quoted { format!("\"{key}\"") } else { key.to_owned() };
        let text = format!("{}{pasted}{}", &WHOLE[..at], &WHOLE[end..]);
        let said = match parse(&text) {
            Err(error) => format!("{error} {error:?}"),
            // It may have ended up in a comment-like place that no error speaks of.
            Ok(_) => return Ok(()),
        };
        prop_assert!(!said.contains("q7w8") && !said.contains("o5p6") && !said.contains("71882771"), "{}", said);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}|([a-z.]{1,8} ?= ?[\\[{\"0-9a-z.\\]}-]{0,9}\n){0,9}") {
        let _ = parse(&text);
    }

    /// Lines taken out, doubled and swapped: the nearest thing to what people do.
    #[test]
    fn no_edit_of_a_configuration_makes_the_parser_panic(lines in prop::collection::vec(0usize..32, 0..40)) {
        let all: Vec<_> = WHOLE.lines().collect();
        let text: Vec<_> = lines.iter().filter_map(|&i| all.get(i).copied()).collect();
        let _ = parse(&text.join("\n"));
    }
}

#[test]
fn the_document_holds_the_reference() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, rest) = text.split_once("markdown` -->\n").expect("docs/config.md has a place for the keys");
    let (old, tail) = rest.split_once("<!-- end of keys -->").expect("and the place ends");
    let new = format!("\n{}\n", markdown());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{head}markdown` -->\n{new}<!-- end of keys -->{tail}")).unwrap();
    } else {
        assert_eq!(old, new, "run `UPDATE_DOCS=1 cargo test the_document_holds` to write it anew");
    }
}

#[test]
fn the_documents_examples_are_valid() {
    let text = include_str!("../../docs/config.md");
    let examples: Vec<_> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 2);
    for example in examples {
        parse(example).unwrap_or_else(|e| panic!("{e}\n\n{example}"));
    }
    let asked = platform::YOUTUBE[0].minimum.bits() / 1_000_000;
    assert!(text.contains(&format!("(as of {}) asks for at least {asked} Mbps at 720p30", platform::AS_OF)));
}

#[test]
fn the_packaged_configuration_shows_every_key_with_its_default_and_is_valid_as_it_is() {
    let text = include_str!("../../packaging/nonstop.toml");
    let packaged = parse(text).unwrap_or_else(|e| panic!("{e}"));

    let mut section = "";
    let mut shown = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("# ") && *line != "#") {
        let line = line.trim_start_matches('#');
        match line.split_once(" = ") {
            Some((name, value)) => shown.push((section, name, value)),
            None => section = line.trim_matches(['[', ']']),
        }
    }
    let kept = |key: &reference::Key| ["destination.key", "webhook.url"].contains(&key.section);
    for key in reference().iter().filter(|key| !kept(key)) {
        let found = shown.iter().find(|(section, name, _)| (*section, *name) == (key.section, key.name));
        let (_, _, value) =
            found.unwrap_or_else(|| panic!("{} is not in packaging/nonstop.toml", key.path()));
        if let Fallback::Toml(default) = key.default {
            assert_eq!(*value, default, "{}", key.path());
        }
    }
    for key in reference().iter().filter(|key| kept(key)) {
        assert!(text.contains(&format!(" {} = ", key.name)), "{}", key.path());
    }

    let all: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("# "))
        .map(|line| line.trim_start_matches('#'))
        .collect();
    let all = parse(&all.join("\n")).unwrap_or_else(|e| panic!("with every line in force: {e}"));
    let rules = |mut config: Config| {
        config.media.background = None;
        config.destinations[0].ca_file = None;
        (config.metrics.listen, config.cloudwatch) = (None, CloudWatch::default());
        config.webhooks.clear();
        format!("{config:?}")
    };
    assert_eq!(rules(all), rules(packaged), "the lines behind # are what holds without them");
}
