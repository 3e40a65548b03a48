//! The machine underneath: its clock, its folders, its service manager, its signals.

pub mod clock;
pub mod folders;
pub mod harden;
pub mod kernel;
pub mod key;
pub mod signals;
pub mod systemd;

pub use clock::Clock;
pub use folders::Folders;
pub use signals::Signals;
pub use systemd::Notifier;
