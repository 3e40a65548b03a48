//! Where a channel's music, renditions and schedule lie: in folders of this machine, or in a bucket
//! that other nodes see as well.

use super::stages::Stages;
use super::{MARGIN, SHARED_MARGIN};
use crate::aws::{Aws, Bucket};
use crate::config::{Config, Source};
use crate::host::folders::Folders;
use crate::library::{self, Library};
use crate::media::ContentHash;
use crate::render::task::{Exchange, Renditions, Settings};
use crate::store::{Error, Folder, Put, Store, Version};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// See the module's head.
pub(super) enum Place {
    /// The folder with the music; the rest is in the daemon's own folders.
    Machine(PathBuf),
    /// Everything below one prefix.
    Bucket(Bucket),
}

impl Place {
    /// Where the configuration says. Nothing is asked of the bucket yet.
    pub(super) fn of(source: &Source, aws: &Aws) -> Self {
        match source {
            Source::Folder(root) => Self::Machine(root.clone()),
            Source::Bucket { bucket, prefix } => Self::Bucket(aws.bucket(bucket, prefix)),
        }
    }

    /// The bucket, if there is one: what several nodes share.
    pub(super) fn bucket(&self) -> Option<Bucket> {
        match self {
            Self::Machine(_) => None,
            Self::Bucket(bucket) => Some(bucket.clone()),
        }
    }

    /// How near the schedule may change.
    pub(super) fn margin(&self) -> Duration {
        match self {
            Self::Machine(_) => MARGIN,
            Self::Bucket(_) => SHARED_MARGIN,
        }
    }

    /// What nodes agree through.
    pub(super) fn store(&self, folders: &Folders) -> Shared {
        match self {
            Self::Machine(_) => Shared::Folder(Folder::new(&folders.state)),
            Self::Bucket(bucket) => Shared::Bucket(bucket.clone()),
        }
    }

    /// Starts what keeps the library. The originals that the renderer wants are fetched if they are
    /// not here.
    pub(super) fn keep_library(
        &self,
        config: &Config,
        folders: &Folders,
        wants: watch::Receiver<Arc<[ContentHash]>>,
        library: watch::Sender<Arc<Library>>,
        stages: &mut Stages,
        stop: CancellationToken,
    ) {
        let background = config.media.background.clone();
        match self {
            Self::Machine(root) => {
                let settings = library::task::Settings::new(root.clone(), background, &folders.cache);
                stages.feed("library", library::task::run(settings, library, stop));
            }
            Self::Bucket(bucket) => {
                let (source, bytes) = (config.media.source.to_string(), config.media.cache.bytes());
                let settings = library::task::Bucket::new(
                    bucket.clone(),
                    source,
                    background,
                    &folders.cache,
                    bytes,
                    wants,
                );
                stages.feed("library", library::task::run_bucket(settings, library, stop));
            }
        }
    }

    /// The exchange of renditions with the bucket, if there is one. The renderer's `settings` get
    /// their end of it.
    pub(super) fn exchange(&self, settings: &mut Settings) -> Option<Exchange<Bucket>> {
        let Self::Bucket(bucket) = self else { return None };
        let (exchange, share) = Exchange::new(bucket.clone(), settings);
        settings.share = Some(share);
        Some(exchange)
    }
}

/// The renditions that can be opened: those on this machine, and those of the exchange.
pub(super) fn renditions(folders: &Folders, exchange: Option<&Exchange<Bucket>>) -> Renditions {
    let here = Renditions::new(folders.cache.join("renditions"));
    match exchange {
        Some(exchange) => here.with_exchange(exchange.clone()),
        None => here,
    }
}

/// A store of either kind. A bucket's answers are large while they are on their way: boxed, they do
/// not add to what every daemon keeps.
#[derive(Clone)]
pub(super) enum Shared {
    Folder(Folder),
    Bucket(Bucket),
}

impl Store for Shared {
    async fn list(&self, prefix: &str, after: &str) -> Result<Vec<String>, Error> {
        match self {
            Self::Folder(store) => store.list(prefix, after).await,
            Self::Bucket(store) => Box::pin(store.list(prefix, after)).await,
        }
    }

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        match self {
            Self::Folder(store) => store.get(key).await,
            Self::Bucket(store) => Box::pin(store.get(key)).await,
        }
    }

    async fn put_if_absent(&self, key: &str, bytes: Vec<u8>) -> Result<Put, Error> {
        match self {
            Self::Folder(store) => store.put_if_absent(key, bytes).await,
            Self::Bucket(store) => Box::pin(store.put_if_absent(key, bytes)).await,
        }
    }

    async fn put_if_match(&self, key: &str, bytes: Vec<u8>, version: &Version) -> Result<Put, Error> {
        match self {
            Self::Folder(store) => store.put_if_match(key, bytes, version).await,
            Self::Bucket(store) => Box::pin(store.put_if_match(key, bytes, version)).await,
        }
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        match self {
            Self::Folder(store) => store.remove(key).await,
            Self::Bucket(store) => Box::pin(store.remove(key)).await,
        }
    }
}
