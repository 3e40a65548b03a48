//! Makes the loop of a picture or a clip, once for all renditions that show it.

use super::disk;
use super::fault::{Failure, on_disk, other_headers, packing, unreadable};
use super::workshop::{Gauge, Workshop, blocking, files};
use crate::config::Rate;
use crate::media::ContentHash;
use crate::media::flv::TagKind;
use crate::media::rendition::VIDEO_FILE;
use crate::render::command::{self, Fit, LONGEST_CLIP, Loop};
use crate::render::pack;
use crate::render::picture::{self, Kind};
use crate::render::progress::Progress;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

/// A loop is encoded again under a lower ceiling if it passes its own, at most so many times.
const MAX_LOOPS: u32 = 4;

impl Workshop {
    /// Makes the loop of the picture or clip at `path`.
    pub async fn picture(
        &self,
        hash: &ContentHash,
        path: &Path,
        fit: Fit,
        gauge: &Gauge,
    ) -> Result<(), Failure> {
        let head = blocking({
            let path = path.to_owned();
            move || head(&path)
        })
        .await
        .map_err(unreadable)?;
        let kind = Kind::of(&head)
            .ok_or_else(|| Failure::File("it is neither a picture nor a clip of a known kind".into()))?;
        let room = self.room(&format!("loop-{hash}")).await?;
        let raw = room.join("frame.yuv");
        let cut = match kind {
            Kind::Still(_) => None,
            Kind::Clip(demuxer) => {
                let frames = self.count(path, demuxer, gauge).await?;
                (frames > 1).then(|| (demuxer, Loop::of(frames, self.profile.gop)))
            }
        };
        if cut.is_none() {
            let (Kind::Still(demuxer) | Kind::Clip(demuxer)) = kind;
            let args = command::picture(path, demuxer, picture::turn(&head), fit, &self.profile, &raw);
            self.decode(&args, Duration::ZERO, |_| {}).await?;
        }
        let (coded, packed) = (room.join("coded.flv"), room.join(VIDEO_FILE));
        let mut ceiling = self.profile.bitrate.bits();
        for attempt in 1.. {
            let (args, frames) = match cut {
                Some((demuxer, cut)) => {
                    (command::clip(path, demuxer, cut, &self.profile, ceiling, &coded), cut.frames)
                }
                None => (command::still(&raw, &self.profile, ceiling, &coded), u64::from(self.profile.gop)),
            };
            let report = |p: Progress| gauge.within(0.3, 0.9, p.frames as f64, frames as f64);
            // A picture of 1080p takes 15 ms to encode; on a twentieth of a processor, 0.3 s.
            self.run(&args, Duration::from_secs(frames), report).await?;
            let over = self.pack_video(&coded, &packed, frames).await?;
            if over == 0 || attempt >= MAX_LOOPS {
                break;
            }
            // What is too much for one loop's time comes off the ceiling, and a little more.
            let share = over * u64::from(self.profile.fps.get()) / frames.max(1);
            ceiling = ceiling.saturating_sub(share + ceiling / 20).max(self.profile.bitrate.bits() / 4);
        }
        self.verify(&command::verify_video(&packed), Duration::from_secs(60)).await?;
        let (profile, places, reference, hash) =
            (self.profile.clone(), self.places.clone(), self.reference.clone(), hash.clone());
        blocking(move || {
            let stream = disk::index(TagKind::Video, &packed).map_err(|e| Failure::Passing(e.to_string()))?;
            if reference.is_some_and(|reference| reference.video != stream.header) {
                return Err(other_headers("pictures"));
            }
            fs::create_dir_all(&places.loops).map_err(on_disk)?;
            fs::rename(&packed, disk::loop_path(&places, &profile, &hash)).map_err(on_disk)?;
            fs::remove_dir_all(&room).map_err(on_disk)
        })
        .await
    }

    /// A clip's pictures at the profile's rate.
    async fn count(&self, path: &Path, demuxer: &str, gauge: &Gauge) -> Result<u64, Failure> {
        let (mut frames, most) = (0, u64::from(LONGEST_CLIP * self.profile.fps.get()));
        let report = |p: Progress| {
            frames = p.frames;
            gauge.within(0.0, 0.3, p.frames as f64, most as f64);
        };
        self.decode(&command::count(path, demuxer, &self.profile), Duration::from_secs(3600), report).await?;
        match frames {
            0 => Err(Failure::File("it holds no pictures".into())),
            n if n > most => Err(Failure::File(format!(
                "the clip is longer than {} minutes, the most that is looped",
                LONGEST_CLIP / 60
            ))),
            n => Ok(n),
        }
    }

    /// Returns by how many bits the loop passes its rate.
    async fn pack_video(&self, coded: &Path, packed: &Path, frames: u64) -> Result<u64, Failure> {
        let (coded, packed, fps) = (coded.to_owned(), packed.to_owned(), self.profile.fps.get());
        let rate = self.profile.bitrate.bits();
        let constant = (self.profile.rate == Rate::Constant).then_some(rate);
        blocking(move || {
            let (input, output) = files(&coded, &packed)?;
            let sizes = pack::video(input, output, fps, constant).map_err(packing)?;
            // The last pictures of a clip may be missing where its own frame rate is uneven.
            if (sizes.len() as u64) < frames.div_ceil(2) {
                return Err(Failure::Passing(format!("{} pictures where {frames} belong", sizes.len())));
            }
            Ok(pack::overflow(&sizes, fps, rate, rate))
        })
        .await
    }
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(picture::HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}
