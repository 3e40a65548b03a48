//! Makes one rendition: FFmpeg runs, packing, verification, shelving.

use super::disk::{self, Places, Reference, Work};
use super::fault::{Failure, blame, on_disk, other_headers, packing, unreadable};
use super::ffmpeg::{self, Patience};
use crate::library::Track;
use crate::media::flv::TagKind;
use crate::media::rendition::{AUDIO_FILE, FORMAT, VIDEO_FILE};
use crate::media::{ContentHash, Credits, Meta, RenditionId, SAMPLE_RATE};
use crate::render::command::{self, Args, Fit, Tool};
use crate::render::loudness::{self, Measured, Verdict};
use crate::render::notes::Notes;
use crate::render::pack::{self, Layout};
use crate::render::profile::{CARD, Profile, STANDBY_SAMPLES, card_hash, silence_hash};
use crate::render::progress::Progress;
use crate::render::queue::Known;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// How far a job is, in thousandths; written by the job, read by the task.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU32);

impl Gauge {
    /// From 0 to 1.
    pub fn get(&self) -> f32 {
        self.0.load(Ordering::Relaxed) as f32 / 1000.0
    }

    /// Stands in `from..to` for what has come to `done` of `all`.
    pub(super) fn within(&self, from: f32, to: f32, done: f64, all: f64) {
        let share = if all > 0.0 { (done / all).clamp(0.0, 1.0) as f32 } else { 0.0 };
        self.0.store(((from + (to - from) * share) * 1000.0) as u32, Ordering::Relaxed);
    }
}

/// What every job needs.
pub struct Workshop {
    /// FFmpeg.
    pub program: PathBuf,
    /// What it can do.
    pub tool: Tool,
    /// How long it is waited for.
    pub patience: Patience,
    /// What is made.
    pub profile: Profile,
    /// Where it is put.
    pub places: Places,
    /// Where it is made.
    pub work: Work,
    /// What its headers must be; none while the standby rendition, which sets them, is made.
    pub reference: Option<Reference>,
}

impl Workshop {
    /// Makes the rendition `id` of a track, with the loop of `picture`, which lies ready.
    pub async fn track(
        &self,
        track: &Track,
        id: &RenditionId,
        picture: &ContentHash,
        like: Option<&RenditionId>,
        gauge: &Gauge,
    ) -> Result<Known, Failure> {
        if let Some(known) = self.already(id).await {
            return Ok(known);
        }
        let room = self.room(id.as_str()).await?;
        let meta = match like {
            Some(like) => self.take_over(like, &room).await?,
            None => None,
        };
        let mut meta = match meta {
            Some(meta) => meta,
            None => self.sound(track, &room, gauge).await?,
        };
        meta.id = id.clone();
        meta.picture_hash = picture.clone();
        meta.source = track.source.clone();
        meta.credits = track.credits.clone();
        let pictures = disk::loop_path(&self.places, &self.profile, picture);
        self.shelve(room, pictures, meta).await
    }

    /// Makes the standby rendition: digital silence and the card.
    pub async fn standby(&self) -> Result<Known, Failure> {
        let id = self.profile.standby();
        let room = self.room(id.as_str()).await?;
        let (card, raw, audio) = (room.join("card.png"), room.join("raw.flv"), room.join(AUDIO_FILE));
        blocking({
            let card = card.clone();
            move || fs::write(card, CARD)
        })
        .await
        .map_err(on_disk)?;
        self.picture(&card_hash(), &card, Fit::Contain, &Gauge::default()).await?;
        self.run(&command::silence(STANDBY_SAMPLES, &self.profile, &raw), Duration::ZERO, |_| {}).await?;
        let layout = Layout::of(STANDBY_SAMPLES, self.profile.grid());
        self.pack_audio(&raw, &audio, layout.frames).await?;
        blocking(move || fs::remove_file(&card).and_then(|()| fs::remove_file(&raw)))
            .await
            .map_err(on_disk)?;
        let meta = Meta {
            format: FORMAT,
            id,
            profile: self.profile.id().clone(),
            cells: layout.cells,
            credits: Credits { title: "We’ll be right back".into(), ..Credits::default() },
            loudness: None,
            true_peak: None,
            source: "(standby)".into(),
            source_hash: silence_hash(),
            picture_hash: card_hash(),
            ffmpeg: self.tool.version.clone(),
        };
        let pictures = disk::loop_path(&self.places, &self.profile, &card_hash());
        self.shelve(room, pictures, meta).await
    }

    /// Measures, treats and encodes a track into `room`, until it is as loud as it should be.
    async fn sound(&self, track: &Track, room: &Path, gauge: &Gauge) -> Result<Meta, Failure> {
        if track.size == 0 {
            return Err(Failure::File("it is empty".into()));
        }
        let path = track.path.as_deref().ok_or_else(|| Failure::Away("it is not on this machine".into()))?;
        let stamp = stamp(path, track.size).await?;
        // 4 kB/s is the least that a song takes; on a busy machine a pass runs at a tenth of real
        // time and more.
        let guess = track.size as f64 / 4000.0;
        let report = |p: Progress| gauge.within(0.0, 0.25, p.time.as_secs_f64(), guess / 4.0);
        let args = command::measure(path, &self.tool);
        let notes = self.decode(&args, Duration::from_secs_f64(guess), report).await?;
        let found = Measured::read(&notes)
            .ok_or_else(|| Failure::File(notes.reason().unwrap_or_else(|| "it holds no sound".into())))?;
        if let Some(refusal) = found.refusal() {
            return Err(Failure::File(refusal));
        }
        let target = self.profile.loudness;
        let length = Duration::from_secs(found.samples / SAMPLE_RATE);
        let layout = Layout::of(found.samples, self.profile.grid());
        let (raw, packed) = (room.join("raw.flv"), room.join(AUDIO_FILE));
        let mut treatment = loudness::plan(&found, target);
        let mut finished = found.clone();
        for encodes in 1.. {
            let report = |p: Progress| gauge.within(0.25, 0.7, p.time.as_secs_f64(), length.as_secs_f64());
            let args = command::encode(path, found.samples, treatment, &self.profile, &self.tool, &raw);
            self.decode(&args, 4 * length, report).await?;
            self.pack_audio(&raw, &packed, layout.frames).await?;
            let notes = self.verify(&command::verify_audio(&packed), 4 * length).await?;
            finished = Measured::read(&notes)
                .ok_or_else(|| Failure::Passing("the finished sound could not be measured".into()))?;
            gauge.within(0.95, 1.0, 0.0, 1.0);
            match loudness::judge(&finished, treatment, target, encodes) {
                Verdict::Good => break,
                Verdict::Again(next) => treatment = next,
            }
        }
        if finished.loudness.is_none() {
            return Err(Failure::Passing("the finished sound is silent although the track is not".into()));
        }
        if self::stamp(path, track.size).await? != stamp {
            return Err(Failure::Passing("it changed while it was rendered".into()));
        }
        blocking(move || fs::remove_file(raw)).await.map_err(on_disk)?;
        tracing::debug!(
            source = track.source,
            gain = treatment.gain,
            limit = treatment.limit,
            loudness = finished.loudness,
            true_peak = finished.true_peak,
            "rendered a track's sound"
        );
        Ok(Meta {
            format: FORMAT,
            id: self.profile.standby(),
            profile: self.profile.id().clone(),
            cells: layout.cells,
            credits: track.credits.clone(),
            loudness: finished.loudness,
            true_peak: finished.true_peak,
            source: track.source.clone(),
            source_hash: track.hash.clone(),
            picture_hash: card_hash(),
            ffmpeg: self.tool.version.clone(),
        })
    }

    /// The sound of a rendition of the same track, if it still lies there and is sound.
    async fn take_over(&self, like: &RenditionId, room: &Path) -> Result<Option<Meta>, Failure> {
        let Some(reference) = self.reference.clone() else { return Ok(None) };
        let (profile, renditions, like, room) =
            (self.profile.clone(), self.places.renditions.clone(), like.clone(), room.to_owned());
        blocking(move || {
            if disk::check(&renditions, &like, &profile, &reference).is_err() {
                return Ok(None);
            }
            let Ok(rendition) = disk::open(&renditions, &like) else { return Ok(None) };
            let from = renditions.join(like.as_str()).join(AUDIO_FILE);
            disk::link(&from, &room.join(AUDIO_FILE)).map_err(on_disk)?;
            Ok(Some(rendition.meta))
        })
        .await
    }

    /// What lies there under this name, if it is fit.
    async fn already(&self, id: &RenditionId) -> Option<Known> {
        let reference = self.reference.clone()?;
        let (renditions, id, profile) = (self.places.renditions.clone(), id.clone(), self.profile.clone());
        blocking(move || disk::check(&renditions, &id, &profile, &reference).ok()).await
    }

    /// Reads a rendition back and, if it is whole, gives it its place.
    async fn shelve(&self, room: PathBuf, pictures: PathBuf, meta: Meta) -> Result<Known, Failure> {
        let (renditions, grid, reference) =
            (self.places.renditions.clone(), self.profile.grid(), self.reference.clone());
        blocking(move || {
            disk::link(&pictures, &room.join(VIDEO_FILE)).map_err(|error| match pictures.exists() {
                true => on_disk(error),
                false => Failure::Unpictured(format!("the picture's loop has gone: {error}")),
            })?;
            let index =
                |kind, file| disk::index(kind, &room.join(file)).map_err(|e| Failure::Passing(e.to_string()));
            let (audio, video) = (index(TagKind::Audio, AUDIO_FILE)?, index(TagKind::Video, VIDEO_FILE)?);
            if audio.frames() != meta.cells * grid.audio_frames() {
                return Err(Failure::Passing(format!(
                    "{} frames do not fill {} cells",
                    audio.frames(),
                    meta.cells
                )));
            }
            if let Some(reference) = reference {
                if reference.audio != audio.header {
                    return Err(other_headers("sound"));
                }
                if reference.video != video.header {
                    return Err(other_headers("pictures"));
                }
            }
            disk::shelve(&room, &meta, &renditions).map_err(on_disk)?;
            Ok(Known { id: meta.id, cells: meta.cells, track: meta.source_hash })
        })
        .await
    }

    async fn pack_audio(&self, raw: &Path, packed: &Path, frames: u64) -> Result<(), Failure> {
        let (raw, packed) = (raw.to_owned(), packed.to_owned());
        blocking(move || {
            let (input, output) = files(&raw, &packed)?;
            pack::audio(input, output, frames).map_err(packing)
        })
        .await
    }

    /// Decodes what was made; not a word may be said about it.
    pub(super) async fn verify(&self, args: &Args, deadline: Duration) -> Result<Notes, Failure> {
        let notes = self.run(args, deadline, |_| {}).await?;
        match notes.is_clean() {
            true => Ok(notes),
            false => {
                let said = notes.lines().find(|l| l.contains("[warning]") || l.contains("[error]"));
                Err(Failure::Passing(format!(
                    "what was made does not decode cleanly: {}",
                    said.unwrap_or("?")
                )))
            }
        }
    }

    /// Runs FFmpeg on what we made ourselves: its failures are not the file's.
    pub(super) async fn run(
        &self,
        args: &Args,
        deadline: Duration,
        at: impl FnMut(Progress),
    ) -> Result<Notes, Failure> {
        self.decode(args, deadline, at).await.map_err(|failure| match failure {
            Failure::File(reason) => Failure::Passing(reason),
            other => other,
        })
    }

    /// Runs FFmpeg on a foreign file.
    pub(super) async fn decode(
        &self,
        args: &Args,
        deadline: Duration,
        at: impl FnMut(Progress),
    ) -> Result<Notes, Failure> {
        ffmpeg::run(&self.program, args, self.patience, deadline, at).await.map_err(blame)
    }

    pub(super) async fn room(&self, name: &str) -> Result<PathBuf, Failure> {
        let room = self.work.place(name);
        blocking(move || disk::empty(room)).await.map_err(on_disk)
    }
}

/// A file to read and a file to write.
pub(super) fn files(from: &Path, to: &Path) -> Result<(BufReader<File>, BufWriter<File>), Failure> {
    let input = File::open(from).map_err(on_disk)?;
    let output = File::create(to).map_err(on_disk)?;
    Ok((BufReader::with_capacity(64 << 10, input), BufWriter::with_capacity(64 << 10, output)))
}

/// When the file was last written, if it still is the one that the library has read.
async fn stamp(path: &Path, size: u64) -> Result<Option<SystemTime>, Failure> {
    let path = path.to_owned();
    match blocking(move || fs::metadata(path)).await {
        Ok(meta) if meta.len() == size => Ok(meta.modified().ok()),
        Ok(_) => Err(Failure::Passing("it has changed since it was read".into())),
        Err(e) => Err(unreadable(e)),
    }
}

/// Runs `work` where it may block.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}
