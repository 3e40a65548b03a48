//! How people and scripts talk to a running daemon: a unix socket in the runtime folder, a request
//! and a reply a line, and the status as text.
//!
//! Nothing is computed while nobody asks, and nothing about the programme is decided here: the
//! [`Handler`], which the service is, knows and does.

pub mod client;
pub mod ink;
pub mod protocol;
pub mod socket;
pub mod status;
pub mod task;
pub mod text;

pub use crate::media::Timestamp;
pub use client::Client;
pub use protocol::{Forecast, Plan, Queued, Refusal, Reply, Request};
pub use socket::Socket;
pub use status::Status;
pub use task::Handler;
