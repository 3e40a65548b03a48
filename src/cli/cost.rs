//! `nonstop cost`: the month's bill from the configuration, and from renditions where there are any.

use super::args::Places;
use super::failure::colors;
use super::{Env, Exit, Failure, ask, width};
use crate::config::{self, Config};
use crate::cost::{Prices, Usage, bill};
use crate::host::Folders;
use crate::media::flv::TagKind;
use crate::media::rendition::{AUDIO_FILE, META_FILE, VIDEO_FILE};
use crate::media::{Meta, Stream};
use crate::render::profile::Profile;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

/// So many renditions tell what the rest are like.
const SAMPLE: usize = 100;

pub(super) fn cost(places: &Places, json: bool, env: Env) -> Result<Exit, Failure> {
    let config = config::load(&places.config)?;
    let at_most = Usage::at_most(&config);
    // Without folders there are no renditions; the bill at most stands all the same.
    let folders = Folders::find(&places.given(), env, &config.channel).ok();
    let rate = folders.and_then(|folders| measure(&folders.cache.join("renditions"), &config));
    let measured = rate.map(|rate| at_most.measured(rate));
    let bill = bill(&at_most, measured.as_ref(), &Prices::known());
    match json {
        true => ask::print_json(&bill),
        false => ask::print(&bill.text(width(), colors(&io::stdout(), env))),
    }
}

/// Bits per second of the renditions that were made under this configuration, on average over
/// their time; `None` if there is none.
fn measure(renditions: &Path, config: &Config) -> Option<f64> {
    let profile = Profile::new(&config.video, &config.audio);
    let grid = profile.grid();
    let (mut bytes, mut seconds) = (0.0, 0.0);
    let standby = profile.standby();
    let folders = fs::read_dir(renditions).ok()?.flatten();
    let read = |folder: &Path| {
        let meta: Meta = serde_json::from_slice(&fs::read(folder.join(META_FILE)).ok()?).ok()?;
        let of_ours = meta.profile == *profile.id() && meta.id != standby;
        Some((meta, folder.to_owned())).filter(|_| of_ours)
    };
    for (meta, folder) in folders.filter_map(|folder| read(&folder.path())).take(SAMPLE) {
        let open = |name, kind| {
            let file = File::open(folder.join(name)).ok()?;
            let reader = BufReader::new(file.try_clone().ok()?);
            Stream::index(kind, reader, file).ok()
        };
        let (Some(audio), Some(video)) = (open(AUDIO_FILE, TagKind::Audio), open(VIDEO_FILE, TagKind::Video))
        else {
            continue;
        };
        let pictures = (meta.cells * grid.video_frames()) as f64;
        bytes += bodies(&audio) + bodies(&video) * pictures / video.frames() as f64;
        seconds += grid.duration(meta.cells).as_secs_f64();
    }
    (seconds > 0.0).then(|| bytes * 8.0 / seconds)
}

/// Bytes in all of a stream's frames.
fn bodies(stream: &Stream) -> f64 {
    let length = |i| stream.body(i).end - stream.body(i).start;
    (0..stream.frames()).map(length).sum::<u64>() as f64
}
