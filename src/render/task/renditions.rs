//! The renditions that can be opened from this machine: those that lie here, and those that can be
//! fetched from the bucket.

use super::disk;
use super::exchange::Exchange;
use super::workshop::blocking;
use crate::media::{Rendition, RenditionId};
use crate::render::Unopened;
use crate::store::{Objects, Store};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Renditions that are read from the disk at a time. A disk that hangs holds up so many threads.
const AT_ONCE: usize = 8;

/// Fetches a rendition that is not here.
type Fetch = dyn Fn(RenditionId) -> Pin<Box<dyn Future<Output = Result<(), Unopened>> + Send>> + Send + Sync;

/// See the module's head. Clones are handles on the same.
#[derive(Clone)]
pub struct Renditions {
    folder: PathBuf,
    turns: Arc<Semaphore>,
    fetch: Option<Arc<Fetch>>,
}

impl Renditions {
    /// Those in `folder`, each in a folder of its own.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, turns: Arc::new(Semaphore::new(AT_ONCE)), fetch: None }
    }

    /// The same, and behind them those in a bucket.
    pub fn with_exchange<B: Store + Objects>(self, exchange: Exchange<B>) -> Self {
        let fetch = move |id| -> Pin<Box<dyn Future<Output = _> + Send>> {
            let exchange = exchange.clone();
            Box::pin(async move { exchange.fetch(&id).await })
        };
        Self { fetch: Some(Arc::new(fetch)), ..self }
    }

    /// Opens a rendition: fetches it if it is not here, and reads its two files once, to index them.
    /// Takes as long as the disk does.
    pub async fn open(&self, id: &RenditionId) -> Result<Rendition, Unopened> {
        let opened = self.open_here(id).await;
        // What lies here and is no good is replaced as well.
        let (Err(_), Some(fetch)) = (&opened, &self.fetch) else { return opened };
        fetch(id.clone()).await?;
        self.open_here(id).await
    }

    async fn open_here(&self, id: &RenditionId) -> Result<Rendition, Unopened> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("it is never closed");
        let (folder, id) = (self.folder.clone(), id.clone());
        let opened = blocking(move || {
            let _turn = turn;
            disk::touch(&folder, &id);
            disk::open(&folder, &id)
        });
        opened.await.map_err(|error| Unopened::Broken(error.to_string()))
    }
}
