//! Two nodes and one bucket: the whole daemon against moto's server and a real RTMP server, with what
//! is recorded held against the schedule in the bucket.

mod rig;

use nonstop::aws::Bucket;
use nonstop::store::{Objects, Store};
use rig::corpus::{self, FEW, Item, LONG};
use rig::daemon::{Channel, Daemon};
use rig::front::{Front, Weather};
use rig::moto::Moto;
use rig::nginx::Nginx;
use rig::programme::Programme;
use rig::recording::Proof;
use rig::wire::Wire;
use rig::{Scratch, recording, wait};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SOON: Duration = Duration::from_secs(30);
/// The first track has to be fetched and rendered.
const RENDERED: Duration = Duration::from_secs(120);
/// Trouble with the bucket is in the status within this time: the schedule looks at it every 5 s, and
/// waits 3 s for an answer.
const NOTICED: Duration = Duration::from_secs(12);
/// From the start of a process on an empty machine to its first media byte.
const EMPTY: Duration = Duration::from_secs(5);
/// How much longer it may take with a bucket that does not answer than with a folder, the card being
/// there. The bucket is asked for the schedule for 3 s and for the slots for 5 s at the same time: that
/// is 5 s, and would be 9 s one after the other.
const COLD: Duration = Duration::from_millis(7500);
/// The same where the process before had the slots, so that only the schedule is waited for.
const WARM: Duration = Duration::from_millis(5500);

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be had").block_on(work)
}

/// A bucket with music in it, of its own server.
struct Cloud {
    moto: Moto,
    name: &'static str,
    scratch: Scratch,
}

impl Cloud {
    fn with_music(name: &'static str) -> Self {
        Self::with(name, &FEW)
    }

    fn with(name: &'static str, items: &[Item; 3]) -> Self {
        let scratch = Scratch::new(name);
        let moto = Moto::start(scratch.path());
        moto.make_bucket(name);
        let cloud = Self { moto, name, scratch };
        let music = cloud.scratch.folder("music");
        for item in items {
            let path = item.put(&music);
            let file = path.file_name().and_then(|name| name.to_str()).expect("the corpus has plain names");
            cloud.put(file, &path);
        }
        cloud.put("background.jpg", &corpus::background());
        cloud
    }

    fn put(&self, key: &str, file: &Path) {
        let content = std::fs::read(file).expect("the corpus can be read");
        self.moto.put_object(self.name, &format!("lofi/{key}"), &content);
    }

    fn bucket(&self) -> Bucket {
        self.moto.aws().bucket(self.name, "lofi")
    }

    /// A node's channel, whose machine has nothing yet.
    fn node(&self, name: &str, to: &str) -> Channel {
        let mut channel = Channel::new(name);
        channel.source = Some(format!("s3://{}/lofi", self.name));
        channel.environment = self.moto.environment().into();
        // Destinations of their own: they share the programme, and no ingest.
        channel.to(name, to, None, "");
        channel
    }

    /// The programme by the schedule in the bucket, with the renditions of a node's cache.
    fn programme(&self, node: &Channel) -> Programme {
        let state = self.scratch.folder("state");
        block_on(async {
            let bucket = self.bucket();
            for object in bucket.objects("schedule/").await.expect("moto lists") {
                let path = state.join(&object.key);
                std::fs::create_dir_all(path.parent().expect("a page has a folder")).expect("a folder");
                let (bytes, _) = bucket.get(&object.key).await.expect("moto answers").expect("it was listed");
                std::fs::write(path, bytes).expect("a page can be written");
            }
        });
        Programme::load(&state, &node.cache(), u64::from(node.fps))
    }

    /// Descriptions in the bucket.
    fn renditions(&self) -> usize {
        let objects = block_on(self.bucket().objects("renditions/")).expect("moto lists");
        objects.iter().filter(|object| object.key.ends_with("/rendition.json")).count()
    }
}

#[test]
fn an_empty_node_without_ffmpeg_is_on_air_within_five_seconds_with_what_the_first_one_plays() {
    let cloud = Cloud::with_music("empty-node");
    let nginx = Nginx::start();
    let first = cloud.node("first", &nginx.url());
    let mut daemon = first.run();
    daemon.wait_for_music(RENDERED);
    daemon.wait_for_ingest(0, 0, "live", SOON);
    wait::until("three tracks and the card are in the bucket", RENDERED, || {
        (cloud.renditions() == 4).then_some(())
    });

    let other = Nginx::start();
    let wire = Wire::to(other.socket());
    let mut second = cloud.node("second", &wire.url());
    second.ffmpeg = Some("/bin/false".into());
    let started = Instant::now();
    let mut replacement = second.run();
    let took = wire.first_media_after(started, SOON) - started;
    println!("an empty node sent its first media byte after {} ms", took.as_millis());
    assert!(took <= EMPTY, "its first media byte came after {took:?}");
    replacement.wait_for_music(SOON);
    other.wait_for_more(SOON);
    wait::let_pass(Duration::from_secs(8));

    let playing =
        |status: serde_json::Value| (status["now"]["source"].clone(), status["now"]["starts"].clone());
    let both = |_: &serde_json::Value| {
        let (one, two) = (playing(daemon.status()?), playing(replacement.status()?));
        (one == two && one.0.is_string()).then_some(())
    };
    wait::until("both play the same", SOON, || both(&serde_json::Value::Null));
    assert_eq!(replacement.stop(), 0);
    assert_eq!(daemon.stop(), 0);
    for server in [&nginx, &other] {
        let proof = recording::prove(&server.recordings(), &mut cloud.programme(&first));
        assert!(proof.unbroken() > 6.0, "{}", proof.describe());
    }
}

#[test]
fn a_bucket_that_never_answers_is_waited_for_once_and_not_at_every_step() {
    // No request is ever answered; nobody is behind it.
    let hole = Front::of("127.0.0.1:1");
    hole.turn(Weather::Hangs);
    let nginx = Nginx::start();
    let wire = Wire::to(nginx.socket());
    let mut node = Channel::new("never-answers");
    node.to("alone", &wire.url(), None, "");
    // The card is made beforehand: how long that takes is another matter.
    let mut before = node.run();
    before.wait_for_ingest(0, 0, "live", RENDERED);
    assert_eq!(before.stop(), 0);
    // So is how fast this machine is.
    let started = Instant::now();
    let with_a_folder = node.run();
    let start = wire.first_media_after(started, SOON) - started;
    assert_eq!(with_a_folder.stop(), 0);
    println!("with a folder the first media byte came after {} ms", start.as_millis());

    node.source = Some("s3://never/lofi".into());
    node.environment = rig::moto::environment_at(&hole.endpoint()).into();
    let started = Instant::now();
    let mut daemon = node.run();
    let took = wire.first_media_after(started, SOON) - started;
    println!("the first media byte came after {} ms", took.as_millis());
    assert!(took <= start + COLD, "its first media byte came after {took:?}, with a folder after {start:?}");
    wait::until("it is known which slots it has", SOON, || {
        let noted = std::fs::read_to_string(node.state().join("handover/held-alone.json")).ok()?;
        noted.contains("primary").then_some(())
    });
    daemon.process.kill();
    let started = Instant::now();
    let again = node.run();
    let took = wire.first_media_after(started, SOON) - started;
    println!("started again it came after {} ms", took.as_millis());
    assert!(took <= start + WARM, "its first media byte came after {took:?}, with a folder after {start:?}");
    assert_eq!(again.stop(), 0);
}

#[test]
fn a_bucket_that_goes_away_and_comes_back_changes_nothing_on_air() {
    let cloud = Cloud::with_music("goes-away");
    let nginx = Nginx::start();
    let node = cloud.node("alone", &nginx.url());
    let mut daemon = node.run();
    daemon.wait_for_music(RENDERED);
    daemon.wait_for_ingest(0, 0, "live", SOON);
    wait::until("all is in the bucket", RENDERED, || (cloud.renditions() == 4).then_some(()));
    nginx.set_aside();
    // It takes requests and answers none.
    cloud.moto.process.signal("STOP");
    wait::until("the node is alone", SOON, || {
        daemon.process.log().contains("this node goes on alone").then_some(())
    });
    wait::let_pass(Duration::from_secs(10));
    daemon.wait_for_music(Duration::from_secs(1));
    cloud.moto.process.signal("CONT");
    wait::until("the node is back", SOON, || daemon.process.log().contains("store is back").then_some(()));
    wait::let_pass(Duration::from_secs(5));
    assert_eq!(daemon.stop(), 0);
    let proof = recording::prove(&nginx.recordings(), &mut cloud.programme(&node));
    assert!(proof.unbroken() > 15.0 && proof.missing() == 0.0, "{}", proof.describe());
}

/// What the status says of the schedule's trouble, once it says it.
#[track_caller]
fn wait_for_trouble(daemon: &mut Daemon, weather: Weather, words: &str) {
    let what = format!("status says {words:?} in weather {weather:?}");
    daemon.wait_for(&what, NOTICED, |status| {
        let troubles = status["troubles"].as_array()?;
        let trouble = troubles.iter().find(|trouble| trouble["part"] == "schedule")?;
        trouble["reason"].as_str()?.contains(words).then_some(())
    });
}

#[test]
fn whatever_the_bucket_does_the_air_does_not_show_and_status_says() {
    const SEQUENCE: [(Weather, &str); 9] = [
        (Weather::Slow(Duration::from_secs(5)), "no answer within"),
        (Weather::Fails("403 Forbidden", "AccessDenied"), "access is denied"),
        (Weather::Fails("404 Not Found", "NoSuchBucket"), "no such bucket"),
        (Weather::Fails("500 Internal Server Error", "InternalError"), "the service has failed"),
        (Weather::Fails("503 Slow Down", "SlowDown"), "fewer requests"),
        (Weather::SaysMore, "no answer within"),
        // What is read in vain is a page that is not there yet: of such an answer the head remains.
        (Weather::Truncates, "status 404"),
        (Weather::Hangs, "no answer within"),
        (Weather::Refuses, "refused"),
    ];
    let cloud = Cloud::with_music("weather");
    let front = Front::of(&cloud.moto.address);
    let nginx = Nginx::start();
    let mut node = cloud.node("alone", &nginx.url());
    node.environment.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
    node.environment.push(("AWS_ENDPOINT_URL", front.endpoint()));
    let mut daemon = node.run();
    daemon.wait_for_music(RENDERED);
    daemon.wait_for_ingest(0, 0, "live", SOON);
    wait::until("all is in the bucket", RENDERED, || (cloud.renditions() == 4).then_some(()));
    let no_trouble =
        |status: &serde_json::Value| status["troubles"].as_array().is_some_and(Vec::is_empty).then_some(());
    daemon.wait_for("all is well", SOON, no_trouble);
    nginx.set_aside();
    for (number, (weather, words)) in SEQUENCE.into_iter().enumerate() {
        front.turn(weather);
        let turned = Instant::now();
        wait_for_trouble(&mut daemon, weather, words);
        println!("{weather:?} is in the status after {:.1} s", turned.elapsed().as_secs_f64());
        if number == SEQUENCE.len() / 2 {
            front.turn(Weather::Fine);
            daemon.wait_for("all is well again", SOON, no_trouble);
        }
    }
    // What is well-formed and too short is an odd page at most.
    front.turn(Weather::SaysLess);
    wait::until("it has been asked", SOON, || (front.requests() > 2).then_some(()));
    front.turn(Weather::Fine);
    wait::until("it has been asked", SOON, || (front.requests() > 2).then_some(()));
    daemon.wait_for("all is well again", SOON, no_trouble);
    assert_eq!(daemon.stop(), 0);
    let proof = recording::prove(&nginx.recordings(), &mut cloud.programme(&node));
    assert!(proof.unbroken() > 30.0 && proof.missing() == 0.0, "{}", proof.describe());
}

#[test]
fn two_nodes_that_start_at_once_on_an_empty_bucket_have_one_programme_and_mix_nothing() {
    let cloud = Cloud::with_music("race");
    let servers = [Nginx::start(), Nginx::start()];
    let nodes = [cloud.node("left", &servers[0].url()), cloud.node("right", &servers[1].url())];
    let [mut left, mut right] = [nodes[0].run(), nodes[1].run()];
    left.wait_for_music(RENDERED);
    right.wait_for_music(RENDERED);
    wait::until("three tracks and the card are in the bucket", RENDERED, || {
        (cloud.renditions() == 4).then_some(())
    });
    let coming = |status: &serde_json::Value| {
        let next = status["next"].as_array()?.iter();
        let entries: Vec<_> = next.map(|entry| (entry["source"].clone(), entry["starts"].clone())).collect();
        (!entries.is_empty()).then_some((status["now"]["source"].clone(), entries))
    };
    // Between two questions one entry may end; the next look is the same again.
    wait::until("both play the same, now and next", SOON, || {
        (coming(&left.status()?)? == coming(&right.status()?)?).then_some(())
    });
    servers.iter().for_each(|server| server.wait_for_more(SOON));
    wait::let_pass(Duration::from_secs(8));
    let rendered = |daemon: &Daemon| daemon.process.log().matches("rendered a track").count();
    println!("tracks rendered: {} and {}", rendered(&left), rendered(&right));
    assert_eq!(left.stop(), 0);
    assert_eq!(right.stop(), 0);
    // Whoever lost the race for a page or a rendition has taken the other's, and left nothing.
    let objects = block_on(cloud.bucket().objects("renditions/")).expect("moto lists");
    assert_eq!(objects.len(), 3 * 4, "{:?}", objects.iter().map(|object| &object.key).collect::<Vec<_>>());
    for (server, node) in servers.iter().zip(&nodes) {
        let proof = recording::prove(&server.recordings(), &mut cloud.programme(node));
        assert!(proof.unbroken() > 6.0, "{}", proof.describe());
    }
}

#[test]
fn a_background_that_cannot_be_fetched_silences_nobody_and_nodes_that_have_it_play_the_same() {
    let cloud = Cloud::with_music("archived");
    let picture = std::fs::read(corpus::background()).expect("the corpus can be read");
    let put = |class| cloud.moto.put_as(cloud.name, "lofi/background.jpg", &picture, class);
    put("DEEP_ARCHIVE");
    let servers = [Nginx::start(), Nginx::start()];
    let nodes = [cloud.node("without", &servers[0].url()), cloud.node("with", &servers[1].url())];
    let mut without = nodes[0].run();
    without.wait_for_music(RENDERED);
    let goes_on = "rendering goes on without background.jpg, with the built-in card: it cannot be fetched: \
                   it is archived";
    let told = |status: &serde_json::Value| {
        let troubles = status["troubles"].as_array()?.iter();
        troubles
            .filter_map(|trouble| trouble["reason"].as_str())
            .find(|reason| reason.starts_with(goes_on))?;
        Some(())
    };
    without.wait_for("the status to say why", SOON, told);
    wait::until("all tracks have a rendition", RENDERED, || {
        (without.status()?["library"]["ready"] == 3).then_some(())
    });

    // Who starts now gets it; the other tries again within a minute.
    put("STANDARD");
    let mut with = nodes[1].run();
    with.wait_for_music(SOON);
    servers.iter().for_each(|server| server.wait_for_more(SOON));
    wait::let_pass(Duration::from_secs(8));
    wait::until("three tracks with either picture and the card are in the bucket", RENDERED, || {
        (cloud.renditions() == 7).then_some(())
    });
    wait::until("all is well", RENDERED, || {
        without.status()?["troubles"].as_array()?.is_empty().then_some(())
    });
    assert_eq!(without.stop(), 0);
    assert_eq!(with.stop(), 0);
    for (server, node) in servers.iter().zip(&nodes) {
        let proof = recording::prove(&server.recordings(), &mut cloud.programme(node));
        assert!(proof.unbroken() > 6.0, "{}", proof.describe());
    }
}

#[test]
fn what_an_operator_skips_is_skipped_by_both_nodes_at_one_frame() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let given = std::env::var("SHARED_SEED").ok().map(|text| text.parse().expect("a number"));
    let mut seed = given.unwrap_or(u64::from(now.subsec_nanos()));
    println!("SHARED_SEED={seed}");
    let cloud = Cloud::with("skips", &LONG);
    let servers = [Nginx::start(), Nginx::start()];
    let nodes = [cloud.node("here", &servers[0].url()), cloud.node("there", &servers[1].url())];
    let mut here = nodes[0].run();
    here.wait_for_music(RENDERED);
    wait::until("all is in the bucket", RENDERED, || (cloud.renditions() == 4).then_some(()));
    let mut there = nodes[1].run();
    there.wait_for_music(RENDERED);
    // What is to come is open on both by then.
    wait::let_pass(Duration::from_secs(5));
    servers.iter().for_each(Nginx::set_aside);
    for number in 0..3 {
        // Between two looks at the bucket, wherever that is.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        wait::let_pass(Duration::from_millis((seed >> 33) % 5_000));
        let before = there.status().expect("it answers")["now"].clone();
        let skipped = nodes[number % 2].command(&["skip"], false);
        assert!(skipped.status.success(), "{}", String::from_utf8_lossy(&skipped.stderr));
        there.wait_for("another is on air", SOON, |status| (status["now"] != before).then_some(()));
    }
    wait::let_pass(Duration::from_secs(8));
    assert_eq!(here.stop(), 0);
    assert_eq!(there.stop(), 0);
    let spans = servers.iter().zip(&nodes).map(|(server, node)| {
        let proof = recording::prove(&server.recordings(), &mut cloud.programme(node));
        assert!(proof.unbroken() > 25.0 && proof.spans.len() == 1, "{}", proof.describe());
        proof.spans
    });
    let both = Proof::of(spans.flatten().collect(), u64::from(nodes[0].fps));
    assert!(both.unbroken() > 25.0 && both.overlap() > 25.0, "{}", both.describe());
}
