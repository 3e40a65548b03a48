//! Renditions back to back in one FLV file, as the timeline puts them on air: sound frame by frame,
//! pictures from each rendition's loop, cut off where its cells end.

use nonstop::media::flv::{TagKind, Writer};
use nonstop::media::{Rendition, Stream};
use std::fs::File;
use std::io::BufWriter;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Writes `pieces` at 30 pictures a second. Returns at which AAC frame each begins.
pub fn write(pieces: &[Arc<Rendition>], path: &Path) -> Vec<u64> {
    let mut out = Writer::new(BufWriter::new(File::create(path).unwrap())).unwrap();
    out.tag(TagKind::Video, 0, &pieces[0].video.header).unwrap();
    out.tag(TagKind::Audio, 0, &pieces[0].audio.header).unwrap();
    let (mut cell, mut starts) = (0, Vec::new());
    for piece in pieces {
        starts.push(cell * 25);
        for own in 0..piece.meta.cells {
            let (mut sound, mut pictures) = (0..25, 0..16);
            let (mut next_sound, mut next_picture) = (sound.next(), pictures.next());
            while next_sound.is_some() || next_picture.is_some() {
                // A picture is worth 40 units of 1/1200 s, a frame of sound 25.6: in tenths.
                let (s, p) = (next_sound.map(|i| i * 256), next_picture.map(|i| i * 400));
                if p.is_some_and(|p| s.is_none_or(|s| p <= s)) {
                    let at = next_picture.unwrap();
                    let body = body(&piece.video, (own * 16 + at) % piece.video.frames());
                    out.tag(TagKind::Video, ((cell * 16 + at) * 1000 / 30) as u32, &body).unwrap();
                    next_picture = pictures.next();
                } else {
                    let at = next_sound.unwrap();
                    let body = body(&piece.audio, own * 25 + at);
                    out.tag(TagKind::Audio, ((cell * 25 + at) * 64 / 3) as u32, &body).unwrap();
                    next_sound = sound.next();
                }
            }
            cell += 1;
        }
    }
    std::io::Write::flush(&mut out.into_inner()).unwrap();
    starts
}

/// A frame's body.
pub fn body(stream: &Stream, frame: u64) -> Vec<u8> {
    let place = stream.body(frame);
    let mut body = vec![0; (place.end - place.start) as usize];
    stream.file.read_exact_at(&mut body, place.start).unwrap();
    body
}
