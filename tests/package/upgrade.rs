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

pub fn leaves_a_channel_on_the_air_that_it_would_refuse(stage: &Stage) {
    stage.chapter("an upgrade that would refuse a configuration");
    const REFUSED: &str = "/etc/nonstop/second.toml";
    let (machine, first, second) = (&stage.machine, stage.unit(), stage.second());
    let upgrade = || {
        // The same version again is to a package's scripts what the next one is.
        let hole = stage.air().hole(SOON, "apt-get -y --reinstall install nonstop >/run/said 2>&1");
        assert!(hole.kept && hole.lost.is_zero(), "a channel in order is restarted as ever: {hole:?}");
        let said = machine.read("/run/said");
        said.lines().filter(|line| line.starts_with("nonstop: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let (right, main) = (machine.read(REFUSED), second.show("MainPID"));
    // With what a shell may take for its own.
    let wrong = format!("{right}'redun\\cdncy' = \"both\"\n");
    for (what, text, mode, part) in [
        ("it has an unknown key", &wrong, "644", r"redun\\cdncy"),
        ("its service cannot read it", &right, "600", "ermission denied"),
    ] {
        machine.write(REFUSED, text);
        machine.sh(&format!("chmod {mode} {REFUSED}"));
        let said = upgrade();
        assert_eq!(said.len(), 1, "{what}: {said:#?}");
        for part in ["nonstop@second.service", REFUSED, part, "systemctl restart nonstop@second.service"] {
            assert!(said[0].contains(part), "{what}: {part:?} is not in: {}", said[0]);
        }
        assert_eq!(
            (second.state().as_str(), second.show("MainPID")),
            ("active running", main.clone()),
            "{what}"
        );
        assert_eq!(first.state(), "active running");
    }
    machine.sh(&format!("chmod 644 {REFUSED}"));
    let said = upgrade();
    assert!(said.is_empty(), "{said:#?}");
    assert_ne!(second.show("MainPID"), main, "with a configuration in order it is restarted, too");
    assert_eq!(second.state(), "active running");
}
