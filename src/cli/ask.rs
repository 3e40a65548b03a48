//! The verbs that ask a running daemon, and show what it says.

use super::args::Places;
use super::failure::colors;
use super::{Env, Exit, Failure, plan, width};
use crate::config;
use crate::control::protocol::{Queued, Reply, Request};
use crate::control::status::{Status, Upcoming};
use crate::control::text::{clock, credits, render_text};
use crate::control::{Client, Timestamp, socket};
use crate::host::{folders, kernel};
use serde::Serialize;
use std::io::{self, Write};
use std::time::SystemTime;

/// A client for the daemon of `places`. The configuration is read only to find the folder, and
/// only if nothing else tells it.
pub(super) fn client(places: &Places, env: Env) -> Result<Client, Failure> {
    let mut unread = None;
    let channel = || match config::load(&places.config) {
        Ok(config) => Some(config.channel),
        Err(error) => {
            unread = Some(error);
            None
        }
    };
    let folders = folders::runtime_of(&places.given(), env, &places.config, channel);
    match (folders.is_empty(), unread) {
        (false, _) => Ok(Client::new(folders.iter().map(|folder| folder.join(socket::NAME)).collect())),
        (true, Some(error)) => Err(error.into()),
        (true, None) => Err(Failure::new(Exit::Unavailable, "there is no telling where the daemon listens")
            .hint("say where with --runtime-dir FOLDER")),
    }
}

pub(super) async fn status(places: &Places, json: bool, env: Env<'_>) -> Result<Exit, Failure> {
    let status = ask_status(&client(places, env)?).await?;
    match json {
        true => print_json(&status),
        false => print(&render_text(&status, now().max(status.time), width(), colors(&io::stdout(), env))),
    }
}

pub(super) async fn ask_status(client: &Client) -> Result<Box<Status>, Failure> {
    match client.ask(&Request::Status).await? {
        Reply::Status(status) => Ok(status),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn skip(places: &Places, env: Env<'_>) -> Result<Exit, Failure> {
    match client(places, env)?.ask(&Request::Skip).await? {
        Reply::Skip(next) => say(&coming(&next)),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn queue(places: &Places, track: String, env: Env<'_>) -> Result<Exit, Failure> {
    match client(places, env)?.ask(&Request::Queue { track }).await? {
        Reply::Queue(Queued::Scheduled(entry)) => say(&coming(&entry)),
        Reply::Queue(Queued::Rendering(track)) => {
            say(&format!("{} is being rendered, and plays as soon as it is ready", track.credits))
        }
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn plan(places: &Places, count: usize, json: bool, env: Env<'_>) -> Result<Exit, Failure> {
    let plan = match client(places, env)?.ask(&Request::Plan { count }).await? {
        Reply::Plan(plan) => plan,
        other => return Err(unexpected(&other)),
    };
    match json {
        true => print_json(&plan),
        false => print(&plan::text(&plan, now(), utc_offset, width(), colors(&io::stdout(), env))),
    }
}

pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}

pub(super) fn print(text: &str) -> Result<Exit, Failure> {
    io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Done)
}

pub(super) fn print_json(value: &impl Serialize) -> Result<Exit, Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    text.push('\n');
    print(&text)
}

fn utc_offset(time: Timestamp) -> i64 {
    kernel::utc_offset(i64::try_from(time.unix()).unwrap_or(i64::MAX))
}

/// `Artist – Title plays at 17:16:05, in 0:12`.
fn coming(entry: &Upcoming) -> String {
    let time = plan::time_of_day(entry.starts, utc_offset(entry.starts));
    let wait = clock(entry.starts.since(now()));
    format!("{} plays at {time}, in {wait}", credits(entry.artist.as_deref(), &entry.title))
}

fn say(line: &str) -> Result<Exit, Failure> {
    // A title from a stranger's tags: nothing of it may drive the terminal.
    print(&format!("{}\n", line.replace(char::is_control, "\u{fffd}")))
}

fn unexpected(reply: &Reply) -> Failure {
    let what = match reply {
        Reply::Status(_) => "a status",
        Reply::Skip(_) | Reply::Queue(_) => "an entry",
        Reply::Plan(_) => "a plan",
        Reply::Error(_) => "a refusal",
    };
    Failure::new(Exit::Internal, format!("the daemon answered with {what}, which was not the question"))
}
