//! `make bench-sync`: the first sync of a bucket, beside `aws s3 sync` and `rclone copy`, in one run.
//!
//! Each fetches everything from moto's server on loopback into an empty folder, with the settings
//! that it comes with: nonstop four files at a time, every file checked and made durable; aws ten;
//! rclone four. Then each does the same again, where everything is there: the listing, and the
//! comparison with what is known. They take turns. Prints a table in Markdown: CPU seconds, the most
//! memory, seconds. Most of the time is the server's, which is in Python; CPU and memory are their
//! own.
//!
//! `BENCH_LARGE` files of 4 MB (500), and `BENCH_SMALL` ones of 4 kB (10000).

#[path = "../rig/mod.rs"]
mod rig;

mod usage;

use nonstop::aws::Aws;
use nonstop::library::Library;
use nonstop::library::task::{Bucket, run_bucket};
use rig::Scratch;
use rig::moto::Moto;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("sync") {
        return sync(Path::new(&args.next().expect("a folder")));
    }
    let number = |name: &str, usual: usize| {
        std::env::var(name)
            .map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let scratch = Scratch::new("first-sync");
    let moto = Moto::start(scratch.path());
    println!("| files | | CPU | peak memory | time |\n|---|---|--:|--:|--:|");
    for (name, count, size) in
        [("large", number("BENCH_LARGE", 500), 4_000_000), ("small", number("BENCH_SMALL", 10_000), 4_000)]
    {
        moto.make_bucket(name);
        for n in 0..count {
            let mut content: Vec<u8> = (0..size).map(|at: usize| (at ^ (at >> 8)) as u8).collect();
            content[..8].copy_from_slice(&n.to_be_bytes());
            moto.put_object(name, &format!("lofi/{n:05}-artist-title.mp3"), &content);
        }
        for contender in ["nonstop", "rclone", "aws"] {
            let folder = scratch.folder(&format!("{name}-{contender}"));
            for turn in ["first", "again"] {
                let mut command = command(contender, name, &folder, &moto.endpoint());
                command.envs(moto.environment()).stdin(Stdio::null());
                let row = format!("| {count} of {size} B, {turn} | {contender} |");
                let started = Instant::now();
                let Ok(child) = command.spawn() else {
                    println!("{row} is not installed | | |");
                    break;
                };
                let used = usage::of(child);
                let seconds = started.elapsed().as_secs_f64();
                assert!(used.succeeded, "{contender} has failed");
                let come = files(&folder);
                assert_eq!(come, (count, (count * size) as u64), "{contender} has not fetched everything");
                let (cpu, peak) = (used.cpu, used.peak as f64 / f64::from(1 << 20));
                println!("{row} {cpu:.2} s | {peak:.1} MiB | {seconds:.1} s |");
            }
            std::fs::remove_dir_all(&folder).expect("it can be removed");
        }
    }
}

fn command(contender: &str, bucket: &str, folder: &Path, endpoint: &str) -> Command {
    match contender {
        "nonstop" => {
            let mut command = Command::new(std::env::current_exe().expect("it runs"));
            command.arg("sync").arg(folder).env("BENCH_BUCKET", bucket);
            command
        }
        "rclone" => {
            let mut command = Command::new("rclone");
            command.args(["copy", &format!("moto:{bucket}/lofi"), "--config", "/dev/null"]).arg(folder);
            let settings = [
                ("TYPE", "s3"),
                ("PROVIDER", "Other"),
                ("ENV_AUTH", "true"),
                ("REGION", rig::moto::REGION),
                ("ENDPOINT", endpoint),
            ];
            for (name, value) in settings {
                command.env(format!("RCLONE_CONFIG_MOTO_{name}"), value);
            }
            // The one in Debian 12 cannot bear it.
            command.env_remove("AWS_CA_BUNDLE");
            command
        }
        _ => {
            let mut command = Command::new("aws");
            command.args(["s3", "sync", "--only-show-errors", &format!("s3://{bucket}/lofi")]).arg(folder);
            command
        }
    }
}

/// How many files lie in a folder's originals, or in itself, and their bytes.
fn files(folder: &Path) -> (usize, u64) {
    let originals = folder.join("originals");
    let folder = if originals.exists() { &originals } else { folder };
    let entries = std::fs::read_dir(folder).expect("it can be listed").flatten();
    entries.fold((0, 0), |(count, bytes), entry| {
        (count + 1, bytes + entry.metadata().map_or(0, |meta| meta.len()))
    })
}

/// nonstop's part, in a process of its own: the stage alone, with everything wanted.
fn sync(cache: &Path) {
    let bucket = std::env::var("BENCH_BUCKET").expect("it was given");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be had").block_on(async {
        let (wants, wanted) = watch::channel(Arc::from([]));
        let (sender, mut library) = watch::channel(Arc::<Library>::default());
        let objects = Aws::new().bucket(&bucket, "lofi");
        let settings = Bucket::new(objects, format!("s3://{bucket}/lofi"), None, cache, 1 << 40, wanted);
        let cancel = CancellationToken::new();
        let want = async {
            let listed = library.wait_for(|library| library.complete).await.expect("it is kept").clone();
            wants.send_replace(listed.tracks.iter().map(|track| track.hash.clone()).collect());
            let all = |library: &Arc<Library>| library.tracks.iter().all(|track| track.path.is_some());
            library.wait_for(all).await.expect("it is kept");
            cancel.cancel();
        };
        let (kept, ()) = tokio::join!(run_bucket(settings, sender, cancel.clone()), want);
        kept.expect("it ends in order");
    });
}
