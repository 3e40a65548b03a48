//! nonstop keeps a music channel on the air.

pub mod config;
pub mod host;
pub mod media;
