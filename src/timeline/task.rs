//! Reading the timeline: the look-up's places become media units with bytes in them.
//!
//! Opening a rendition has read it whole only minutes ago, so the reads here come from memory
//! nearly always; they still go through the blocking pool, because a disk can stall for seconds and
//! nothing else may wait for it. Each cursor reads ahead ([`AUDIO_AHEAD`], [`LOOP_WHOLE`]), so that
//! a still picture's loop is read once and sound every few seconds.

use super::{Cursor, units};
use crate::media::{Kind, MediaTime, Rendition, RenditionId, Unit};
use crate::schedule::programme::Programme;
use crate::telemetry::messages;
use bytes::Bytes;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Sound is read this many bytes at a time: 4 s at 128 kbps.
const AUDIO_AHEAD: u64 = 64 << 10;
/// A loop of pictures up to this size is read whole and kept: two seconds at 4 Mbps. A longer one is
/// read this much at a time.
const LOOP_WHOLE: u64 = 1 << 20;
/// The most that one read gives, in time, which bounds the memory it takes.
const MOST: Duration = Duration::from_secs(4);

/// Codec header bodies, the same for every rendition of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// AudioSpecificConfig, as an FLV tag body.
    pub audio: Bytes,
    /// AVCDecoderConfigurationRecord, as an FLV tag body.
    pub video: Bytes,
}

/// Why the timeline could not be read: not even the standby rendition could.
#[derive(Debug, thiserror::Error)]
#[error("cannot read rendition {rendition}: {source}")]
pub struct Error {
    /// Whose file.
    pub rendition: RenditionId,
    /// The cause.
    pub source: io::Error,
}

/// Reads the timeline for any number of cursors. Clones share everything.
#[derive(Clone)]
pub struct Reader {
    programme: watch::Receiver<Arc<Programme>>,
    unreadable: Arc<Mutex<Unreadable>>,
    windows: Windows,
}

/// Renditions as they were opened when they could not be read. One that is opened again, because it
/// was rendered anew or its disk is back, is another, and gets another chance.
type Unreadable = HashMap<RenditionId, Weak<Rendition>>;

/// What a reader has read last, of sound and of pictures.
#[derive(Clone, Default)]
struct Windows {
    audio: Option<Window>,
    video: Option<Window>,
}

#[derive(Clone)]
struct Window {
    // The one that was opened, not its name: rendered anew, it may have its frames elsewhere.
    rendition: Weak<Rendition>,
    start: u64,
    bytes: Bytes,
}

impl Reader {
    /// A reader of what `programme` says, now and after every change.
    pub fn new(programme: watch::Receiver<Arc<Programme>>) -> Self {
        Self { programme, unreadable: Arc::default(), windows: Windows::default() }
    }

    /// The profile's codec headers.
    pub fn headers(&self) -> Headers {
        let programme = self.programme.borrow();
        let Rendition { audio, video, .. } = &*programme.standby;
        Headers { audio: audio.header.clone(), video: video.header.clone() }
    }

    /// A cursor whose first unit is the keyframe at or before `at`.
    pub fn cursor(&self, at: MediaTime) -> Cursor {
        Cursor::at(units::key_at_or_before(&self.readable(), at))
    }

    /// When what is on air at `after` ends.
    pub fn next_join(&self, after: MediaTime) -> MediaTime {
        units::join_after(&self.readable(), after)
    }

    /// The units from the cursor's position up to `until`, or the first seconds of them; the cursor
    /// moves on by what was given. If this is dropped before it ends, the cursor has not moved.
    ///
    /// A rendition that cannot be read is replaced by the standby rendition, here and from now on;
    /// only if that cannot be read either is there an error.
    pub async fn read(&mut self, cursor: &mut Cursor, until: MediaTime) -> Result<Vec<Unit>, Error> {
        let until = until.min(cursor.position().plus(MOST));
        loop {
            let programme = self.readable();
            let mut next = cursor.clone();
            match self.units(&programme, &mut next, until).await {
                Ok(units) => {
                    next.advance(until);
                    *cursor = next;
                    return Ok(units);
                }
                Err(error) if error.rendition == programme.standby.meta.id => return Err(error),
                Err(error) => {
                    tracing::error!(message_id = messages::RENDITION_UNREADABLE, rendition = %error.rendition, error = %error.source,
                        "a rendition cannot be read; the standby card takes its place");
                    let opened = programme.open.get(&error.rendition).map(Arc::downgrade).unwrap_or_default();
                    let mut unreadable = self.unreadable.lock().expect("never poisoned");
                    unreadable.retain(|_, opened| opened.strong_count() > 0);
                    unreadable.insert(error.rendition, opened);
                }
            }
        }
    }

    async fn units(
        &mut self,
        programme: &Programme,
        cursor: &mut Cursor,
        until: MediaTime,
    ) -> Result<Vec<Unit>, Error> {
        let places = units::units(programme, cursor.position(), until);
        let mut units = Vec::with_capacity(places.len());
        for place in places.iter().filter(|place| cursor.admit(place)) {
            let range = place.stream().body(place.frame);
            let window = match place.kind {
                Kind::Audio => &mut self.windows.audio,
                Kind::Video { .. } => &mut self.windows.video,
            };
            let body = body(window, &place.rendition, place.kind, range)
                .await
                .map_err(|source| Error { rendition: place.rendition.meta.id.clone(), source })?;
            units.push(Unit { time: place.time, kind: place.kind, body });
        }
        Ok(units)
    }

    /// The programme, without what turned out to be unreadable.
    fn readable(&self) -> Arc<Programme> {
        let programme = self.programme.borrow().clone();
        let unreadable = self.unreadable.lock().expect("never poisoned");
        let is_unreadable = |id: &RenditionId, opened: &Arc<Rendition>| {
            unreadable.get(id).is_some_and(|then| std::ptr::eq(then.as_ptr(), Arc::as_ptr(opened)))
        };
        if programme.open.iter().any(|(id, opened)| is_unreadable(id, opened)) {
            let mut rest = Programme::clone(&programme);
            rest.open.retain(|id, opened| !is_unreadable(id, opened));
            return Arc::new(rest);
        }
        programme
    }
}

/// The bytes at `range` of a rendition's stream, out of the window if they are in it.
async fn body(
    window: &mut Option<Window>,
    rendition: &Arc<Rendition>,
    kind: Kind,
    range: Range<u64>,
) -> io::Result<Bytes> {
    let cut = |window: &Window| {
        let from = range.start.checked_sub(window.start)? as usize;
        let to = (range.end - window.start) as usize;
        (std::ptr::eq(window.rendition.as_ptr(), Arc::as_ptr(rendition)) && to <= window.bytes.len())
            .then(|| window.bytes.slice(from..to))
    };
    if let Some(bytes) = window.as_ref().and_then(cut) {
        return Ok(bytes);
    }
    let stream = match kind {
        Kind::Audio => &rendition.audio,
        Kind::Video { .. } => &rendition.video,
    };
    let size = stream.body(stream.frames() - 1).end;
    let (start, ahead) = match kind {
        Kind::Audio => (range.start, AUDIO_AHEAD),
        Kind::Video { .. } if size <= LOOP_WHOLE => (0, size),
        Kind::Video { .. } => (range.start, LOOP_WHOLE),
    };
    let end = size.min(start + ahead).max(range.end);
    let file = stream.file.try_clone()?;
    let bytes = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; (end - start) as usize];
        file.read_exact_at(&mut bytes, start).map(|()| Bytes::from(bytes))
    });
    let bytes = bytes.await.map_err(io::Error::other)??;
    let read = Window { rendition: Arc::downgrade(rendition), start, bytes };
    let cut = cut(&read).expect("the window was read around the range");
    *window = Some(read);
    Ok(cut)
}
