//! Writes what the package holds besides the program and is made from its sources: manual pages,
//! shell completions, and the copyright of every crate that is linked in.
//!
//! An example and not a verb: only whoever builds the package needs it, so neither the daemon nor
//! its dependencies grow by it. `cargo run --example paperwork -- FOLDER`; the output depends on
//! the sources and `Cargo.lock` alone.

mod copyright;
mod man;
mod roff;

use clap::CommandFactory;
use clap_complete::Shell;
use nonstop::cli::args::Cli;
use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("name the folder to write to")?);
    for page in man::pages() {
        write(&folder.join("man").join(&page.name), &page.text)?;
    }
    for (shell, name) in [(Shell::Bash, "nonstop"), (Shell::Zsh, "_nonstop"), (Shell::Fish, "nonstop.fish")] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "nonstop", &mut script);
        write(&folder.join("completions").join(name), &String::from_utf8(script)?)?;
    }
    write(&folder.join("copyright"), &copyright::of_everything_linked()?)?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let tell = |error| format!("cannot write {}: {error}", path.display());
    std::fs::create_dir_all(path.parent().expect("every file lies in a folder")).map_err(tell)?;
    std::fs::write(path, text).map_err(tell)?;
    Ok(())
}
