use super::*;
use crate::config::{Destination, KeySource, Redundancy};
use crate::store::{Put, Version};
use std::future::pending;
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// A store that never answers.
struct Hangs;

impl Store for Hangs {
    async fn list(&self, _: &str, _: &str) -> Result<Vec<String>, Error> {
        pending().await
    }

    async fn get(&self, _: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        pending().await
    }

    async fn put_if_absent(&self, _: &str, _: Vec<u8>) -> Result<Put, Error> {
        pending().await
    }

    async fn put_if_match(&self, _: &str, _: Vec<u8>, _: &Version) -> Result<Put, Error> {
        pending().await
    }

    async fn remove(&self, _: &str) -> Result<(), Error> {
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn the_channel_ends_with_its_slots_and_a_store_that_hangs_is_told_and_is_no_standstill() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(folder.path(), "i-1");
    let member = Member { store: Arc::new(Hangs), me: memory.begin(), memory };
    let destination = Destination {
        name: "tube".into(),
        primary: "rtmp://127.0.0.1/live".parse().unwrap(),
        backup: None,
        redundancy: Redundancy::Failover,
        key: KeySource::Credential("stream-key".into()),
        ca_file: None,
    };
    let clock = Clock::system();
    let (_status, status) = watch::channel(DestinationStatus::idle(&destination, clock.now()));
    let (mut slots, mut stages, mut health) = (Slots::new(), Stages::default(), Health::default());
    let stop = CancellationToken::new();
    let _gate = slots.gate(Some(&member), &status, &clock, (&mut stages, &mut health), &stop);
    slots.open();
    for _ in 0..120 {
        sleep(SECOND * 5).await;
        assert!(health.stuck(Instant::now()).is_empty());
    }
    let troubles = slots.troubles();
    assert!(matches!(&troubles[..], [(name, _)] if name == "tube"), "{troubles:?}");
    stop.cancel();
    assert_eq!(stages.first_loss().await, "slots tube");
}

#[tokio::test(start_paused = true)]
async fn who_has_time_leaves_only_while_another_is_on_air() {
    let (show, view) = watch::channel(View { phase: Phase::Holding, ..View::default() });
    let slots = Slots { views: vec![("tube".into(), view)], ..Slots::new() };
    let drains = slots.drain.subscribe();
    let drain = Drain {
        reason: "the group has it on standby".into(),
        deadline: Instant::now() + SECOND * 1_000_000,
        patient: true,
    };
    let (_tell, mut notices) = watch::channel(Some(drain.clone()));
    let mut leaving = slots.clone();
    let mut left = Box::pin(leaving.leave_for(&mut notices));
    assert!(timeout(SECOND * 3600, &mut left).await.is_err(), "nobody else is there");
    assert!(drains.borrow().is_none());
    show.send_modify(|view| view.relieved = true);
    assert!(timeout(SECOND * 2, &mut left).await.is_err());
    assert_eq!(*drains.borrow(), Some(drain.clone()));
    // The other fails before this one has left.
    show.send_modify(|view| view.relieved = false);
    assert!(timeout(SECOND * 2, &mut left).await.is_err());
    assert!(drains.borrow().is_none());
    show.send_modify(|view| view.relieved = true);
    assert!(timeout(SECOND * 2, &mut left).await.is_err());
    show.send_modify(|view| view.phase = Phase::Released);
    assert_eq!(left.await, drain);
}
