//! What the whole-daemon tests and the benchmarks share: a music folder, the daemon itself, real
//! ingests that fail on demand, and the prover that holds a recording against the programme.
//!
//! The prover's arithmetic is written out again here on purpose: nothing under `tests/rig` uses the
//! product's own code for cells, FLV, schedules or renditions. The metadata service is the product's
//! own fake, which operators rehearse with.

// Every test binary that takes the rig in uses a part of it.
#![allow(dead_code)]

pub mod corpus;
pub mod cpu;
pub mod daemon;
pub mod ffmpeg;
pub mod flv;
pub mod front;
pub mod hosts;
pub mod http;
pub mod imds;
pub mod ingest;
pub mod keeper;
pub mod moto;
pub mod netns;
pub mod nginx;
pub mod process;
pub mod programme;
pub mod recording;
pub mod wait;
pub mod wire;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own for one test, removed with it, but kept when the test fails.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rig").join(unique);
        std::fs::create_dir_all(&path).expect("the target folder can be written");
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder below, made if it is not there.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).expect("the target folder can be written");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what was left is in {}", self.path.display());
        } else {
            // A leftover costs disk and fails no test.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A port on loopback that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Seconds of Unix time.
pub fn unix_now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("it is after 1970")
        .as_secs_f64()
}

/// Whether this run may and must use root's powers. In continuous integration nothing is skipped.
pub fn root_or_skip(test: &str) -> bool {
    let id = std::process::Command::new("id").arg("-u").output().expect("id runs");
    let root = id.stdout.trim_ascii() == b"0";
    if !root {
        assert!(std::env::var_os("CI").is_none(), "{test} needs root, and must not be skipped here");
        eprintln!("\n!!! SKIPPED: {test} needs root for network namespaces\n");
    }
    root
}
