//! The whole daemon, as an operator runs it, against real RTMP servers: what they record is held
//! against the programme, unit by unit.

mod rig;

#[path = "on_air/black_hole.rs"]
mod black_hole;
#[path = "on_air/failover.rs"]
mod failover;
#[path = "on_air/library.rs"]
mod library;
#[path = "on_air/music.rs"]
mod music;
#[path = "on_air/reload.rs"]
mod reload;
#[path = "on_air/restart.rs"]
mod restart;
#[path = "on_air/secret.rs"]
mod secret;

use std::time::Duration;

/// How long something may take that takes a moment, on a machine that does other things, too.
const SOON: Duration = Duration::from_secs(20);
/// The first track has to be rendered.
const RENDERED: Duration = Duration::from_secs(90);

/// `long` under `make soak`, else `short`.
fn soaked<T>(short: T, long: T) -> T {
    if std::env::var_os("NONSTOP_SOAK").is_some() { long } else { short }
}
