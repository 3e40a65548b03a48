//! What the daemon tells about itself without being asked: its log, its metrics, its health.

pub mod alert;
pub mod health;
pub mod journal;
pub mod limit;
pub mod messages;
pub mod metrics;
pub mod minute;
pub mod prometheus;
mod record;
pub mod sample;
pub mod scrape;
pub mod shipment;
pub mod webhook;
mod writer;

pub use health::{Health, Pulse};
pub use record::Record;
