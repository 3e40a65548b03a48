use super::*;
use crate::host::imds::fake::{Fake, Fault};
use crate::host::interruption::{Kind, Path};
use std::time::{Duration, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::time::timeout;

const SPOT: &str = Path::Spot.as_str();
/// What a test machine that does other things may add.
const SLACK: Duration = Duration::from_millis(500);

struct Rig {
    fake: Fake,
    outlook: watch::Receiver<Outlook>,
    cancel: CancellationToken,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Rig {
    async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let imds = Imds::new(&format!("http://{}", listener.local_addr().unwrap()));
        let fake = Fake::new();
        fake.fail(fault);
        tokio::spawn(fake.clone().serve(listener));
        let (sender, outlook) = watch::channel(Outlook::default());
        let cancel = CancellationToken::new();
        tokio::spawn(run(imds, true, sender, cancel.clone()));
        Self { fake, outlook, cancel }
    }

    fn interrupt(&self) {
        let time = Timestamp::from(SystemTime::now() + Duration::from_secs(120));
        self.fake.say(SPOT, format!(r#"{{"action":"terminate","time":"{time}"}}"#));
    }

    /// How long it takes from now until the interruption is known.
    async fn known(&mut self) -> Duration {
        let began = Instant::now();
        let known = self.outlook.wait_for(|outlook| outlook.drain().is_some());
        timeout(Duration::from_secs(20), known).await.expect("it is known at all").expect("the task runs");
        began.elapsed()
    }

    async fn service(&mut self, wanted: impl Fn(&Service) -> bool) {
        let is = self.outlook.wait_for(|outlook| wanted(&outlook.service));
        timeout(Duration::from_secs(20), is).await.expect("it is known at all").expect("the task runs");
    }
}

#[tokio::test]
async fn a_notice_is_known_within_two_seconds() {
    let mut rig = Rig::start(Fault::None).await;
    rig.service(|service| *service == Service::Answers).await;
    rig.interrupt();
    assert!(rig.known().await < Duration::from_secs(2) + SLACK);
    let outlook = rig.outlook.borrow().clone();
    let notice = outlook.drain().expect("it is announced");
    assert_eq!(notice.kind, Kind::Interruption("terminate".into()));
    let ahead = notice.at.expect("it has a time").duration_since(SystemTime::now()).expect("it is ahead");
    assert!(ahead > Duration::from_secs(110) && notice.heard > UNIX_EPOCH);
}

/// Each runs beside the others. The bound is the time from the notice to its being known, while the
/// fault goes on.
#[tokio::test]
async fn with_a_fault_that_lets_answers_through_a_notice_is_known_within_its_bound() {
    let path = |path: Path| path.as_str().to_owned();
    let faults = [
        (Fault::OneEach, 2.0),
        (Fault::Slow(Duration::from_millis(300)), 3.2),
        (Fault::PathHangs(path(Path::Group)), 4.0),
        (Fault::PathHangs(path(Path::Maintenance)), 3.0),
        (Fault::PathStatus(path(Path::Group), 503), 2.0),
        (Fault::PathStatus(path(Path::Group), 403), 4.0),
    ];
    let cases = faults.map(|(fault, bound)| async move {
        let mut rig = Rig::start(fault.clone()).await;
        rig.service(|service| *service == Service::Answers).await;
        rig.interrupt();
        let took = rig.known().await;
        assert!(took < Duration::from_secs_f64(bound) + SLACK, "{fault:?}: {took:?}");
    });
    futures_util::future::join_all(cases).await;
}

/// The bound is the time from the fault's end to the notice's being known.
#[tokio::test]
async fn after_a_fault_that_lets_nothing_through_a_notice_is_known_within_three_seconds() {
    let faults = [
        Fault::Status(503),
        Fault::Status(403),
        Fault::Status(404),
        Fault::RefusesTokens,
        Fault::NoTokens,
        Fault::Hangs,
        Fault::Slow(Duration::from_secs(5)),
        Fault::Long(1 << 20),
        Fault::Truncated,
        Fault::Closes,
        Fault::Redirects("http://127.0.0.1:1/".into()),
    ];
    let cases = faults.map(|fault| async move {
        let mut rig = Rig::start(fault.clone()).await;
        rig.interrupt();
        rig.service(|service| matches!(service, Service::Lost(_))).await;
        assert_eq!(rig.outlook.borrow().notices, [], "{fault:?}");
        rig.fake.fail(Fault::None);
        let took = rig.known().await;
        assert!(took < Duration::from_secs(3) + SLACK, "{fault:?}: {took:?}");
        rig.service(|service| *service == Service::Answers).await;
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test]
async fn a_revoked_token_costs_no_time() {
    let mut rig = Rig::start(Fault::None).await;
    rig.service(|service| *service == Service::Answers).await;
    rig.fake.revoke_tokens();
    rig.interrupt();
    assert!(rig.known().await < Duration::from_secs(2) + SLACK);
}

#[tokio::test]
async fn nonsense_is_no_notice() {
    let mut rig = Rig::start(Fault::Says("<html>sign in</html>".into())).await;
    rig.service(|service| *service == Service::Answers).await;
    let asked = rig.fake.asked(SPOT);
    timeout(Duration::from_secs(20), async {
        while rig.fake.asked(SPOT) < asked + 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it goes on asking");
    assert_eq!(rig.outlook.borrow().notices, []);
}
