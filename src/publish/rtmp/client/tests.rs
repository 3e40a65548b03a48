use super::super::amf0::{Reader, Value, Writer};
use super::*;
use crate::config::IngestUrl;
use proptest::prelude::*;
use proptest::sample::Index;

const KEY: &str = "abcd-efgh-ijkl-mnop";
const HANDSHAKE: usize = 1 + 2 * 1536;

fn target() -> Target {
    let url = IngestUrl { tls: true, host: "b.example".into(), port: 443, app: "live2?backup=1".into() };
    Target { url, key: Secret::new(KEY) }
}

/// What an ingest sends before its first message.
fn handshake() -> Vec<u8> {
    let mut bytes = vec![7; HANDSHAKE];
    bytes[0] = 3;
    bytes
}

/// A message as the ingest sends it.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![3, 0, 0, 0, 0, 0, u8::try_from(body.len()).unwrap(), kind, 0, 0, 0, 0];
    bytes.extend(body.chunks(128).collect::<Vec<_>>().join(&0xc3));
    bytes
}

fn command(writer: Writer) -> Vec<u8> {
    message(20, &writer.finish())
}

fn result(number: f64) -> Vec<u8> {
    command(Writer::default().string("_result").number(number).null().number(1.0))
}

fn said(name: &str, number: f64, level: &str, code: &str, description: &str) -> Vec<u8> {
    let info = |o: Writer| {
        o.name("level").string(level).name("code").string(code).name("description").string(description)
    };
    command(Writer::default().string(name).number(number).null().object(info))
}

fn on_status(level: &str, code: &str) -> Vec<u8> {
    said("onStatus", 0.0, level, code, "")
}

/// All that brings a session to Live.
fn welcome() -> Vec<u8> {
    let start = on_status("status", "NetStream.Publish.Start");
    [handshake(), result(1.0), result(4.0), start].concat()
}

fn live() -> Client {
    let mut client = Client::new(&target(), 1);
    client.receive(&welcome()).unwrap();
    assert_eq!(client.phase(), Phase::Live);
    client.output().clear();
    client
}

#[derive(Debug, PartialEq)]
struct Got {
    kind: u8,
    timestamp: u32,
    stream: u32,
    body: Vec<u8>,
}

/// Reads what a client wrote the slow and plain way. Knows only full headers and what continues
/// them at once, because the client writes nothing else.
fn read(mut bytes: &[u8], mut chunk_size: usize) -> Vec<Got> {
    fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(n);
        *bytes = rest;
        taken
    }
    fn number(bytes: &[u8]) -> u32 {
        bytes.iter().fold(0, |n, byte| n << 8 | u32::from(*byte))
    }
    let mut got = Vec::new();
    while !bytes.is_empty() {
        let header = take(&mut bytes, 12);
        assert!((2..64).contains(&header[0]));
        let short = number(&header[1..4]);
        let timestamp = if short == 0xff_ffff { number(take(&mut bytes, 4)) } else { short };
        let len = number(&header[4..7]) as usize;
        let mut body = Vec::new();
        while body.len() < len {
            if !body.is_empty() {
                assert_eq!(take(&mut bytes, 1), [0xc0 | header[0]]);
                if short == 0xff_ffff {
                    assert_eq!(number(take(&mut bytes, 4)), timestamp);
                }
            }
            let n = chunk_size.min(len - body.len());
            body.extend(take(&mut bytes, n));
        }
        let stream = u32::from_le_bytes(header[8..12].try_into().unwrap());
        if header[7] == 1 {
            chunk_size = number(&body) as usize;
        }
        got.push(Got { kind: header[7], timestamp, stream, body });
    }
    got
}

/// The strings and numbers at the top of a command, and those of its objects.
fn words(body: &[u8]) -> Vec<String> {
    let (mut reader, mut words) = (Reader::new(body), Vec::new());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while let Some(value) = reader.value() {
        match value {
            Value::Number(n) => words.push(n.to_string()),
            Value::String(s) => words.push(text(s)),
            Value::Fields(fields) => words.extend(fields.map(|(name, value)| match value {
                Value::Number(n) => format!("{}={n}", text(name)),
                Value::String(s) => format!("{}={}", text(name), text(s)),
                other => format!("{}={other:?}", text(name)),
            })),
            Value::Other => words.push("-".into()),
        }
    }
    words
}

fn commands(bytes: &[u8], chunk_size: usize) -> Vec<String> {
    read(bytes, chunk_size)
        .iter()
        .filter(|got| got.kind == 20)
        .map(|got| format!("{}: {}", got.stream, words(&got.body).join(" ")))
        .collect()
}

#[test]
fn a_session_says_what_adobes_encoder_says_in_its_order() {
    let mut client = Client::new(&target(), 1);
    assert_eq!((client.phase(), client.output().len()), (Phase::Handshaking, 1537));
    client.output().clear();

    client.receive(&handshake()).unwrap();
    assert_eq!(client.phase(), Phase::Connecting);
    let out = client.output().split_off(1536);
    assert_eq!(client.output()[..], handshake()[1..1537], "C2 is S1");
    client.output().clear();
    assert_eq!(read(&out, 128)[0], Got { kind: 1, timestamp: 0, stream: 0, body: vec![0, 1, 0, 0] });
    let version = env!("CARGO_PKG_VERSION");
    let connect = format!(
        "0: connect 1 app=live2?backup=1 type=nonprivate flashVer=FMLE/3.0 (compatible; nonstop/{version}) \
         tcUrl=rtmps://b.example:443/live2?backup=1"
    );
    assert_eq!(commands(&out, 128), [connect]);

    client.receive(&result(1.0)).unwrap();
    assert_eq!(client.phase(), Phase::Creating);
    let key = format!("- {KEY}");
    let create = [
        format!("0: releaseStream 2 {key}"),
        format!("0: FCPublish 3 {key}"),
        "0: createStream 4 -".to_owned(),
    ];
    assert_eq!(commands(client.output(), 65_536), create);
    client.output().clear();

    client.receive(&said("_error", 2.0, "error", "NetConnection.Call.Failed", "no such call")).unwrap();
    client.receive(&result(3.0)).unwrap();
    assert_eq!(client.phase(), Phase::Creating, "answers to releaseStream and FCPublish do not matter");
    client.receive(&result(4.0)).unwrap();
    assert_eq!(client.phase(), Phase::Publishing);
    assert_eq!(commands(client.output(), 65_536), [format!("1: publish 5 {key} live")]);
    client.output().clear();

    client.receive(&on_status("status", "NetStream.Publish.Start")).unwrap();
    assert_eq!(client.phase(), Phase::Live);
    assert!(client.output().is_empty());

    client.finish();
    assert_eq!(client.phase(), Phase::Finishing);
    let finish = [format!("0: FCUnpublish 6 {key}"), "0: deleteStream 7 - 1".to_owned()];
    assert_eq!(commands(client.output(), 65_536), finish);
    client.receive(&on_status("status", "NetStream.Unpublish.Success")).unwrap();
    assert_eq!(client.phase(), Phase::Closed);
}

#[test]
fn metadata_says_what_the_stream_is() {
    let mut client = live();
    client.metadata(&StreamInfo {
        width: 1280,
        height: 720,
        fps: 30,
        video_bits: 2_000_000,
        audio_bits: 128_000,
    });
    let got = read(client.output(), 65_536);
    assert_eq!((got[0].kind, got[0].stream, got[0].timestamp), (18, 1, 0));
    let words = words(&got[0].body);
    assert_eq!(words[..2], ["@setDataFrame", "onMetaData"]);
    for field in ["width=1280", "height=720", "framerate=30", "videodatarate=2000", "audiodatarate=128"] {
        assert!(words.iter().any(|word| word == field), "{field} in {words:?}");
    }
    // The count that goes ahead is the number of fields.
    let array = got[0].body.iter().position(|byte| *byte == 8).unwrap();
    assert_eq!(got[0].body[array + 1..array + 5], (words.len() as u32 - 2).to_be_bytes());
}

proptest! {
    #[test]
    fn units_arrive_whole_and_on_time_across_every_border_of_the_timestamp(
        start in prop::sample::select(vec![0u64, 1 << 24, 1 << 31, 1 << 32, (1 << 32) + (1 << 24)]),
        units in prop::collection::vec((any::<bool>(), 0u64..90, prop_oneof![0usize..300, 65_500usize..66_000, Just(140_000)]), 1..7),
    ) {
        let mut client = live();
        let mut timestamp = start.saturating_sub(200);
        client.headers(b"\xaf\0\x11\x90", b"\x17\0\0\0\0\x01", timestamp);
        let mut expected = vec![
            Got { kind: 9, timestamp: timestamp as u32, stream: 1, body: b"\x17\0\0\0\0\x01".to_vec() },
            Got { kind: 8, timestamp: timestamp as u32, stream: 1, body: b"\xaf\0\x11\x90".to_vec() },
        ];
        for (audio, step, len) in units {
            timestamp += step;
            let body: Vec<u8> = (0..len).map(|i| (i * 31 + 7) as u8).collect();
            let kind = if audio { Kind::Audio } else { Kind::Video { key: true } };
            client.unit(kind, timestamp, &body);
            let kind = if audio { 8 } else { 9 };
            let timestamp = (timestamp % (1 << 32)) as u32;
            expected.push(Got { kind, timestamp, stream: 1, body });
        }
        prop_assert!(read(client.output(), 65_536) == expected);
    }

    #[test]
    fn however_input_is_split_phase_output_and_error_are_the_same(
        parts in prop::collection::vec(prop_oneof![
            Just(message(4, &[0, 6, 1, 2, 3, 4])),
            Just(message(3, &[0, 0, 0, 9])),
            Just(message(6, &[0, 0, 4, 0, 2])),
            (0u32..20_000).prop_map(|n| message(5, &n.to_be_bytes())),
            (0usize..129).prop_map(|n| message(9, &vec![1; n])),
            Just(on_status("status", "NetStream.Unpublish.Success")),
            Just(result(1.0)),
            Just(vec![0xff]),
        ], 0..60),
        bulk in 0usize..40,
        finish in any::<bool>(),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let mut input = welcome();
        input.extend(std::iter::repeat_n(message(9, &[1; 128]), bulk).flatten());
        let border = input.len();
        input.extend(parts.concat());
        let run = |cuts: &[Index]| {
            let mut client = Client::new(&target(), 1);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
            at.extend([0, border, input.len()]);
            at.sort_unstable();
            let mut end = Ok(());
            for pair in at.windows(2) {
                if pair[0] == border && finish {
                    client.finish();
                }
                end = end.and(client.receive(&input[pair[0]..pair[1]]));
            }
            (client.phase(), std::mem::take(client.output()), end)
        };
        prop_assert_eq!(run(&cuts), run(&[]));
    }

    #[test]
    fn noise_never_panics_and_output_stays_small(
        noise in prop::collection::vec(any::<u8>(), 0..300),
        so_far in 0usize..3,
    ) {
        let mut client = Client::new(&target(), 1);
        client.receive(&[vec![], handshake(), welcome()][so_far]).unwrap();
        let _ = client.receive(&noise);
        prop_assert!(client.output().len() < 8192);
    }
}

#[test]
fn acknowledgements_are_running_totals() {
    let mut client = live();
    let before = client.received;
    client.receive(&message(5, &10_000u32.to_be_bytes())).unwrap();
    while client.received < 50_000 {
        client.receive(&message(9, &[0; 128])).unwrap();
    }
    let totals: Vec<u32> = read(client.output(), 65_536)
        .iter()
        .filter(|got| got.kind == 3)
        .map(|got| u32::from_be_bytes(got.body[..].try_into().unwrap()))
        .collect();
    assert!(before < 5000);
    assert_eq!(totals, (1..=10).map(|n| n * 5000).collect::<Vec<_>>());
}

#[test]
fn pings_are_answered_but_a_flood_of_them_is_not() {
    let mut client = live();
    let ping = message(4, &[0, 6, 1, 2, 3, 4]);
    client.receive(&ping).unwrap();
    assert_eq!(read(client.output(), 65_536)[0].body, [0, 7, 1, 2, 3, 4]);
    client.receive(&ping.repeat(100_000)).unwrap();
    assert!(client.output().len() <= MAX_ANSWERS + 18);
    client.output().clear();
    client.receive(&ping).unwrap();
    assert_eq!(client.output().len(), 18, "once they are taken there is room again");
}

#[test]
fn a_bandwidth_is_answered_by_a_window_once() {
    let mut client = live();
    client.receive(&message(6, &[0, 0, 4, 0, 2]).repeat(3)).unwrap();
    assert_eq!(
        read(client.output(), 65_536),
        [Got { kind: 5, timestamp: 0, stream: 0, body: vec![0, 0, 4, 0] }]
    );
}

#[test]
fn refusals_say_what_the_ingest_said_without_the_key() {
    let echo = format!("stream {KEY} is busy");
    let refused =
        |code: &str, description: &str| Error::Refused { code: code.into(), description: description.into() };
    let cases = [
        (
            [handshake(), said("_error", 1.0, "error", "NetConnection.Connect.InvalidApp", &echo)].concat(),
            refused("NetConnection.Connect.InvalidApp", "stream ‹key› is busy"),
        ),
        (
            [handshake(), said("_result", 1.0, "status", "NetConnection.Connect.Rejected", "")].concat(),
            refused("NetConnection.Connect.Rejected", ""),
        ),
        (
            [handshake(), result(1.0), said("_error", 4.0, "error", "NetConnection.Call.Failed", "")]
                .concat(),
            refused("NetConnection.Call.Failed", ""),
        ),
        (
            [
                handshake(),
                result(1.0),
                result(4.0),
                said("onStatus", 0.0, "status", "NetStream.Publish.BadName", &echo),
            ]
            .concat(),
            refused("NetStream.Publish.BadName", "stream ‹key› is busy"),
        ),
        (
            [handshake(), result(1.0), command(Writer::default().string("_result").number(4.0).null())]
                .concat(),
            Error::Protocol { what: "it created a stream without a number" },
        ),
        (
            [welcome(), said("onStatus", 0.0, "error", KEY, &echo)].concat(),
            Error::ClosedByPeer { code: "‹key›".into(), description: "stream ‹key› is busy".into() },
        ),
        (
            [welcome(), command(Writer::default().string("close").number(0.0).null())].concat(),
            Error::ClosedByPeer { code: "no reason given".into(), description: String::new() },
        ),
    ];
    for (input, expected) in cases {
        let mut client = Client::new(&target(), 1);
        let error = client.receive(&input).unwrap_err();
        assert_eq!(error, expected);
        assert!(!format!("{error} {error:?}").contains("efgh"));
        assert_eq!(client.phase(), Phase::Closed);
        assert_eq!(client.receive(b"anything"), Ok(()));
    }
}

#[test]
fn statuses_that_only_inform_change_nothing() {
    let mut client = live();
    for code in ["NetStream.Publish.Start", "NetStream.Data.Start", "NetStream.Play.Reset", ""] {
        client.receive(&on_status("status", code)).unwrap();
        client.receive(&on_status("warning", code)).unwrap();
    }
    client.receive(&command(Writer::default().string("onFCPublish").number(0.0).null())).unwrap();
    client.receive(&message(4, &[0, 0, 0, 0, 0, 1])).unwrap();
    client.receive(&message(22, &[1; 100])).unwrap();
    assert_eq!(client.phase(), Phase::Live);
    assert!(client.output().is_empty());
}

#[test]
#[should_panic(expected = "media for a session that is Connecting")]
fn media_before_the_ingest_is_ready_is_a_bug() {
    let mut client = Client::new(&target(), 1);
    client.receive(&handshake()).unwrap();
    client.unit(Kind::Audio, 0, b"\xaf\x01\x21");
}

#[test]
fn a_target_prints_without_its_key() {
    assert!(!format!("{:?}", target()).contains("efgh"));
}
