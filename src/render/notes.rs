//! What FFmpeg wrote to its standard error, kept within bounds, and the one sentence in it.
//!
//! FFmpeg is called with `-loglevel level+…`, so every line of its own says how grave it is:
//! `[mp3float @ 0x55…] [error] Header missing`.

use std::collections::VecDeque;

/// Lines kept from the beginning, where FFmpeg describes its input.
const HEAD: usize = 64;
/// Lines kept from the end, where summaries and the last words are: at most 128 KiB.
const TAIL: usize = 128;

/// The notable part of an FFmpeg's standard error.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    head: Vec<String>,
    tail: VecDeque<String>,
    /// Lines of level `error` and above.
    pub errors: u64,
    /// Lines of level `warning`.
    pub warnings: u64,
    first_error: Option<String>,
    last_error: Option<String>,
}

impl Notes {
    /// Takes one line in.
    pub fn line(&mut self, line: &str) {
        if let Some(text) = ["[error] ", "[fatal] ", "[panic] "].iter().find_map(|level| after(line, level)) {
            self.errors += 1;
            self.first_error.get_or_insert_with(|| text.to_owned());
            self.last_error = Some(text.to_owned());
        } else if after(line, "[warning] ").is_some() {
            self.warnings += 1;
        }
        if self.head.len() < HEAD {
            self.head.push(line.to_owned());
        } else {
            if self.tail.len() == TAIL {
                self.tail.pop_front();
            }
            self.tail.push_back(line.to_owned());
        }
    }

    /// The lines that were kept, in order.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.head.iter().chain(&self.tail).map(String::as_str)
    }

    /// Nothing was wrong enough to say.
    pub fn is_clean(&self) -> bool {
        self.errors == 0 && self.warnings == 0
    }

    /// FFmpeg's own reason, in one line and without the file's path; `None` if it gave none.
    pub fn reason(&self) -> Option<String> {
        let last = self.last_error.as_deref()?;
        // The last words are often "Conversion failed!" or "Invalid data found…"; what was found
        // first says more, and together they are one sentence.
        let (first, last) = (tidy(self.first_error.as_deref().unwrap_or(last)), tidy(last));
        const HOLLOW: [&str; 3] = ["Conversion failed!", "Nothing was written", "Error opening input"];
        if first == last || HOLLOW.iter().any(|hollow| last.starts_with(hollow)) {
            return Some(first.to_owned());
        }
        Some(format!("{first}; {last}"))
    }

    /// The last thing that was said at all, for a program that is not an FFmpeg.
    pub fn last_words(&self) -> Option<&str> {
        self.lines().next_back()
    }
}

fn after<'a>(line: &'a str, level: &str) -> Option<&'a str> {
    let at = line.find(level)?;
    // Only a context such as `[mp3 @ 0x…] ` may stand before the level, not text of the file's.
    (at == 0 || line.starts_with('[') && line[..at].trim_end().ends_with(']'))
        .then(|| &line[at + level.len()..])
}

/// Without the path that FFmpeg puts in front: `file:/a/b: Invalid data found…`.
fn tidy(text: &str) -> &str {
    let text = match text.rsplit_once(": ") {
        Some((before, reason)) if before.contains("file:") => reason,
        _ => text,
    };
    text.trim().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(text: &str) -> Notes {
        let mut notes = Notes::default();
        text.lines().for_each(|line| notes.line(line));
        notes
    }

    #[test]
    fn the_reason_is_ffmpegs_own_without_the_path() {
        let notes = notes("[error] file:/music/a: b.mp3: Invalid data found when processing input");
        assert_eq!(notes.reason().unwrap(), "Invalid data found when processing input");
    }

    #[test]
    fn what_was_found_first_comes_first() {
        let notes = notes(
            "[mov,mp4 @ 0x55] [error] moov atom not found\n[error] file:/m/a.m4a: Invalid data found when processing input",
        );
        assert_eq!(notes.reason().unwrap(), "moov atom not found; Invalid data found when processing input");
    }

    #[test]
    fn a_title_that_looks_like_an_error_is_none() {
        let notes = notes("[info]     title           : x [error] all is lost\n      TITLE : [error] no");
        assert_eq!((notes.errors, notes.reason()), (0, None));
        assert!(notes.is_clean());
    }

    #[test]
    fn a_flood_is_kept_within_bounds_and_its_ends_are_kept() {
        let mut notes = Notes::default();
        for i in 0..100_000 {
            notes.line(&format!("[aac @ 0x5] [error] number {i}"));
        }
        assert_eq!(notes.errors, 100_000);
        assert_eq!(notes.lines().count(), HEAD + TAIL);
        assert_eq!(notes.reason().unwrap(), "number 0; number 99999");
    }
}
