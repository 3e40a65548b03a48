//! FFmpeg's FLV files → a rendition's: one codec header, then exactly the frames that belong there,
//! at times that start from zero.
//!
//! # Sound
//!
//! An AAC frame is heard together with its neighbours: frame `k` (from 0, of an encoder that adds
//! one frame of priming) codes the input blocks `k − 1` and `k` of 1024 samples, and the decoder
//! puts out block `k − 1` when it has both `k − 1` and `k`. Pieces that were encoded apart join
//! without a trace if both sides of the join code nothing but silence. So the encoder is given
//! [`LEAD`] blocks of silence, then the music with its ends faded, then silence again; its first
//! [`SKIP`] frames are dropped (priming, and the frames in which it settles), and frames from there
//! on are kept for as many cells as it takes. What is kept begins and ends with a frame that codes
//! two blocks of silence, and the player gets two silent blocks, the music, and at least one more.
//!
//! # Pictures
//!
//! Of every access unit the slices are kept. Messages to the decoder (SEI: the encoder's name and
//! settings, 0.7 kB in every loop) and the end-of-sequence tag go. For a constant rate, filler
//! units bring each picture up to the rate, so that a loop has exactly the bits of its time.

use crate::media::flv::{self, Body, TagKind};
use crate::media::{FRAME_SAMPLES, Grid, SAMPLE_RATE};
use std::io::{self, Read, Write};

/// Blocks of silence before the music, in what the encoder gets.
pub const LEAD: u64 = 5;
/// Frames dropped from the encoder's beginning: its priming, and three more (at least four frames
/// before a join are needed for an error that equals that of an undivided encode).
pub const SKIP: u64 = 4;
/// Blocks of a rendition that are no music: two before it, one after it.
const MARGIN: u64 = 3;
/// Blocks that the encoder gets beyond the last frame that is kept.
const AFTER: u64 = 2;
/// `AudioSpecificConfig` of AAC-LC, 48 kHz, stereo, as an FLV body. Encoders differ in what they
/// append to it; a stream needs one that never changes.
const AAC_HEADER: [u8; 4] = [0xaf, 0, 0x11, 0x90];

/// How a track of `samples` lies in its rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The rendition's length.
    pub cells: u64,
    /// AAC frames in it.
    pub frames: u64,
    /// Samples to give to the encoder, [`LEAD`] included.
    pub input_samples: u64,
}

impl Layout {
    /// The shortest rendition that holds `samples`.
    pub fn of(samples: u64, grid: Grid) -> Self {
        let cells = grid.cells_for(samples + MARGIN * FRAME_SAMPLES);
        let frames = cells * grid.audio_frames();
        Self { cells, frames, input_samples: (SKIP + frames + AFTER) * FRAME_SAMPLES }
    }
}

/// Why FFmpeg's output cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not what an FLV file is.
    #[error("unreadable output: {0}")]
    Flv(#[from] flv::Error),
    /// Writing the rendition failed.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    /// It is not AAC-LC at 48 kHz in stereo.
    #[error("the sound has codec header {0:02x?}")]
    Sound(Vec<u8>),
    /// It holds fewer frames than it must.
    #[error("{got} frames where {want} belong")]
    Short {
        /// Frames found.
        got: u64,
        /// Frames needed.
        want: u64,
    },
    /// A tag that does not belong there.
    #[error("unexpected {0}")]
    Unexpected(&'static str),
    /// An access unit whose lengths do not add up.
    #[error("a malformed picture")]
    Malformed,
    /// Two codec headers that differ.
    #[error("the codec header changes within the file")]
    Header,
}

/// Copies frames [`SKIP`]`..SKIP + frames` of FFmpeg's `input`.
pub fn audio(input: impl Read, output: impl Write, frames: u64) -> Result<(), Error> {
    let mut reader = flv::Reader::new(input)?;
    let mut writer = flv::Writer::new(output)?;
    writer.tag(TagKind::Audio, 0, &AAC_HEADER)?;
    let mut at = 0;
    while let Some(tag) = reader.next_tag()? {
        match flv::classify(tag.kind, &tag.body) {
            Body::AacHeader if tag.body.starts_with(&AAC_HEADER) => continue,
            Body::AacHeader => return Err(Error::Sound(tag.body)),
            Body::Script => continue,
            Body::AacFrame => {}
            _ => return Err(Error::Unexpected("tag in the sound")),
        }
        if (SKIP..SKIP + frames).contains(&at) {
            let millis = (at - SKIP) * FRAME_SAMPLES * 1000 / SAMPLE_RATE;
            writer.tag(TagKind::Audio, millis as u32, &tag.body)?;
        }
        at += 1;
    }
    writer.into_inner().flush()?;
    match at.checked_sub(SKIP) {
        Some(got) if got >= frames => Ok(()),
        got => Err(Error::Short { got: got.unwrap_or(0), want: frames }),
    }
}

/// Copies the pictures of FFmpeg's `input`, padded to `constant` bits per second if given. Returns
/// the size of each picture's body in bytes.
pub fn video(
    input: impl Read,
    output: impl Write,
    fps: u32,
    constant: Option<u64>,
) -> Result<Vec<u32>, Error> {
    let mut reader = flv::Reader::new(input)?;
    let mut writer = flv::Writer::new(output)?;
    let (mut header, mut sizes, mut total) = (None, Vec::new(), 0u64);
    while let Some(tag) = reader.next_tag()? {
        match flv::classify(tag.kind, &tag.body) {
            Body::AvcHeader if header.is_none() => {
                // Byte 4 of the record: lengths of four bytes, which the loop below reads.
                if tag.body.get(9).is_none_or(|byte| byte & 3 != 3) {
                    return Err(Error::Malformed);
                }
                writer.tag(TagKind::Video, 0, &tag.body)?;
                header = Some(tag.body);
                continue;
            }
            Body::AvcHeader if header.as_ref() == Some(&tag.body) => continue,
            Body::AvcHeader => return Err(Error::Header),
            Body::AvcEnd | Body::Script => continue,
            Body::AvcFrame { composition: 0, .. } if header.is_some() => {}
            _ => return Err(Error::Unexpected("tag among the pictures")),
        }
        let mut body = slices(&tag.body)?;
        let at = sizes.len() as u64;
        if let Some(rate) = constant {
            let due = (at + 1) * rate / 8 / u64::from(fps);
            let missing = due.saturating_sub(total + body.len() as u64);
            fill(&mut body, missing as usize);
        }
        writer.tag(TagKind::Video, (at * 1000 / u64::from(fps)) as u32, &body)?;
        total += body.len() as u64;
        sizes.push(body.len() as u32);
    }
    writer.into_inner().flush()?;
    if sizes.is_empty() { Err(Error::Short { got: 0, want: 1 }) } else { Ok(sizes) }
}

/// An access unit's FLV body without its SEI (6), delimiter (9) and filler (12) units.
fn slices(body: &[u8]) -> Result<Vec<u8>, Error> {
    let (start, mut rest) = body.split_at_checked(5).ok_or(Error::Malformed)?;
    let mut kept = start.to_vec();
    while !rest.is_empty() {
        let (len, after) = rest.split_first_chunk::<4>().ok_or(Error::Malformed)?;
        let len = u32::from_be_bytes(*len) as usize;
        let unit = after.get(..len).ok_or(Error::Malformed)?;
        if !unit.first().is_some_and(|first| matches!(first & 0x1f, 6 | 9 | 12)) {
            kept.extend_from_slice(&rest[..4 + len]);
        }
        rest = &after[len..];
    }
    if kept.len() > 5 { Ok(kept) } else { Err(Error::Malformed) }
}

/// Makes `body` larger by `bytes` with one filler unit, if that many bytes can hold one.
fn fill(body: &mut Vec<u8>, bytes: usize) {
    // Length, type 12, filler, and the stop bit.
    if let Some(filler) = bytes.checked_sub(6) {
        body.extend((filler as u32 + 2).to_be_bytes());
        body.push(12);
        body.resize(body.len() + filler, 0xff);
        body.push(0x80);
    }
}

/// By how much a loop of these picture sizes passes `rate` (bits per second) when it is played
/// again and again into a decoder's buffer of `buffer` bits: the bits that would come too late.
/// Zero if it never runs dry.
pub fn overflow(sizes: &[u32], fps: u32, rate: u64, buffer: u64) -> u64 {
    let per_picture = rate as f64 / f64::from(fps);
    let (mut fullness, mut late) = (buffer as f64, 0f64);
    // The second time round starts from the first one's end; a third would repeat the second
    // unless each time is worse, which the mean below finds.
    for size in sizes.iter().chain(sizes) {
        let bits = f64::from(*size) * 8.0;
        late = late.max(bits - fullness);
        fullness = (fullness - bits).max(0.0) + per_picture;
        fullness = fullness.min(buffer as f64);
    }
    let all: f64 = sizes.iter().map(|size| f64::from(*size) * 8.0).sum();
    late.max(all - per_picture * sizes.len() as f64).max(0.0).ceil() as u64
}

#[cfg(test)]
mod tests;
