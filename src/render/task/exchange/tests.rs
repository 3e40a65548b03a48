//! Nodes that share renditions through a store in memory.

use super::*;
use crate::config::{Audio, Bitrate, FrameRate, FrameSize, Keyframe, Loudness, Rate, Video};
use crate::media::Rendition;
use crate::media::rendition::{AUDIO_FILE, META_FILE, VIDEO_FILE};
use crate::media::synthetic::{self, Recipe, digest};
use crate::render::task::disk;
use crate::store::memory::{Fault, Memory};
use std::fs;
use tokio_util::sync::DropGuard;

struct Node {
    cache: tempfile::TempDir,
    exchange: Exchange<Memory>,
    share: Share,
    _in_use: watch::Sender<Arc<HashSet<RenditionId>>>,
    profile: Profile,
}

impl Node {
    fn new(bucket: &Memory) -> Self {
        let cache = tempfile::tempdir().unwrap();
        let video = Video {
            size: FrameSize { width: 640, height: 360 },
            fps: FrameRate::new(30).unwrap(),
            keyframe: Keyframe(2000),
            bitrate: Bitrate::from_bits(600_000),
            rate: Rate::Capped,
        };
        let audio = Audio { bitrate: Bitrate::from_bits(128_000), loudness: Loudness::Off };
        let profile = Profile::new(&video, &audio);
        let (in_use, used) = watch::channel(Arc::default());
        let (_, broken) = watch::channel(Arc::default());
        let mut settings = Settings::new(cache.path().to_owned(), video, audio, used, broken);
        settings.keep_free = 0;
        let (exchange, share) = Exchange::new(bucket.clone(), &settings);
        Self { cache, exchange, share, _in_use: in_use, profile }
    }

    fn renditions(&self) -> std::path::PathBuf {
        self.cache.path().join("renditions")
    }

    /// As if it had been rendered here.
    fn make(&self, number: u64) -> RenditionId {
        let id = RenditionId::of(&digest(number));
        let folder = self.renditions().join(id.as_str());
        fs::create_dir_all(&folder).unwrap();
        let recipe = Recipe { number, cells: 3, pictures: 60, gop: 60, key_bytes: 100_000 };
        synthetic::rendition(&folder, self.profile.grid(), recipe).unwrap();
        fs::rename(folder.join(format!("{number}.audio.flv")), folder.join(AUDIO_FILE)).unwrap();
        fs::rename(folder.join(format!("{number}.video.flv")), folder.join(VIDEO_FILE)).unwrap();
        let meta = crate::media::Meta { profile: self.profile.id().clone(), ..synthetic::meta(number, 3) };
        fs::write(folder.join(META_FILE), serde_json::to_vec(&meta).unwrap()).unwrap();
        id
    }

    fn open(&self, id: &RenditionId) -> Option<Rendition> {
        disk::open(&self.renditions(), id).ok()
    }

    fn bytes(&self, id: &RenditionId) -> [Vec<u8>; 2] {
        let folder = self.renditions().join(id.as_str());
        [AUDIO_FILE, VIDEO_FILE].map(|file| fs::read(folder.join(file)).unwrap())
    }

    fn shows(&self, wanted: &[RenditionId], here: &[RenditionId]) {
        self.share.shown.send_replace(Arc::new(Shown { wanted: wanted.into(), here: here.into() }));
    }

    fn run(&self) -> DropGuard {
        let cancel = CancellationToken::new();
        tokio::spawn(self.exchange.clone().run(cancel.clone()));
        cancel.drop_guard()
    }

    async fn until(&mut self, what: &str, reached: impl Fn(&There) -> bool) {
        let reached = self.share.there.wait_for(|there| reached(there));
        timeout(Duration::from_secs(20), reached).await.expect(what).unwrap();
    }

    /// Gives these until the bucket has them.
    async fn give(&mut self, ids: &[RenditionId]) {
        self.shows(ids, ids);
        let _running = self.run();
        self.until("everything is given", |there| ids.iter().all(|id| there.remote(id).is_some())).await;
    }

    /// No half of anything lies about.
    fn is_tidy(&self) -> bool {
        let rooms = |folder: fs::DirEntry| fs::read_dir(folder.path()).unwrap().count() - 1;
        let mut folders = fs::read_dir(self.renditions()).unwrap().map(Result::unwrap);
        folders.all(|folder| !folder.file_name().to_string_lossy().starts_with('.') || rooms(folder) == 0)
    }
}

#[tokio::test]
async fn what_one_node_has_made_another_has_bit_for_bit() {
    let bucket = Memory::default();
    let (mut first, mut second) = (Node::new(&bucket.another()), Node::new(&bucket.another()));
    let ids: Vec<_> = (1..=20).map(|n| first.make(n)).collect();
    first.give(&ids).await;
    second.shows(&ids, &[]);
    let _running = second.run();
    second.until("all are known", |there| ids.iter().all(|id| there.remote(id).is_some())).await;
    assert!(second.open(&ids[4]).is_none());
    second.exchange.fetch(&ids[4]).await.unwrap();
    assert!(second.open(&ids[4]).is_some());
    assert_eq!(second.bytes(&ids[4]), first.bytes(&ids[4]));
    assert!(matches!(second.share.changes.recv().await, Some(Change::Here(known)) if known.id == ids[4]));
    // And a third learns of them from its own disk before it has asked anybody.
    drop(_running);
    let third = Node::new(&bucket.another());
    third.exchange.set_standby(&first.open(&ids[0]).unwrap());
    fs::copy(second.cache.path().join("renditions.json"), third.cache.path().join("renditions.json"))
        .unwrap();
    third.exchange.recall().await;
    assert!(third.share.there.borrow().remote(&ids[19]).is_some() && !third.share.there.borrow().listed);
}

#[tokio::test]
async fn what_was_damaged_in_the_bucket_is_refused_and_made_good_by_who_has_it() {
    let bucket = Memory::default();
    let (mut first, second) = (Node::new(&bucket.another()), Node::new(&bucket.another()));
    let id = first.make(1);
    first.give(std::slice::from_ref(&id)).await;
    let sound = bucket.objects(&exchange::folder(&id)).await.unwrap().remove(0);
    let bytes = fs::read(first.renditions().join(id.as_str()).join(AUDIO_FILE)).unwrap();
    let worse = first.cache.path().join("worse");
    for damage in [&bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat(), &[b"x", &bytes[1..]].concat()] {
        fs::write(&worse, damage).unwrap();
        bucket.upload(&sound.key, &worse).await.unwrap();
        assert!(matches!(second.exchange.fetch(&id).await, Err(Unopened::Broken(_))));
        tokio::task::yield_now().await;
        assert!(second.open(&id).is_none() && !second.share.there.borrow().has(&id));
    }
    bucket.remove(&sound.key).await.unwrap();
    assert!(matches!(second.exchange.fetch(&id).await, Err(Unopened::Broken(_))));
    // It is rendered here, then, and that takes the place of the damaged one.
    let mut second = second;
    assert_eq!(second.make(1), id);
    second.give(std::slice::from_ref(&id)).await;
    let third = Node::new(&bucket.another());
    third.exchange.fetch(&id).await.unwrap();
    assert_eq!(third.bytes(&id), first.bytes(&id));
}

#[tokio::test]
async fn what_another_ffmpeg_has_made_is_neither_taken_nor_replaced() {
    let bucket = Memory::default();
    let (mut first, mut second) = (Node::new(&bucket.another()), Node::new(&bucket.another()));
    let (id, other) = (first.make(1), second.make(2));
    first.give(std::slice::from_ref(&id)).await;
    let before = bucket.objects("").await.unwrap();
    // Its card has other headers.
    let mut card = second.open(&other).unwrap();
    card.video.header = bytes::Bytes::from_static(b"\x17\0\0\0\0another");
    second.exchange.set_standby(&card);
    second.shows(std::slice::from_ref(&id), &[]);
    let _running = second.run();
    second.until("it has been looked at", |there| there.listed && !there.has(&id)).await;
    assert!(
        matches!(second.exchange.fetch(&id).await, Err(Unopened::Broken(reason)) if reason.contains("headers"))
    );
    second.make(1);
    second.shows(&[id.clone(), other.clone()], &[id.clone(), other.clone()]);
    second.until("its own is given", |there| there.remote(&other).is_some()).await;
    let after = bucket.objects(&exchange::folder(&id)).await.unwrap();
    assert!(after.iter().all(|object| before.contains(object)), "the first node's is as it was");
}

#[tokio::test]
async fn of_many_that_give_the_same_at_once_one_wins_and_nothing_of_the_others_stays() {
    let bucket = Memory::default();
    let mut nodes: Vec<_> = (0..6).map(|_| Node::new(&bucket.another())).collect();
    let id = nodes[0].make(1);
    for (n, node) in nodes.iter().enumerate().skip(1) {
        node.make(1);
        // FFmpeg's output differs from machine to machine.
        let path = node.renditions().join(id.as_str()).join(VIDEO_FILE);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] = n as u8;
        fs::write(path, bytes).unwrap();
    }
    let ids = [id.clone()];
    let giving = nodes.iter_mut().map(|node| node.give(&ids));
    futures_util::future::join_all(giving).await;
    let reader = Node::new(&bucket.another());
    reader.exchange.fetch(&id).await.unwrap();
    assert!(nodes.iter().any(|node| node.bytes(&id) == reader.bytes(&id)));
    // Whoever lost removes its own when it has seen who won.
    let removed = async {
        while bucket.objects("").await.unwrap().len() > 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), removed).await.expect("a description, sound and pictures");
}

#[tokio::test]
async fn a_look_goes_through_all_pages_of_the_folder_and_no_further() {
    let bucket = Memory::default();
    let mut first = Node::new(&bucket.another());
    let ids: Vec<_> = (1..=3).map(|n| first.make(n)).collect();
    first.give(&ids).await;
    for n in 0..2_500 {
        bucket.put_if_absent(&format!("renditions/{n:032x}/audio.flv"), Vec::new()).await.unwrap();
        bucket.put_if_absent(&format!("songs/{n}.mp3"), Vec::new()).await.unwrap();
    }
    bucket.put_if_absent("art/cover.png", Vec::new()).await.unwrap();
    let looker = Node::new(&bucket);
    looker.shows(&ids, &[]);
    let again = looker.exchange.look().await.expect("it is looked at");
    assert_eq!(again, 3 * LOOK, "2509 objects");
    let there = looker.share.there.borrow();
    assert!(there.listed && ids.iter().all(|id| there.has(id)));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_does_not_answer_is_given_up_and_leaves_nothing_behind() {
    let bucket = Memory::default();
    let mut first = Node::new(&bucket.another());
    let (id, card) = (first.make(1), first.profile.standby());
    first.give(std::slice::from_ref(&id)).await;
    let handle = bucket.another();
    let second = Node::new(&handle);
    for fault in [Fault::Hangs, Fault::Refuses] {
        handle.set_fault(fault);
        let start = Instant::now();
        assert!(matches!(second.exchange.fetch(&id).await, Err(Unopened::Away(_))), "{fault:?}");
        assert!(start.elapsed() <= Duration::from_secs(20));
        let start = Instant::now();
        second.exchange.bring_card().await;
        assert!(start.elapsed() <= CARD && second.open(&card).is_none());
    }
    handle.set_fault(Fault::None);
    second.exchange.fetch(&id).await.unwrap();
    let tidy = async {
        while !second.is_tidy() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), tidy).await.expect("nothing lies about");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_given_is_given_when_the_bucket_is_back() {
    let bucket = Memory::default();
    let handle = bucket.another();
    let mut node = Node::new(&handle);
    let id = node.make(1);
    node.shows(&[], std::slice::from_ref(&id));
    handle.set_fault(Fault::Refuses);
    let _running = node.run();
    node.until("the trouble is told", |there| there.unseen.is_some()).await;
    handle.set_fault(Fault::LosesAnswers);
    node.until("it is back", |there| there.listed && there.unseen.is_none()).await;
    node.until("that nothing can be given is told", |there| there.ungiven.is_some()).await;
    handle.set_fault(Fault::None);
    let reached = node.share.there.wait_for(|there| there.remote(&id).is_some());
    timeout(Duration::from_secs(600), reached).await.expect("it is given").unwrap();
    node.until("all is well", |there| there.ungiven.is_none()).await;
    let reader = Node::new(&bucket);
    reader.exchange.fetch(&id).await.unwrap();
    assert_eq!(reader.bytes(&id), node.bytes(&id));
}
