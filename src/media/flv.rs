//! FLV, as far as renditions need it: tags in, tags out, and what a tag's body is.
//!
//! A tag's body is an RTMP message's body, which is why renditions are FLV files. The reader takes
//! nothing on trust: every length is bounded, and an error says at which byte the file went wrong.

use std::io::{self, Read, Write};

/// File header (audio and video present) and the zero that stands for "the tag before the first".
const FILE_HEADER: [u8; 13] = *b"FLV\x01\x05\0\0\0\x09\0\0\0\0";
/// Bytes before a tag's body.
pub const TAG_HEADER: u64 = 11;
/// Bytes after a tag's body: its size once more.
pub const TAG_TRAILER: u64 = 4;
/// No tag of ours comes near this; a 24-bit length could claim 16 MiB, so a lie costs at most this.
pub const MAX_BODY: usize = 8 << 20;

/// Which stream a tag belongs to; the numbers are also RTMP's message types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TagKind {
    /// Sound.
    Audio = 8,
    /// Pictures.
    Video = 9,
    /// AMF0 metadata.
    Script = 18,
}

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Which stream.
    pub kind: TagKind,
    /// Milliseconds, all 32 bits.
    pub timestamp: u32,
    /// Where `body` starts in the file, in bytes.
    pub offset: u64,
    /// The body.
    pub body: Vec<u8>,
}

/// What a tag's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// AudioSpecificConfig.
    AacHeader,
    /// One AAC frame.
    AacFrame,
    /// AVCDecoderConfigurationRecord.
    AvcHeader,
    /// One access unit, with its composition offset in milliseconds (zero without B-frames).
    AvcFrame {
        /// Marked as a keyframe.
        key: bool,
        /// Presentation minus decoding time, in milliseconds.
        composition: i32,
    },
    /// AVC end of sequence, which must not be sent in mid-stream.
    AvcEnd,
    /// Metadata.
    Script,
    /// Another codec, or too short to tell.
    Unknown,
}

/// Why a file could not be read as FLV.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The first bytes are not an FLV header.
    #[error("not an FLV file")]
    NotFlv,
    /// The file ends inside the tag that starts at this byte.
    #[error("the file ends inside the tag at byte {0}")]
    Truncated(u64),
    /// The tag at this byte has a type that FLV does not know.
    #[error("unknown tag type {kind} at byte {at}")]
    UnknownTag {
        /// The type.
        kind: u8,
        /// Where the tag starts.
        at: u64,
    },
    /// The tag at this byte is larger than any tag may be.
    #[error("the tag at byte {at} claims {len} bytes")]
    TooLarge {
        /// Where the tag starts.
        at: u64,
        /// What it claims.
        len: usize,
    },
    /// The size after the tag is not the size before it.
    #[error("the tag at byte {0} is followed by a wrong size")]
    BadTrailer(u64),
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What the body of a tag of this kind is.
pub fn classify(kind: TagKind, body: &[u8]) -> Body {
    match (kind, body) {
        (TagKind::Script, _) => Body::Script,
        // 0xA_: AAC; the rest of the byte (rate, size, channels) is fixed for AAC and ignored.
        (TagKind::Audio, [first, 0, ..]) if first >> 4 == 10 => Body::AacHeader,
        (TagKind::Audio, [first, 1, _, ..]) if first >> 4 == 10 => Body::AacFrame,
        (TagKind::Video, [first, packet, a, b, c, rest @ ..]) if first & 0x0f == 7 => match packet {
            0 => Body::AvcHeader,
            1 if !rest.is_empty() => {
                Body::AvcFrame { key: first >> 4 == 1, composition: i32::from_be_bytes([*a, *b, *c, 0]) >> 8 }
            }
            2 => Body::AvcEnd,
            _ => Body::Unknown,
        },
        _ => Body::Unknown,
    }
}

/// Reads tags one by one. Give it something buffered.
pub struct Reader<R> {
    input: R,
    at: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the file header.
    pub fn new(mut input: R) -> Result<Self, Error> {
        let mut header = [0; 13];
        match read_up_to(&mut input, &mut header)? {
            13 if header.starts_with(b"FLV\x01") && header[5..9] == [0, 0, 0, 9] => {
                Ok(Self { input, at: 13 })
            }
            _ => Err(Error::NotFlv),
        }
    }

    /// The next tag, or `None` at the end of the file.
    pub fn next_tag(&mut self) -> Result<Option<Tag>, Error> {
        let at = self.at;
        let mut header = [0; TAG_HEADER as usize];
        match read_up_to(&mut self.input, &mut header)? {
            0 => return Ok(None),
            n if n == header.len() => {}
            _ => return Err(Error::Truncated(at)),
        }
        let kind = match header[0] {
            8 => TagKind::Audio,
            9 => TagKind::Video,
            18 => TagKind::Script,
            kind => return Err(Error::UnknownTag { kind, at }),
        };
        let len = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
        if len > MAX_BODY {
            return Err(Error::TooLarge { at, len });
        }
        let timestamp = u32::from_be_bytes([header[7], header[4], header[5], header[6]]);
        // Grown by what arrives, so that a lying length in a short file allocates nothing.
        let mut body = Vec::new();
        self.input.by_ref().take(len as u64).read_to_end(&mut body)?;
        let mut trailer = [0; TAG_TRAILER as usize];
        if body.len() < len || read_up_to(&mut self.input, &mut trailer)? < trailer.len() {
            return Err(Error::Truncated(at));
        }
        if u32::from_be_bytes(trailer) as usize != len + TAG_HEADER as usize {
            return Err(Error::BadTrailer(at));
        }
        self.at = at + TAG_HEADER + len as u64 + TAG_TRAILER;
        Ok(Some(Tag { kind, timestamp, offset: at + TAG_HEADER, body }))
    }
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Writes a file, tag by tag.
pub struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Writes the file header.
    pub fn new(mut output: W) -> io::Result<Self> {
        output.write_all(&FILE_HEADER)?;
        Ok(Self { output })
    }

    /// Writes one tag. A body above [`MAX_BODY`] is an `InvalidInput` error.
    pub fn tag(&mut self, kind: TagKind, timestamp: u32, body: &[u8]) -> io::Result<()> {
        if body.len() > MAX_BODY {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an FLV tag above 8 MiB"));
        }
        let len = (body.len() as u32).to_be_bytes();
        let time = timestamp.to_be_bytes();
        self.output
            .write_all(&[kind as u8, len[1], len[2], len[3], time[1], time[2], time[3], time[0], 0, 0, 0])?;
        self.output.write_all(body)?;
        self.output.write_all(&(body.len() as u32 + TAG_HEADER as u32).to_be_bytes())
    }

    /// Gives back what was written to; flushing is the caller's.
    pub fn into_inner(self) -> W {
        self.output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind() -> impl Strategy<Value = TagKind> {
        prop::sample::select(vec![TagKind::Audio, TagKind::Video, TagKind::Script])
    }

    fn read_all(file: &[u8]) -> Result<Vec<Tag>, Error> {
        let mut reader = Reader::new(file)?;
        let mut tags = Vec::new();
        while let Some(tag) = reader.next_tag()? {
            tags.push(tag);
        }
        Ok(tags)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            tags in prop::collection::vec((kind(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..99)), 0..9),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut writer = Writer::new(Vec::new()).unwrap();
            for (kind, timestamp, body) in &tags {
                writer.tag(*kind, *timestamp, body).unwrap();
            }
            let file = writer.into_inner();
            let read = read_all(&file).unwrap();
            prop_assert_eq!(read.len(), tags.len());
            for (tag, (kind, timestamp, body)) in read.iter().zip(&tags) {
                prop_assert_eq!((tag.kind, tag.timestamp, &tag.body), (*kind, *timestamp, body));
                let at = tag.offset as usize;
                prop_assert_eq!(&file[at..at + body.len()], &body[..]);
            }
            // Cut anywhere, it yields a prefix of its tags, and then an end or an error.
            let part = &file[..cut.index(file.len())];
            if let Ok(mut reader) = Reader::new(part) {
                let mut n = 0;
                while let Ok(Some(tag)) = reader.next_tag() {
                    prop_assert_eq!(&tag, &read[n]);
                    n += 1;
                }
            }
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300), prefixed in any::<bool>()) {
            let mut file = if prefixed { FILE_HEADER.to_vec() } else { Vec::new() };
            file.extend(noise);
            let _ = read_all(&file);
        }
    }

    #[test]
    fn a_lying_length_is_an_error_that_names_the_byte() {
        let mut file = FILE_HEADER.to_vec();
        file.extend([9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(matches!(read_all(&file), Err(Error::TooLarge { at: 13, len: 0xff_ffff })));
    }

    #[test]
    fn bodies_are_told_apart() {
        assert_eq!(classify(TagKind::Audio, &[0xaf, 0, 0x11, 0x90]), Body::AacHeader);
        assert_eq!(classify(TagKind::Audio, &[0xaf, 1, 0x21]), Body::AacFrame);
        assert_eq!(classify(TagKind::Video, &[0x17, 0, 0, 0, 0, 1]), Body::AvcHeader);
        assert_eq!(
            classify(TagKind::Video, &[0x17, 1, 0, 0, 0, 1]),
            Body::AvcFrame { key: true, composition: 0 }
        );
        assert_eq!(
            classify(TagKind::Video, &[0x27, 1, 0xff, 0xff, 0xfe, 1]),
            Body::AvcFrame { key: false, composition: -2 }
        );
        assert_eq!(classify(TagKind::Video, &[0x17, 2, 0, 0, 0]), Body::AvcEnd);
        assert_eq!(classify(TagKind::Audio, &[0x2f, 1, 0]), Body::Unknown);
        assert_eq!(classify(TagKind::Video, &[]), Body::Unknown);
    }
}
