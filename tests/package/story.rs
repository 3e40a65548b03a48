//! One machine from its first `apt update` to the purge, chapter by chapter, and the table of what
//! each interruption cost.

use crate::air::{Air, FPS, Hole};
use crate::front::Front;
use crate::machine::{Debian, Machine};
use crate::repository::Releases;
use crate::rig::daemon::KEY;
use crate::rig::netns::{BACKUP, Network, PRIMARY};
use crate::rig::nginx::Nginx;
use crate::unit::Unit;
use crate::{faults, install, operate, removal, upgrade};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long something may take that takes a moment, on a machine that does other things, too.
pub const SOON: Duration = Duration::from_secs(20);
/// The first track has to be rendered.
pub const RENDERED: Duration = Duration::from_secs(90);
/// RTMP, and HTTP, of the other hosts.
const PORTS: (u16, u16) = (1935, 80);
/// Where the music lies on the machine.
pub const MUSIC: &str = "/srv/music";

/// Two other hosts, and the machine.
pub struct Stage {
    pub releases: Releases,
    /// The first channel's ingest, and the repository.
    pub host: Nginx,
    /// The same with TLS.
    pub front: Front,
    /// The second channel's ingest.
    pub other: Mutex<Nginx>,
    pub machine: Machine,
    costs: Mutex<Vec<(String, Hole)>>,
    began: Instant,
    // The machine and the hosts are in it.
    _network: Network,
}

pub fn told(debian: Debian) {
    let roots = std::env::var_os("NONSTOP_ROOTS").expect("`make test-package` says where the roots are");
    let releases = Releases::new();
    let network = Network::new();
    let at = |address| Nginx::start_in(Some(&network.ingest), address, PORTS.0, PORTS.1);
    let stage = Stage {
        releases,
        host: at(PRIMARY),
        front: Front::start(&network.ingest, PRIMARY, PORTS.0),
        other: Mutex::new(at(BACKUP)),
        machine: Machine::boot(debian, Path::new(&roots), &network.daemon),
        costs: Mutex::default(),
        began: Instant::now(),
        _network: network,
    };
    let before = removal::before(&stage);

    install::a_tampered_index_is_refused(&stage);
    install::apt_installs_it_and_nothing_starts(&stage);
    install::debians_own_judges_are_content(&stage);

    operate::it_goes_on_air_with_a_key_from_systemd(&stage);
    operate::a_second_channel_has_all_of_its_own(&stage);
    upgrade::keeps_configuration_and_state_and_restarts_every_channel(&stage);
    upgrade::leaves_a_channel_on_the_air_that_it_would_refuse(&stage);

    // It stays down for all that comes now.
    let down = faults::the_second_channels_ingest_goes_down(&stage);
    operate::a_new_file_is_rendered_and_nobody_sees_the_key(&stage);
    operate::reloads_are_not_felt_on_air(&stage);
    operate::a_restart_costs_next_to_nothing(&stage);
    operate::over_tls_a_restart_begins_another_session(&stage);
    operate::stopped_it_ends_in_good_order(&stage);
    faults::killed_it_comes_back(&stage);
    faults::frozen_it_is_brought_back_by_the_watchdog(&stage);
    faults::a_full_disk_is_not_felt_on_air(&stage);
    faults::an_unreadable_configuration_is_refused_once(&stage);
    faults::an_unknown_key_is_named_with_its_line(&stage);
    faults::an_ingest_that_is_down_is_no_reason_to_restart(&stage, down);

    operate::nothing_holds_the_key(&stage);
    removal::removed_it_leaves_what_is_the_administrators(&stage);
    removal::purged_it_leaves_nothing(&stage, &before);
    stage.tell_costs();
}

impl Stage {
    /// Says on the test's output how far the story has come.
    pub fn chapter(&self, title: &str) {
        let version = self.machine.debian.version;
        eprintln!("Debian {version} {:>6.1} s  {title}", self.began.elapsed().as_secs_f32());
    }

    /// The first channel.
    pub fn unit(&self) -> Unit<'_> {
        Unit::new(&self.machine, "nonstop")
    }

    /// The second channel.
    pub fn second(&self) -> Unit<'_> {
        Unit::new(&self.machine, "nonstop@second")
    }

    /// The first channel's ingest.
    pub fn air(&self) -> Air<'_> {
        Air::new(&self.host, &self.machine, "nonstop")
    }

    /// Writes the first channel's configuration, with further lines at its end.
    pub fn configure(&self, more: &str) {
        let text = configuration(&self.host.url(), "stream-key");
        self.machine.write("/etc/nonstop/nonstop.toml", &(text + more));
    }

    /// Writes a stream key as an administrator does.
    pub fn give_key(&self, path: &str) {
        self.machine.sh(&format!("install -m 600 /dev/null {path}"));
        self.machine.write(path, &format!("{KEY}\n"));
    }

    /// What `nonstop status` tells a program of the channel that `options` name.
    #[track_caller]
    pub fn told(&self, options: &str) -> serde_json::Value {
        let told = self.machine.sh(&format!("nonstop status --json {options}"));
        serde_json::from_str(&told).expect("the status is JSON")
    }

    /// Keeps what an interruption cost for the table, and fails if it was off air for too long.
    #[track_caller]
    pub fn cost(&self, what: &str, hole: Hole, most: Duration) {
        assert!(hole.dark < most, "{what}: off air for {:?}", hole.dark);
        self.costs.lock().expect("one thread tells the story").push((what.to_owned(), hole));
    }

    fn tell_costs(&self) {
        let version = self.machine.debian.version;
        let head = ["session", "off air", "lost", "twice"].map(|title| format!("{title:>8}")).join(" ");
        eprintln!("\nDebian {version:<22} {head}");
        for (what, hole) in self.costs.lock().expect("one thread tells the story").iter() {
            eprintln!("  {what:<27} {hole}  ms");
        }
        eprintln!();
    }
}

/// A small channel with one ingest, which is quickly rendered.
pub fn configuration(ingest: &str, credential: &str) -> String {
    format!(
        "[media]\nsource = \"{MUSIC}\"\n\n[video]\nsize = \"426x240\"\nfps = {FPS}\nbitrate = \"600k\"\n\n\
         [[destination]]\nname = \"here\"\nprimary = \"{ingest}\"\nkey = {{ credential = \"{credential}\" }}\n"
    )
}
