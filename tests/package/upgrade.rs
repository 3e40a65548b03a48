//! A new version comes from the repository.

use crate::operate::ON_AIR_AGAIN;
use crate::story::{SOON, Stage};

const CONFIGURATION: &str = "/etc/nonstop/nonstop.toml";

pub fn keeps_configuration_and_state_and_restarts_every_channel(stage: &Stage) {
    stage.chapter("an upgrade");
    let machine = &stage.machine;
    let version = || machine.sh("dpkg-query --show --showformat='${Version}' nonstop");
    let pages = || machine.sh("ls /var/lib/nonstop/schedule/*/");
    let renditions = || machine.sh("ls /var/cache/nonstop/renditions");
    let mains = || [stage.unit().show("MainPID"), stage.second().show("MainPID")];
    let before = (version(), machine.read(CONFIGURATION), pages(), renditions(), mains());

    stage.releases.publish_current(&stage.host);
    machine.sh("apt-get -qq update");
    let hole = stage.air().hole(SOON, "apt-get -y upgrade");
    assert!(hole.kept && hole.lost.is_zero(), "systemd has kept the connection: {hole:?}");
    stage.cost("upgrade", hole, ON_AIR_AGAIN);

    let after = (version(), machine.read(CONFIGURATION), pages(), renditions(), mains());
    assert_ne!(before.0, after.0);
    assert_eq!(before.1, after.1, "the configuration is another");
    assert!(after.2.starts_with(before.2.trim_end()), "the schedule began anew:\n{}\n{}", before.2, after.2);
    assert_eq!(before.3, after.3, "renditions were made anew, or are gone");
    assert!(before.4.iter().zip(&after.4).all(|(before, after)| before != after), "both run the new version");
    for unit in [stage.unit(), stage.second()] {
        assert_eq!(unit.state(), "active running");
    }
}
