//! What is left when it goes.

use crate::story::Stage;
use std::collections::BTreeSet;

/// What may differ on a machine on which something was installed and purged.
const NOISE: [&str; 12] = [
    "etc/.pwd.lock",
    "var/cache/apt/",
    "var/cache/debconf/",
    "var/cache/ldconfig/",
    "var/cache/man/",
    "var/lib/apt/",
    "var/lib/dpkg/",
    // Empty: systemd's own, for the properties and the private folders of all services.
    "etc/systemd/system.control",
    "var/cache/private",
    "var/lib/private",
    "var/lib/systemd/",
    "var/log/",
];

pub fn before(stage: &Stage) -> BTreeSet<String> {
    stage.machine.written()
}

pub fn removed_it_leaves_what_is_the_administrators(stage: &Stage) {
    stage.chapter("remove");
    let machine = &stage.machine;
    for unit in ["nonstop", "nonstop@", "nonstop@second"] {
        machine.sh(&format!(
            "mkdir /etc/systemd/system/{unit}.service.d && \
             printf '[Service]\\nNice=-1\\n' >/etc/systemd/system/{unit}.service.d/override.conf"
        ));
    }
    machine.sh("systemctl set-property nonstop CPUWeight=200");
    // As `systemctl edit --full` does.
    for (name, of) in [("nonstop", "nonstop"), ("nonstop@second", "nonstop@")] {
        machine.sh(&format!("cp /lib/systemd/system/{of}.service /etc/systemd/system/{name}.service"));
    }
    machine.sh("apt-get -y remove nonstop");
    assert_eq!(machine.sh("pgrep -c 'nonstop|ffmpeg' || true").trim(), "0");
    for path in ["/usr/bin/nonstop", "/usr/lib/systemd/system/nonstop.service", "/run/nonstop"] {
        assert!(!machine.path(path).exists(), "{path} is left");
    }
    for path in ["/etc/nonstop/nonstop.toml", "/etc/nonstop/stream-key", "/var/lib/nonstop/schedule"] {
        assert!(machine.path(path).exists(), "{path} is gone");
    }
    assert_eq!(machine.sh("systemctl is-system-running").trim(), "running");
}

pub fn purged_it_leaves_nothing(stage: &Stage, before: &BTreeSet<String>) {
    stage.chapter("purge");
    let machine = &stage.machine;
    machine.sh("apt-get -y purge nonstop");
    // What was never the package's.
    machine.sh("umount /srv/music && rm -r /srv/music /etc/apt/sources.list.d/nonstop.sources");
    machine.sh("apt-get -qq update && apt-get clean");
    let left: Vec<String> = machine.written().difference(before).cloned().collect();
    let left: Vec<_> = left
        .iter()
        .filter(|path| path.contains("nonstop") || !NOISE.iter().any(|noise| path.starts_with(noise)))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    let known = machine.sh(
        "getent passwd nonstop; getent group nonstop; systemctl list-unit-files --no-legend 'nonstop*'; true",
    );
    assert_eq!(known, "");
}
