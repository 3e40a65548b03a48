//! `nonstop run`: the daemon, from the configuration to the last session's end.

use super::args::Places;
use super::{Env, Exit, Failure};
use crate::aws;
use crate::config;
use crate::host::imds::{Endpoint, FIRMWARE};
use crate::host::interruption::{self, Outlook};
use crate::host::signals::{Event, Signals};
use crate::host::{Folders, Imds, Notifier, harden, kernel, systemd};
use crate::service::{self, Ended, Holder, Service, Setup, Vault};
use crate::telemetry::journal::{self, Log};
use crate::telemetry::messages;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is said that log lines were left out.
const LEFT_OUT: Duration = Duration::from_secs(60);

/// Building a channel takes no longer than this, or is stuck: its first render's own limit, and some
/// to spare for slow disks.
const BUILDING: Duration = Duration::from_secs(180);

/// A bad configuration ends this before anything is touched; nothing secret is read before the
/// process is hardened.
pub(super) async fn run(
    places: &Places,
    ffmpeg: Option<PathBuf>,
    log: Option<&str>,
    keep_sessions: bool,
    env: Env<'_>,
) -> Result<Exit, Failure> {
    let config = config::load(&places.config)?;
    let log = Arc::new(journal::start(log, env)?);
    harden::harden().map_err(|error| {
        Failure::new(Exit::Unavailable, format!("the kernel lets this process be dumped: {error}"))
            .hint("the stream key could end up in a core dump, so nonstop does not start")
    })?;
    let folders = Folders::find(&places.given(), env, &config.channel)?;
    folders.create()?;
    // From here on a signal is an orderly end, also of a start that is still under way.
    let mut signals = Signals::new().map_err(service::Error::Signals)?;
    let metadata = Endpoint::find(env, Path::new(FIRMWARE));
    let (outlook_tx, outlook) = watch::channel(Outlook::default());
    let node = tokio::select! {
        node = node(metadata.as_ref()) => node,
        () = told_to_end(&mut signals) => return Ok(Exit::Done),
    };
    let metadata = metadata.map(|Endpoint { url, sure }| {
        let imds = Imds::new(&url);
        // It outlives the service, so that a channel that is recalled knows what it was recalled from.
        tokio::spawn(interruption::task::run(imds.clone(), sure, outlook_tx, CancellationToken::new()));
        imds
    });
    let notifier = Notifier::from_env(env);
    let systemd::Held { sockets, sealed } = systemd::held(env);
    let holder = keep_sessions.then(|| Arc::new(notifier.clone()) as Arc<dyn Holder>);
    let vault = Vault::open(sealed, holder, aws::region_in(env).unwrap_or_default());
    let setup = Setup {
        file: places.config.clone(),
        config,
        folders,
        ffmpeg,
        credentials: env("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        node,
        notifier,
        vault,
        keeps: keep_sessions,
        watchdog: systemd::watchdog_interval(env),
        metadata,
        outlook,
        log: log.clone(),
    };
    let mut held = sockets;
    // What the log says, it says before the process ends; and a forced end is no failure.
    let serve = async {
        loop {
            let service = tokio::select! {
                loaded = Service::load(setup.clone(), std::mem::take(&mut held)) => loaded?,
                () = told_to_end(&mut signals) => return Ok::<(), service::Error>(()),
                // A channel that is built anew is a service that runs, and has to be seen to live.
                never = setup.notifier.busy(setup.watchdog, BUILDING) => match never {},
            };
            if service.run(&mut signals).await? != Ended::Recalled {
                return Ok(());
            }
        }
    };
    tokio::select! {
        ended = serve => {
            ended?;
            Ok(Exit::Done)
        }
        never = tell_left_out(&log) => match never {},
    }
}

/// Who this machine is: the instance, if it is one, else its name. Nobody waits for a metadata
/// service that is not known to be there.
async fn node(metadata: Option<&Endpoint>) -> String {
    if let Some(Endpoint { url, sure: true }) = metadata {
        match Imds::new(url).identity().await {
            Ok(Some(identity)) => return identity.instance_id,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "this machine goes by its name"),
        }
    }
    kernel::hostname().unwrap_or_else(|_| "unknown".to_owned())
}

async fn told_to_end(signals: &mut Signals) {
    loop {
        if let Event::Drain(why) | Event::Force(why) = signals.next().await {
            tracing::info!(message_id = messages::ENDED_EARLY, reason = why, "ended before it was on air");
            return;
        }
    }
}

/// A log with holes says that it has them.
async fn tell_left_out(log: &Log) -> Infallible {
    let (left_out, lost) = (log.left_out(), log.lost());
    let mut told = (0, 0);
    let mut ticks = tokio::time::interval(LEFT_OUT);
    loop {
        ticks.tick().await;
        let total = (left_out.total(), lost.total());
        let (lines, unwritten) = (total.0 - told.0, total.1 - told.1);
        if lines > 0 {
            tracing::warn!(
                message_id = messages::LOG_LEFT_OUT,
                lines,
                "log lines were left out, because there were too many of a kind"
            );
        }
        if unwritten > 0 {
            tracing::warn!(
                message_id = messages::LOG_LOST,
                lines = unwritten,
                "log lines were lost, because the journal did not take them"
            );
        }
        told = total;
    }
}

impl From<service::Error> for Failure {
    fn from(error: service::Error) -> Self {
        use service::Error;
        match error {
            Error::Key(error) => error.into(),
            Error::Socket(error) => error.into(),
            Error::Render(_) => Self::new(Exit::Unavailable, error)
                .hint("`nonstop check` says what is missing; FFmpeg comes with `apt install ffmpeg`"),
            Error::Trust(_) => Self::new(Exit::Config, error)
                .hint("ca_file is a PEM file with certificates; without it the system's are used"),
            Error::Signals(_) => Self::new(Exit::Unavailable, error),
            Error::Ended(_) => Self::new(Exit::Internal, error).hint("the log says why"),
        }
    }
}
