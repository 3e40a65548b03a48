//! FFmpeg as a source of film, as a listener, and as a judge of each packet.

use crate::rig::process::Process;
use crate::rig::{Scratch, ffmpeg, free_port};
use nonstop::config::IngestUrl;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;

/// Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);
/// Every packet as it is, at the time that it has, as a hash.
const PACKETS: [&str; 5] = ["-c", "copy", "-copyts", "-f", "framemd5"];

/// Three seconds of pictures and sound as FLV, with keyframes longer than a chunk.
pub fn film(folder: &Scratch) -> PathBuf {
    let path = folder.path().join("film.flv");
    let input = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30,noise=alls=40", "-f", "lavfi", "-i"];
    let sound =
        ["sine=frequency=440:sample_rate=48000", "-t", "3", "-ac", "2", "-c:a", "aac", "-b:a", "128k"];
    let pictures = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-g", "30", "-bf", "0"];
    let output = ["-pix_fmt", "yuv420p", path.to_str().unwrap()];
    made(&[&input[..], &sound, &pictures, &output].concat());
    path
}

fn made(args: &[&str]) {
    let output = ffmpeg::run(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A packet: stream, time in milliseconds, size in bytes, hash.
pub type Packet = (u32, i64, u64, String);

/// The packets of a file.
pub fn packets(path: &Path) -> Vec<Packet> {
    let output = ffmpeg::run(&[&["-i", path.to_str().unwrap()][..], &PACKETS, &["-"]].concat());
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(text: &str) -> Vec<Packet> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let number = |i: usize| fields[i].parse::<i64>().unwrap_or_else(|e| panic!("{line}: {e}"));
            (number(0) as u32, number(2), number(4) as u64, fields[5].to_owned())
        })
        .collect()
}

/// FFmpeg as a server for one publisher.
pub struct Listener {
    process: Process,
    pub url: IngestUrl,
    packets: PathBuf,
}

impl Listener {
    pub fn start(folder: &Scratch, key: &str) -> Self {
        let port = free_port();
        let packets = folder.path().join(format!("{port}.md5"));
        let url = IngestUrl { tls: false, host: "127.0.0.1".into(), port, app: "live2".into() };
        let (at, out, log) =
            (format!("{url}/{key}"), packets.to_str().unwrap(), folder.path().join("listener.log"));
        let args = [&["-nostdin", "-listen", "1", "-i", &at][..], &PACKETS, &[out]].concat();
        let process = Process::spawn("ffmpeg -listen", None, "ffmpeg", args, &[], &log);
        Self { process, url, packets }
    }

    /// A connection, once it listens. It takes no other: looking whether it listens would be one.
    pub async fn connect(&mut self) -> TcpStream {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        let connected = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Ok(stream) = TcpStream::connect((self.url.host.as_str(), self.url.port)).await {
                    return stream;
                }
                assert!(self.process.ended().is_none(), "{}", self.process.log());
                look.tick().await;
            }
        });
        connected.await.unwrap_or_else(|_| panic!("{} listens to nobody", self.url))
    }

    /// What it received, once the publisher has gone.
    pub fn packets(mut self) -> Vec<Packet> {
        assert!(self.process.wait(PATIENCE).success());
        parse(&std::fs::read_to_string(&self.packets).unwrap())
    }
}
