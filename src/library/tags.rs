//! A track's tags, read from its bytes whatever its name says.
//!
//! Tags are written by thousands of programs and decoded by a large one, and none of it may stop
//! the music: reading is bounded, and an error or a panic in it means a track without tags.

use super::credits::clean;
use lofty::config::{ParseOptions, ParsingMode};
use lofty::file::{FileType, TaggedFileExt};
use lofty::probe::Probe;
use lofty::tag::{Accessor, Tag};
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes that reading a file's tags may take in. Covers, the largest part of tags, are passed over
/// but may still be read through; larger ones than this are not worth a title.
const MOST: u64 = 32 << 20;

/// What the tags say, cleaned for people to see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// Title of the track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Performer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// Album.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
}

/// Reads the tags of the file named `source`. No tags, unreadable ones and unknown kinds of file
/// all are `Tags::default()`.
pub fn read(source: &str, file: impl Read + Seek) -> Tags {
    catch_unwind(AssertUnwindSafe(|| decode(source, file))).ok().flatten().unwrap_or_default()
}

fn decode(source: &str, file: impl Read + Seek) -> Option<Tags> {
    let options =
        ParseOptions::new().read_properties(false).read_cover_art(false).parsing_mode(ParsingMode::Relaxed);
    let input = BufReader::new(Bounded { inner: file, left: MOST });
    // The name is asked only where the bytes do not tell.
    let probe = match FileType::from_path(source) {
        Some(named) => Probe::with_file_type(input, named),
        None => Probe::new(input),
    };
    let tagged = probe.options(options).guess_file_type().ok()?.read().ok()?;
    let primary = tagged.primary_tag().into_iter();
    let tags: Vec<&Tag> = primary.chain(tagged.tags()).collect();
    let first = |field: fn(&Tag) -> Option<String>| tags.iter().find_map(|tag| clean(&field(tag)?));
    Some(Tags {
        title: first(|tag| tag.title().map(|text| text.into_owned())),
        artist: first(|tag| tag.artist().map(|text| text.into_owned())),
        album: first(|tag| tag.album().map(|text| text.into_owned())),
    })
}

/// A reader that ends after so many bytes, however it is sought in.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("the tags are too large"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.inner.read(&mut buffer[..most])?;
        self.left -= length as u64;
        Ok(length)
    }
}

impl<R: Seek> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// An ID3v2.4 tag with UTF-8 text frames, and some silence of MPEG layer III behind it.
    fn id3(frames: &[(&str, &str)]) -> Vec<u8> {
        let frames: Vec<u8> = frames
            .iter()
            .flat_map(|(id, text)| {
                let size = (text.len() as u32 + 1).to_be_bytes();
                [id.as_bytes(), &size, &[0, 0, 3], text.as_bytes()].concat()
            })
            .collect();
        let size = frames.len() as u32;
        let size =
            [(size >> 21) as u8 & 127, (size >> 14) as u8 & 127, (size >> 7) as u8 & 127, size as u8 & 127];
        let frame = [&[0xff, 0xfb, 0x90, 0x00][..], &[0; 413]].concat();
        [b"ID3\x04\0\0", &size[..], &frames, &frame.repeat(4)].concat()
    }

    #[test]
    fn tags_are_read_and_cleaned() {
        let file = id3(&[("TIT2", " A\tsong\u{1b}[2J "), ("TPE1", "Somebody"), ("TALB", "\u{0}")]);
        let tags = read("a.mp3", Cursor::new(&file));
        assert_eq!((tags.title.as_deref(), tags.artist.as_deref()), (Some("A song [2J"), Some("Somebody")));
        assert_eq!(tags.album, None);
    }

    #[test]
    fn the_bytes_count_and_not_the_name() {
        let file = id3(&[("TIT2", "Song")]);
        for name in ["a.flac", "a.ogg", "a.m4a", "a.wav", "a"] {
            assert_eq!(read(name, Cursor::new(&file)).title.as_deref(), Some("Song"), "{name}");
        }
    }

    #[test]
    fn endless_tags_are_given_up() {
        /// A tag that claims 200 MB, and a file that has them.
        struct Endless(u64);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let head = [b"ID3\x04\0\0\x60\0\0\0APIC".as_slice(), &[0x5f, 0, 0, 0, 0, 0]].concat();
                assert!(self.0 <= MOST + (1 << 20), "it reads on and on");
                for (at, byte) in (self.0..).zip(buffer.iter_mut()) {
                    *byte = head.get(at as usize).copied().unwrap_or(1);
                }
                self.0 += buffer.len() as u64;
                Ok(buffer.len())
            }
        }
        impl Seek for Endless {
            fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
                match to {
                    SeekFrom::Start(at) => self.0 = at,
                    SeekFrom::Current(by) => self.0 = self.0.saturating_add_signed(by),
                    SeekFrom::End(_) => self.0 = 1 << 40,
                }
                Ok(self.0)
            }
        }
        assert_eq!(read("a.mp3", Endless(0)), Tags::default());
    }

    #[test]
    fn a_panic_is_a_track_without_tags() {
        struct Panics;
        impl Read for Panics {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("a bug in the decoder")
            }
        }
        impl Seek for Panics {
            fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
                Ok(0)
            }
        }
        assert_eq!(read("a.mp3", Panics), Tags::default());
    }

    proptest! {
        #[test]
        fn broken_files_have_no_tags_and_do_no_harm(
            magic in prop::sample::select(vec![&b""[..], b"ID3\x04\0\0", b"fLaC", b"OggS\0", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x20ftypM4A "]),
            noise in prop::collection::vec(any::<u8>(), 0..400), cut in 0usize..400,
        ) {
            let _ = read("a.mp3", Cursor::new([magic, &noise].concat()));
            let mut file = id3(&[("TIT2", "Song"), ("TPE1", "Somebody")]);
            file.truncate(cut);
            let _ = read("a.mp3", Cursor::new(file));
        }
    }
}
