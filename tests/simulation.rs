//! Publishing through all weathers, in virtual time: two ingests that reset, stall, refuse, freeze,
//! slow down and come back, as a seed has it, and laws that hold for every seed.
//!
//! `SIMULATION_SEEDS=5000 cargo test --release --test simulation` runs more of them (`make soak`
//! does), and `SIMULATION_SEED=17` just that one, with the log.

#[path = "simulation/ingest.rs"]
mod ingest;
#[path = "simulation/laws.rs"]
mod laws;
#[path = "simulation/net.rs"]
mod net;
#[path = "simulation/nodes.rs"]
mod nodes;
#[path = "simulation/programme.rs"]
mod programme;
#[path = "simulation/weather.rs"]
mod weather;

use laws::Story;
use net::{Net, Phone};
use nonstop::config::{Destination, KeySource, Redundancy, Secret};
use nonstop::host::Clock;
use nonstop::publish::backoff::Backoff;
use nonstop::publish::failover::{Renewal, Rules};
use nonstop::publish::task::{self, Gate, Publisher};
use nonstop::publish::{DestinationStatus, Role};
use programme::{reference, stream_info};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use weather::Climate;

/// Seeds of each climate in a normal test run.
const SEEDS: u64 = 10;

const KEY: &str = "abcd-efgh-ijkl-mnop";

#[test]
fn nothing_is_lost_while_backup_is_well() {
    for_each_seed(Climate::BackupWell, |story| {
        story.sessions_are_well_formed();
        story.nothing_is_missing();
        story.failover_is_fast();
        story.primary_is_taken_back();
        story.no_session_is_too_fast();
        story.ends_in_order();
    });
}

#[test]
fn nothing_is_lost_to_resets_while_backup_is_dead() {
    for_each_seed(Climate::BackupBad, |story| {
        story.sessions_are_well_formed();
        story.nothing_is_missing();
        story.no_session_is_too_fast();
        story.ends_in_order();
    });
}

#[test]
fn whatever_happens_the_stream_comes_back_and_only_old_media_is_skipped() {
    for_each_seed(Climate::BothBad, |story| {
        story.sessions_are_well_formed();
        story.only_old_media_is_skipped();
        story.comes_back();
        story.primary_is_taken_back();
        story.no_session_is_too_fast();
        story.ends_in_order();
    });
}

#[test]
fn a_single_ingest_is_come_back_to_for_ever() {
    for_each_seed(Climate::Single, |story| {
        story.sessions_are_well_formed();
        story.only_old_media_is_skipped();
        story.comes_back();
        story.no_session_is_too_fast();
        story.ends_in_order();
    });
}

#[test]
fn both_ingests_carry_the_stream_each_on_its_own() {
    for_each_seed(Climate::Redundant, |story| {
        story.sessions_are_well_formed();
        for role in [Role::Primary, Role::Backup] {
            let story = story.of(role);
            story.only_old_media_is_skipped();
            story.comes_back();
        }
        story.no_session_is_too_fast();
        story.ends_in_order();
    });
}

#[test]
fn a_machine_that_stood_still_goes_on_near_the_present_in_the_same_session() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let net = Net::new([Vec::new(), Vec::new()]);
        let weather = tokio::spawn(net::run(net.clone()));
        let (status, _watched) = watch::channel(none());
        let publisher = publisher(Climate::BackupWell, 0, &net);
        let destination = tokio::spawn(task::run(publisher, status, CancellationToken::new()));
        sleep(Duration::from_secs(20)).await;
        tokio::time::advance(Duration::from_secs(50)).await;
        sleep(Duration::from_secs(20)).await;
        destination.abort();
        weather.abort();

        let net = net.lock().unwrap();
        assert_eq!(net.connections.len(), 1, "one session");
        let messages = &net.connections[0].ingest.messages;
        let steps: Vec<_> = messages.windows(2).map(|two| two[1].timestamp - two[0].timestamp).collect();
        let leaps: Vec<_> = steps.iter().filter(|step| **step > 40).collect();
        // What was 10 s old and a GOP before it was still worth sending.
        assert!(matches!(leaps[..], [leap] if (37_000..=41_000).contains(leap)), "{leaps:?}");
        // And it has caught up since.
        let last = messages.last().unwrap().timestamp;
        assert!((90_000..=92_900).contains(&last), "{last}");
    });
}

#[test]
fn one_node_follows_another_and_nothing_is_lost_nor_sent_by_two() {
    let seeds = std::env::var("SIMULATION_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let only = std::env::var("SIMULATION_SEED").ok().and_then(|text| text.parse().ok());
    if only.is_some() {
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_test_writer().try_init().ok();
    }
    for seed in only.map_or(0..seeds, |seed: u64| seed..seed + 1) {
        let told = catch_unwind(AssertUnwindSafe(|| {
            let story = follow(seed);
            story.sessions_are_well_formed();
            story.nothing_is_missing();
        }));
        if let Err(failure) = told {
            eprintln!("\nnodes broke a law with SIMULATION_SEED={seed}\n");
            resume_unwind(failure);
        }
    }
}

/// Nodes that are replaced, killed and cut off from the store, until the life is over.
fn follow(seed: u64) -> Story {
    let reference = reference();
    let folder = tempfile::tempdir().unwrap();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (machines, net) = nodes::two(Redundancy::Failover, folder.path());
        let weather = tokio::spawn(net::run(net.clone()));
        let (start, mut dice) = (Instant::now(), weather::Dice(seed));
        let ready = |dice: &mut weather::Dice| Duration::from_millis(dice.roll(10_000));
        let mut old = machines[0].start(ready(&mut dice));
        old.on_air().await;
        for round in 1.. {
            let [before, machine] = [&machines[(round + 1) % 2], &machines[round % 2]];
            let pass = Duration::from_millis(dice.roll(30_000));
            sleep(pass).await;
            if start.elapsed() + Duration::from_secs(90) > weather::LIFE {
                break;
            }
            let cut = [&before.way, &machine.way][dice.roll(2) as usize];
            let blocked = Duration::from_millis(dice.roll(12_000));
            old = match dice.roll(4) {
                // A notice, and a newcomer some time later.
                0 => {
                    old.drain(Duration::from_secs(120));
                    sleep(Duration::from_millis(dice.roll(20_000))).await;
                    let mut new = machine.start(ready(&mut dice));
                    new.on_air().await;
                    assert!(old.released(Duration::from_secs(20)).await <= Duration::from_secs(10));
                    new
                }
                // The newcomer is there already, and the store goes away in between.
                1 => {
                    let mut new = machine.start(ready(&mut dice));
                    new.on_air().await;
                    sleep(Duration::from_millis(dice.roll(10_000))).await;
                    old.drain(Duration::from_secs(120));
                    sleep(Duration::from_millis(dice.roll(6_000))).await;
                    cut.block(blocked);
                    old.released(Duration::from_secs(60)).await;
                    new
                }
                // Asked to end at once, with another node there.
                2 => {
                    let mut new = machine.start(ready(&mut dice));
                    new.on_air().await;
                    sleep(Duration::from_millis(dice.roll(10_000))).await;
                    old.drain(Duration::from_secs(10));
                    old.released(Duration::from_secs(10)).await;
                    new
                }
                // Killed.
                _ => {
                    let mut new = machine.start(ready(&mut dice));
                    new.on_air().await;
                    sleep(Duration::from_millis(dice.roll(10_000))).await;
                    old.kill().await;
                    new
                }
            };
            old.on_primary().await;
        }
        // What is sent last is sent by a clock that may be half a second behind.
        sleep(weather::LIFE.saturating_sub(start.elapsed()) + Duration::from_secs(2)).await;
        let last = nodes::status(Some(&old));
        old.drain(Duration::ZERO);
        let drained = old.released(Duration::from_secs(10)).await;
        sleep(Duration::from_secs(1)).await;
        weather.abort();
        let _ = weather.await;
        nodes::nobody_was_in_anothers_way(&net);
        Story::new(reference, start, [Vec::new(), Vec::new()], &net, last, drained)
    })
}

fn for_each_seed(climate: Climate, laws: impl Fn(&Story)) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let only = number("SIMULATION_SEED");
    if only.is_some() {
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_test_writer().try_init().ok();
    }
    let seeds = only.map_or(0..number("SIMULATION_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    for seed in seeds {
        let judged = catch_unwind(AssertUnwindSafe(|| laws(&simulate(climate, seed))));
        if let Err(failure) = judged {
            eprintln!("\n{climate:?} broke a law with SIMULATION_SEED={seed}\n");
            resume_unwind(failure);
        }
    }
}

fn simulate(climate: Climate, seed: u64) -> Story {
    let reference = reference();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let forecasts = weather::forecasts(climate, seed);
        let net = Net::new(forecasts.clone());
        let weather = tokio::spawn(net::run(net.clone()));
        let start = Instant::now();
        let cancel = CancellationToken::new();
        let (status, watched) = watch::channel(none());
        let publisher = publisher(climate, seed, &net);
        let mut destination = tokio::spawn(task::run(publisher, status, cancel.clone()));
        let life = weather::LIFE;
        tokio::select! {
            ended = &mut destination => panic!("the destination gave up: {ended:?}"),
            () = sleep(life) => {}
        }
        let last = watched.borrow().clone();
        cancel.cancel();
        let ended = Instant::now();
        let drain = Duration::from_secs(4);
        timeout(drain, destination).await.expect("it ends within its deadline").unwrap().unwrap();
        let drained = ended.elapsed();
        // What is on its way still arrives.
        sleep(Duration::from_secs(1)).await;
        weather.abort();
        let _ = weather.await;
        Story::new(reference, start, forecasts, &net, last, drained)
    })
}

/// A publisher whose programme starts now.
fn publisher(climate: Climate, seed: u64, net: &net::Shared) -> Publisher<Phone> {
    let (reference, start) = (reference(), Instant::now());
    Publisher {
        destination: destination(climate),
        keys: Secret::new(KEY).into(),
        metadata: stream_info(),
        reader: reference.reader.clone(),
        clock: Clock::on(move || UNIX_EPOCH + reference.start().to_unix() + start.elapsed()),
        dialer: Phone(net.clone()),
        gate: Gate::open(),
        rules: rules(climate, seed),
        inherited: Vec::new(),
        heir: None,
        beat: Box::new(|| ()),
    }
}

fn destination(climate: Climate) -> Destination {
    let both = climate == Climate::Redundant;
    Destination {
        name: "youtube".into(),
        primary: net::url(Role::Primary),
        backup: (climate != Climate::Single).then(|| net::url(Role::Backup)),
        redundancy: if both { Redundancy::Both } else { Redundancy::Failover },
        key: KeySource::Credential("stream-key".into()),
        ca_file: None,
    }
}

/// The product's rules, scaled to a life of minutes and to a thin stream.
fn rules(climate: Climate, seed: u64) -> Rules {
    let both = climate == Climate::Redundant;
    let rules = Rules::new(if both { Redundancy::Both } else { Redundancy::Failover });
    // Every third life is full of renewals.
    let short = Renewal::new(Duration::from_secs(45), Duration::from_secs(80)).unwrap();
    Rules {
        probe: Backoff::new(Duration::from_secs(2), Duration::from_secs(20), 25).unwrap(),
        unread: net::RECEIVE_BUFFER as u64,
        renewal: if seed % 3 == 2 { short } else { rules.renewal },
        ..rules
    }
}

fn none() -> DestinationStatus {
    let redundancy = Redundancy::Failover;
    DestinationStatus { name: String::new(), redundancy, ingests: Vec::new(), failovers: 0 }
}
