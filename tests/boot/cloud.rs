//! All that a channel needs and that is no machine of its own: the platform's two ingests, the bucket
//! with music, the secret, and the repository that the package comes from.

use crate::instance::REGION;
use crate::machine::said;
use crate::rig::Scratch;
use crate::rig::corpus::{self, FEW};
use crate::rig::daemon::KEY;
use crate::rig::hosts::Hosts;
use crate::rig::moto::{self, Moto};
use crate::rig::nginx::Nginx;
use crate::rig::programme::Programme;
use crate::user_data;
use nonstop::aws::Bucket;
use nonstop::store::Objects;
use nonstop::store::Store;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const BUCKET: &str = "music";
/// The channel, and its prefix in the bucket.
const CHANNEL: &str = "lofi";
/// Pictures a second.
const FPS: u64 = 30;
/// RTMP, and HTTP, of the platform.
const PORTS: (u16, u16) = (1935, 80);
/// Where the services of Amazon are.
const SERVICES: u16 = 5000;
/// How many renditions there will be: of every track, and of the standby card.
pub const RENDITIONS: usize = FEW.len() + 1;

pub struct Cloud {
    pub primary: Nginx,
    pub backup: Nginx,
    moto: Moto,
    secret: Value,
    scratch: Scratch,
    // All of it is in there.
    pub hosts: Hosts,
}

impl Cloud {
    /// With room for that many machines.
    pub fn new(machines: usize) -> Self {
        assert_eq!(moto::REGION, REGION, "the machines are where the bucket is");
        let hosts = Hosts::new(machines);
        let scratch = Scratch::new("boot");
        let at = |address: &str| Nginx::start_in(Some(&hosts.cloud), address, PORTS.0, PORTS.1);
        let (primary, backup) = (at(&hosts.primary()), at(&hosts.backup()));
        let services = format!("{}:{SERVICES}", hosts.bucket());
        let moto = Moto::start_at(Some(&hosts.cloud), &services, scratch.path());
        moto.make_bucket(BUCKET);
        let keys = json!({ "youtube": KEY }).to_string();
        let made = moto
            .call("secretsmanager.CreateSecret", &json!({ "Name": "nonstop/lofi", "SecretString": keys }));
        let cloud = Self { primary, backup, moto, secret: made["ARN"].clone(), scratch, hosts };
        let put = |name: &str, file: &Path| {
            let content = std::fs::read(file).expect("the corpus can be read");
            cloud.moto.put_object(BUCKET, &format!("{CHANNEL}/{name}"), &content);
        };
        FEW.iter().for_each(|item| put(item.name, &item.file()));
        put("background.jpg", &corpus::background());
        cloud
    }

    /// Signs a repository with the package and has the platform's web server serve it; gives the text
    /// of its source for apt.
    fn publish(&self) -> String {
        let deb = std::env::var_os("NONSTOP_DEB").expect("`make test-boot` makes what is tested here");
        let folder = self.primary.www();
        let made = Command::new("packaging/apt-repo")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .arg("--to")
            .arg(&folder)
            .args(["--url", &format!("http://{}", self.hosts.primary())])
            .arg("--key")
            .arg(self.scratch.path().join("key.asc"))
            .arg(deb)
            .output()
            .expect("it is a script of ours");
        assert!(made.status.success(), "{}", said(&made));
        std::fs::read_to_string(folder.join("nonstop.sources")).expect("it was just made")
    }

    /// What every machine of the channel gets.
    pub fn user_data(&self) -> String {
        user_data::render(&json!({
            "channel": CHANNEL,
            "source_url": format!("s3://{BUCKET}/{CHANNEL}"),
            "secret": self.secret,
            "video": { "size": "426x240", "fps": FPS, "bitrate": "600k" },
            "destinations": [{
                "name": "youtube",
                "primary": self.primary.url(),
                "backup": self.backup.url(),
            }],
            "apt_source": self.publish(),
            "environment": { "AWS_ENDPOINT_URL": self.moto.endpoint() },
        }))
    }

    fn bucket(&self) -> Bucket {
        self.moto.aws().bucket(BUCKET, CHANNEL)
    }

    /// What was rendered, with the versions of it, once all of it is in the bucket.
    pub fn renditions(&self) -> Option<Vec<String>> {
        let objects = block_on(self.bucket().objects("renditions/")).expect("moto lists");
        // The description comes last.
        let whole = objects.iter().filter(|object| object.key.ends_with("/rendition.json")).count();
        let named = |object: &nonstop::store::objects::Object| format!("{} {:?}", object.key, object.version);
        (whole == RENDITIONS).then(|| objects.iter().map(named).collect())
    }

    /// The programme by the schedule in the bucket, with the renditions in `cache`.
    pub fn programme(&self, cache: &Path) -> Programme {
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
        Programme::load(&state, cache, FPS)
    }

    /// A folder of the test's own.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.scratch.folder(name)
    }

    /// All that the platform has recorded.
    pub fn recordings(&self) -> Vec<PathBuf> {
        [self.primary.recordings(), self.backup.recordings()].concat()
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be had").block_on(work)
}
