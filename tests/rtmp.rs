//! The RTMP client over real sockets: against an ingest that fails on script, against nginx-rtmp,
//! and against FFmpeg; and FFmpeg against that ingest, so that it is proved too.

#[path = "rtmp/programs.rs"]
mod programs;
#[path = "rtmp/publisher.rs"]
mod publisher;
mod rig;

use nonstop::config::IngestUrl;
use nonstop::publish::rtmp::{Error, Phase};
use programs::{Listener, film, packets};
use publisher::{Failure, Film, KEY, Publisher, media};
use rig::Scratch;
use rig::ingest::{Act, Ending, Handshake, Ingest, Options, Record, Reply, Script, Session, Stage, When};
use rig::nginx::Nginx;
use rig::process::Process;
use std::time::{Duration, Instant};

/// What the ingest has of a session, as [`Film::messages`] gives it.
fn received(session: &Session) -> Vec<(u8, u32, Vec<u8>)> {
    session.look(|record| {
        record.units().map(|message| (message.kind, message.timestamp, message.body.clone())).collect()
    })
}

fn with(app: &str, script: Script) -> Options {
    Options { app: Some(app.into()), key: Some(KEY.into()), script, ..Options::default() }
}

/// Publishes all of the film and ends in order; the ingest must have got just that.
async fn goes_through(ingest: &Ingest, mut publisher: Publisher, film: &Film, from: u64) -> Session {
    publisher.live(film, from).await.unwrap();
    publisher.play(film, from).await.unwrap();
    publisher.finish().await.unwrap();
    let session = ingest.session(0).await;
    session.until("its end", Record::ended).await;
    session.look(|record| {
        assert_eq!(record.faults, [""; 0]);
        assert_eq!(record.stage, Stage::Ended(Ending::Orderly));
        assert_eq!(record.key.as_deref(), Some(KEY));
        assert_eq!(record.messages[0].kind, 18, "metadata comes first");
    });
    assert!(received(&session) == film.messages(from), "what arrived is not what was sent");
    session
}

#[tokio::test]
async fn every_unit_arrives_as_it_was_sent() {
    let ingest = Ingest::start(with("live2?backup=1", Script::default())).await;
    let publisher = Publisher::plain(ingest.url()).await;
    let session = goes_through(&ingest, publisher, &Film::made_up(500), 0).await;
    session.look(|record| {
        let connect = record.connect.as_ref().unwrap();
        let url = format!("rtmp://{}/live2?backup=1", ingest.address());
        assert_eq!(connect.get("tcUrl").unwrap().text(), Some(url.as_str()));
        assert_eq!(record.app(), Some("live2?backup=1"));
    });
}

#[tokio::test]
async fn every_unit_arrives_through_tls_and_the_server_is_told_its_name() {
    let options = Options { tls: true, ..with("live2", Script::default()) };
    let ingest = Ingest::start(options.clone()).await;
    let publisher = Publisher::tls(&ingest, "localhost").await.unwrap();
    let session = goes_through(&ingest, publisher, &Film::made_up(500), 0).await;
    assert_eq!(session.look(|record| record.server_name.clone()).as_deref(), Some("localhost"));

    // Asking for an address asks for no name, which an ingest does not take; nor does the
    // publisher take a certificate for another name.
    let ingest = Ingest::start(options).await;
    assert!(Publisher::tls(&ingest, "127.0.0.1").await.is_err());
    assert!(Publisher::tls(&ingest, "elsewhere.test").await.is_err());
}

#[tokio::test]
async fn odd_chunks_pings_and_unknown_messages_disturb_nothing() {
    let ingest = Ingest::start(with("live2", Script { odd: true, ..Script::default() })).await;
    let publisher = Publisher::plain(ingest.url()).await;
    let session = goes_through(&ingest, publisher, &Film::made_up(500), 0).await;
    // The last ping went out with the answer to deleteStream, after which nobody listens.
    session.look(|record| {
        assert!(record.pings > 50);
        assert!(record.pongs.len() >= 50, "{} of {} pings answered", record.pongs.len(), record.pings);
        assert!(record.pongs.contains(&500) && record.pongs.contains(&7));
    });
}

#[tokio::test]
async fn timestamps_are_right_across_every_border() {
    for border in [1u64 << 24, 1 << 31, 1 << 32] {
        let ingest = Ingest::start(with("live2", Script::default())).await;
        let publisher = Publisher::plain(ingest.url()).await;
        goes_through(&ingest, publisher, &Film::made_up(300), border - 1500).await;
    }
}

#[tokio::test]
async fn a_refusal_ends_the_session_with_the_ingests_words_but_never_the_key() {
    let echo = Reply::refuse("NetStream.Publish.BadName", "stream {key} is already publishing");
    let cases = [
        (with("other", Script::default()), "NetConnection.Connect.InvalidApp", "no such app"),
        (
            Options { key: Some("another".into()), ..Options::default() },
            "NetStream.Publish.BadName",
            "no stream ‹key›",
        ),
        (
            with("live2", Script { publish: echo, ..Script::default() }),
            "NetStream.Publish.BadName",
            "stream ‹key› is already publishing",
        ),
        (
            with(
                "live2",
                Script {
                    connect: Reply::refuse("NetConnection.Connect.Rejected", "full"),
                    ..Script::default()
                },
            ),
            "NetConnection.Connect.Rejected",
            "full",
        ),
    ];
    for (options, wanted_code, wanted_description) in cases {
        let ingest = Ingest::start(options).await;
        let mut url = ingest.url();
        url.app = "live2".into();
        let failure = Publisher::plain(url).await.reach(Phase::Live).await.unwrap_err();
        let Failure::Rtmp(Error::Refused { code, description }) = &failure else { panic!("{failure:?}") };
        assert_eq!((code.as_str(), description.as_str()), (wanted_code, wanted_description));
        assert!(!format!("{failure:?}").contains("efgh"));
    }
}

#[tokio::test]
async fn an_error_in_mid_stream_ends_the_session() {
    let say =
        Act::Say { level: "error".into(), code: "NetStream.Failed".into(), description: "{key}!".into() };
    let ingest = Ingest::start(with("live2", Script::once(When::Media(100), say))).await;
    let film = Film::made_up(200);
    let mut publisher = Publisher::plain(ingest.url()).await;
    publisher.live(&film, 0).await.unwrap();
    let played = publisher.play(&film, 0).await;
    let failure = match played {
        Err(failure) => failure,
        Ok(()) => publisher.reach(Phase::Closed).await.unwrap_err(),
    };
    let Failure::Rtmp(Error::ClosedByPeer { code, description }) = failure else { panic!("{failure:?}") };
    assert_eq!((code.as_str(), description.as_str()), ("NetStream.Failed", "‹key›!"));
}

#[tokio::test]
async fn a_scripted_ingest_resets_and_closes_when_it_is_told() {
    let film = Film::made_up(2000);
    for act in [Act::Reset, Act::Close] {
        let ingest = Ingest::start(with("live2", Script::default())).await;
        ingest.next(Script::once(When::Media(300), act.clone()));
        let mut publisher = Publisher::plain(ingest.url()).await;
        publisher.live(&film, 0).await.unwrap();
        let failure = publisher.play(&film, 0).await.expect_err("the ingest ended the session");
        assert!(matches!(failure, Failure::Closed | Failure::Socket(_)), "{failure:?}");
        let session = ingest.session(0).await;
        session.until("its end", Record::ended).await;
        assert_eq!(session.look(|r| (r.stage, r.media)), (Stage::Ended(Ending::ByUs), 300), "{act:?}");
        // Only the first connection was told to fail.
        let mut publisher = Publisher::plain(ingest.url()).await;
        publisher.live(&film, 0).await.unwrap();
        publisher.play(&film, 0).await.unwrap();
        publisher.finish().await.unwrap();
    }
}

#[tokio::test]
async fn a_stalled_ingest_takes_nothing_until_it_reads_again() {
    let ingest = Ingest::start(with("live2", Script::once(When::Media(10), Act::Stall))).await;
    // More than the kernel's buffers hold.
    let film = Film::made_up(10_000);
    let mut publisher = Publisher::plain(ingest.url()).await;
    publisher.live(&film, 0).await.unwrap();
    let session = ingest.session(0).await;
    {
        let mut play = std::pin::pin!(publisher.play(&film, 0));
        assert!(
            tokio::time::timeout(Duration::from_millis(500), &mut play).await.is_err(),
            "it was all taken"
        );
        let stalled = session.look(|record| record.media);
        assert!(stalled < 2000, "{stalled} messages were read");
        session.act(Act::Read);
        play.await.unwrap();
    }
    publisher.finish().await.unwrap();
    assert!(received(&session) == film.messages(0));
}

#[tokio::test]
async fn a_slow_ingest_reads_at_its_rate() {
    let ingest = Ingest::start(with("live2", Script::default())).await;
    let film = Film::made_up(700);
    let bytes: usize = film.units.iter().map(|unit| unit.body.len()).sum();
    let mut publisher = Publisher::plain(ingest.url()).await;
    publisher.live(&film, 0).await.unwrap();
    let session = ingest.session(0).await;
    session.until("the publish", |record| record.published.is_some()).await;
    session.act(Act::Slow(2 * bytes as u64));
    let start = Instant::now();
    publisher.play(&film, 0).await.unwrap();
    publisher.finish().await.unwrap();
    assert!(start.elapsed() > Duration::from_millis(400), "half a second's worth in {:?}", start.elapsed());
    assert!(received(&session) == film.messages(0));
}

#[tokio::test]
async fn an_ingest_that_says_nothing_or_half_a_handshake_leaves_the_client_waiting() {
    for handshake in [Handshake::Silent, Handshake::Half] {
        let ingest = Ingest::start(with("live2", Script { handshake, ..Script::default() })).await;
        let mut publisher = Publisher::plain(ingest.url()).await;
        publisher.flush().await.unwrap();
        let session = ingest.session(0).await;
        session.until("C0 and C1", |record| record.bytes >= 1537).await;
        assert_eq!(session.look(|record| record.stage), Stage::Accepted);
        assert_eq!(publisher.client.phase(), Phase::Handshaking);
        session.act(Act::Close);
        assert!(matches!(publisher.reach(Phase::Live).await, Err(Failure::Closed)));
    }
    let ingest =
        Ingest::start(with("live2", Script { handshake: Handshake::Reset, ..Script::default() })).await;
    let mut publisher = Publisher::plain(ingest.url()).await;
    assert!(matches!(publisher.reach(Phase::Live).await, Err(Failure::Closed | Failure::Socket(_))));
}

#[tokio::test]
async fn an_ingest_that_was_stopped_refuses_until_it_resumes() {
    let ingest = Ingest::start(with("live2", Script::default())).await;
    let mut publisher = Publisher::plain(ingest.url()).await;
    publisher.reach(Phase::Live).await.unwrap();
    ingest.stop().await;
    assert!(tokio::net::TcpStream::connect(ingest.address()).await.is_err());
    assert!(publisher.reach(Phase::Closed).await.is_err());
    assert_eq!(ingest.session(0).await.look(|record| record.stage), Stage::Ended(Ending::ByUs));
    ingest.resume().await;
    Publisher::plain(ingest.url()).await.reach(Phase::Live).await.unwrap();
    assert_eq!(ingest.sessions().len(), 2);
}

#[tokio::test]
async fn the_scripted_ingest_gets_from_ffmpeg_what_is_in_the_file() {
    let folder = Scratch::new("rtmp");
    let path = film(&folder);
    let ingest = Ingest::start(Options { app: Some("live2".into()), ..Options::default() }).await;
    let (from, to) = (path.to_str().unwrap(), format!("{}/{KEY}", ingest.url()));
    let args = ["-nostdin", "-i", from, "-c", "copy", "-f", "flv", &to];
    let mut ffmpeg = Process::spawn("ffmpeg", None, "ffmpeg", args, &[], &folder.path().join("ffmpeg.log"));
    let session = ingest.session(0).await;
    session.until("its end", Record::ended).await;
    assert!(ffmpeg.wait(Duration::from_secs(10)).success());
    assert_eq!(session.look(|record| record.faults.clone()), [""; 0]);
    let saved = folder.path().join("saved.flv");
    session.look(|record| record.save_flv(&saved)).unwrap();
    let (sent, got) = (media(&path), media(&saved));
    assert_eq!(got.len(), sent.len());
    for (got, sent) in got.iter().zip(&sent) {
        assert!((got.kind, got.timestamp, &got.body) == (sent.kind, sent.timestamp, &sent.body));
    }
}

#[tokio::test]
async fn nginx_records_every_frame_as_it_was_sent() {
    let folder = Scratch::new("rtmp");
    let film = Film::read(&film(&folder));
    assert!(film.units.iter().any(|unit| unit.body.len() > 65_536), "no frame is longer than a chunk");
    for from in [0, (1 << 24) - 1500, (1 << 31) - 1500, (1 << 32) - 1500] {
        let nginx = Nginx::start();
        let url = IngestUrl {
            tls: false,
            host: "127.0.0.1".into(),
            port: nginx.port,
            app: "live2?backup=1".into(),
        };
        let mut publisher = Publisher::plain(url).await;
        publisher.live(&film, from).await.unwrap();
        publisher.play(&film, from).await.unwrap();
        publisher.finish().await.unwrap();
        let recordings = nginx.recordings();
        assert_eq!(recordings.len(), 1);
        // nginx writes codec headers again as it sees fit.
        let (headers, frames): (Vec<_>, Vec<_>) =
            media(&recordings[0]).into_iter().partition(|tag| tag.body[1] == 0);
        assert!(headers.iter().any(|tag| tag.body == film.audio));
        assert!(headers.iter().any(|tag| tag.body == film.video));
        assert!(headers.iter().all(|tag| [&film.audio, &film.video].contains(&&tag.body)));
        let sent = &film.messages(0)[2..];
        assert_eq!(frames.len(), sent.len());
        for (frame, (kind, timestamp, body)) in frames.iter().zip(sent) {
            assert!((frame.kind as u8, &frame.body) == (*kind, body), "at {timestamp} ms from {from}");
            // nginx lets every recording begin at zero.
            assert_eq!(frame.timestamp, *timestamp, "from {from}");
        }
    }
}

#[tokio::test]
async fn ffmpeg_receives_every_frame_at_the_time_that_was_sent() {
    let folder = Scratch::new("rtmp");
    let path = film(&folder);
    let (film, sent) = (Film::read(&path), packets(&path));
    for from in [0i64, (1 << 24) - 1500, (1 << 31) - 1500, (1 << 32) - 1500] {
        let mut listener = Listener::start(&folder, KEY);
        let mut publisher = Publisher::on(listener.connect().await, listener.url.clone());
        publisher.live(&film, from as u64).await.unwrap();
        publisher.play(&film, from as u64).await.unwrap();
        publisher.close().await;
        let received = listener.packets();
        assert_eq!(received.len(), sent.len(), "from {from}");
        // FFmpeg counts from below zero if a stream begins close to the turn of 32 bits.
        let shift = received[0].1 - sent[0].1;
        assert_eq!((shift - from) % (1 << 32), 0, "from {from}");
        for (received, sent) in received.iter().zip(&sent) {
            let (stream, at, len, hash) = sent.clone();
            assert_eq!(received, &(stream, at + shift, len, hash), "from {from}");
        }
    }
}
