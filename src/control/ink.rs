//! Lines for a terminal: styled pieces of text that know how wide they are.
//!
//! Text in here comes from tags, file names and error messages of strangers, so control
//! characters never get through: a title cannot move the cursor or recolour the screen.

use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// How a piece of text looks where colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// What the eye should find first.
    Bold,
    /// What is there for who looks for it.
    Dim,
    /// In order.
    Good,
    /// In between.
    Warn,
    /// Out of order.
    Bad,
}

impl Style {
    /// The terminal's sixteen colours only, which follow the reader's own theme.
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
        }
    }
}

/// One line.
#[derive(Clone, Debug, Default)]
pub struct Line(Vec<(Style, String)>);

impl Line {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `text`, its control characters made visible.
    #[must_use]
    pub fn put(mut self, style: Style, text: impl AsRef<str>) -> Self {
        let text = text.as_ref().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        self.0.push((style, text));
        self
    }

    /// Adds plain `text`.
    #[must_use]
    pub fn plain(self, text: impl AsRef<str>) -> Self {
        self.put(Style::Plain, text)
    }

    /// Adds spaces up to `column`, and at least one if something is there already.
    #[must_use]
    pub fn to_column(self, column: usize) -> Self {
        let width = self.width();
        let gap = column.saturating_sub(width).max(usize::from(width > 0));
        self.plain(" ".repeat(gap))
    }

    /// Adds `other` so that it ends at `width`; between the two is at least one space.
    #[must_use]
    pub fn right(self, other: Self, width: usize) -> Self {
        let mut line = self.to_column(width.saturating_sub(other.width()));
        line.0.extend(other.0);
        line
    }

    /// Columns that it takes.
    pub fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| columns(text)).sum()
    }

    /// The line as text, in at most `width` columns; what does not fit ends in `…`.
    pub fn print(&self, width: usize, color: bool) -> String {
        let mut out = String::new();
        let cut = self.width() > width;
        let mut room = if cut { width.saturating_sub(1) } else { width };
        for (style, text) in &self.0 {
            let text = clip(text, room);
            room -= columns(text);
            let code = style.code();
            if color && !code.is_empty() && !text.is_empty() {
                let _ = write!(out, "\x1b[{code}m{text}\x1b[0m");
            } else {
                out.push_str(text);
            }
        }
        if cut && width > 0 {
            out.push('…');
        }
        // Not inside a style: only plain pieces end in the spaces that columns need.
        out.truncate(out.trim_end_matches(' ').len());
        out
    }
}

/// Columns that a terminal gives to `text`: for joined emoji it may be less.
pub fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

/// One for a control character, in whose place something visible is shown.
fn column(c: char) -> usize {
    c.width().unwrap_or(1)
}

/// As much of `text` as fits into `width` columns.
pub fn clip(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += column(c);
        if used > width {
            return &text[..at];
        }
    }
    text
}

/// `text` in at most `width` columns, its end given up for `…`.
pub fn fit(text: &str, width: usize) -> String {
    if columns(text) <= width {
        text.to_owned()
    } else {
        format!("{}…", clip(text, width.saturating_sub(1)))
    }
}

/// `text` in lines of at most `width` columns, broken between words where that can be.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for mut word in text.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && columns(line) + 1 + columns(word) <= width {
            line.push(' ');
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(String::new());
        }
        while columns(word) > width {
            // A character that is wider than a line stands alone all the same.
            let first = word.chars().next().map_or(0, char::len_utf8);
            let (part, rest) = word.split_at(clip(word, width).len().max(first));
            lines.insert(lines.len() - 1, part.to_owned());
            word = rest;
        }
        lines.last_mut().expect("there is always a line").push_str(word);
    }
    lines
}

/// A bar of `width` columns, `done` (0 to 1) of it filled.
pub fn bar(done: f64, width: usize) -> (String, String) {
    let filled = (done.clamp(0.0, 1.0) * width as f64).round() as usize;
    ("━".repeat(filled), "─".repeat(width - filled.min(width)))
}

/// All lines, each ended.
pub fn print(lines: &[Line], width: usize, color: bool) -> String {
    lines.iter().fold(String::new(), |mut out, line| {
        out.push_str(&line.print(width, color));
        out.push('\n');
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wide_characters_count_twice() {
        let line = Line::new().plain("音楽は止まらない");
        assert_eq!(line.width(), 16);
        assert_eq!(line.print(10, false), "音楽は止…");
    }

    #[test]
    fn a_title_cannot_drive_the_terminal() {
        let line = Line::new().put(Style::Bold, "\x1b[2Jgone\r\n\u{9b}31m");
        assert_eq!(line.print(80, false), "\u{fffd}[2Jgone\u{fffd}\u{fffd}\u{fffd}31m");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_it_may_be(parts in prop::collection::vec(".{0,20}", 0..6), width in 0usize..60) {
            let line = parts.iter().fold(Line::new(), |line, part| line.put(Style::Warn, part).to_column(9));
            let text = line.print(width, false);
            prop_assert!(columns(&text) <= width, "{text:?} in {width}");
            prop_assert!(!text.contains(|c: char| c.is_control()));
        }

        #[test]
        fn wrapping_loses_no_letter_and_keeps_to_the_width(text in ".{0,60}", width in 2usize..30) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| columns(line) <= width), "{lines:?}");
            prop_assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        }

        #[test]
        fn colours_add_nothing_but_colours(text in "[a-z ]{0,30}", width in 0usize..40) {
            let line = Line::new().put(Style::Good, &text).put(Style::Dim, "x").plain(&text);
            let stripped = line.print(width, true).replace("\x1b[32m", "").replace("\x1b[2m", "").replace("\x1b[0m", "");
            let bare = line.print(width, false);
            prop_assert_eq!(stripped.trim_end(), bare.trim_end());
        }
    }
}
