//! `make bench`: what nonstop costs on air and how fast it is, beside FFmpeg, in one run.
//!
//! All contenders send the same moving picture at a constant 2 Mbps, 1080p30, with AAC at 128 kbps,
//! to the same kind of ingest in a process of its own. They take turns, several rounds of them, so
//! that whatever else the machine does falls on all alike. Prints a table in Markdown.
//!
//! `BENCH_SECONDS` is how long each is measured in all (60), `BENCH_CHANNELS` the most channels (50).

#[path = "../rig/mod.rs"]
mod rig;

mod clients;
mod latency;
mod sink;

use clients::Clients;
use rig::Scratch;
use rig::daemon::{Channel, Daemon};
use rig::process::Process;
use rig::{corpus, ffmpeg, wait};
use sink::Sink;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Each contender's time is split into as many turns.
const ROUNDS: u32 = 3;
/// What a process does before it has settled is not what it costs on air.
const WARM_UP: Duration = Duration::from_secs(8);
const LONG: Duration = Duration::from_secs(600);

fn main() {
    if std::env::args().nth(1).as_deref() == Some("sink") {
        return sink::serve();
    }
    let number = |name: &str, usual: u32| {
        std::env::var(name)
            .map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let (seconds, channels) = (number("BENCH_SECONDS", 60), number("BENCH_CHANNELS", 50));
    let stage = Stage::new();
    let mut report = String::new();
    // Each part is printed as soon as it is there: a later one that fails takes nothing with it.
    let show = |report: &mut String| println!("\n{}", std::mem::take(report));
    stage.cost_on_air(seconds, &mut report);
    show(&mut report);
    stage.many_channels(channels, &mut report);
    show(&mut report);
    latency::measure(&stage, &mut report);
    show(&mut report);
}

/// What all contenders share: the music, the picture, the renditions.
pub struct Stage {
    scratch: Scratch,
    music: PathBuf,
    clip: PathBuf,
    cache: PathBuf,
}

/// One contender's account: CPU seconds, over seconds, with bytes received and memory at the end.
#[derive(Clone, Copy, Default)]
struct Account {
    cpu: f64,
    seconds: f64,
    bytes: u64,
    resident: u64,
}

impl Account {
    fn share(&self) -> f64 {
        self.cpu / self.seconds
    }
}

impl Stage {
    fn new() -> Self {
        eprintln!("rendering …");
        let scratch = Scratch::new("bench");
        let music = scratch.folder("music");
        for name in ["battle.ogg", "knolls.ogg", "wanderer.ogg"] {
            std::fs::copy(corpus::music().join(name), music.join(name)).expect("it can be copied");
        }
        // A picture that moves all the time, so that 2 Mbps are needed and none of it is padding.
        let clip = music.join("background.mp4");
        let graph = "zoompan=z='1.15+0.1*sin(2*PI*on/120)':x='iw*0.06*(1+sin(2*PI*on/120))':\
                     y='ih*0.04*(1+cos(2*PI*on/120))':d=120:s=1920x1080:fps=30,noise=alls=6:allf=t";
        let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/background.jpg");
        let output = ffmpeg::run(&[
            "-v",
            "error",
            "-i",
            text(&picture),
            "-vf",
            graph,
            "-frames:v",
            "120",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            "20",
            "-pix_fmt",
            "yuv420p",
            text(&clip),
        ]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let cache = scratch.folder("cache");
        let stage = Self { scratch, music, clip, cache };
        let mut channel = stage.channel("render");
        channel.to("nowhere", "rtmp://127.0.0.1:1/live2", None, "");
        channel.render();
        copy_tree(&channel.cache(), &stage.cache);
        stage
    }

    /// A channel whose renditions are there already.
    pub fn channel(&self, name: &str) -> Channel {
        let mut channel = Channel::new(name);
        (channel.size, channel.fps, channel.bitrate, channel.rate) = ((1920, 1080), 30, "2000k", "constant");
        channel.music = self.music.clone();
        channel.background = "background.mp4";
        copy_tree(&self.cache, &channel.cache());
        channel
    }

    fn cost_on_air(&self, seconds: u32, report: &mut String) {
        let (plain, tls) = (Sink::start(false), Sink::start(true));
        let prepared = self.prepared();
        let turn = Duration::from_secs_f64(f64::from(seconds) / f64::from(ROUNDS));
        let clients = Clients::start(self.scratch.path());
        let loaded = clients.channel(self, &tls);
        let names = [
            "nonstop, RTMP",
            "nonstop, RTMPS",
            "nonstop, RTMPS, with bucket, secret, notices, CloudWatch, Prometheus, webhook",
            "`ffmpeg -re -c copy`, RTMP",
            "`ffmpeg -re -c copy`, RTMPS",
            "live encode by FFmpeg, RTMP",
        ];
        let mut accounts = [Account::default(); 6];
        for round in 0..ROUNDS {
            for (place, name) in names.iter().enumerate() {
                eprintln!("round {} of {ROUNDS}: {name} …", round + 1);
                let sink = if matches!(place, 1 | 2 | 4) { &tls } else { &plain };
                let account = &mut accounts[place];
                match place {
                    0 | 1 => {
                        let mut channel = self.channel("on-air");
                        channel.to("sink", &sink.app(), None, &sink.trust());
                        on_air(&channel, sink, turn, account);
                    }
                    2 => on_air(&loaded, sink, turn, account),
                    3 | 4 => measure(&self.copy(&prepared, sink), sink, turn, account),
                    _ => measure(&self.encode(sink), sink, turn, account),
                }
            }
        }
        let [plainly, mine, loaded, copied, copied_tls, live] = accounts;
        let _ = writeln!(
            report,
            "## On air: 1080p30, constant 2 Mbps, AAC 128 kbps, {seconds} s each in {ROUNDS} turns\n"
        );
        let _ =
            writeln!(report, "| | CPU, % of one core | resident, MiB | received, kbps |\n|---|--:|--:|--:|");
        for (name, account) in names.iter().zip(accounts) {
            let _ = writeln!(
                report,
                "| {name} | {:.3} | {:.1} | {:.0} |",
                account.share() * 100.0,
                mebibytes(account.resident),
                account.bytes as f64 * 8.0 / account.seconds / 1000.0
            );
        }
        let _ = writeln!(report, "\n| target | | |\n|---|--:|---|");
        let mut line = |what: &str, is: f64, most: f64, unit: &str, digits: usize| {
            let verdict = if is <= most { "met" } else { "**missed**" };
            let _ = writeln!(report, "| {what} | {is:.digits$}{unit} | {verdict} |");
        };
        line("CPU over RTMPS ≤ 0.25 %", mine.share() * 100.0, 0.25, " %", 3);
        line("≤ 1/5 of `ffmpeg -re -c copy`, RTMPS", mine.share() / copied_tls.share(), 0.2, "", 3);
        line("≤ 1/5 of `ffmpeg -re -c copy`, RTMP", plainly.share() / copied.share(), 0.2, "", 3);
        line("≤ 1/300 of encoding live", mine.share() / live.share(), 1.0 / 300.0, "", 5);
        line("memory ≤ 25 MiB", mebibytes(mine.resident), 25.0, " MiB", 1);
        line("all clients: CPU ≤ 0.25 %", loaded.share() * 100.0, 0.25, " %", 3);
        line("all clients: ≤ 1/5 of FFmpeg, RTMPS", loaded.share() / copied_tls.share(), 0.2, "", 3);
        line("all clients: memory ≤ 25 MiB", mebibytes(loaded.resident), 25.0, " MiB", 1);
        let _ = writeln!(report);
    }

    /// The same bytes as a file that FFmpeg need only copy.
    fn prepared(&self) -> PathBuf {
        let renditions = self.cache.join("renditions");
        let folders =
            std::fs::read_dir(renditions).expect("they were rendered").flatten().map(|entry| entry.path());
        let longest = folders
            .max_by_key(|folder| folder.join("audio.flv").metadata().map_or(0, |m| m.len()))
            .expect("there is one");
        let path = self.scratch.path().join("prepared.flv");
        let (video, audio) = (longest.join("video.flv"), longest.join("audio.flv"));
        let output = ffmpeg::run(&[
            "-v",
            "error",
            "-stream_loop",
            "-1",
            "-i",
            text(&video),
            "-i",
            text(&audio),
            "-map",
            "0:v",
            "-map",
            "1:a",
            "-c",
            "copy",
            "-shortest",
            "-y",
            text(&path),
        ]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }

    fn copy(&self, prepared: &Path, sink: &Sink) -> Process {
        let args = ["-nostdin", "-v", "error", "-re", "-i", text(prepared), "-c", "copy", "-f", "flv"];
        self.ffmpeg(&args, sink)
    }

    fn encode(&self, sink: &Sink) -> Process {
        let track = self.music.join("battle.ogg");
        let args = [
            "-nostdin",
            "-v",
            "error",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
            text(&self.clip),
            "-re",
            "-stream_loop",
            "-1",
            "-i",
            text(&track),
            "-map",
            "0:v",
            "-map",
            "1:a",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-b:v",
            "2000k",
            "-maxrate",
            "2000k",
            "-bufsize",
            "4000k",
            "-g",
            "60",
            "-c:a",
            "aac",
            "-b:a",
            "128k",
            "-ar",
            "48000",
            "-f",
            "flv",
        ];
        self.ffmpeg(&args, sink)
    }

    fn ffmpeg(&self, args: &[&str], sink: &Sink) -> Process {
        let url = format!("{}/key", sink.app());
        let args = args.iter().copied().chain([url.as_str()]);
        let before = sink.received();
        let mut process =
            Process::spawn("ffmpeg", None, "ffmpeg", args, &[], &self.scratch.path().join("ffmpeg.log"));
        wait::until("FFmpeg sends", Duration::from_secs(30), || {
            assert!(process.ended().is_none(), "FFmpeg ended: {}", process.log());
            (sink.received() > before + 500_000).then_some(())
        });
        wait::let_pass(WARM_UP);
        process
    }

    fn many_channels(&self, most: u32, report: &mut String) {
        let _ = writeln!(report, "## Many channels on one machine, each a daemon of its own, RTMP\n");
        let _ = writeln!(
            report,
            "| channels | CPU, % of one core | CPU of each | resident of each, MiB | private of each, MiB | received, Mbps |\n|--:|--:|--:|--:|--:|--:|"
        );
        for count in [1, 10, 50].into_iter().filter(|count| *count <= most) {
            eprintln!("{count} channels …");
            let sink = Sink::start(false);
            let channels: Vec<_> = (0..count)
                .map(|n| {
                    let mut channel = self.channel(&format!("many-{n}"));
                    channel.to("sink", &sink.app(), None, "");
                    channel
                })
                .collect();
            let mut daemons: Vec<_> = channels.iter().map(Channel::run).collect();
            daemons.iter_mut().for_each(|daemon| daemon.wait_for_ingest(0, 0, "live", LONG));
            wait::let_pass(WARM_UP);
            let cpu = |daemons: &[Daemon]| daemons.iter().map(|d| d.process.cpu_seconds()).sum::<f64>();
            let (before, bytes, started) = (cpu(&daemons), sink.received(), Instant::now());
            wait::let_pass(Duration::from_secs(20));
            let seconds = started.elapsed().as_secs_f64();
            let share = (cpu(&daemons) - before) / seconds * 100.0;
            let rate = (sink.received() - bytes) as f64 * 8.0 / seconds / 1e6;
            let each = f64::from(count);
            let sum = |of: fn(&Process) -> u64| {
                daemons.iter().map(|d| mebibytes(of(&d.process))).sum::<f64>() / each
            };
            let (resident, private) = (sum(Process::resident), sum(Process::private));
            let _ = writeln!(
                report,
                "| {count} | {share:.2} | {:.3} | {resident:.1} | {private:.1} | {rate:.1} |",
                share / each
            );
        }
        let _ = writeln!(report);
    }
}

/// Waits until the daemon plays music and has nothing else to do.
fn settle(daemon: &mut Daemon) {
    daemon.wait_for_music(LONG);
    daemon.wait_for_ingest(0, 0, "live", LONG);
    daemon.wait_for("the library is rendered", LONG, |s| {
        let library = &s["library"];
        (library["complete"] == true && library["rendering"].is_null()).then_some(())
    });
    wait::let_pass(WARM_UP);
}

/// A whole life of the daemon, measured when it has settled.
fn on_air(channel: &Channel, sink: &Sink, turn: Duration, account: &mut Account) {
    let mut daemon = channel.run();
    settle(&mut daemon);
    measure(&daemon.process, sink, turn, account);
    assert_eq!(daemon.stop(), 0);
}

fn measure(process: &Process, sink: &Sink, turn: Duration, account: &mut Account) {
    let (cpu, bytes, started) = (process.cpu_seconds(), sink.received(), Instant::now());
    wait::let_pass(turn);
    account.cpu += process.cpu_seconds() - cpu;
    account.bytes += sink.received() - bytes;
    account.seconds += started.elapsed().as_secs_f64();
    account.resident = account.resident.max(process.resident());
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Copies a folder as hard links: renditions are never changed.
fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the target folder can be written");
    for entry in std::fs::read_dir(from).expect("it can be read").flatten() {
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_tree(&path, &copy);
        } else {
            std::fs::hard_link(&path, &copy).expect("it can be linked");
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our own paths are UTF-8")
}
