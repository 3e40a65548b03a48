//! What is on air when: an append-only log of pages, the same for every node that reads it.
//!
//! In goes the [`Shelf`](crate::render::Shelf), out comes the [`Programme`]. [`rotation`] says which
//! track comes next, [`plan`] what to append now, [`resolve`] what the pages mean together, and
//! [`task`] keeps the log in a store ahead of the clock. A page that was written never changes; of
//! two nodes that append at once, one wins and the other follows it, so the store's conditional
//! write is all the agreement that any number of nodes need.
//!
//! A node that cannot reach the store goes on *alone*: it airs its own choice, which it keeps to
//! itself. When the store is back, it goes over to the log at the end of what is then on air, or, if
//! nobody wrote on, appends its own choice to it.
//!
//! Rejected: a leader that schedules for all (it takes an election, and its loss takes another), and
//! a position saved now and then (it is always wrong, by as much as the crash was sudden).

pub mod command;
#[cfg(test)]
mod laws;
pub mod page;
pub mod plan;
pub mod programme;
pub mod resolve;
pub mod rotation;
pub mod task;
#[cfg(test)]
pub(crate) mod testing;

pub use command::Command;
pub use page::{Entry, Page, Reason};
pub use plan::Rules;
pub use programme::Programme;
pub use resolve::{Airing, Schedule};
