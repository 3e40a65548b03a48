//! Publishing: from the timeline to the platforms, one task per destination.
//!
//! ```text
//!              ┌ failover ┐  which ingest is opened, started and closed, and when (pure)
//! timeline ──► task ── session ── pace, ledger   what is due; what has arrived (pure)
//!                         └── rtmp ── transport   bytes; TCP, TLS
//! ```
//!
//! There is no queue between timeline and socket: a session owns a cursor, reads what is due, and
//! writes it in one go. What counts as delivered is what the peer's TCP acknowledged. So losing a
//! session loses nothing: the next one, on whichever ingest, seeks to the last keyframe before what
//! was acknowledged and goes on from there.

pub mod backoff;
pub mod failover;
pub mod ledger;
pub mod limits;
pub mod pace;
pub mod permit;
pub mod rtmp;
pub mod status;
pub mod task;

pub use permit::{Permit, Permits};
pub use rtmp::StreamInfo;
pub use status::{DestinationStatus, IngestState, IngestStatus, Role};
pub use task::{Net, Publisher};
