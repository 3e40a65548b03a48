use super::*;
use crate::config::WebhookKind;
use crate::media::Timestamp;

fn post(id: u32, alert: Alert) -> Post {
    Post {
        id: id.to_string(),
        event: alert.event(),
        channel: "lofi".to_owned(),
        node: "i-0abc".to_owned(),
        time: Timestamp::from_unix(1_795_367_765),
        alert,
    }
}

fn notice() -> Alert {
    Alert::Notice { reason: "spot interruption: terminate".to_owned(), deadline: Some(1_795_367_885) }
}

fn off_air() -> Alert {
    Alert::OffAir { destination: "youtube".to_owned(), error: Some("connection reset\nby <peer>".to_owned()) }
}

#[test]
fn payloads_are_as_documented() {
    let quarantine =
        Alert::Quarantine { files: 7, named: vec![("@everyone & <b>.mp3".to_owned(), "empty".to_owned())] };
    let mut text = String::new();
    let alerts = [
        notice(),
        off_air(),
        Alert::BackOnAir { destination: "youtube".to_owned(), seconds: 42 },
        Alert::Failover { destination: "youtube".to_owned(), ingests: vec!["backup"], times: 2, error: None },
        quarantine,
        Alert::Standby,
        Alert::Music,
        Alert::Withdrawn { reason: "advice to rebalance".to_owned() },
        Alert::Drained { whole: true },
    ];
    for alert in alerts {
        for kind in [WebhookKind::Json, WebhookKind::Slack, WebhookKind::Discord] {
            text += &format!("{kind:?} {}\n", body(&post(1, alert.clone()), kind));
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn failures_are_tried_again_ever_more_seldom_until_it_is_too_late() {
    let start = Instant::now();
    let (mut now, mut queue) = (start, Queue::default());
    queue.put(post(1, off_air()), now);
    let mut waits = Vec::new();
    let lost = loop {
        assert_eq!(queue.due(now).map(|post| post.id.as_str()), Some("1"));
        match queue.on("1", judge(503, None), now) {
            Some(lost) => break lost,
            None => {
                let next = queue.deadline(now).unwrap();
                assert!(queue.due(now).is_none());
                waits.push((next - now).as_secs());
                now = next;
            }
        }
    };
    assert_eq!(waits[..7], [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(lost, Lost { event: "off_air", reason: "it answered with status 503".to_owned() });
    assert!(now - start <= LASTS && queue.is_empty());
}

#[test]
fn an_answer_says_whether_to_try_again() {
    assert_eq!(judge(204, None), Outcome::Taken);
    assert!(matches!(judge(429, Some(7)), Outcome::Later(_, Some(after)) if after == Duration::from_secs(7)));
    for status in [301, 400, 405, 413] {
        assert!(matches!(judge(status, None), Outcome::Never(_)), "{status}");
    }
    for status in [401, 403, 404, 410] {
        assert!(matches!(judge(status, None), Outcome::NotHere(_)), "{status}");
    }
    let (now, mut queue) = (Instant::now(), Queue::default());
    queue.put(post(1, off_air()), now);
    queue.on("1", judge(429, Some(7)), now);
    assert_eq!(queue.deadline(now), Some(now + Duration::from_secs(7)));
    assert!(queue.on("1", judge(404, None), now).is_some());
}

#[test]
fn a_notice_goes_first_and_at_once_and_is_not_what_is_given_up() {
    let (now, mut queue) = (Instant::now(), Queue::default());
    queue.put(post(1, off_air()), now);
    queue.on("1", judge(500, None), now);
    assert!(queue.due(now).is_none() && !queue.urgent());
    queue.put(post(2, notice()), now);
    assert!(queue.urgent());
    assert_eq!(queue.due(now).map(|post| post.id.as_str()), Some("2"));
    // Of what was being sent the outcome may still come.
    queue.on("1", Outcome::Taken, now);
    let mut lost = Vec::new();
    (3..=MOST as u32 + 3).for_each(|id| lost.extend(queue.put(post(id, off_air()), now)));
    assert_eq!(lost.len(), 2);
    assert_eq!(queue.due(now).map(|post| post.id.as_str()), Some("2"));
    assert!(queue.posts.iter().all(|(post, _)| post.id != "3" && post.id != "4"), "the oldest went");
}
