//! A machine of the channel: an image that knows nothing, on a network where its metadata is.

use crate::cloud::Cloud;
use crate::crawled::{self, CREDENTIALS};
use crate::machine::{Debian, Machine, Parts, said};
use crate::phases::Phases;
use crate::rig::imds::Metadata;
use crate::rig::nginx::Nginx;
use crate::rig::{unix_now, wait};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub const REGION: &str = "eu-central-1";
const TRIXIE: Debian = Debian { version: "13", codename: "trixie" };
/// A byte of a picture is certainly among so many; codec headers and the metadata before have some 500.
const MEDIA: u64 = 5_000;
/// cloud-init, once nothing has to be waited for any more.
const BOOTED: Duration = Duration::from_secs(60);

/// Its plug is pulled when it is dropped.
pub struct Instance {
    machine: Machine,
    metadata: Metadata,
    /// Seconds of Unix time.
    powered_on: f64,
}

impl Instance {
    /// Powers on the `number`th machine of the cloud. From here on nobody touches it.
    pub fn power_on(cloud: &Cloud, number: usize, user_data: &str) -> Self {
        let id = format!("i-0abc12de34f56789{number}");
        let metadata = Metadata::start_at(&cloud.hosts.test(), &id);
        // cloud-init knows a machine in EC2 by its firmware, and one of these is not to see any: so it asks
        // in the manner of version 1. The daemon and the SDK ask with a token, here as there.
        metadata.make_tokens_optional();
        crawled::fill(&metadata, &id, REGION, &cloud.hosts.mac(number), user_data);
        cloud.hosts.lead_metadata(number, metadata.address());
        let layers = std::env::var("NONSTOP_LAYERS").expect("`make test-boot` says where the root is");
        let layers: Vec<PathBuf> = layers.split(':').map(PathBuf::from).collect();
        let name = format!("instance{number}");
        let namespace = &cloud.hosts.nodes[number];
        let parts = Parts { debian: TRIXIE, name: &name, layers: &layers, namespace };
        let powered_on = unix_now();
        let machine = Machine::power_on(&parts, like_an_image);
        Self { machine, metadata, powered_on }
    }

    /// Waits until an ingest gets media, and gives when that was.
    #[track_caller]
    pub fn wait_for_media(&self, ingest: &Nginx, within: Duration) -> f64 {
        wait::until("an ingest gets media", within, || (ingest.recorded() > MEDIA).then(unix_now))
    }

    /// Waits until the machine has booted and nothing has failed, and gives how long each phase took.
    #[track_caller]
    pub fn phases(&mut self, media: f64) -> Phases {
        self.machine.wait_until_running(BOOTED);
        let output = self.machine.shell("cloud-init status --format json");
        let told: Value = serde_json::from_slice(&output.stdout).expect("cloud-init says it in JSON");
        // Neither an error nor a warning.
        assert_eq!((&told["status"], &told["extended_status"]), (&"done".into(), &"done".into()), "{told:#}");
        assert_eq!(told["datasource"], "ec2", "{told:#}");
        Phases::of(&self.machine, self.powered_on, media)
    }

    /// Waits until the daemon's status is as wanted, and gives seconds since power-on.
    #[track_caller]
    pub fn wait_for(&self, what: &str, within: Duration, wanted: impl Fn(&Value) -> bool) -> f64 {
        let mut last = Value::Null;
        let found = wait::until_or(within, || {
            let output = self.machine.shell("nonstop status --json");
            last = serde_json::from_slice(&output.stdout).ok()?;
            wanted(&last).then(|| unix_now() - self.powered_on)
        });
        found.unwrap_or_else(|| panic!("waited {within:?} in vain: {what}\n{last:#}"))
    }

    /// Waits until the daemon has said something.
    #[track_caller]
    pub fn wait_for_word(&self, word: &str, within: Duration) {
        wait::until(word, within, || {
            self.machine.sh("journalctl --no-pager -o cat -u nonstop").contains(word).then_some(())
        });
    }

    /// Copies what it has rendered, or fetched of what others have, into `folder`.
    pub fn save_renditions(&self, folder: &Path) {
        let renditions = self.machine.path("/var/cache/nonstop/renditions");
        let copied = Command::new("cp").arg("--recursive").arg(renditions).arg(folder).output();
        let copied = copied.expect("cp runs");
        assert!(copied.status.success(), "{}", said(&copied));
    }

    pub fn stop(&self) {
        self.machine.sh("systemctl stop nonstop");
    }

    /// The metadata service announces its end.
    pub fn interrupt(&self, within: Duration) {
        self.metadata.interrupt(within);
    }

    /// How often its role's credentials have been asked for.
    pub fn credentials(&self) -> u64 {
        self.metadata.asked_for(CREDENTIALS)
    }

    /// Files on its disk that hold `bytes`.
    pub fn files_that_hold(&self, bytes: &[u8]) -> Vec<String> {
        self.machine.files_that_hold(bytes)
    }
}

/// What Debian's images for EC2 say to cloud-init, as far as it matters, and that the network is up.
fn like_an_image(root: &Path) {
    let text =
        "datasource_list: [Ec2]\ndatasource: { Ec2: { strict_id: false } }\nnetwork: { config: disabled }\n";
    std::fs::write(root.join("etc/cloud/cloud.cfg.d/90_image.cfg"), text).expect("cloud-init is installed");
}
