//! Fetches one rendition: into a folder of its own, checked against its description, and only then
//! under its name.

use super::{Change, Inner};
use crate::media::rendition::{AUDIO_FILE, VIDEO_FILE};
use crate::media::{ContentHash, RenditionId};
use crate::render::Unopened;
use crate::render::exchange::{Sealed, folder, headers};
use crate::render::queue::Known;
use crate::render::task::disk;
use crate::render::task::workshop::blocking;
use crate::store::{Body, Object, Objects, Store};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Times that a file which breaks off is gone on with.
const ATTEMPTS: u32 = 3;
/// The whole of a rendition may take this long, and a second more for every [`LEAST`] bytes.
const PATIENCE: Duration = Duration::from_secs(20);
/// A tenth of what a small instance has to its bucket; a song is here in a minute even so.
const LEAST: u64 = 100_000;
/// On a disk that is nearly full a rendition is fetched all the same if it leaves this much.
const LAST_ROOM: u64 = 16 << 20;

/// See the module's head.
pub(super) async fn fetch<B: Store + Objects>(
    inner: &Arc<Inner<B>>,
    id: &RenditionId,
) -> Result<(), Unopened> {
    let away = |error: &dyn ToString| Unopened::Away(error.to_string());
    let prefix = folder(id);
    let (read, listed) = tokio::join!(inner.read(id), timeout(PATIENCE, inner.bucket.objects(&prefix)));
    let listed = listed.map_err(|late| away(&late))?.map_err(|error| away(&error))?;
    let sealed = match read.map_err(|error| away(&error))? {
        Some(Ok(sealed)) => sealed,
        Some(Err(unfit)) => {
            inner.update(|there| there.on_description(id, Err(unfit)));
            return Err(Unopened::Broken(unfit.to_string()));
        }
        None => {
            inner.update(|there| there.on_absence(id));
            return Err(Unopened::Broken("it lies neither here nor in the bucket".into()));
        }
    };
    let [audio, video] = sealed.keys().map(|key| listed.iter().find(|object| object.key == key));
    let (Some(audio), Some(video)) = (audio, video) else {
        return Err(damaged(inner, id, "a file is missing"));
    };
    let size = audio.size + video.size;
    make_room(inner, size).await?;
    let room = room(inner, id).await?;
    let whole = async {
        let (sound, pictures) = (room.path.join(AUDIO_FILE), room.path.join(VIDEO_FILE));
        tokio::try_join!(
            download(&inner.bucket, audio, sound, &sealed.audio),
            download(&inner.bucket, video, pictures, &sealed.video)
        )
    };
    let patience = PATIENCE + Duration::from_secs(size / LEAST);
    match timeout(patience, whole).await {
        Ok(Ok(_)) => {}
        Ok(Err(Failed::Away(reason))) => return Err(Unopened::Away(reason)),
        Ok(Err(Failed::Damaged(reason))) => return Err(damaged(inner, id, reason)),
        Err(_) => return Err(Unopened::Away(format!("not fetched within {} s", patience.as_secs()))),
    }
    let known = match blocking({
        let (inner, sealed, room) = (Arc::clone(inner), sealed.clone(), room);
        move || shelve(&inner, &sealed, &room.path)
    })
    .await
    {
        Ok(known) => known,
        Err(Failed::Away(reason)) => return Err(Unopened::Away(reason)),
        Err(Failed::Damaged(reason)) => return Err(damaged(inner, id, reason)),
    };
    inner.update(|there| there.on_description(id, Ok(&sealed)));
    // The renderer takes it in as long as it lives.
    let _ = inner.changes.send(Change::Here(known)).await;
    tracing::debug!(rendition = %id, bytes = size, "fetched a rendition");
    Ok(())
}

enum Failed {
    Away(String),
    Damaged(&'static str),
}

impl Failed {
    fn disk(error: io::Error) -> Self {
        Self::Away(format!("the cache cannot be written: {error}"))
    }
}

fn damaged<B: Store + Objects>(inner: &Inner<B>, id: &RenditionId, reason: &str) -> Unopened {
    inner.update(|there| there.on_damage(id));
    Unopened::Broken(format!("the bucket's is damaged: {reason}"))
}

/// A folder that goes when it is not made use of.
struct Room {
    path: PathBuf,
}

impl Drop for Room {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        let remove = move || drop(disk::remove(&path));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

async fn room<B: Store + Objects>(inner: &Arc<Inner<B>>, id: &RenditionId) -> Result<Room, Unopened> {
    let (inner, name) = (Arc::clone(inner), id.to_string());
    let room = blocking(move || disk::empty(inner.work()?.place(&name))).await;
    room.map(|path| Room { path }).map_err(|e| Unopened::Away(format!("the cache cannot be written: {e}")))
}

/// Makes room for so many bytes by removing what lies in the bucket as well, and is not in use.
async fn make_room<B: Store + Objects>(inner: &Arc<Inner<B>>, size: u64) -> Result<(), Unopened> {
    let mut keep: HashSet<RenditionId> = inner.in_use.borrow().iter().cloned().collect();
    keep.insert(inner.profile.standby());
    {
        let (there, shown) = (inner.there.borrow(), inner.shown.borrow());
        keep.extend(shown.here.iter().filter(|id| there.remote(id).is_none()).cloned());
    }
    let (places, need) = (inner.places.clone(), inner.keep_free + size);
    let made = blocking(move || {
        std::fs::create_dir_all(&places.renditions)?;
        disk::make_room(&places, need, &keep, None)
    });
    let (gone, free) =
        made.await.map_err(|e| Unopened::Away(format!("the cache's disk cannot be looked at: {e}")))?;
    for id in gone {
        let _ = inner.changes.send(Change::Gone(id)).await;
    }
    match free >= size + LAST_ROOM {
        true => Ok(()),
        false => Err(Unopened::Away(format!("the disk is full: {} MB are free", free >> 20))),
    }
}

/// Fetches one file, going on where it breaks off.
async fn download<B: Objects>(
    bucket: &B,
    object: &Object,
    path: PathBuf,
    expected: &ContentHash,
) -> Result<(), Failed> {
    let file = blocking(move || File::create(path)).await.map_err(Failed::disk)?;
    let mut sink = Some((file, Sha256::new()));
    let (mut at, mut attempts) = (0, 0);
    while at < object.size {
        let error = match pieces(bucket, object, &mut sink, &mut at).await {
            Ok(()) if at == object.size => break,
            Ok(()) if at > object.size => return Err(Failed::Damaged("a file is longer than it should be")),
            Ok(()) => "it ended early".to_owned(),
            Err(Failed::Away(error)) => error,
            Err(damaged) => return Err(damaged),
        };
        attempts += 1;
        if attempts == ATTEMPTS || sink.is_none() {
            return Err(Failed::Away(error));
        }
    }
    let Some((_, hash)) = sink else { return Err(Failed::Away("the cache cannot be written".into())) };
    match ContentHash::of(&hash.finalize().into()) == *expected {
        true => Ok(()),
        false => Err(Failed::Damaged("a file is not the one that was described")),
    }
}

/// Takes pieces in until there are no more, or one does not come.
async fn pieces<B: Objects>(
    bucket: &B,
    object: &Object,
    sink: &mut Option<(File, Sha256)>,
    at: &mut u64,
) -> Result<(), Failed> {
    let away = |error: crate::store::Error| Failed::Away(error.to_string());
    let mut body = bucket.fetch(&object.key, &object.version, *at).await.map_err(away)?;
    while let Some(piece) = body.next().await.map_err(away)? {
        *at += piece.len() as u64;
        let Some((mut file, mut hash)) = sink.take() else { break };
        let written = blocking(move || {
            hash.update(&piece);
            file.write_all(&piece).map(|()| (file, hash))
        });
        *sink = Some(written.await.map_err(Failed::disk)?);
    }
    Ok(())
}

/// Reads back what was fetched, and gives it its place.
fn shelve<B>(inner: &Inner<B>, sealed: &Sealed, room: &Path) -> Result<Known, Failed> {
    let damaged = |_| Failed::Damaged("its files cannot be read");
    let audio = disk::index(crate::media::flv::TagKind::Audio, &room.join(AUDIO_FILE)).map_err(damaged)?;
    let video = disk::index(crate::media::flv::TagKind::Video, &room.join(VIDEO_FILE)).map_err(damaged)?;
    let meta = &sealed.meta;
    if audio.frames() != meta.cells * inner.profile.grid().audio_frames() {
        return Err(Failed::Damaged("its sound does not fill its cells"));
    }
    if headers(&audio.header, &video.header) != sealed.headers {
        return Err(Failed::Damaged("its codec headers are not those that were described"));
    }
    disk::shelve(room, meta, &inner.places.renditions).map_err(Failed::disk)?;
    Ok(Known { id: meta.id.clone(), cells: meta.cells, track: meta.source_hash.clone() })
}
