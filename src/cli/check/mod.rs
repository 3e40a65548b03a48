//! `nonstop check`: everything that going on the air needs, a line each, in the order of the data's
//! way. What it does is what the daemon does, up to the last step before anybody would notice.

mod cloud;
mod daemon;
mod eyes;
mod listing;
mod local;
mod machine;
mod remote;
mod report;
mod tell;

use super::args::Places;
use super::failure::colors;
use super::{Env, Exit, Failure, width};
use crate::aws::Aws;
use crate::config::{self, Address, Config, KeySource, platform};
use crate::cost::{Prices, Usage, bill};
use crate::host::Folders;
use crate::host::unit::Unit;
use report::{Finding, Mark};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// A width that no line reaches.
const WHOLE: usize = 100_000;

/// Prints what it finds, as it finds it. All is looked at, whatever is found.
pub(super) async fn check(
    places: &Places,
    ffmpeg: Option<PathBuf>,
    offline: bool,
    env: Env<'_>,
) -> Result<Exit, Failure> {
    let mut page = Page::new(env);
    let Some(config) = page.configuration(places)? else { return Ok(page.exit()) };
    let unit = Unit::seen_by_root(&places.config, env);
    let unit = unit.as_ref();
    page.say(unit.map(|unit| eyes::others(&config, &places.config, unit)).unwrap_or_default())?;
    match Folders::find(&places.given(), env, &config.channel) {
        Ok(folders) => {
            // What root writes into the unit's folders, the unit might not be able to read.
            let theirs = unit.map(|unit| unit.folders(&places.given()));
            page.say(match &theirs {
                Some(theirs) => local::folders_of_unit(theirs, &folders.cache),
                None => local::folders(&folders),
            })?;
            page.say([local::encoder(&config, ffmpeg, &folders.cache).await])?;
            let verdicts = &theirs.as_ref().unwrap_or(&folders).cache;
            page.say(local::media(&config, &folders.cache, verdicts, unit).await)?;
        }
        Err(error) => page.say([Finding::cross("folders", error)])?,
    }
    let aws = Aws::new();
    if !offline {
        page.say([machine::metadata(env).await])?;
        page.say(cloud::bucket(&config, &aws).await)?;
    }
    let credentials = env("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    for destination in &config.destinations {
        page.say([match (&destination.key, offline) {
            (KeySource::Secret { secret, field }, false) => {
                cloud::key(&aws, &destination.name, secret, field.as_deref()).await
            }
            (source, _) => {
                let found = local::key(destination, &places.config, credentials.as_deref());
                match source {
                    KeySource::File(path) => eyes::see(found, unit, path, Some(&destination.name)),
                    KeySource::Credential(_) | KeySource::Secret { .. } => found,
                }
            }
        }])?;
        if !offline {
            page.say(remote::ingests(destination).await)?;
        }
    }
    let asked = (!offline).then_some(&aws);
    let found = tell::webhooks(&config, &places.config, credentials.as_deref(), asked).await;
    page.say(config.webhooks.iter().zip(found).map(|(webhook, found)| match &webhook.address {
        Address::Kept(KeySource::File(path)) => eyes::see(found, unit, path, Some(&webhook.name)),
        _ => found,
    }))?;
    page.say(tell::metrics(&config, places, env).await)?;
    if !offline {
        page.say(tell::cloudwatch(&config, &aws).await)?;
    }
    page.say(daemon::daemon(places, env).await)?;
    page.say(platform::advice(&config).into_iter().map(|advice| Finding::advice("advice", advice)))?;
    page.say([Finding::new(Mark::Note, "cost", cost(&config))])?;
    Ok(page.exit())
}

/// Whether the configuration would be taken, as who replaces a running program has to know.
pub(super) fn configuration(places: &Places, env: Env<'_>) -> Result<Exit, Failure> {
    let mut page = Page::new(env);
    page.configuration(places)?;
    Ok(page.exit())
}

/// What has been found so far, all of it printed.
struct Page {
    width: usize,
    color: bool,
    findings: Vec<Finding>,
}

impl Page {
    fn new(env: Env) -> Self {
        // Lines in a file or a pipe are for grep, and stay whole.
        let width = if io::stdout().is_terminal() { width() } else { WHOLE };
        Self { width, color: colors(&io::stdout(), env), findings: Vec::new() }
    }

    /// The configuration, unless it is wrong.
    fn configuration(&mut self, places: &Places) -> io::Result<Option<Config>> {
        let (finding, config) = match config::load(&places.config) {
            Ok(config) => {
                let what = format!("{}: channel {}", places.config.display(), config.channel);
                (Finding::tick("configuration", what), Some(config))
            }
            Err(error) => (Finding::cross("configuration", error), None),
        };
        self.say([finding])?;
        Ok(config)
    }

    fn say(&mut self, findings: impl IntoIterator<Item = Finding>) -> io::Result<()> {
        for finding in findings {
            io::stdout().write_all(finding.text(self.width, self.color).as_bytes())?;
            self.findings.push(finding);
        }
        Ok(())
    }

    fn exit(&self) -> Exit {
        report::exit(&self.findings)
    }
}

fn cost(config: &Config) -> String {
    let bill = bill(&Usage::at_most(config), None, &Prices::known());
    let most = bill.cases.last().map_or(0.0, |case| case.total);
    format!("{most:.2} US$ a month on AWS at most; `nonstop cost` says for what")
}
