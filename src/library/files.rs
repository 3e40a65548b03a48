//! Which files count, told from their names alone.
//!
//! What counts is listed, and everything else is passed over: covers, playlists, texts, and what
//! downloads and synchronisers leave half done, for they all end in something else.

use crate::config::{CLIP_ENDINGS, PICTURE_ENDINGS};

/// Endings of audio files, in lower case.
const TRACK_ENDINGS: &str = "mp3 wav flac ogg oga opus m4a aac";

/// Folders of programs, which hold copies, thumbnails and rubbish under the names of music.
const SYSTEM_FOLDERS: [&str; 6] =
    ["@eaDir", "#recycle", "lost+found", "$RECYCLE.BIN", "System Volume Information", "__MACOSX"];

/// What a file is to the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The background, or one that may be it; the lowest rank is it.
    Background {
        /// The place of its ending among those that a background may have.
        rank: u8,
    },
    /// Music.
    Track,
}

/// What the file at `source` (below the media source, with `/`) is, if it counts. `background` is
/// the configured one; without it, `background.*` at the top is a candidate.
pub fn kind(source: &str, background: Option<&str>) -> Option<Kind> {
    let (folder, name) = source.rsplit_once('/').unwrap_or(("", source));
    let (stem, ending) = name.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    if background == Some(source) {
        return Some(Kind::Background { rank: 0 });
    }
    if background.is_none() && folder.is_empty() && stem.eq_ignore_ascii_case("background") {
        let endings = PICTURE_ENDINGS.iter().chain(&CLIP_ENDINGS);
        if let Some(rank) = endings.into_iter().position(|known| *known == ending) {
            return Some(Kind::Background { rank: rank as u8 });
        }
    }
    TRACK_ENDINGS.split(' ').any(|known| known == ending).then_some(Kind::Track)
}

/// Whether a file or folder of this name is passed over, with all that is in it: it is hidden (as
/// are the `._x` that macOS leaves beside every file), or a program's own.
pub fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || SYSTEM_FOLDERS.contains(&name)
}

/// Whether the bytes of a picture move, told from its name and its first bytes (32 are enough).
pub fn is_clip(source: &str, head: &[u8]) -> bool {
    // A WebP with more than one picture says so in the flags of its first chunk.
    const ANIMATION: u8 = 0b10;
    let is_webp = head.starts_with(b"RIFF") && head.get(8..16) == Some(b"WEBPVP8X");
    if is_webp {
        return head.get(20).is_some_and(|flags| flags & ANIMATION != 0);
    }
    let ending = source.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    head.starts_with(b"GIF8") || CLIP_ENDINGS.contains(&ending.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn music_counts_in_any_case_and_at_any_depth() {
        for source in
            ["a.mp3", "x/y/b.FLAC", "c.Ogg", "d.oga", "e.opus", "f.m4a", "g.aac", "h.wav", "a.b.mp3"]
        {
            assert_eq!(kind(source, None), Some(Kind::Track), "{source}");
        }
    }

    #[test]
    fn everything_else_is_passed_over() {
        for source in [
            "cover.jpg",
            "list.m3u",
            "list.m3u8",
            "x.cue",
            "notes.txt",
            "a.mp3.part",
            "b.mp3.crdownload",
            "c.mp3.tmp",
            "d.mp3~",
            "mp3",
            "album/background.jpg",
            "background",
            "background.txt",
        ] {
            assert_eq!(kind(source, None), None, "{source}");
        }
        for name in [".a.mp3", "._a.mp3", ".Trash", "@eaDir", "#recycle"] {
            assert!(is_passed_over(name), "{name}");
        }
    }

    #[test]
    fn the_configured_background_is_the_only_candidate() {
        assert_eq!(kind("art/card.png", Some("art/card.png")), Some(Kind::Background { rank: 0 }));
        assert_eq!(kind("background.jpg", Some("art/card.png")), None);
        assert!(kind("Background.PNG", None) > kind("background.jpg", None));
        assert!(kind("background.mp4", None) > kind("background.webp", None), "a picture before a clip");
    }

    #[test]
    fn what_moves_is_a_clip() {
        let webp = |flags| [b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0".as_slice(), &[flags]].concat();
        assert!(is_clip("a.webp", &webp(0b10)) && !is_clip("a.webp", &webp(0)));
        assert!(!is_clip("a.webp", b"RIFF\0\0\0\0WEBPVP8 "));
        assert!(is_clip("a.gif", b"GIF89a") && is_clip("a.mp4", b"") && !is_clip("a.png", b"\x89PNG"));
        assert!(!is_clip("a.webp", &webp(0b10)[..20]), "cut off before its flags");
    }
}
