//! Who made what: from a track's tags, else from its file name.

use super::tags::Tags;
use crate::media::Credits;

/// Characters of the longest title, artist or album that is kept.
const LONGEST: usize = 200;

/// The credits of the track at `source`. What the tags leave open comes from the file name.
pub fn credits(tags: &Tags, source: &str) -> Credits {
    let (artist, title) = from_name(source);
    match &tags.title {
        Some(title) => {
            Credits { title: title.clone(), artist: tags.artist.clone(), album: tags.album.clone() }
        }
        None => Credits { title, artist: tags.artist.clone().or(artist), album: tags.album.clone() },
    }
}

/// Text from a tag as people should see it: one line, no control characters, not endless. `None`
/// if nothing is left.
pub fn clean(text: &str) -> Option<String> {
    // Bidirectional overrides can turn the rest of a line around, byte order marks are no text.
    let unseen = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffd}');
    let spaced: String =
        text.chars().map(|c| if c.is_control() || unseen(c) { ' ' } else { c }).take(4096).collect();
    let words: Vec<_> = spaced.split_whitespace().collect();
    let cleaned: String = words.join(" ").chars().take(LONGEST).collect();
    let cleaned = cleaned.trim_end();
    (!cleaned.is_empty()).then(|| cleaned.to_owned())
}

/// Artist and title from names like `03 - Artist - Title.mp3`, `07. Title.flac`, `Artist_-_Title.ogg`.
fn from_name(source: &str) -> (Option<String>, String) {
    let name = source.rsplit('/').next().unwrap_or(source);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let spaced = if stem.contains(' ') { stem.to_owned() } else { stem.replace('_', " ") };
    let spaced = spaced.replace(" – ", " - ").replace(" — ", " - ");
    let rest = without_number(spaced.trim());
    let split =
        rest.split_once(" - ").map(|(artist, title)| (clean(artist), clean(without_number(title.trim()))));
    match split {
        Some((artist @ Some(_), Some(title))) => (artist, title),
        _ => (None, clean(rest).or_else(|| clean(stem)).unwrap_or_else(|| "untitled".to_owned())),
    }
}

/// `text` without the track number that it starts with: `03 `, `3. `, `3 - `, `1-03 `; but a
/// number that may be a word (`99 Luftballons`) stays.
fn without_number(text: &str) -> &str {
    let number = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let digits = number(text);
    if digits == 0 || digits > 3 {
        return text;
    }
    let rest = &text[digits..];
    let disc = rest.strip_prefix('-').filter(|rest| digits == 1 && number(rest) == 2).map(|rest| &rest[2..]);
    let rest = disc.unwrap_or(rest);
    let after = rest.trim_start();
    let marked =
        after.strip_prefix(['.', '-', ')']).filter(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
    let padded = (text.starts_with('0') || disc.is_some()) && rest.starts_with(' ');
    let rest = match marked {
        Some(rest) => rest.trim_start(),
        None if padded => after,
        None => text,
    };
    if rest.is_empty() { text } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(source: &str) -> (Option<String>, String) {
        let credits = credits(&Tags::default(), source);
        (credits.artist, credits.title)
    }

    #[test]
    fn names_of_files_are_read_as_people_write_them() {
        for (source, artist, title) in [
            ("Artist - Title.mp3", Some("Artist"), "Title"),
            ("album/03 - Artist - Title.mp3", Some("Artist"), "Title"),
            ("Artist - 03 - Title.mp3", Some("Artist"), "Title"),
            ("07. Title.flac", None, "Title"),
            ("07 Title.flac", None, "Title"),
            ("7) Title.flac", None, "Title"),
            ("1-07 Title.flac", None, "Title"),
            ("Artist_-_Some_Title.ogg", Some("Artist"), "Some Title"),
            ("Artist – Title (Remix - Long).ogg", Some("Artist"), "Title (Remix - Long)"),
            ("99 Luftballons.mp3", None, "99 Luftballons"),
            ("1999.mp3", None, "1999"),
            ("50 Cent - In da Club.mp3", Some("50 Cent"), "In da Club"),
            ("01.mp3", None, "01"),
            ("3.14.mp3", None, "3.14"),
            (" - .mp3", None, "-"),
            ("a\u{1b}[2Jb.mp3", None, "a [2Jb"),
            ("\u{202e}.mp3", None, "untitled"),
        ] {
            assert_eq!(named(source), (artist.map(str::to_owned), title.to_owned()), "{source}");
        }
    }

    #[test]
    fn tags_come_before_the_name_and_the_name_fills_in_a_missing_title() {
        let tags = |title: Option<&str>, artist: Option<&str>| Tags {
            title: title.map(str::to_owned),
            artist: artist.map(str::to_owned),
            album: Some("Album".to_owned()),
        };
        let both = credits(&tags(Some("T"), None), "Artist - Title.mp3");
        assert_eq!((both.title.as_str(), both.artist, both.album.as_deref()), ("T", None, Some("Album")));
        let partly = credits(&tags(None, Some("A")), "Artist - Title.mp3");
        assert_eq!((partly.title.as_str(), partly.artist.as_deref()), ("Title", Some("A")));
    }

    proptest! {
        #[test]
        fn credits_are_always_one_clean_line(source in "\\PC{0,300}|[0-9 ._)-]{0,12}", tag in any::<String>()) {
            let tags = Tags { title: clean(&tag), ..Tags::default() };
            for tags in [tags, Tags::default()] {
                let Credits { title, artist, .. } = credits(&tags, &source);
                for text in [Some(title), artist].into_iter().flatten() {
                    prop_assert!(!text.is_empty() && text.chars().count() <= LONGEST, "{:?}", text);
                    prop_assert!(!text.chars().any(char::is_control) && text.trim() == text, "{:?}", text);
                }
            }
        }
    }
}
