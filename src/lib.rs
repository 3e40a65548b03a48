//! nonstop keeps a music channel on the air.

pub mod config;
pub mod host;
pub mod library;
pub mod media;
pub mod render;
