//! A metadata service of its own for a test, that announces and fails on demand.

use nonstop::host::imds::fake::Fake;
use nonstop::host::imds::{IDENTITY, fake};
use nonstop::host::interruption::Path;
use nonstop::media::Timestamp;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The instance that a node is whose metadata these are.
pub const INSTANCE: &str = "i-0abc12de34f567890";

/// On loopback, until it is dropped.
pub struct Metadata {
    fake: Fake,
    address: SocketAddr,
    _until: oneshot::Sender<()>,
}

impl Metadata {
    pub fn start() -> Self {
        Self::start_at("127.0.0.1", INSTANCE)
    }

    /// On a free port of one of this machine's addresses, for that instance.
    pub fn start_at(host: &str, instance: &str) -> Self {
        let (fake, host) = (Fake::new(), host.to_owned());
        fake.say(
            IDENTITY,
            format!(r#"{{"instanceId":"{instance}","region":"eu-central-1","availabilityZone":"eu-central-1a","instanceType":"t3a.micro"}}"#),
        );
        fake.say(Path::Group.as_str(), "InService");
        let (until, dropped) = oneshot::channel::<()>();
        let (listening, listens) = std::sync::mpsc::channel();
        let service = fake.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("an event loop can be made").block_on(async {
                let listener =
                    TcpListener::bind((host.as_str(), 0)).await.expect("the address is this machine's");
                let _ = listening.send(listener.local_addr().expect("it is bound"));
                tokio::select! {
                    never = service.serve(listener) => match never {},
                    _ = dropped => {}
                }
            });
        });
        let address = listens.recv().expect("it listens");
        Self { fake, address, _until: until }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it says this at a path.
    pub fn say(&self, path: &str, text: &str) {
        self.fake.say(path, text);
    }

    /// For `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Announces a spot interruption.
    pub fn interrupt(&self, within: Duration) {
        let time = Timestamp::from(SystemTime::now() + within);
        self.fake.say(Path::Spot.as_str(), format!(r#"{{"action":"terminate","time":"{time}"}}"#));
    }

    /// Advises to rebalance.
    pub fn advise(&self) {
        let time = Timestamp::from(SystemTime::now());
        self.fake.say(Path::Rebalance.as_str(), format!(r#"{{"noticeTime":"{time}"}}"#));
    }

    /// Takes back what was said at a path.
    pub fn withdraw(&self, path: Path) {
        self.fake.say_nothing(path.as_str());
    }

    /// From now on it fails like this.
    pub fn fail(&self, fault: fake::Fault) {
        self.fake.fail(fault);
    }

    /// Answers what is asked without a token, too.
    pub fn make_tokens_optional(&self) {
        self.fake.make_tokens_optional();
    }

    pub fn revoke_tokens(&self) {
        self.fake.revoke_tokens();
    }

    /// How often any path has been asked for.
    pub fn asked_for(&self, path: &str) -> u64 {
        self.fake.asked(path)
    }

    /// How often a path has been asked for.
    pub fn asked(&self, path: Path) -> u64 {
        self.fake.asked(path.as_str())
    }
}
