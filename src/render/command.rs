//! A job → FFmpeg's arguments. Pure; the only place that knows FFmpeg's options.
//!
//! What every call has in common: FFmpeg reads and writes files only (never the network), takes no
//! input from the terminal, says how grave each line is, and uses one thread (with more, libx264
//! takes 300 MB for 1080p, and a small machine has 512 MB in all). Names of files are foreign: they
//! are given as `file:` and an absolute path, so that no name is taken as an option, a protocol or
//! a pattern; and demuxers that open further files (playlists) are not allowed at all.

use super::loudness::Treatment;
use super::pack::{LEAD, Layout};
use super::profile::Profile;
use crate::config::Rate;
use crate::media::{FRAME_SAMPLES, SAMPLE_RATE};
use std::ffi::OsString;
use std::path::Path;

/// One FFmpeg's arguments.
pub type Args = Vec<OsString>;

/// What a track may be, by FFmpeg's demuxers: containers that hold their own sound.
const SOUND: &str = "mp3,wav,w64,flac,ogg,mov,matroska,aac,aiff,ape,wv,caf,asf,tta,au";
/// Faded at both ends, in samples: 10 ms.
const FADE: u64 = SAMPLE_RATE / 100;
/// A picture may have this many pixels: 64 megapixels decode to 256 MB at most.
const MAX_PIXELS: &str = "67108864";
/// The longest clip, in seconds: its loop is encoded in one go, before anything is on air with it.
pub const LONGEST_CLIP: u32 = 30 * 60;
/// Constant quality under the ceiling: 720p of a detailed still takes 382 kbit/s at SSIM 0.99.
const CRF_CAPPED: &str = "26";
/// Where the bitrate is paid for anyway: as good as the rate allows.
const CRF_CONSTANT: &str = "16";

/// What the FFmpeg at hand can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// `ffmpeg -version`'s first line.
    pub version: String,
    /// It has the better resampler.
    pub soxr: bool,
}

impl Tool {
    /// Reads the output of [`version`].
    pub fn read<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let version = lines.next().filter(|line| line.starts_with("ffmpeg version"))?.trim().to_owned();
        Some(Self { version, soxr: lines.any(|line| line.contains("--enable-libsoxr")) })
    }
}

/// How a picture meets a frame of another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Fill the frame and cut off what sticks out, evenly: what one expects of a background.
    Cover,
    /// Show all of it, on a dark ground: for the built-in card, which bears text.
    Contain,
}

/// Asks for the version.
pub fn version() -> Args {
    vec!["-version".into()]
}

/// First pass over a track: decodes it and prints loudness, true peak and samples.
pub fn measure(input: &Path, tool: &Tool) -> Args {
    let mut args = decode_sound(input);
    args.extend(words("-af"));
    args.push(format!("{},{METERS}", to_48k_stereo(tool)).into());
    args.extend(words("-f null -"));
    args
}

/// Second pass: treats, fades, pads and encodes a track of `samples`.
pub fn encode(
    input: &Path,
    samples: u64,
    treatment: Treatment,
    profile: &Profile,
    tool: &Tool,
    output: &Path,
) -> Args {
    let mut chain = vec![to_48k_stereo(tool)];
    if treatment.gain != 0.0 {
        chain.push(format!("volume=volume={:.2}dB:precision=float", treatment.gain));
    }
    if let Some(limit) = treatment.limit {
        // Four times oversampled, which is how R128 defines a true peak.
        chain.push(format!(
            "aresample={},alimiter=limit={:.2}dB:level=false:attack=5:release=50:latency=true,aresample={SAMPLE_RATE}",
            4 * SAMPLE_RATE,
            limit
        ));
    }
    let layout = Layout::of(samples, profile.grid());
    let fade = FADE.min(samples / 2).max(1);
    chain.push(format!("afade=type=in:start_sample=0:nb_samples={fade}"));
    chain.push(format!("afade=type=out:start_sample={}:nb_samples={fade}", samples - fade.min(samples)));
    chain.push(format!("adelay=delays={}S:all=true", LEAD * FRAME_SAMPLES));
    chain.push(format!("apad=whole_len={0},atrim=end_sample={0}", layout.input_samples));
    let mut args = decode_sound(input);
    args.extend(words("-af"));
    args.push(chain.join(",").into());
    args.extend(aac(profile, output));
    args
}

/// Digital silence that lasts `samples`.
pub fn silence(samples: u64, profile: &Profile, output: &Path) -> Args {
    let layout = Layout::of(samples, profile.grid());
    let mut args = common("warning");
    args.extend(words("-f lavfi -i"));
    args.push(format!("anullsrc=sample_rate={SAMPLE_RATE}:channel_layout=stereo").into());
    args.extend(words("-af"));
    args.push(format!("atrim=end_sample={}", layout.input_samples).into());
    args.extend(aac(profile, output));
    args
}

/// Decodes a finished `audio.flv`, stops at the first fault, and measures it.
pub fn verify_audio(packed: &Path) -> Args {
    let mut args = common("info");
    args.extend(words("-xerror -err_detect explode -f flv"));
    args.extend(input(packed));
    args.extend(words("-map 0:a:0 -vn -af"));
    args.push(METERS.into());
    args.extend(words("-f null -"));
    args
}

/// Decodes a finished `video.flv` and stops at the first fault.
pub fn verify_video(packed: &Path) -> Args {
    let mut args = common("warning");
    args.extend(words("-xerror -err_detect explode -f flv"));
    args.extend(input(packed));
    args.extend(words("-map 0:v:0 -an -fps_mode passthrough -f null -"));
    args
}

/// A picture file → one raw frame of the profile's size. `turn` is [`super::picture::turn`]'s.
pub fn picture(path: &Path, demuxer: &str, turn: &str, fit: Fit, profile: &Profile, output: &Path) -> Args {
    let mut args = common("warning");
    args.extend(words("-noautorotate -threads 1 -max_pixels"));
    args.push(MAX_PIXELS.into());
    args.extend(words("-f"));
    args.push(demuxer.into());
    args.extend(input(path));
    args.extend(words("-map 0:v:0 -map_metadata -1 -an -frames:v 1 -vf"));
    // By way of RGB with alpha, whatever it was: transparency is laid on black.
    let flat = "format=gbrap,premultiply=inplace=1,format=gbrp";
    args.push(format!("{turn}{},{flat},{}", resize(fit, profile), to_bt709(profile)).into());
    args.extend(words("-pix_fmt yuv420p -f rawvideo"));
    args.push(url(output));
    args
}

/// One raw frame → a loop of one GOP.
pub fn still(raw: &Path, profile: &Profile, ceiling: u64, output: &Path) -> Args {
    let mut args = common("warning");
    args.extend(words("-f rawvideo -pixel_format yuv420p -video_size"));
    args.push(format!("{}x{}", profile.size.width, profile.size.height).into());
    args.extend(words("-framerate"));
    args.push(profile.fps.to_string().into());
    args.extend(words("-color_range tv -stream_loop -1"));
    args.extend(input(raw));
    args.extend(words("-map 0:v:0 -vf setsar=1"));
    args.extend(h264(profile, profile.gop.into(), profile.gop, ceiling, output));
    args
}

/// Counts a clip's pictures at the profile's frame rate.
pub fn count(clip: &Path, demuxer: &str, profile: &Profile) -> Args {
    let mut args = moving(clip, demuxer, false);
    args.push(format!("fps={}", profile.fps).into());
    args.extend(words("-t"));
    args.push((LONGEST_CLIP + 1).to_string().into());
    args.extend(words("-f null -"));
    args
}

/// How the loop of a clip is cut into GOPs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop {
    /// Pictures in it.
    pub frames: u64,
    /// Pictures from one keyframe to the next; the last GOP may be shorter.
    pub gop: u32,
}

impl Loop {
    /// GOPs as even as can be, none above `most`. A clip shorter than that is repeated within one.
    pub fn of(frames: u64, most: u32) -> Self {
        let frames = frames.max(1) * (u64::from(most) / frames.max(1)).max(1);
        let gops = frames.div_ceil(most.into());
        Self { frames, gop: frames.div_ceil(gops) as u32 }
    }
}

/// A clip → its loop.
pub fn clip(path: &Path, demuxer: &str, cut: Loop, profile: &Profile, ceiling: u64, output: &Path) -> Args {
    let mut args = moving(path, demuxer, true);
    // GIFs have transparency, laid on black; other clips are spared the way through RGB.
    let flat = if demuxer == "gif" { "format=gbrap,premultiply=inplace=1,format=gbrp," } else { "" };
    let resize = resize(Fit::Cover, profile);
    args.push(format!("fps={},{resize},{flat}{}", profile.fps, to_bt709(profile)).into());
    args.extend(h264(profile, cut.frames, cut.gop, ceiling, output));
    args
}

/// Loudness, true peak and number of samples, printed at the end.
const METERS: &str = "ebur128=peak=true:framelog=verbose,astats=measure_perchannel=none:measure_overall=Number_of_samples+Peak_level";

fn common(level: &str) -> Args {
    let mut args = words("-nostdin -hide_banner -nostats -y -protocol_whitelist file,pipe -loglevel");
    args.push(format!("level+{level}").into());
    args.extend(words("-progress pipe:1 -filter_threads 1"));
    args
}

fn decode_sound(path: &Path) -> Args {
    let mut args = common("info");
    args.extend(words("-threads 1 -format_whitelist"));
    args.push(SOUND.into());
    args.extend(input(path));
    // The first sound there is; covers are pictures, and stay behind.
    args.extend(words("-map 0:a:0 -vn -sn -dn -map_metadata -1 -map_chapters -1"));
    args
}

fn moving(path: &Path, demuxer: &str, endless: bool) -> Args {
    let mut args = common("warning");
    args.extend(words("-threads 1 -max_pixels"));
    args.push(MAX_PIXELS.into());
    if endless {
        args.extend(words("-stream_loop -1"));
    }
    args.extend(words("-f"));
    args.push(demuxer.into());
    args.extend(input(path));
    args.extend(words("-map 0:v:0 -map_metadata -1 -an -vf"));
    args
}

fn to_48k_stereo(tool: &Tool) -> String {
    let resampler = if tool.soxr { ":resampler=soxr" } else { "" };
    format!("aresample={SAMPLE_RATE}{resampler}:ochl=stereo,aformat=sample_fmts=fltp:channel_layouts=stereo")
}

fn aac(profile: &Profile, output: &Path) -> Args {
    let mut args = words("-c:a aac -profile:a aac_low -threads 1 -ar 48000 -ac 2 -b:a");
    args.push(profile.audio_bitrate.bits().to_string().into());
    args.extend(words("-flags:a +bitexact -fflags +bitexact -f flv"));
    args.push(url(output));
    args
}

fn h264(profile: &Profile, frames: u64, gop: u32, ceiling: u64, output: &Path) -> Args {
    let crf = match profile.rate {
        Rate::Capped => CRF_CAPPED,
        Rate::Constant => CRF_CONSTANT,
    };
    let mut args = words("-frames:v");
    args.push(frames.to_string().into());
    // The preset, references and look-ahead bound memory: 205 MB for 1080p.
    args.extend(words("-c:v libx264 -profile:v high -preset medium -threads 1 -pix_fmt yuv420p -level:v"));
    args.push(profile.level.into());
    args.push("-crf".into());
    args.push(crf.into());
    for option in ["-maxrate", "-bufsize"] {
        args.push(option.into());
        args.push(ceiling.to_string().into());
    }
    args.extend(words("-bf 0 -refs 2 -sc_threshold 0"));
    for option in ["-g", "-keyint_min"] {
        args.push(option.into());
        args.push(gop.to_string().into());
    }
    // Headers that do not depend on what is encoded, nor on the quality it is encoded at.
    args.extend(words("-x264-params stitchable=1:rc-lookahead=10:sync-lookahead=0:open-gop=0"));
    args.extend(words("-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"));
    args.extend(words(
        "-chroma_sample_location left -fps_mode passthrough -flags:v +bitexact -fflags +bitexact",
    ));
    args.extend(words("-an -flvflags no_sequence_end+no_duration_filesize -f flv"));
    args.push(url(output));
    args
}

fn resize(fit: Fit, profile: &Profile) -> String {
    let (w, h) = (profile.size.width, profile.size.height);
    let scale = format!("scale=w={w}:h={h}:flags=lanczos+accurate_rnd");
    match fit {
        Fit::Cover => format!("{scale}:force_original_aspect_ratio=increase,crop=w={w}:h={h}"),
        Fit::Contain => format!(
            "{scale}:force_original_aspect_ratio=decrease,pad=w={w}:h={h}:x=(ow-iw)/2:y=(oh-ih)/2:color=0x0b0e14"
        ),
    }
}

/// The pixel format, range, colours and aspect that every loop has.
fn to_bt709(profile: &Profile) -> String {
    let (w, h) = (profile.size.width, profile.size.height);
    format!("scale=w={w}:h={h}:in_range=auto:out_range=tv:out_color_matrix=bt709,format=yuv420p,setsar=1")
}

fn input(path: &Path) -> Args {
    vec!["-i".into(), url(path)]
}

fn url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

fn words(text: &str) -> Args {
    text.split_whitespace().map(OsString::from).collect()
}

#[cfg(test)]
mod tests;
