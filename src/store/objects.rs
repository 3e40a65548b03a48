//! Whole files, too large to be held in memory: what media and renditions are fetched from and kept
//! in. A bucket has them.

use super::{Error, Version};
use bytes::Bytes;
use std::future::Future;
use std::path::Path;

/// What a listing says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name below the channel's prefix.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// What it is at this moment: another content has another version.
    pub version: Version,
}

/// Objects that a page of a listing holds at most: what a bucket gives in one answer.
pub const PAGE: usize = 1000;

/// A part of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// By key.
    pub objects: Vec<Object>,
    /// Whether nothing follows.
    pub last: bool,
}

/// The rest of a file, from where it was asked for.
pub trait Body: Send {
    /// The next piece, at most a few hundred KiB; `None` at the end. That the file ended early or
    /// ran on is for the caller to notice.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;
}

/// See the module's head. Clones are handles on the same files.
pub trait Objects: Clone + Send + Sync + 'static {
    /// See [`Body`].
    type Body: Body;
    /// Everything whose key begins with `prefix`, by key; `""` is everything there is.
    fn objects(&self, prefix: &str) -> impl Future<Output = Result<Vec<Object>, Error>> + Send;
    /// The same a page at a time: the next objects after the key `after` (`""`: the first ones), in
    /// the order of their keys' bytes. There need be no object `after`, so that a caller can step
    /// over a folder.
    fn page(&self, after: &str) -> impl Future<Output = Result<Page, Error>> + Send;
    /// The file from byte `from` on, if it is still `version`; a file that is gone or another by
    /// now is an error.
    fn fetch(
        &self,
        key: &str,
        version: &Version,
        from: u64,
    ) -> impl Future<Output = Result<Self::Body, Error>> + Send;
    /// Puts a local file there, whatever was there before.
    fn upload(&self, key: &str, file: &Path) -> impl Future<Output = Result<Version, Error>> + Send;
}
