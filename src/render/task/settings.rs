//! What the stage is given, and why it cannot work.

use super::{Patience, Share};
use crate::config::{Audio, Video};
use crate::media::{ContentHash, RenditionId};
use std::collections::HashSet;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What the stage is given.
pub struct Settings {
    /// The cache folder; `renditions`, `loops` and `quarantine.json` lie in it.
    pub cache: PathBuf,
    /// The FFmpeg to run; a name is looked for in the usual folders.
    pub ffmpeg: PathBuf,
    /// How pictures are encoded.
    pub video: Video,
    /// How sound is encoded.
    pub audio: Audio,
    /// Jobs at a time: one on air.
    pub parallel: NonZeroUsize,
    /// How long FFmpeg is waited for.
    pub patience: Patience,
    /// The pause after the first failure of a file, and while the machine is at fault.
    pub pause: Duration,
    /// Bytes that stay free on the cache's disk.
    pub keep_free: u64,
    /// Renditions that are on air, or will be soon: they are not removed.
    pub in_use: watch::Receiver<Arc<HashSet<RenditionId>>>,
    /// Renditions that could not be opened although the shelf calls them ready: each that comes
    /// into the set is removed and rendered anew. One that breaks again must have left it between.
    pub broken: watch::Receiver<Arc<HashSet<RenditionId>>>,
    /// The exchange with the bucket, if there is one.
    pub share: Option<Share>,
    /// Tells the library which originals are to be rendered, the most urgent first.
    pub wants: watch::Sender<Arc<[ContentHash]>>,
}

impl Settings {
    /// With what suits a daemon on air.
    pub fn new(
        cache: PathBuf,
        video: Video,
        audio: Audio,
        in_use: watch::Receiver<Arc<HashSet<RenditionId>>>,
        broken: watch::Receiver<Arc<HashSet<RenditionId>>>,
    ) -> Self {
        Self {
            cache,
            ffmpeg: "ffmpeg".into(),
            video,
            audio,
            parallel: NonZeroUsize::MIN,
            patience: Patience::default(),
            pause: Duration::from_secs(30),
            keep_free: 512 << 20,
            in_use,
            broken,
            share: None,
            wants: watch::Sender::new([].into()),
        }
    }
}

/// Why the stage cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache cannot be used.
    #[error("cannot use the cache folder {path}: {source}")]
    Cache {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of a rendition cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A rendition is not what it should be.
    #[error("{path} is not a whole rendition: {reason}")]
    Rendition {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no standby rendition in the cache, and none can be made.
    #[error("cannot render the standby card: {0}")]
    Standby(String),
}
