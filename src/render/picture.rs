//! What a picture file is, by its own first bytes: a name says nothing reliable, and FFmpeg reads
//! some names as patterns. Only what is recognised here is ever given to FFmpeg, and with the
//! demuxer named.

/// How many of a file's first bytes [`Kind::of`] and [`turn`] want: a camera's Exif block lies in
/// the first 64 KiB.
pub const HEAD: usize = 128 << 10;

/// What a picture file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One picture, by this FFmpeg demuxer.
    Still(&'static str),
    /// Moving pictures, by this FFmpeg demuxer.
    Clip(&'static str),
}

impl Kind {
    /// What a file that starts so is; `None` if it is nothing that can be shown.
    pub fn of(head: &[u8]) -> Option<Self> {
        Some(match head {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Self::Still("png_pipe"),
            [0xff, 0xd8, 0xff, ..] => Self::Still("jpeg_pipe"),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Still("webp_pipe"),
            [b'B', b'M', ..] => Self::Still("bmp_pipe"),
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Self::Still("tiff_pipe"),
            [b'G', b'I', b'F', b'8', ..] => Self::Clip("gif"),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Self::Clip("matroska"),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Self::Clip("mov"),
            [_, _, _, _, b'm', b'o', b'o', b'v', ..] => Self::Clip("mov"),
            _ => return None,
        })
    }
}

/// The filters that turn a camera's picture upright, from the orientation in a JPEG's Exif block;
/// empty for every other file.
pub fn turn(head: &[u8]) -> &'static str {
    match orientation(head) {
        Some(2) => "hflip,",
        Some(3) => "hflip,vflip,",
        Some(4) => "vflip,",
        Some(5) => "transpose=cclock_flip,",
        Some(6) => "transpose=clock,",
        Some(7) => "transpose=clock_flip,",
        Some(8) => "transpose=cclock,",
        _ => "",
    }
}

/// Walks a JPEG's segments to its Exif block.
fn orientation(jpeg: &[u8]) -> Option<u16> {
    let mut rest = jpeg.strip_prefix(&[0xff, 0xd8])?;
    while let [0xff, marker, high, low, body @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2)?;
        let segment = body.get(..len)?;
        match (marker, segment.strip_prefix(b"Exif\0\0")) {
            (0xe1, Some(tiff)) => return tiff_orientation(tiff),
            // The picture itself starts: nothing more to come.
            (0xda, _) => return None,
            _ => rest = &body[len..],
        }
    }
    None
}

/// Tag 0x0112 of a TIFF block's first directory.
fn tiff_orientation(tiff: &[u8]) -> Option<u16> {
    let big = tiff.starts_with(b"MM");
    let short = |at: usize| {
        let bytes = [*tiff.get(at)?, *tiff.get(at.checked_add(1)?)?];
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let long = |at: usize| {
        let (a, b) = (u32::from(short(at)?), u32::from(short(at + 2)?));
        Some(if big { a << 16 | b } else { b << 16 | a } as usize)
    };
    let directory = long(4)?;
    let entries = usize::from(short(directory)?);
    (0..entries)
        .map(|i| directory + 2 + 12 * i)
        .find(|entry| short(*entry) == Some(0x0112))
        .and_then(|entry| short(entry + 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exif(big: bool, orientation: u16) -> Vec<u8> {
        let short = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let long = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut tiff = if big { b"MM".to_vec() } else { b"II".to_vec() };
        tiff.extend(short(42));
        tiff.extend(long(8));
        tiff.extend(short(1));
        tiff.extend([short(0x0112), short(3)].concat());
        tiff.extend(long(1));
        tiff.extend([short(orientation), short(0)].concat());
        let mut jpeg = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xe1];
        jpeg.extend((tiff.len() as u16 + 8).to_be_bytes());
        jpeg.extend(b"Exif\0\0");
        jpeg.extend(tiff);
        jpeg
    }

    #[test]
    fn a_cameras_orientation_is_found_in_both_byte_orders() {
        for big in [false, true] {
            assert_eq!(turn(&exif(big, 6)), "transpose=clock,");
            assert_eq!(turn(&exif(big, 1)), "");
        }
        assert_eq!(turn(b"\xff\xd8\xff\xda\0\x02"), "");
    }

    #[test]
    fn the_bytes_say_what_it_is() {
        assert_eq!(Kind::of(b"\x89PNG\r\n\x1a\n...."), Some(Kind::Still("png_pipe")));
        assert_eq!(Kind::of(b"\0\0\0\x20ftypisom"), Some(Kind::Clip("mov")));
        assert_eq!(Kind::of(b"#EXTM3U\n/etc/passwd"), None);
        assert_eq!(Kind::of(b""), None);
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..60, as_exif in any::<bool>()) {
            let mut head = exif(as_exif, 6);
            let end = (at + noise.len()).min(head.len());
            if at < end {
                head[at..end].copy_from_slice(&noise[..end - at]);
            }
            let _ = (turn(&head), turn(&noise), Kind::of(&noise));
        }
    }
}
