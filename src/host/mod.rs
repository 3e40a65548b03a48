//! The machine underneath: its clock, its folders, its service manager, its signals, and what is
//! announced about its end.

pub mod alarm;
pub mod clock;
pub mod drain;
pub mod file;
pub mod folders;
pub mod harden;
pub mod imds;
pub mod interruption;
pub mod kernel;
pub mod key;
pub mod signals;
pub mod systemd;
pub mod unit;
pub mod usage;

pub use alarm::Alarm;
pub use clock::Clock;
pub use drain::Drain;
pub use folders::Folders;
pub use imds::Imds;
pub use signals::Signals;
pub use systemd::Notifier;
