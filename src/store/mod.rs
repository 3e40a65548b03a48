//! A small shared place with conditional writes: what nodes agree through.
//!
//! The schedule log and the slots need three things of it: objects that can be read and listed,
//! a write that fails if the object is there (`put_if_absent`), and a write that fails if the object
//! is no longer the one that was read (`put_if_match`). A folder on one machine has them, and so
//! does a bucket.

pub mod folder;
#[cfg(test)]
pub(crate) mod memory;
pub mod objects;

pub use folder::Folder;
pub use objects::{Body, Object, Objects, PAGE, Page};

use std::future::Future;

/// What an object was when it was read; opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// How a conditional write ended, if it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was written, and is now this version.
    Written(Version),
    /// The condition did not hold; nothing was written.
    Refused,
}

/// Why the store could not answer. Whether a write happened is then unknown.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {object}: {reason}")]
pub struct Error {
    /// `read`, `list`, `write`, `remove`.
    pub action: &'static str,
    /// The object, as a path or URL.
    pub object: String,
    /// The cause, for a person.
    pub reason: String,
}

/// See the module's head. Keys are `/`-separated names of `[a-z0-9._-]`.
pub trait Store: Send + Sync + 'static {
    /// The keys below `prefix` (a key's leading folders), sorted.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, Error>> + Send;
    /// The object, or `None` if there is none.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<(Vec<u8>, Version)>, Error>> + Send;
    /// Writes the object unless it exists.
    fn put_if_absent(&self, key: &str, bytes: Vec<u8>) -> impl Future<Output = Result<Put, Error>> + Send;
    /// Writes the object if it is still `version`.
    fn put_if_match(
        &self,
        key: &str,
        bytes: Vec<u8>,
        version: &Version,
    ) -> impl Future<Output = Result<Put, Error>> + Send;
    /// Removes the object; absence is not an error.
    fn remove(&self, key: &str) -> impl Future<Output = Result<(), Error>> + Send;
}
