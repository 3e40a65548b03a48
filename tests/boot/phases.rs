//! What a boot consists of, by the machine's own records.

use crate::machine::Machine;
use serde_json::Value;
use std::fmt;

/// Each with the second, since power-on, at which it was over, in the order of time.
pub struct Phases(pub Vec<(&'static str, f64)>);

impl Phases {
    /// Of a machine that has booted. `media` is when the first byte came, in seconds of Unix time.
    pub fn of(machine: &Machine, powered_on: f64, media: f64) -> Self {
        let events: Vec<Value> = serde_json::from_str(&machine.sh("cloud-init analyze dump")).expect("JSON");
        let event = |name: &str, kind: &str| {
            let found = events.iter().find(|e| e["name"] == name && e["event_type"] == kind);
            found
                .and_then(|e| e["timestamp"].as_f64())
                .unwrap_or_else(|| panic!("{kind} of {name}: {events:?}"))
        };
        let apt = "modules-final/config-package-update-upgrade-install";
        let service = "unit/nonstop_2eservice org.freedesktop.systemd1.Unit";
        let phases = [
            ("container", property(machine, " org.freedesktop.systemd1.Manager", "UserspaceTimestamp")),
            ("systemd, up to cloud-init", event("init-local", "start")),
            ("cloud-init: metadata", event("init-network/search-Ec2", "finish")),
            ("cloud-init: configuration", event(apt, "start")),
            ("apt", event(apt, "finish")),
            ("cloud-init: commands", property(machine, service, "InactiveExitTimestamp")),
            ("service ready", property(machine, service, "ActiveEnterTimestamp")),
            ("first media byte", media),
        ];
        Self(phases.map(|(name, at)| (name, at - powered_on)).into())
    }
}

/// A time that systemd has noted down, in seconds of Unix time.
fn property(machine: &Machine, of: &str, name: &str) -> f64 {
    let line = format!(
        "busctl --json=short get-property org.freedesktop.systemd1 /org/freedesktop/systemd1{}{of} {name}",
        if of.starts_with(' ') { "" } else { "/" }
    );
    let told: Value = serde_json::from_str(&machine.sh(&line)).expect("busctl speaks JSON");
    told["data"].as_f64().unwrap_or_else(|| panic!("{line}: {told}")) / 1e6
}

impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut since = 0.0;
        for (name, at) in &self.0 {
            writeln!(f, "  {name:<28} {:>7.2} s  {at:>7.2} s", at - since)?;
            since = *at;
        }
        Ok(())
    }
}
