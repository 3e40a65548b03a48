//! What the programme is at an instant: `(schedule, renditions, instant) → media units`.
//!
//! A pure look-up ([`units`]); a [`Cursor`] is no more than the position that a reader has come to.
//! So a cursor that is opened anywhere gives what one gives that has read up to there, two nodes
//! with one schedule give the same bits, and a reconnect is a seek.

pub mod cursor;
#[cfg(test)]
mod laws;
pub mod task;
pub mod units;

pub use cursor::Cursor;
pub use task::{Error, Headers, Reader};
