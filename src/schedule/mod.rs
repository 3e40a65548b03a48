//! What is on air when: an append-only log of pages, the same for every node that reads it.
pub mod page;
pub mod programme;
pub mod resolve;
#[cfg(test)]
pub(crate) mod testing;

pub use page::{Entry, Page, Reason};
pub use programme::Programme;
pub use resolve::{Airing, Schedule};
