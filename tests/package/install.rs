//! What comes before the first second on air.

use crate::machine::said;
use crate::repository;
use crate::story::Stage;

const UPDATE: &str = "apt-get update -o APT::Update::Error-Mode=any";
const UNITS: [&str; 2] = ["nonstop.service", "nonstop@.service"];

pub fn a_tampered_index_is_refused(stage: &Stage) {
    stage.chapter("apt refuses a tampered index");
    stage.releases.introduce(&stage.machine);
    stage.releases.publish_previous(&stage.host);
    repository::tamper(&stage.host);
    let said = stage.machine.refuses(UPDATE);
    // Debian 12 says BADSIG, Debian 13 that the message has been manipulated; both then say this.
    assert!(said.contains("is not signed"), "{said}");
    let said = stage.machine.refuses("apt-get install -y nonstop");
    assert!(said.contains("Unable to locate package"), "{said}");
}

pub fn apt_installs_it_and_nothing_starts(stage: &Stage) {
    stage.chapter("apt installs it");
    stage.releases.publish_previous(&stage.host);
    stage.machine.sh(UPDATE);
    stage.machine.sh("apt-get install -y nonstop");
    // It has no configuration yet that it could run with.
    let unit = stage.unit();
    assert_eq!(unit.state(), "inactive dead");
    assert_eq!(stage.machine.sh("systemctl is-system-running").trim(), "running");
    let version = stage.machine.sh("nonstop --version");
    assert!(version.starts_with("nonstop "), "{version}");
}

pub fn debians_own_judges_are_content(stage: &Stage) {
    stage.chapter("systemd-analyze, lintian and man have nothing to say");
    let machine = &stage.machine;
    let verified = machine.shell("systemd-analyze verify nonstop.service nonstop@second.service");
    assert!(verified.status.success() && said(&verified).is_empty(), "{}", said(&verified));
    for unit in UNITS {
        // In tenths: 1.5 at most.
        let table = machine.sh(&format!(
            "systemd-analyze security --no-pager --offline=true --threshold=15 /lib/systemd/system/{unit}"
        ));
        let score = table.lines().last().unwrap_or_default().trim();
        stage.chapter(score);
    }
    std::fs::copy(stage.releases.deb(), machine.path("/srv/nonstop.deb")).expect("/srv is there");
    // Lintian does not like to be root.
    let judged =
        machine.shell("cd /srv && setpriv --reuid=65534 --regid=65534 --clear-groups lintian nonstop.deb");
    assert!(judged.status.success() && said(&judged).trim().is_empty(), "{}", said(&judged));
    std::fs::remove_file(machine.path("/srv/nonstop.deb")).expect("it was put there");
    for page in ["1 nonstop", "5 nonstop.toml", "8 nonstop.service"] {
        let page = machine.shell(&format!("man --warnings --pager=cat {page}"));
        let (text, warnings) = (page.stdout.len(), String::from_utf8_lossy(&page.stderr).into_owned());
        assert!(page.status.success() && warnings.is_empty() && text > 500, "{warnings}");
    }
    // What root has read, man keeps, and looks after itself.
    machine.sh("rm -rf /var/cache/man/cat*");
}
