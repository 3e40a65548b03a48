//! Several machines and one network: a machine with the ingests and the bucket, and nodes, each a
//! network namespace of its own. This test itself is on that network, too. Needs root.

use super::netns::run;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Removed with all in it when dropped.
pub struct Hosts {
    /// Where the ingests and the bucket are.
    pub cloud: String,
    /// Where the nodes are.
    pub nodes: Vec<String>,
    net: String,
}

/// Last numbers of addresses.
const PRIMARY: u8 = 1;
const BACKUP: u8 = 2;
const BUCKET: u8 = 3;
const TEST: u8 = 9;
/// Where instances have their metadata service.
const METADATA: &str = "169.254.169.254";

impl Hosts {
    pub fn new(nodes: usize) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (id, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let unique = format!("{id}-{number}");
        // Tests that run at the same time each have a network of their own.
        let net = format!("10.{}.{}", 78 + id % 100, (id / 100 + number * 41) % 250);
        let cloud = format!("nsc-{unique}");
        let names = (0..nodes).map(|node| format!("nsn{node}-{unique}")).collect();
        let hosts = Self { cloud, nodes: names, net };
        let cloud = hosts.cloud.as_str();
        run(&["ip", "netns", "add", cloud]);
        run(&["ip", "-n", cloud, "link", "add", "br0", "type", "bridge"]);
        for address in [PRIMARY, BACKUP, BUCKET] {
            run(&["ip", "-n", cloud, "addr", "add", &format!("{}/24", hosts.at(address)), "dev", "br0"]);
        }
        for link in ["lo", "br0"] {
            run(&["ip", "-n", cloud, "link", "set", link, "up"]);
        }
        for (number, node) in hosts.nodes.iter().enumerate() {
            run(&["ip", "netns", "add", node]);
            let port = format!("node{number}");
            run(&[
                "ip", "link", "add", &port, "netns", cloud, "type", "veth", "peer", "name", "veth0", "netns",
                node,
            ]);
            run(&["ip", "-n", cloud, "link", "set", &port, "master", "br0", "up"]);
            let address = format!("{}/24", hosts.at(10 + number as u8));
            run(&["ip", "-n", node, "addr", "add", &address, "dev", "veth0"]);
            run(&["ip", "-n", node, "link", "set", "lo", "up"]);
            run(&["ip", "-n", node, "link", "set", "veth0", "up"]);
        }
        let ours = hosts.ours();
        run(&["ip", "link", "add", &ours, "type", "veth", "peer", "name", "test", "netns", cloud]);
        run(&["ip", "-n", cloud, "link", "set", "test", "master", "br0", "up"]);
        run(&["ip", "addr", "add", &format!("{}/24", hosts.at(TEST)), "dev", &ours]);
        run(&["ip", "link", "set", &ours, "up"]);
        hosts
    }

    fn at(&self, number: u8) -> String {
        format!("{}.{number}", self.net)
    }

    pub fn primary(&self) -> String {
        self.at(PRIMARY)
    }

    pub fn backup(&self) -> String {
        self.at(BACKUP)
    }

    pub fn bucket(&self) -> String {
        self.at(BUCKET)
    }

    /// Where this test is.
    pub fn test(&self) -> String {
        self.at(TEST)
    }

    /// This test's end of its wire; a name has at most 15 characters.
    fn ours(&self) -> String {
        format!("ns{}", self.cloud.trim_start_matches("nsc-"))
    }

    /// Has what a node asks of 169.254.169.254 answered at `service`, an address of this test's.
    pub fn lead_metadata(&self, node: usize, service: SocketAddr) {
        let (node, to) = (&self.nodes[node], service.to_string());
        run(&["ip", "-n", node, "route", "add", METADATA, "dev", "veth0"]);
        let asked = ["-t", "nat", "-A", "OUTPUT", "-d", METADATA, "-p", "tcp", "--dport", "80"];
        let answered = ["-j", "DNAT", "--to-destination", &to];
        run(&[&["ip", "netns", "exec", node, "iptables", "-w"][..], &asked, &answered].concat());
    }

    /// The hardware address of a node's network device.
    pub fn mac(&self, node: usize) -> String {
        let said = Command::new("ip").args(["-n", &self.nodes[node], "-o", "link", "show", "veth0"]).output();
        let said = String::from_utf8(said.expect("iproute2 is installed").stdout).expect("it is ASCII");
        let mut words = said.split_whitespace().skip_while(|word| *word != "link/ether").skip(1);
        words.next().expect("a wire has an address at each end").to_owned()
    }

    /// Swallows every packet between a node and the bucket.
    pub fn cut_off(&self, node: usize) {
        self.rule(node, "-A");
    }

    /// Takes [`Hosts::cut_off`] back.
    pub fn let_through(&self, node: usize) {
        self.rule(node, "-D");
    }

    fn rule(&self, node: usize, action: &str) {
        let (node, bucket) = (&self.nodes[node], self.bucket());
        run(&["ip", "netns", "exec", node, "iptables", "-w", action, "OUTPUT", "-d", &bucket, "-j", "DROP"]);
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for namespace in self.nodes.iter().chain([&self.cloud]) {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
    }
}

/// A library that sets a program's wall clock off by as many milliseconds as `CLOCK_OFF_MS` says, for
/// `LD_PRELOAD`. Its monotonic clock stays as it is.
pub fn clock_off(folder: &Path) -> PathBuf {
    const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    long result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) {
        const char *off = getenv("CLOCK_OFF_MS");
        long long nanos = time->tv_nsec + (off ? atoll(off) : 0) * 1000000LL;
        long long carry = nanos / 1000000000LL - (nanos % 1000000000LL < 0);
        time->tv_sec += carry;
        time->tv_nsec = nanos - carry * 1000000000LL;
    }
    return result;
}
"#;
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, SOURCE).expect("the target folder can be written");
    let [source, target] = [&source, &library].map(|path| path.display().to_string());
    run(&["cc", "-shared", "-fPIC", "-O1", "-o", &target, &source]);
    library
}
