//! Gives renditions to the bucket, one at a time: the two files, and last the description.

use super::Inner;
use crate::media::rendition::{AUDIO_FILE, VIDEO_FILE};
use crate::media::{ContentHash, RenditionId};
use crate::render::exchange::{Sealed, description, headers};
use crate::render::task::disk;
use crate::render::task::workshop::blocking;
use crate::store::{self, Kind, Objects, Put, Store};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A rendition is given within this time, or another time: a clip's takes some 100 MB.
const PATIENCE: Duration = Duration::from_secs(600);

/// Gives the first rendition of those `here` that the bucket has not. Whether there was one.
pub(super) async fn give_one<B: Store + Objects>(
    inner: &Arc<Inner<B>>,
    here: &[RenditionId],
    unreadable: &mut HashSet<RenditionId>,
) -> Result<bool, store::Error> {
    let here: Vec<_> = here.iter().filter(|id| !unreadable.contains(id)).cloned().collect();
    let missing = inner.there.borrow().missing(&here).map(|(id, replace)| (id.clone(), replace));
    let Some((id, replace)) = missing else { return Ok(false) };
    let (renditions, name) = (inner.places.renditions.clone(), id.clone());
    let sealed = match blocking(move || seal(&renditions, &name)).await {
        Ok(sealed) => sealed,
        Err(error) => {
            // Whoever opens it finds that out as well, and has it made anew.
            tracing::debug!(rendition = %id, %error, "a rendition cannot be read, and is not given");
            unreadable.insert(id);
            return Ok(true);
        }
    };
    let late = |_| store::Error::new(Kind::Unreachable, "write", description(&id), "it takes too long");
    timeout(PATIENCE, give(inner, &id, &sealed, replace)).await.map_err(late)??;
    Ok(true)
}

async fn give<B: Store + Objects>(
    inner: &Arc<Inner<B>>,
    id: &RenditionId,
    sealed: &Sealed,
    replace: bool,
) -> Result<(), store::Error> {
    let bucket = &inner.bucket;
    // Another node may have been faster since the last look.
    if !replace && let Some(read) = inner.read(id).await? {
        inner.update(|there| super::on_read(there, id, &Some(read)));
        return Ok(());
    }
    let folder = inner.places.renditions.join(id.as_str());
    let keys = sealed.keys();
    for (key, file) in keys.iter().zip([AUDIO_FILE, VIDEO_FILE]) {
        bucket.upload(key, &folder.join(file)).await?;
    }
    let key = description(id);
    if replace {
        bucket.remove(&key).await?;
    }
    if bucket.put_if_absent(&key, sealed.to_bytes()).await? == Put::Refused {
        let winner = inner.read(id).await?;
        let theirs = winner.as_ref().and_then(|read| read.as_ref().ok()).map(Sealed::keys);
        // Where two nodes have made the same bytes, there is but one file. Of what is not known
        // nothing is removed.
        if let Some(theirs) = theirs {
            for key in keys.iter().filter(|key| !theirs.contains(key)) {
                bucket.remove(key).await?;
            }
        }
        inner.update(|there| super::on_read(there, id, &winner));
        return Ok(());
    }
    inner.update(|there| there.on_description(id, Ok(sealed)));
    tracing::debug!(rendition = %id, "gave a rendition to the bucket");
    Ok(())
}

/// Describes a rendition that lies here, after reading it all.
fn seal(renditions: &Path, id: &RenditionId) -> io::Result<Sealed> {
    let rendition = disk::open(renditions, id).map_err(io::Error::other)?;
    let folder = renditions.join(id.as_str());
    Ok(Sealed {
        audio: hash(folder.join(AUDIO_FILE))?,
        video: hash(folder.join(VIDEO_FILE))?,
        headers: headers(&rendition.audio.header, &rendition.video.header),
        meta: rendition.meta,
    })
}

fn hash(path: PathBuf) -> io::Result<ContentHash> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut Digests(&mut hash))?;
    Ok(ContentHash::of(&hash.finalize().into()))
}

/// Takes bytes in as a file would.
struct Digests<'a>(&'a mut Sha256);

impl io::Write for Digests<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
