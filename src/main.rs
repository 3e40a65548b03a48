//! Parses the command line, runs one verb, and turns an error into an exit code.

use nonstop::cli::{self, Failure};
use std::panic;
use std::process::ExitCode;

fn main() -> ExitCode {
    let env = |name: &str| std::env::var_os(name);
    // Whatever panicked has said so on stderr; what is left is to say it in the exit code too.
    let outcome = panic::catch_unwind(|| cli::run(std::env::args_os(), &env));
    outcome.unwrap_or_else(|_| Err(Failure::bug())).map_or_else(|failure| failure.tell(&env), ExitCode::from)
}
