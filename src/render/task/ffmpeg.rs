//! Runs one FFmpeg: on a leash, with a deadline, watched for stalls, its output read within bounds.
//!
//! Whatever way the run ends (the future dropped, this process killed), no process of it stays.

use crate::host::kernel;
use crate::render::command::Args;
use crate::render::lines::Lines;
use crate::render::notes::Notes;
use crate::render::progress::{Progress, Stall};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// How patient to be with an FFmpeg.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// It is stuck when its position has not changed for this long. On a small machine without
    /// processor credits one step takes a second or two.
    pub stall: Duration,
    /// The shortest deadline.
    pub least: Duration,
    /// What longer work gets is multiplied by this.
    pub scale: f32,
    /// Bytes that it may print in all; a run of hours prints under a megabyte.
    pub output: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { stall: Duration::from_secs(30), least: Duration::from_secs(600), scale: 1.0, output: 64 << 20 }
    }
}

/// How a run went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program, or it cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// Its name.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It said that it failed.
    #[error("it ended with status {status}")]
    Exit {
        /// Its exit status.
        status: i32,
        /// What it said.
        notes: Box<Notes>,
    },
    /// It was killed, or crashed.
    #[error("it was ended by signal {signal}")]
    Signal {
        /// Which.
        signal: i32,
    },
    /// It no longer moved.
    #[error("it made no progress for {} s", .0.as_secs())]
    Stalled(Duration),
    /// It took too long.
    #[error("it was not done after {} s", .0.as_secs())]
    Late(Duration),
    /// It printed without end.
    #[error("it printed more than {0} bytes")]
    Flood(u64),
    /// Talking to it failed.
    #[error("cannot follow it: {0}")]
    Io(#[from] io::Error),
}

/// The child with everything it has started.
struct Leashed(Child);

impl Drop for Leashed {
    fn drop(&mut self) {
        // None once it has been waited for, and then its group's number may be another's.
        if let Some(pid) = self.0.id() {
            kernel::kill_group(pid);
        }
    }
}

/// Runs `program` to its end, within `deadline`. Reports where it is to `at`.
pub async fn run(
    program: &Path,
    args: &Args,
    patience: Patience,
    deadline: Duration,
    mut at: impl FnMut(Progress),
) -> Result<Notes, Error> {
    let start = Instant::now();
    let deadline = deadline.mul_f32(patience.scale).max(patience.least);
    let mut child = start_child(program, args)?;
    let (mut out, mut err) = (child.0.stdout.take(), child.0.stderr.take());
    let (mut out_lines, mut err_lines) = (Lines::default(), Lines::default());
    let (mut progress, mut notes) = (Progress::default(), Notes::default());
    let (mut out_buffer, mut err_buffer) = ([0; 4096], [0; 4096]);
    let mut stall = Stall::new(patience.stall, start);
    let mut printed = 0u64;
    while out.is_some() || err.is_some() {
        let until = stall.deadline().min(start + deadline);
        // The clock comes first, so that an FFmpeg that never stops printing cannot outrun it.
        tokio::select! { biased;
            () = tokio::time::sleep_until(until.into()) => {
                return Err(match until < start + deadline {
                    true => Error::Stalled(patience.stall),
                    false => Error::Late(deadline),
                });
            }
            read = some(&mut out, &mut out_buffer), if out.is_some() => match read? {
                0 => out = None,
                n => {
                    printed += n as u64;
                    out_lines.push(&out_buffer[..n], |line| progress.line(line));
                    stall.on(progress, Instant::now());
                    at(progress);
                }
            },
            read = some(&mut err, &mut err_buffer), if err.is_some() => match read? {
                0 => err = None,
                n => {
                    printed += n as u64;
                    err_lines.push(&err_buffer[..n], |line| notes.line(line));
                }
            },
        }
        if printed > patience.output {
            return Err(Error::Flood(patience.output));
        }
    }
    err_lines.finish(|line| notes.line(line));
    // It has closed its outputs, and still has to end.
    let left = (start + deadline).saturating_duration_since(Instant::now()).min(patience.stall);
    let status = tokio::time::timeout(left, child.0.wait()).await.map_err(|_| Error::Stalled(left))??;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(notes),
        (Some(status), _) => Err(Error::Exit { status, notes: Box::new(notes) }),
        (None, signal) => Err(Error::Signal { signal: signal.unwrap_or(0) }),
    }
}

/// The output of a call that prints a few lines and ends, such as `-version`.
pub async fn ask(program: &Path, args: &Args, patience: Patience) -> Result<Vec<String>, Error> {
    let mut child = start_child(program, args)?;
    let mut text = Vec::new();
    let out = child.0.stdout.take();
    let read = async {
        if let Some(out) = out {
            out.take(64 << 10).read_to_end(&mut text).await?;
        }
        child.0.wait().await
    };
    let status =
        tokio::time::timeout(patience.stall, read).await.map_err(|_| Error::Stalled(patience.stall))??;
    if !status.success() {
        return Err(Error::Exit { status: status.code().unwrap_or(-1), notes: Box::default() });
    }
    let mut lines = Vec::new();
    let mut split = Lines::default();
    split.push(&text, |line| lines.push(line.to_owned()));
    split.finish(|line| lines.push(line.to_owned()));
    Ok(lines)
}

fn start_child(program: &Path, args: &Args) -> Result<Leashed, Error> {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .env("AV_LOG_FORCE_NOCOLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    kernel::leash(command.as_std_mut());
    let started = command.spawn();
    let child = started.map_err(|source| Error::Start { program: program.display().to_string(), source })?;
    if let Some(pid) = child.id() {
        // The first to go when memory runs out. From here, because the child may do it only once
        // it no longer is a copy of this undumpable process. Without it, it is merely less so.
        let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "1000");
    }
    Ok(Leashed(child))
}

async fn some(input: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> io::Result<usize> {
    match input {
        Some(input) => input.read(buffer).await,
        None => Ok(0),
    }
}
