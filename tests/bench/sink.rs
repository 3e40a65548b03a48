//! An ingest in a process of its own, so that what it costs is nobody's who is measured.

use crate::rig::Scratch;
use crate::rig::ingest::{Ingest, Keep, Options};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

/// The ingest's own side: says where it is, then answers every line with the bytes received so far,
/// and ends with its input.
pub fn serve() {
    let tls = std::env::args().nth(2).as_deref() == Some("tls");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let options = Options {
            tls,
            keep: Keep::Totals,
            receive_buffer: 1 << 20,
            app: Some("live2".into()),
            ..Options::default()
        };
        let ingest = Arc::new(Ingest::start(options).await);
        println!("{}", ingest.url());
        let authority = if tls { ingest.authority().to_owned() } else { String::new() };
        println!("{}", authority.trim().replace('\n', "|"));
        let asked = tokio::task::spawn_blocking(move || {
            for line in std::io::stdin().lock().lines() {
                if line.is_err() {
                    break;
                }
                let bytes: u64 =
                    ingest.sessions().iter().map(|session| session.look(|record| record.bytes)).sum();
                println!("{bytes}");
            }
        });
        asked.await.expect("it does not panic");
    });
}

/// A sink that runs.
pub struct Sink {
    child: Child,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    app: String,
    authority: Option<(Scratch, PathBuf)>,
}

impl Sink {
    pub fn start(tls: bool) -> Self {
        let program = std::env::current_exe().expect("this program is a file");
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["sink", if tls { "tls" } else { "plain" }])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started again");
        let input = child.stdin.take().expect("it was asked for");
        let mut output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (app, authority) = (line(&mut output), line(&mut output));
        let authority = (!authority.is_empty()).then(|| {
            let scratch = Scratch::new("authority");
            let path = scratch.path().join("authority.pem");
            std::fs::write(&path, authority.replace('|', "\n") + "\n")
                .expect("the target folder can be written");
            (scratch, path)
        });
        Self { child, pipes: RefCell::new((input, output)), app, authority }
    }

    /// The URL without the key.
    pub fn app(&self) -> String {
        self.app.clone()
    }

    /// What a destination's table needs to trust it.
    pub fn trust(&self) -> String {
        self.authority
            .as_ref()
            .map(|(_, path)| format!("ca_file = \"{}\"", path.display()))
            .unwrap_or_default()
    }

    /// Bytes received so far, over all sessions.
    pub fn received(&self) -> u64 {
        let (input, output) = &mut *self.pipes.borrow_mut();
        writeln!(input, "?").expect("the sink runs");
        line(output).parse().expect("a number of bytes")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("the sink runs");
    line.trim().to_owned()
}
