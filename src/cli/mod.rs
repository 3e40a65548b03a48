//! The command: one verb of it runs, in this process, and ends in an [`Exit`].
//!
//! `run` is the daemon. `status`, `skip`, `queue` and `plan` ask a running one. `check`, `render`,
//! `cost` and `simulate` work without one.

pub mod args;
mod ask;
mod check;
mod cost;
pub mod failure;
mod plan;
mod render;
mod run;
mod simulate;
mod watch;

pub use failure::{Exit, Failure};

use args::{Cli, Verb};
use clap::Parser;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

/// How long the end waits for blocking work that is still under way.
const LEFT_BEHIND: Duration = Duration::from_millis(200);

/// Looks up a variable of the environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Runs the verb that `args` name.
///
/// # Errors
/// Whatever keeps the verb from being done, or a check from passing.
pub fn run(args: impl IntoIterator<Item = OsString>, env: Env) -> Result<Exit, Failure> {
    let Cli { verb, places } = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap, but not to us.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            error.print()?;
            return Ok(exit);
        }
    };
    match verb {
        Verb::Run { ffmpeg, log, keep_sessions } => {
            block_on(run::run(&places, ffmpeg, log.as_deref(), keep_sessions, env))
        }
        Verb::Check { config_only: true, .. } => check::configuration(&places, env),
        Verb::Check { ffmpeg, offline, .. } => block_on(check::check(&places, ffmpeg, offline, env)),
        Verb::Render { ffmpeg, log } => render::render(&places, ffmpeg, log.as_deref(), env),
        Verb::Status { json, watch: true } => block_on(watch::watch(&places, json, env)),
        Verb::Status { json, watch: false } => block_on(ask::status(&places, json, env)),
        Verb::Skip => block_on(ask::skip(&places, env)),
        Verb::Queue { track } => block_on(ask::queue(&places, track, env)),
        Verb::Plan { count, json } => block_on(ask::plan(&places, count.into(), json, env)),
        Verb::Cost { json } => cost::cost(&places, json, env),
        Verb::Simulate { announce, rehearsal } => {
            block_on(simulate::simulate(&places, announce, rehearsal, env))
        }
    }
}

/// Runs a verb to its end. Blocking work that hangs on a disk does not keep the process from ending.
fn block_on(verb: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(verb);
    runtime.shutdown_timeout(LEFT_BEHIND);
    outcome
}

/// One thread does everything but what blocks.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new(Exit::Unavailable, format!("this machine gives us no event loop: {error}"))
    })
}

/// How wide a terminal stdout is; 80 columns where it is none.
fn width() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(80, |(width, _)| width.0.into())
}
