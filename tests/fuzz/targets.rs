//! Every parser of foreign bytes, as a function that any bytes may be given to. cargo-fuzz runs
//! them for as long as one likes (`make fuzz`); tests/fuzz_sample.rs runs them on a sample.

use nonstop::config::{self, IngestUrl, Secret};
use nonstop::control::protocol;
use nonstop::media::flv::{Reader, Writer};
use nonstop::publish::rtmp::{Client, Phase, StreamInfo, Target};
use nonstop::schedule::Page;

/// A parser's name, the function, and inputs that lead far into it.
pub type Parser = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

pub const ALL: [Parser; 5] = [
    ("flv", flv, flv_seeds),
    ("config", configuration, configuration_seeds),
    ("rtmp", rtmp, rtmp_seeds),
    ("page", page, page_seeds),
    ("request", request, request_seeds),
];

/// What was read from an FLV file is what stands in it.
pub fn flv(bytes: &[u8]) {
    let Ok(mut reader) = Reader::new(bytes) else { return };
    let mut writer = Writer::new(Vec::new()).expect("memory can be written");
    let mut tags = 0;
    while let Ok(Some(tag)) = reader.next_tag() {
        let at = tag.offset as usize;
        assert_eq!(&bytes[at..at + tag.body.len()], &tag.body[..]);
        writer.tag(tag.kind, tag.timestamp, &tag.body).expect("what was read can be written");
        tags += 1;
    }
    let again = writer.into_inner();
    let mut reader = Reader::new(&again[..]).expect("what was written can be read");
    while let Ok(Some(_)) = reader.next_tag() {
        tags -= 1;
    }
    assert_eq!(tags, 0);
}

fn flv_seeds() -> Vec<Vec<u8>> {
    use nonstop::media::flv::TagKind::{Audio, Script, Video};
    let mut writer = Writer::new(Vec::new()).expect("memory can be written");
    for (kind, body) in [
        (Script, &b"\x02\0\x0aonMetaData"[..]),
        (Audio, &[0xaf, 0, 0x11, 0x90]),
        (Video, &[0x17, 0, 0, 0, 0, 1]),
        (Video, &[0x17, 1, 0, 0, 0, 1, 2, 3]),
        (Audio, &[0xaf, 1, 0x21, 2, 3, 4]),
    ] {
        writer.tag(kind, 0x0102_0304, body).expect("memory can be written");
    }
    vec![writer.into_inner()]
}

/// A configuration is read or refused with a sentence that does not hold what may be a secret.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = config::parse(text) {
        assert!(!error.to_string().is_empty());
    }
}

fn configuration_seeds() -> Vec<Vec<u8>> {
    let whole = r#"channel = "lofi"
[media]
source = "/srv/music"
background = "background.jpg"
[rotation]
order = "shuffle"
[video]
size = "1280x720"
fps = 30
keyframe = "2s"
bitrate = "2000k"
rate = "capped"
[audio]
bitrate = "128k"
loudness = -14
[[destination]]
name = "youtube"
primary = "rtmps://a.rtmps.youtube.com:443/live2"
backup = "rtmps://[::1]:443/live2?backup=1"
redundancy = "failover"
key = { secret = "nonstop/lofi", field = "youtube_stream_key" }
"#;
    vec![whole.into(), b"[media]\nsource = \"s3://bucket/p\"\n".to_vec()]
}

/// Whatever an ingest says, the client holds little and stays itself.
pub fn rtmp(bytes: &[u8]) {
    rtmp_session(bytes);
}

/// How far the client comes.
pub fn rtmp_session(bytes: &[u8]) -> Phase {
    let url = IngestUrl { tls: false, host: "localhost".into(), port: 1935, app: "live2".into() };
    let mut client = Client::new(&Target { url, key: Secret::new("stream-key") }, 7);
    // The first byte says whether the handshake is given for nothing, the next how bytes are cut.
    let [first, cut, rest @ ..] = bytes else { return client.phase() };
    client.output().clear();
    if first % 2 == 0 {
        client.receive(&[&[3][..], &[0; 3072]].concat()).expect("this is a whole handshake");
    }
    for piece in rest.chunks(usize::from(*cut) + 1) {
        let ended = client.receive(piece).is_err();
        assert_eq!(ended, client.phase() == Phase::Closed);
        if ended {
            return Phase::Closed;
        }
        if client.phase() == Phase::Live {
            let info = StreamInfo { width: 16, height: 16, fps: 30, video_bits: 1, audio_bits: 1 };
            client.metadata(&info);
            client.headers(&[0xaf, 0], &[0x17, 0], 0);
        }
        assert!(client.output().len() < 64 << 10, "answers pile up");
        client.output().clear();
    }
    let phase = client.phase();
    client.finish();
    phase
}

fn rtmp_seeds() -> Vec<Vec<u8>> {
    // A command message: chunk stream 3, full header, type 20, in one chunk of at most 128 bytes.
    let command = |body: &[u8]| {
        let mut chunk = vec![3, 0, 0, 0, 0, 0, body.len() as u8, 20, 0, 0, 0, 0];
        chunk.extend(body);
        chunk
    };
    let result = |transaction: f64, value: &[u8]| {
        let mut body = b"\x02\0\x07_result\0".to_vec();
        body.extend(transaction.to_be_bytes());
        body.push(5);
        body.extend(value);
        command(&body)
    };
    let window = [2, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 0, 0x26, 0x25, 0xa0];
    let ping = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 1, 2, 3, 4];
    let chunk_size = [2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0x10, 0];
    let status = command(
        b"\x02\0\x08onStatus\0\0\0\0\0\0\0\0\0\x05\x03\0\x04code\x02\0\x17NetStream.Publish.Start\0\0\x09",
    );
    let stream = [&[0][..], &1f64.to_be_bytes()].concat();
    let mut all = vec![0, 200];
    for message in [&window[..], &ping, &chunk_size, &result(1.0, &[5]), &result(4.0, &stream), &status] {
        all.extend(message);
    }
    vec![all, vec![1, 3, 3], [&[1, 90, 3][..], &[0; 3072]].concat()]
}

/// A page that is accepted is written as it was meant.
pub fn page(bytes: &[u8]) {
    if let Ok(page) = Page::parse(1, bytes) {
        assert_eq!(Page::parse(1, &page.to_bytes()).expect("it was just written"), page);
    }
}

fn page_seeds() -> Vec<Vec<u8>> {
    let name = "0123456789abcdef0123456789abcdef";
    let page = format!(
        r#"{{"format":1,"number":1,"node":"n","reason":"rotation","entries":[{{"number":1,"start":5,"cells":2,"rendition":"{name}","source":"a.ogg","track":"{name}","title":"A","artist":"B"}}]}}"#
    );
    vec![page.into()]
}

/// A request is understood or refused.
pub fn request(bytes: &[u8]) {
    let _ = protocol::parse(bytes);
}

fn request_seeds() -> Vec<Vec<u8>> {
    [
        "{\"verb\":\"status\"}",
        "{\"verb\":\"skip\"}",
        "{\"verb\":\"queue\",\"track\":\"a.ogg\"}",
        "{\"verb\":\"plan\",\"count\":3}",
    ]
    .map(|line| line.as_bytes().to_vec())
    .into()
}
