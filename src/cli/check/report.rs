//! What `nonstop check` found, line by line. Pure.

use crate::cli::{Exit, Failure};
use crate::control::ink::{self, Line, Style, wrap};

/// Where sentences begin.
const SENTENCES: usize = 20;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// In order.
    Tick,
    /// Worth knowing.
    Note,
    /// In order, but could be better.
    Advice,
    /// Not in order; what the command ends with.
    Cross(Exit),
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) mark: Mark,
    /// What was looked at.
    pub(super) subject: String,
    /// How it stands: a sentence, or several with their hints.
    pub(super) message: String,
}

impl Finding {
    pub(super) fn new(mark: Mark, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { mark, subject: subject.into(), message: message.into() }
    }

    pub(super) fn tick(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Mark::Tick, subject, message)
    }

    pub(super) fn advice(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Mark::Advice, subject, message)
    }

    /// A cross; the failure says why, and what the command ends with.
    pub(super) fn cross(subject: impl Into<String>, why: impl Into<Failure>) -> Self {
        let Failure { exit, message } = why.into();
        Self::new(Mark::Cross(exit), subject, message)
    }

    /// The lines for a person.
    pub(super) fn text(&self, width: usize, color: bool) -> String {
        let (style, mark) = match self.mark {
            Mark::Tick => (Style::Good, "✓"),
            Mark::Note => (Style::Dim, "·"),
            Mark::Advice => (Style::Warn, "!"),
            Mark::Cross(_) => (Style::Bad, "✗"),
        };
        let head = Line::new().put(style, mark).plain(format!(" {}", self.subject)).to_column(SENTENCES);
        let mut lines = vec![head];
        for text in self.message.lines().filter(|text| !text.is_empty()) {
            let style = if text.starts_with("hint:") { Style::Dim } else { Style::Plain };
            for text in wrap(text, width.saturating_sub(SENTENCES)) {
                match &mut lines[..] {
                    [head] if head.width() <= SENTENCES => *head = head.clone().put(style, text),
                    _ => lines.push(Line::new().to_column(0).plain(" ".repeat(SENTENCES)).put(style, text)),
                }
            }
        }
        ink::print(&lines, width, color)
    }
}

/// What the command ends with: the first cross's exit code.
pub(super) fn exit(findings: &[Finding]) -> Exit {
    let cross = |finding: &Finding| match finding.mark {
        Mark::Cross(exit) => Some(exit),
        Mark::Tick | Mark::Note | Mark::Advice => None,
    };
    findings.iter().find_map(cross).unwrap_or(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_finding_in_a_terminal() {
        let findings = [
            Finding::tick("configuration", "/etc/nonstop/nonstop.toml: channel lofi"),
            Finding::cross(
                "media",
                Failure::new(
                    Exit::Unavailable,
                    "the folder /srv/music cannot be read: permission denied (os error 13)",
                )
                .hint("it has to be readable for the user that nonstop runs as"),
            ),
            Finding::advice("a destination with a long name", "no backup"),
            Finding::cross("key", Failure::new(Exit::Config, "first.\n\nhint: one\n\nsecond.\n\nhint: two")),
            Finding::new(Mark::Note, "cost", "62.32 US$ a month at most"),
        ];
        let text: String = findings.iter().map(|finding| finding.text(80, false)).collect();
        insta::assert_snapshot!(text);
        assert_eq!(exit(&findings), Exit::Unavailable);
        assert_eq!(exit(&findings[..1]), Exit::Done);
    }
}
