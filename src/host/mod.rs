//! The machine underneath: its clock, its service manager, its signals.

pub mod clock;
pub mod key;

pub use clock::Clock;
