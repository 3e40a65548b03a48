//! The one place that knows every stage: builds them in order, runs them, and ends them in order.
//!
//! The order of [`Service::load`] is the order in which things can go wrong with the least harm:
//!
//! 1. the stream keys: without them nothing else matters, and a wrong file is the operator's to mend
//!    before anything is touched; keys in Secrets Manager may come later, and hold up nobody;
//! 2. the control socket: a second daemon of this channel would find it taken, and ends here;
//! 3. the library, which reads while the rest is built;
//! 4. the renderer, which gives the standby card: from then on there is something to send;
//! 5. the schedule, which gives the programme: from then on every instant has its media;
//! 6. the publishers, and last those who answer questions about all of this.
//!
//! The bucket may not answer, and whoever asks it waits for seconds then. So the slots look on from
//! before the card on, and the schedule is read beside it: the waits are one. The slots take nothing
//! before there is something to send.
//!
//! The end goes the other way: publishers first, so that each session says goodbye while the
//! programme behind it is still there; the rest has nothing to lose.
//!
//! What a stage's end means: the publishers, the schedule and the slots are the channel, so if one of them
//! panics the process ends and the service manager starts it anew, which takes under two seconds.
//! The library and the renderer only feed them; if one of those fails, the rest goes on.

mod alerts;
mod desk;
mod heirs;
mod hooks;
mod keys;
mod life;
mod notice;
mod place;
mod reload;
mod slots;
mod stages;
mod tell;
mod vault;

use crate::aws::Aws;
use crate::config::Config;
use crate::control::{self, Socket};
use crate::host::folders::Folders;
use crate::host::interruption::Outlook;
use crate::host::systemd::Notifier;
use crate::host::{Clock, Imds, key};
use crate::library::Library;
use crate::media::{Grid, RenditionId};
use crate::publish::StreamInfo;
use crate::publish::task::bequest::Bequest;
use crate::publish::task::{Publisher, net::Net};
use crate::publish::{self, DestinationStatus};
use crate::render::{self, profile::Profile, task::Exchange};
use crate::schedule::{self, Rules};
use crate::telemetry::health::Health;
use crate::telemetry::journal::Log;
use crate::timeline::Reader;
use desk::Desk;
use heirs::Estate;
pub use life::Ended;
use notice::Notices;
use place::Place;
use reload::Reload;
use slots::{Member, Slots};
use stages::Stages;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
pub use vault::{Holder, Vault};

/// The longest that rendering the standby card should take on a small machine.
const STANDBY: Duration = Duration::from_secs(120);
/// The schedule is filled up when less than this is in it …
const LOW: Duration = Duration::from_secs(15 * 60);
/// … up to this, so that a page holds more than one entry.
const HIGH: Duration = Duration::from_secs(20 * 60);
/// Beyond the margin, something ready is better within this than waiting for a render: the patience
/// with the store (3 s), and some to spare.
const MUST: Duration = Duration::from_secs(7);
/// What is nearer than this may have been sent: more than a publisher's lead.
const MARGIN: Duration = Duration::from_secs(3);
/// The same where other nodes air the schedule too: they have to know of it as well. 12.75 s.
const SHARED_MARGIN: Duration = schedule::task::shared_margin(POLL, publish::pace::LEAD);
/// How often the schedule's folder is looked at for another node's or process's pages.
const POLL: Duration = Duration::from_secs(5);
/// Operators' requests that may wait; each is answered within a turn of the schedule.
const COMMANDS: usize = 8;

/// What a service is made from.
#[derive(Clone)]
pub struct Setup {
    /// The file that the configuration came from, for when it is read again.
    pub file: PathBuf,
    /// The channel.
    pub config: Config,
    /// Where it keeps what it keeps.
    pub folders: Folders,
    /// FFmpeg's program, if it is not the one in `PATH`.
    pub ffmpeg: Option<PathBuf>,
    /// systemd's credentials, if there are any.
    pub credentials: Option<PathBuf>,
    /// Who this node is, in pages and status.
    pub node: String,
    /// The service manager.
    pub notifier: Notifier,
    /// The stream keys of the process before, and for the one after.
    pub vault: Vault,
    /// Whether the service manager keeps connections for the process after.
    pub keeps: bool,
    /// How often it wants to hear that we live.
    pub watchdog: Option<Duration>,
    /// The metadata service, where there may be one.
    pub metadata: Option<Imds>,
    /// What is known about this machine's end.
    pub outlook: watch::Receiver<Outlook>,
    /// The log of this process.
    pub log: Arc<Log>,
}

/// Why a service could not be built, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stream key.
    #[error(transparent)]
    Key(#[from] key::Error),
    /// The control socket.
    #[error(transparent)]
    Socket(#[from] control::socket::Error),
    /// The renderer has nothing to begin with.
    #[error(transparent)]
    Render(#[from] render::task::Error),
    /// A destination's certificate authorities.
    #[error(transparent)]
    Trust(#[from] publish::task::trust::Error),
    /// Signals could not be taken over.
    #[error("signals cannot be taken over: {0}")]
    Signals(io::Error),
    /// A stage that is the channel ended by itself.
    #[error("{0} ended unexpectedly")]
    Ended(String),
}

/// A channel, built and running.
pub struct Service {
    stages: Stages,
    desk: Desk,
    reload: Reload,
    drain: CancellationToken,
    stop: CancellationToken,
    estate: Option<Estate>,
    notifier: Notifier,
    watchdog: Option<Duration>,
    health: Health,
    notices: Notices,
    slots: Slots,
}

impl Service {
    /// Builds every stage, in the order that the module's head explains. When this returns, the
    /// channel is going on air.
    ///
    /// `held` are connections that the service manager kept from the process before, by name.
    pub async fn load(setup: Setup, held: Vec<(String, OwnedFd)>) -> Result<Self, Error> {
        let Setup {
            file,
            config,
            folders,
            ffmpeg,
            credentials,
            node,
            notifier,
            vault,
            keeps,
            watchdog,
            metadata,
            outlook,
            log,
        } = setup;
        let started = Instant::now();
        let clock = Clock::system();
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        let (mut stages, mut health) = (Stages::default(), Health::default());
        let who = hooks::Who { node: node.clone(), metadata, outlook: outlook.clone() };
        let (notices, follow) = Notices::new(outlook);
        stages.feed("notice", follow.run(stop.clone()));
        let aws = Aws::new();
        let place = Place::of(&config.media.source, &aws);

        let (keys, round) = keys::first(&config.destinations, credentials.clone(), &aws, vault)?;

        let socket = Socket::bind(&folders.runtime)?;

        let (library_tx, library_rx) = watch::channel(Arc::new(Library::default()));
        let (wants, wanted) = watch::channel([].into());
        place.keep_library(&config, &folders, wanted, library_tx, &mut stages, stop.clone());

        let (wishes, wished) = watch::channel([].into());
        let (in_use, used) = watch::channel(Arc::default());
        let (unopened, broken) = watch::channel(Arc::default());
        let mut settings = render::task::Settings::new(
            folders.cache.clone(),
            config.video.clone(),
            config.audio.clone(),
            used,
            broken,
        );
        settings.ffmpeg = ffmpeg.unwrap_or(settings.ffmpeg);
        settings.wants = wants;
        let exchange = place.exchange(&mut settings);
        let member = match place.bucket() {
            Some(bucket) => Some(Member::begin(bucket, &node, &folders).await),
            None => None,
        };
        let mut slots = Slots::new();
        let mut ways = Vec::new();
        for destination in &config.destinations {
            let (status, shown) = watch::channel(DestinationStatus::idle(destination, clock.now()));
            let gate = slots.gate(member.as_ref(), &shown, &clock, (&mut stages, &mut health), &stop);
            ways.push((status, shown, gate));
        }

        let profile = Profile::new(&config.video, &config.audio);
        // Rendering the card takes a second or two where it was never rendered before.
        notifier.extend(STANDBY);
        let card = Box::pin(async {
            if let Some(exchange) = &exchange {
                exchange.bring_card().await;
            }
            render::task::first_shelf(&settings).await
        });
        let store = place.store(&folders);
        let begin = schedule::task::begin(store, profile.id(), profile.grid(), &clock, card);
        let (shelf, begun) = Box::pin(begin).await;
        let shelf = shelf?;
        if let Some(exchange) = &exchange {
            exchange.set_standby(&shelf.standby);
            stages.feed("exchange", exchange.clone().run(stop.clone()));
        }
        let (shelf_tx, shelf_rx) = watch::channel(shelf);
        let render = render::task::run(settings, library_rx.clone(), wished, shelf_tx, stop.clone());
        stages.feed("render", render);

        let renditions = place::renditions(&folders, exchange.as_ref());
        let settings = schedule::task::Settings {
            node: node.clone(),
            grid: profile.grid(),
            rules: rules(&config, profile.grid(), place.margin()),
            poll: POLL,
            open: move |id: &RenditionId| -> schedule::task::Opening {
                let (renditions, id) = (renditions.clone(), id.clone());
                Box::pin(async move { renditions.open(&id).await })
            },
            // The log itself lies beside it, if it is in no bucket.
            recall: place.bucket().map(|_| schedule::task::Notes {
                path: folders.state.join("on-air.json"),
                source: config.media.source.to_string(),
            }),
        };
        let outputs = schedule::task::Outputs { wishes, in_use, broken: unopened };
        let (schedule, programme) =
            schedule::task::start(settings, begun, clock.clone(), shelf_rx.clone(), outputs).await;
        let (commands, requests) = mpsc::channel(COMMANDS);
        let pulse = health.watch("schedule", started);
        stages.carry("schedule", schedule.run(requests, Box::new(move || pulse.beat()), stop.clone()));

        let mut inherited = heirs::inherit(held, &folders.state, &profile.id().to_string(), &notifier).await;
        // Where other nodes may take over, a session without its process is nobody's.
        let estate =
            (keeps && member.is_none()).then(|| Estate::new(&folders.state, profile.id().to_string()));
        if member.is_some() {
            inherited.clear();
        }
        let reader = Reader::new(programme.clone());
        let info = stream_info(&config);
        let mut destinations = Vec::new();
        slots.open();
        let kept_keys = round.kept();
        stages.feed("keys", keys::run(round, stop.clone()));
        for ((destination, keys), way) in config.destinations.iter().cloned().zip(keys).zip(ways) {
            let (status, receiver, gate) = way;
            let name = format!("publish {}", destination.name);
            let pulse = health.watch(&name, started);
            let dialer = Net::new(destination.ca_file.as_deref())?;
            let ours = |bequest: &mut Bequest| bequest.deed.destination == destination.name;
            let inherited = inherited.extract_if(.., ours).collect();
            let publisher = Publisher {
                inherited,
                heir: estate.as_ref().map(Estate::heir),
                gate,
                rules: publish::failover::Rules::new(destination.redundancy),
                destination,
                keys,
                metadata: info.clone(),
                reader: reader.clone(),
                clock: clock.clone(),
                dialer,
                beat: Box::new(move || pulse.beat()),
            };
            stages.publish(name, publish::task::run(publisher, status, drain.clone()));
            destinations.push(receiver);
        }

        let drained = CancellationToken::new();
        let charges = slots.charges(&destinations);
        stages.feed("hooks", hooks::run(aws.clone(), who, charges, drained.clone(), stop.clone()));
        let reload = Reload::new(file, config.clone(), commands.clone(), notifier.clone());
        let desk = Desk {
            channel: config.channel.clone(),
            node,
            started,
            clock,
            library: library_rx,
            shelf: shelf_rx,
            there: exchange.as_ref().map(Exchange::there),
            programme,
            destinations,
            kept_keys,
            commands,
            draining: drain.clone(),
            slots: slots.clone(),
            drained,
            notices: notices.clone(),
        };
        tell::start(&mut stages, &config, &desk, &log, &aws, (credentials, &folders.state), &stop);
        stages.feed("control", {
            let serve = control::task::run(socket, desk.clone(), stop.clone());
            async {
                serve.await;
                Ok::<_, std::convert::Infallible>(())
            }
        });
        Ok(Self { stages, desk, reload, drain, stop, estate, notifier, watchdog, health, notices, slots })
    }
}

fn stream_info(config: &Config) -> StreamInfo {
    StreamInfo {
        width: config.video.size.width,
        height: config.video.size.height,
        fps: config.video.fps.get(),
        video_bits: config.video.bitrate.bits(),
        audio_bits: config.audio.bitrate.bits(),
    }
}

fn rules(config: &Config, grid: Grid, margin: Duration) -> Rules {
    Rules {
        order: config.rotation.order,
        seed: schedule::rotation::seed(&config.channel),
        low: grid.cells_in(LOW),
        high: grid.cells_in(HIGH),
        must: grid.cells_in(margin + MUST),
        margin: grid.cells_in(margin),
    }
}
