//! Renditions made of numbers instead of music, for tests and simulations: every body says whose
//! frame it is, so that what arrives anywhere can be told apart.

use super::flv::{TagKind, Writer};
use super::rendition::FORMAT;
use super::{ContentHash, Credits, Grid, Meta, ProfileId, Rendition, RenditionId, Stream};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Tells this rendition from others.
    pub number: u64,
    /// How long it is.
    pub cells: u64,
    /// Pictures in its loop.
    pub pictures: u64,
    /// Pictures from keyframe to keyframe.
    pub gop: u64,
    /// Bytes of a keyframe's body beyond the smallest.
    pub key_bytes: usize,
}

/// Digits to make names of.
pub fn digest(number: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    digest
}

/// The body of an audio frame of rendition `number`.
pub fn audio_body(number: u64, frame: u64) -> Vec<u8> {
    [&[0xaf, 1][..], &number.to_be_bytes(), &frame.to_be_bytes()].concat()
}

/// The body of a picture of rendition `number`.
pub fn video_body(number: u64, frame: u64, key: bool, extra: usize) -> Vec<u8> {
    let first = if key { 0x17 } else { 0x27 };
    let mut body = [&[first, 1, 0, 0, 0][..], &number.to_be_bytes(), &frame.to_be_bytes()].concat();
    body.resize(body.len() + if key { extra } else { 0 }, number as u8);
    body
}

/// Its description.
pub fn meta(number: u64, cells: u64) -> Meta {
    Meta {
        format: FORMAT,
        id: RenditionId::of(&digest(number)),
        profile: ProfileId::of(&digest(0)),
        cells,
        credits: Credits { title: format!("Track {number}"), ..Credits::default() },
        loudness: None,
        true_peak: None,
        source: format!("{number}.ogg"),
        source_hash: ContentHash::of(&digest(number)),
        picture_hash: ContentHash::of(&digest(0)),
        ffmpeg: String::new(),
    }
}

/// Writes the two files into `dir` and opens them.
pub fn rendition(dir: &Path, grid: Grid, recipe: Recipe) -> io::Result<Rendition> {
    let Recipe { number, cells, pictures, gop, key_bytes } = recipe;
    let audio = (0..cells * grid.audio_frames()).map(|i| audio_body(number, i));
    let video = (0..pictures).map(|i| video_body(number, i, i % gop == 0, key_bytes));
    let meta = meta(number, cells);
    let audio =
        stream(&dir.join(format!("{number}.audio.flv")), TagKind::Audio, &[0xaf, 0, 0x11, 0x90], audio)?;
    let header = [0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f];
    let video = stream(&dir.join(format!("{number}.video.flv")), TagKind::Video, &header, video)?;
    Ok(Rendition { meta, audio, video })
}

fn stream(
    path: &Path,
    kind: TagKind,
    header: &[u8],
    bodies: impl Iterator<Item = Vec<u8>>,
) -> io::Result<Stream> {
    let mut writer = Writer::new(io::BufWriter::new(File::create(path)?))?;
    writer.tag(kind, 0, header)?;
    for body in bodies {
        writer.tag(kind, 0, &body)?;
    }
    writer.into_inner().flush()?;
    let file = File::open(path)?;
    Stream::index(kind, BufReader::new(file.try_clone()?), file).map_err(io::Error::other)
}
