use super::*;
use crate::aws::lifecycle::tests::{completed, group};
use crate::config::{Destination, KeySource, Redundancy};
use crate::host::imds::IDENTITY;
use crate::host::imds::fake::Fake;
use crate::media::MediaTime;
use crate::publish::IngestStatus;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

fn destination(backup: bool) -> DestinationStatus {
    let url = |text: &str| text.parse().unwrap();
    let destination = Destination {
        name: "tube".into(),
        primary: url("rtmp://127.0.0.1/live"),
        backup: backup.then(|| url("rtmp://127.0.0.2/live")),
        redundancy: Redundancy::Failover,
        key: KeySource::Credential("stream-key".into()),
        ca_file: None,
    };
    DestinationStatus::idle(&destination, MediaTime::default())
}

fn ingests(states: &[IngestState]) -> DestinationStatus {
    let mut status = destination(states.len() > 1);
    let set = |(ingest, state): (&mut IngestStatus, &IngestState)| ingest.state = *state;
    status.ingests.iter_mut().zip(states).for_each(set);
    status
}

fn view(phase: Phase) -> View {
    View { phase, ..View::default() }
}

#[test]
fn a_destination_is_served_by_this_node_or_by_others_whom_it_is_ready_to_follow() {
    use IngestState::{Connecting, Draining, Idle, Live, Waiting};
    for (states, alone, standing_by) in [
        (&[Live, Idle][..], true, true),
        (&[Waiting, Live], true, true),
        (&[Draining], true, true),
        (&[Idle], false, true),
        (&[Idle, Idle], false, true),
        (&[Connecting, Idle], false, true),
        (&[Waiting], false, false),
        (&[Waiting, Waiting], false, false),
        (&[Idle, Waiting], false, false),
    ] {
        let status = ingests(states);
        assert_eq!(served(&status, false), alone, "{states:?}");
        assert_eq!(served(&status, true), standing_by, "{states:?}, standing by");
    }
}

#[test]
fn a_name_in_the_network_is_no_instance() {
    assert!(is_instance("i-0abc12de34f567890"));
    for name in ["i-0abc12de34f567890.ec2.internal", "ip-10-0-0-7", "i-", "i-box", "radio"] {
        assert!(!is_instance(name), "{name}");
    }
}

/// Whether a future is ready by now.
async fn is_ready(future: impl Future) -> bool {
    timeout(Duration::ZERO, future).await.is_ok()
}

#[tokio::test]
async fn what_was_served_once_has_to_be_served_when_the_rest_is() {
    use IngestState::{Idle, Live, Waiting};
    let (youtube, youtube_rx) = watch::channel(ingests(&[Live, Idle]));
    let (twitch, twitch_rx) = watch::channel(ingests(&[Waiting]));
    let (slots, slots_rx) = watch::channel(view(Phase::Asking));
    let mut charges =
        [Charge { status: youtube_rx, view: None }, Charge { status: twitch_rx, view: Some(slots_rx) }];
    assert!(!is_ready(all_served(&mut charges)).await);
    youtube.send_replace(ingests(&[Waiting, Waiting]));
    slots.send_replace(view(Phase::StandingBy));
    assert!(!is_ready(all_served(&mut charges)).await);
    twitch.send_replace(ingests(&[Idle]));
    assert!(!is_ready(all_served(&mut charges)).await, "the other one is off the air again");
    youtube.send_replace(ingests(&[Waiting, Live]));
    assert!(is_ready(all_served(&mut charges)).await);
}

#[tokio::test]
async fn the_group_of_a_machine_that_stands_by_is_told_once_it_is_known_who_it_is() {
    let (aws, mut asked) = group(&["Pending:Wait", "Terminating:Wait"], 0).await;
    let (fake, listener) = (Fake::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    fake.say(IDENTITY, r#"{"instanceId":"i-1"}"#);
    let metadata = Imds::new(&format!("http://{}", listener.local_addr().unwrap()));
    let serving = tokio::spawn(fake.clone().serve(listener));
    let (outlook, outlook_rx) = watch::channel(Outlook::default());
    let (_status, status) = watch::channel(ingests(&[IngestState::Idle]));
    let (slots, slots_rx) = watch::channel(view(Phase::StandingBy));
    let who = Who { node: "radio".into(), metadata: Some(metadata), outlook: outlook_rx };
    let (left, stop) = (CancellationToken::new(), CancellationToken::new());
    let charges = vec![Charge { status, view: Some(slots_rx) }];
    let hooks = run(aws, who, charges, left.clone(), stop);
    tokio::pin!(hooks);
    assert!(!is_ready(&mut hooks).await);
    assert_eq!(
        (fake.asked(IDENTITY), asked.borrow().len()),
        (0, 0),
        "nobody is asked before it is known to be there"
    );

    outlook.send_modify(|outlook| outlook.service = Service::Answers);
    let told = |hook: &'static str| {
        move |asked: &Vec<String>| {
            asked.iter().any(|question| question.contains("Complete") && question.contains(hook))
        }
    };
    tokio::select! {
        _ = &mut hooks => panic!("it stays until the machine goes"),
        asked = asked.wait_for(told("nonstop-up")) => drop(asked.unwrap()),
    }
    // Having been told, the group lets the predecessor go.
    slots.send_replace(view(Phase::Holding));
    left.cancel();
    hooks.await.unwrap();
    let completed = completed(&asked);
    assert_eq!(completed.len(), 2, "{completed:?}");
    assert!(
        completed[1].contains("nonstop-down")
            && completed.iter().all(|asked| asked.contains("InstanceId=i-1"))
    );
    serving.abort();
}
