//! nonstop keeps a music channel on the air.

pub mod config;
pub mod media;

pub mod library;
pub mod publish;
pub mod render;
pub mod schedule;
pub mod timeline;

pub mod control;
pub mod host;
pub mod store;
pub mod telemetry;
