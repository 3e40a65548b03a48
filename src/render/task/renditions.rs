//! The renditions that can be opened from this machine.

use super::disk;
use super::workshop::blocking;
use crate::media::{Rendition, RenditionId};
use crate::render::Unopened;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Renditions that are read from the disk at a time. A disk that hangs holds up so many threads.
const AT_ONCE: usize = 8;

/// See the module's head. Clones are handles on the same.
#[derive(Clone, Debug)]
pub struct Renditions {
    folder: PathBuf,
    turns: Arc<Semaphore>,
}

impl Renditions {
    /// Those in `folder`, each in a folder of its own.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Opens a rendition: reads its two files once, to index them. Takes as long as the disk does.
    pub async fn open(&self, id: &RenditionId) -> Result<Rendition, Unopened> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("it is never closed");
        let (folder, id) = (self.folder.clone(), id.clone());
        let opened = blocking(move || {
            let _turn = turn;
            disk::open(&folder, &id)
        });
        opened.await.map_err(|error| Unopened::Broken(error.to_string()))
    }
}
