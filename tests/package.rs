//! The package, installed with apt from its signed repository on Debian 12 and on Debian 13, each
//! booted with systemd, with the ingest and the repository on another host. What `systemctl` and
//! `journalctl` say is what is asserted, and what the ingest recorded.
//!
//! `make test-package` runs it: it needs root, and what `tests/package/run` makes.

mod rig;

#[path = "package/air.rs"]
mod air;
#[path = "package/faults.rs"]
mod faults;
#[path = "package/front.rs"]
mod front;
#[path = "package/install.rs"]
mod install;
#[path = "package/machine.rs"]
mod machine;
#[path = "package/operate.rs"]
mod operate;
#[path = "package/removal.rs"]
mod removal;
#[path = "package/repository.rs"]
mod repository;
#[path = "package/story.rs"]
mod story;
#[path = "package/unit.rs"]
mod unit;
#[path = "package/upgrade.rs"]
mod upgrade;

use machine::Debian;

#[test]
#[ignore = "make test-package"]
fn debian_12_keeps_the_channel_on_air() {
    story::told(Debian { version: "12", codename: "bookworm" });
}

#[test]
#[ignore = "make test-package"]
fn debian_13_keeps_the_channel_on_air() {
    story::told(Debian { version: "13", codename: "trixie" });
}
