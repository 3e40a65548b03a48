//! Two machines and the network between them, as network namespaces: one for ingests, one for the
//! daemon. What is between can swallow packets, answer with resets, or be slow. Needs root.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Removed with all in it when dropped.
pub struct Network {
    /// Where the ingests are.
    pub ingest: String,
    /// Where the daemon is.
    pub daemon: String,
}

/// The ingests' addresses: two, so that one can be cut off and the other not.
pub const PRIMARY: &str = "10.77.0.1";
pub const BACKUP: &str = "10.77.0.2";
const DAEMON: &str = "10.77.0.9";

impl Network {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let network = Self { ingest: format!("nsi-{unique}"), daemon: format!("nsd-{unique}") };
        run(&["ip", "netns", "add", &network.ingest]);
        run(&["ip", "netns", "add", &network.daemon]);
        // A name for a network device has at most 15 characters, and each is alone in its namespace.
        run(&[
            "ip",
            "link",
            "add",
            "veth0",
            "netns",
            &network.ingest,
            "type",
            "veth",
            "peer",
            "name",
            "veth0",
            "netns",
            &network.daemon,
        ]);
        for (namespace, addresses) in
            [(&network.ingest, &[PRIMARY, BACKUP][..]), (&network.daemon, &[DAEMON][..])]
        {
            for address in addresses {
                run(&["ip", "-n", namespace, "addr", "add", &format!("{address}/24"), "dev", "veth0"]);
            }
            run(&["ip", "-n", namespace, "link", "set", "lo", "up"]);
            run(&["ip", "-n", namespace, "link", "set", "veth0", "up"]);
        }
        network
    }

    /// Swallows every packet to and from the ingest at `address`: a black hole.
    pub fn swallow(&self, address: &str) {
        self.rule("-A", "INPUT", &["-d", address, "-j", "DROP"]);
        self.rule("-A", "OUTPUT", &["-s", address, "-j", "DROP"]);
    }

    /// Takes [`Network::swallow`] back.
    pub fn deliver(&self, address: &str) {
        self.rule("-D", "INPUT", &["-d", address, "-j", "DROP"]);
        self.rule("-D", "OUTPUT", &["-s", address, "-j", "DROP"]);
    }

    /// Answers every packet to the ingest at `address` with a reset.
    pub fn reset(&self, address: &str) {
        self.rule("-A", "INPUT", &["-d", address, "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"]);
    }

    /// Takes [`Network::reset`] back.
    pub fn accept(&self, address: &str) {
        self.rule("-D", "INPUT", &["-d", address, "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"]);
    }

    /// Makes the wire slow and long: `rate` as tc writes it (`500kbit`), `delay` each way.
    pub fn shape(&self, rate: &str, delay: &str) {
        run(&[
            "tc",
            "-n",
            &self.daemon,
            "qdisc",
            "replace",
            "dev",
            "veth0",
            "root",
            "netem",
            "rate",
            rate,
            "delay",
            delay,
        ]);
    }

    fn rule(&self, action: &str, chain: &str, rule: &[&str]) {
        let mut command = vec!["ip", "netns", "exec", &self.ingest, "iptables", "-w", action, chain];
        command.extend(rule);
        run(&command);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in [&self.ingest, &self.daemon] {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
    }
}

#[track_caller]
pub(super) fn run(command: &[&str]) {
    // iptables and tc live where an ordinary user's PATH does not lead.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(command[0])
        .args(&command[1..])
        .env("PATH", path)
        .output()
        .expect("iproute2 is installed");
    assert!(output.status.success(), "{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr));
}
