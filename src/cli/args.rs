//! The command line as clap reads it; doc comments here are what `--help` says.

use super::failure::TABLE;
use crate::host::folders::Given;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Keeps a music channel on the air, day and night.
///
/// Music and a picture from a folder go to YouTube, Twitch and any other RTMP platform, without
/// end and without a seam.
#[derive(Debug, Parser)]
#[command(name = "nonstop", version, after_help = TABLE, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Where things are.
    #[command(flatten)]
    pub places: Places,
}

/// Where things are; the same for every verb.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Where things are")]
pub struct Places {
    /// The channel's configuration
    #[arg(long, short, global = true, value_name = "FILE", default_value = "/etc/nonstop/nonstop.toml")]
    pub config: PathBuf,
    /// What must survive, the schedule [default: systemd's, else ~/.local/state/nonstop/CHANNEL]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
    /// What can be made anew, renditions [default: systemd's, else ~/.cache/nonstop/CHANNEL]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,
    /// The control socket [default: systemd's, else $XDG_RUNTIME_DIR/nonstop/CHANNEL]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub runtime_dir: Option<PathBuf>,
}

impl Places {
    /// The folders as far as they were given.
    ///
    /// FFmpeg is started in a folder of its own, where a relative one would lead elsewhere.
    pub fn given(&self) -> Given {
        let absolute = |folder: &Option<PathBuf>| {
            folder.as_ref().map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.clone()))
        };
        Given {
            state: absolute(&self.state_dir),
            cache: absolute(&self.cache_dir),
            runtime: absolute(&self.runtime_dir),
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Put the channel on the air, and keep it there
    ///
    /// Runs until SIGTERM or SIGINT, which end it in good order; a second one ends it at once.
    Run {
        /// FFmpeg's program [default: the one in PATH]
        #[arg(long, value_name = "PROGRAM")]
        ffmpeg: Option<PathBuf>,
        /// What to log: a level, or levels by module [default: $NONSTOP_LOG, else info]
        #[arg(long, value_name = "FILTER")]
        log: Option<String>,
        /// At the end leave connections without TLS to the next process, through systemd's file
        /// descriptor store (the unit has FileDescriptorStoreMax); SIGUSR1 before the end says that
        /// there will be none. Stream keys from Secrets Manager are kept there, too
        #[arg(long)]
        keep_sessions: bool,
    },
    /// Check everything that going on the air needs
    ///
    /// Configuration, FFmpeg, folders, media, stream keys, each ingest up to the point where it
    /// would publish, webhooks' addresses, the metrics' port, the log group, bitrate, cost: a line
    /// each, with a hint where something is amiss. Nothing reaches any viewer, or any webhook.
    Check {
        /// FFmpeg's program [default: the one in PATH]
        #[arg(long, value_name = "PROGRAM")]
        ffmpeg: Option<PathBuf>,
        /// Leave out what needs the network
        #[arg(long)]
        offline: bool,
        /// Read the configuration, and nothing else
        #[arg(long, conflicts_with = "offline")]
        config_only: bool,
    },
    /// Show what is on the air, where to, and what comes next
    Status {
        /// For scripts
        #[arg(long)]
        json: bool,
        /// Again each second, until Ctrl-C
        #[arg(long, short)]
        watch: bool,
    },
    /// End the track on the air, and go on with the next
    ///
    /// It says when: in 3 seconds or, where the music is in a bucket, in 13, when every node of the channel
    /// has heard of it.
    Skip,
    /// Play a track next
    Queue {
        /// Its path below the media source, or an unmistakable part of path, title or artist
        track: String,
    },
    /// Show what plays when
    Plan {
        /// How many tracks, up to 1000
        #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
        /// For scripts
        #[arg(long)]
        json: bool,
    },
    /// Render the whole library now
    ///
    /// The daemon does this by itself, first what is about to be played. This does all of it at
    /// once, with a bar and an estimate. What is done stays done when it is interrupted.
    /// For music in a folder: what is in a bucket is rendered by the daemon alone, ahead of air.
    Render {
        /// FFmpeg's program [default: the one in PATH]
        #[arg(long, value_name = "PROGRAM")]
        ffmpeg: Option<PathBuf>,
        /// What to log: a level, or levels by module [default: $NONSTOP_LOG, else error]
        #[arg(long, value_name = "FILTER")]
        log: Option<String>,
    },
    /// Show what a month on the air costs on AWS
    Cost {
        /// For scripts
        #[arg(long)]
        json: bool,
    },
    /// Rehearse the end of this machine
    ///
    /// Serves instance metadata that announce it, until Ctrl-C, and says how to point a node at them.
    /// The node cannot tell them from the real ones. On a machine in EC2 the real ones answer
    /// everything else, credentials included.
    Simulate {
        /// What to announce
        announce: Announce,
        /// How and when
        #[command(flatten)]
        rehearsal: Rehearsal,
    },
}

/// What `simulate` announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Announce {
    /// The spot machine is taken away
    Interruption,
    /// The spot machine is likelier to be interrupted than others
    Rebalance,
    /// The Auto Scaling group lets the machine go
    Terminate,
    /// The machine is restarted by AWS
    Maintenance,
}

/// How and when `simulate` announces it.
#[derive(Args, Clone, Debug)]
pub struct Rehearsal {
    /// How long after the announcement it happens
    #[arg(long = "in", value_name = "TIME", default_value = "120s", value_parser = time)]
    pub within: Duration,
    /// How long after a node first asks it is announced
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub after: Duration,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1338")]
    pub listen: SocketAddr,
}

/// `90s`, `2m`, up to a day.
fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
    let scale = match unit {
        "s" => Some(1),
        "m" | "min" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = scale.zip(number.parse::<u64>().ok()).and_then(|(scale, number)| number.checked_mul(scale));
    let time = seconds.filter(|seconds| *seconds <= 86_400).map(Duration::from_secs);
    time.ok_or_else(|| "write a time with its unit, as in 90s or 2m, up to 24h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn places_may_stand_before_and_after_the_verb() {
        let config = |words: &str| Cli::try_parse_from(words.split(' ')).unwrap().places.config;
        assert_eq!(config("nonstop status --config a.toml"), PathBuf::from("a.toml"));
        assert_eq!(config("nonstop --config a.toml status"), PathBuf::from("a.toml"));
    }

    #[test]
    fn folders_may_be_given_from_where_one_is() {
        let words = "nonstop run --cache-dir cache --state-dir /state";
        let given = Cli::try_parse_from(words.split(' ')).unwrap().places.given();
        assert_eq!(given.cache, Some(std::env::current_dir().unwrap().join("cache")));
        assert_eq!((given.state, given.runtime), (Some(PathBuf::from("/state")), None));
    }

    #[test]
    fn times_have_a_unit_and_an_end() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("2m", 120), ("2min", 120), ("24h", 86_400)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "90", "-1s", "1.5s", "25h", "9d", "99999999999999999999h", "1 s"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    fn help(verb: Option<&str>) -> String {
        let mut command = Cli::command().term_width(80);
        command.build();
        let command = match verb {
            Some(verb) => command.find_subcommand_mut(verb).unwrap(),
            None => &mut command,
        };
        command.render_long_help().to_string()
    }

    #[test]
    fn the_help_says_what_a_person_needs() {
        insta::assert_snapshot!("help", help(None));
        for command in Cli::command().get_subcommands() {
            let verb = command.get_name();
            insta::assert_snapshot!(format!("help_{verb}"), help(Some(verb)));
        }
    }

    #[test]
    fn no_line_of_help_is_wider_than_a_terminal() {
        for verb in [None, Some("run"), Some("render"), Some("plan"), Some("simulate")] {
            assert!(help(verb).lines().all(|line| line.chars().count() <= 80), "{}", help(verb));
        }
    }
}
