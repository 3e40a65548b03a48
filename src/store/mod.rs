//! A small shared place with conditional writes: what nodes agree through.
//!
//! The schedule log and the slots need three things of it: objects that can be read and listed,
//! a write that fails if the object is there (`put_if_absent`), and a write that fails if the object
//! is no longer the one that was read (`put_if_match`). A folder on one machine has them, and so
//! does a bucket.

pub mod folder;
#[cfg(test)]
mod laws;
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {action} {object}: {reason}")]
pub struct Error {
    /// What kind of trouble it is.
    pub kind: Kind,
    /// `read`, `list`, `write`, `remove`.
    pub action: &'static str,
    /// The object, as a path or URL.
    pub object: String,
    /// The cause, for a person.
    pub reason: String,
}

/// Kinds of trouble with a store, told apart by what there is to do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// There are no credentials, or none that count.
    Credentials,
    /// The credentials counted once, and have run out.
    Expired,
    /// This machine's clock is too wrong for a request to count.
    Clock,
    /// It is not known where the store is, or it is somewhere else.
    Region,
    /// The credentials do not allow this.
    Denied,
    /// The place itself, or the file that was asked for, is not there.
    Missing,
    /// The file is another by now.
    Changed,
    /// It has too much to do; it passes.
    Busy,
    /// It does not answer, or breaks off.
    Unreachable,
    /// It will never take this request, whoever makes it: what is asked or sent is wrong.
    Invalid,
    /// It answers with something else than it should, or the disk fails.
    Other,
}

impl Error {
    /// An error of a `kind`: cannot `action` `object`, because of `reason`.
    pub fn new(
        kind: Kind,
        action: &'static str,
        object: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self { kind, action, object: object.into(), reason: reason.into() }
    }

    /// What a person can do about it; nothing where it passes by itself.
    pub fn hint(&self) -> Option<&'static str> {
        self.kind.hint()
    }
}

impl Kind {
    /// What a person can do about it; nothing where it passes by itself.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::Credentials => Some(
                "give the instance a role (an instance profile), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ),
            Self::Expired => Some(
                "a role's credentials are renewed by themselves; those in AWS_* variables or in ~/.aws are not: \
                 replace them there, or take them away and give the instance a role",
            ),
            Self::Clock => Some(
                "set the clock: `timedatectl` says how it is; systemd-timesyncd or chrony has to run and reach a time \
                 server (on EC2 169.254.169.123)",
            ),
            Self::Region => Some("set AWS_REGION to the region that the bucket and the secret are in"),
            Self::Denied => {
                Some("the role's policy has to allow it; docs/aws.md shows the least that serves")
            }
            Self::Missing => Some("is the name right, and is it in this account and region?"),
            Self::Unreachable => {
                Some("is the address right, and do routes, DNS and firewalls let this machine out to it?")
            }
            Self::Changed | Self::Busy | Self::Invalid | Self::Other => None,
        }
    }
}

/// See the module's head. Keys are `/`-separated names of `[a-z0-9._-]`.
pub trait Store: Send + Sync + 'static {
    /// The keys below `prefix` (a key's leading folders) that come after the key `after`, whether that
    /// exists or not, sorted: the first [`PAGE`] of them, so that it is one request. After the empty
    /// key come all.
    fn list(&self, prefix: &str, after: &str) -> impl Future<Output = Result<Vec<String>, Error>> + Send;
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
