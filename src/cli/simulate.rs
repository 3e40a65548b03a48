//! `nonstop simulate`: a metadata service on this machine that announces its end, to rehearse with.

use super::args::{Announce, Places, Rehearsal};
use super::{Env, Exit, Failure};
use crate::host::Imds;
use crate::host::folders::ETC;
use crate::host::imds::fake::Fake;
use crate::host::imds::{Endpoint, FIRMWARE, IDENTITY};
use crate::host::interruption::Path as Told;
use crate::host::signals::{Event, Signals};
use crate::media::Timestamp;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;

/// How often it is looked whether a node asks.
const LOOK: Duration = Duration::from_millis(200);
/// How long maintenance takes, which nothing depends on.
const MAINTENANCE: Duration = Duration::from_secs(3600);

/// Serves until a signal ends it.
pub(super) async fn simulate(
    places: &Places,
    announce: Announce,
    rehearsal: Rehearsal,
    env: Env<'_>,
) -> Result<Exit, Failure> {
    let mut signals = Signals::new()?;
    let address = rehearsal.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::new(Exit::Unavailable, format!("cannot listen on {address}: {error}"))
            .hint("choose another address, as in --listen 127.0.0.1:1339")
    })?;
    let address = listener.local_addr()?;
    let fake = fake(env, address);
    print(&instructions(announce, &rehearsal, address, &places.config))?;
    tokio::select! {
        never = fake.clone().serve(listener) => match never {},
        told = tell(&fake, announce, &rehearsal) => told.map(|()| Exit::Done),
        () = async { while signals.next().await == Event::Reload {} } => {
            print("ended; a node that is still pointed here keeps what it has heard until it is restarted\n")?;
            Ok(Exit::Done)
        }
    }
}

/// On a machine in EC2 the real service answers whatever is not rehearsed; elsewhere there is a
/// machine with a name of its own.
fn fake(env: Env<'_>, address: SocketAddr) -> Fake {
    let real = Endpoint::find(env, Path::new(FIRMWARE));
    let real = real.filter(|real| real.sure && !real.url.ends_with(&address.to_string()));
    let fake = match real {
        Some(real) => Fake::before(Imds::new(&real.url)),
        None => {
            let fake = Fake::new();
            fake.say(
                IDENTITY,
                r#"{"instanceId":"i-0feedfacefeedface","region":"us-east-1","availabilityZone":"us-east-1a","instanceType":"t3a.micro"}"#,
            );
            fake
        }
    };
    fake.say(Told::Group.as_str(), "InService");
    fake
}

async fn tell(fake: &Fake, announce: Announce, rehearsal: &Rehearsal) -> Result<(), Failure> {
    let path = announce.path();
    let mut looks = tokio::time::interval(LOOK);
    while fake.asked(path.as_str()) == 0 {
        looks.tick().await;
    }
    print(&format!(
        "{}  a node asks; the announcement follows in {} s\n",
        clock(),
        rehearsal.after.as_secs()
    ))?;
    tokio::time::sleep(rehearsal.after).await;
    let at = SystemTime::now() + rehearsal.within;
    fake.say(path.as_str(), announce.text(SystemTime::now(), at));
    print(&format!("{}  announced: {}\n", clock(), announce.sentence(at)))?;
    if announce.is_advice() {
        print(&format!("{}  nothing on the air should change\n", clock()))?;
    } else {
        tokio::time::sleep(rehearsal.within).await;
        print(&format!("{}  a real machine would be gone now; the node should be off the air\n", clock()))?;
    }
    std::future::pending().await
}

/// What a person does with it.
fn instructions(announce: Announce, rehearsal: &Rehearsal, address: SocketAddr, config: &Path) -> String {
    let unit = unit(config);
    let dropin = format!("/run/systemd/system/{unit}.d/rehearsal.conf");
    let variable = format!("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://{address}");
    format!(
        "This is a metadata service that announces {what}, {after} s after a node first asks.
Until Ctrl-C it can be asked at http://{address}.

Point a node of your own at it:

    {variable} nonstop run --config {config}

or the installed one, which is off the air for about a second:

    sudo mkdir -p {folder}
    printf '[Service]\\nEnvironment={variable}\\n' | sudo tee {dropin}
    sudo systemctl daemon-reload && sudo systemctl restart {unit}

and after the rehearsal back:

    sudo rm {dropin}
    sudo systemctl daemon-reload && sudo systemctl restart {unit}

Watch it with `nonstop status --watch` and `journalctl -fu {unit}`.

",
        what = announce.what(rehearsal.within),
        after = rehearsal.after.as_secs(),
        folder = dropin.trim_end_matches("/rehearsal.conf"),
        config = config.display(),
    )
}

/// The service of a configuration; the main one for those that are nobody's.
fn unit(config: &Path) -> String {
    match config.file_stem().map(|stem| stem.to_string_lossy()) {
        Some(stem) if config.parent() == Some(Path::new(ETC)) && stem != "nonstop" => {
            format!("nonstop@{stem}.service")
        }
        _ => "nonstop.service".to_owned(),
    }
}

impl Announce {
    /// Where it is told.
    fn path(self) -> Told {
        match self {
            Self::Interruption => Told::Spot,
            Self::Terminate => Told::Group,
            Self::Rebalance => Told::Rebalance,
            Self::Maintenance => Told::Maintenance,
        }
    }

    /// Whether a node goes on as before.
    fn is_advice(self) -> bool {
        matches!(self, Self::Rebalance | Self::Maintenance)
    }

    /// For the instructions.
    fn what(self, within: Duration) -> String {
        let seconds = within.as_secs();
        match self {
            Self::Interruption => format!("a spot interruption with {seconds} s of warning"),
            Self::Terminate => "that its Auto Scaling group lets the machine go".to_owned(),
            Self::Rebalance => "advice to rebalance".to_owned(),
            Self::Maintenance => format!("scheduled maintenance in {seconds} s"),
        }
    }

    fn sentence(self, at: SystemTime) -> String {
        let at = Timestamp::from(at);
        match self {
            Self::Interruption => format!("the spot machine is taken away at {at}"),
            Self::Terminate => "the Auto Scaling group lets the machine go".to_owned(),
            Self::Rebalance => "the spot machine is likelier to be interrupted than others".to_owned(),
            Self::Maintenance => format!("the machine is restarted at {at}"),
        }
    }

    /// What the service says at [`Self::path`], in its own words.
    fn text(self, now: SystemTime, at: SystemTime) -> String {
        let (now, then, end) = (Timestamp::from(now), Timestamp::from(at), Timestamp::from(at + MAINTENANCE));
        match self {
            Self::Interruption => format!(r#"{{"action":"terminate","time":"{then}"}}"#),
            Self::Terminate => "Terminated".to_owned(),
            Self::Rebalance => format!(r#"{{"noticeTime":"{now}"}}"#),
            Self::Maintenance => format!(
                r#"[{{"NotBefore":"{then}","Code":"system-reboot","Description":"a rehearsal","EventId":"instance-event-rehearsal","NotAfter":"{end}","State":"active"}}]"#
            ),
        }
    }
}

fn clock() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

fn print(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())?;
    io::stdout().flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::interruption::{Interruption, Urgency};
    use clap::ValueEnum;

    #[test]
    fn what_is_announced_is_understood_as_what_it_is() {
        let now = SystemTime::now();
        for announce in Announce::value_variants() {
            let mut machine = Interruption::default();
            machine.on(announce.path(), None, now);
            machine.on(announce.path(), Some(&announce.text(now, now + Duration::from_secs(120))), now);
            let notices = machine.notices();
            assert_eq!(notices.len(), 1, "{announce:?}");
            assert_eq!(notices[0].urgency() == Urgency::Prepare, announce.is_advice(), "{announce:?}");
        }
    }

    #[test]
    fn the_instructions_can_be_followed_word_by_word() {
        let rehearsal = Rehearsal {
            within: Duration::from_secs(120),
            after: Duration::from_secs(5),
            listen: "127.0.0.1:1338".parse().unwrap(),
        };
        let text = |announce, config| instructions(announce, &rehearsal, rehearsal.listen, Path::new(config));
        insta::assert_snapshot!(text(Announce::Interruption, "/etc/nonstop/lofi.toml"));
        assert!(text(Announce::Rebalance, "/etc/nonstop/nonstop.toml").contains("restart nonstop.service\n"));
    }
}
