//! Text as manual pages want it.

use std::fmt::Write;

/// A manual page under way.
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// Page `name` of `section`, as `man SECTION NAME` finds it.
    pub(crate) fn new(name: &str, section: u8) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self { text: format!(".TH {name} {section} \"\" \"nonstop {version}\" \"nonstop\"\n") }
    }

    /// A heading.
    pub(crate) fn section(&mut self, title: &str) -> &mut Self {
        let _ = writeln!(self.text, ".SH \"{}\"", escape(&title.to_uppercase()));
        self
    }

    /// A paragraph of [prose].
    pub(crate) fn paragraph(&mut self, text: &str) -> &mut Self {
        let _ = writeln!(self.text, ".PP\n{}", prose(text));
        self
    }

    /// A term, and [prose] about it.
    pub(crate) fn term(&mut self, term: &str, text: &str) -> &mut Self {
        let _ = writeln!(self.text, ".TP\n\\fB{}\\fR\n{}", escape(term), prose(text));
        self
    }

    /// One more paragraph about the last term.
    pub(crate) fn more(&mut self, text: &str) -> &mut Self {
        let _ = writeln!(self.text, ".IP\n{}", prose(text));
        self
    }

    /// Lines that stay as they are.
    pub(crate) fn verbatim(&mut self, text: &str) -> &mut Self {
        let lines: Vec<_> = text.trim_matches('\n').lines().map(|text| line(&escape(text))).collect();
        let _ = writeln!(self.text, ".PP\n.RS 4\n.nf\n{}\n.fi\n.RE", lines.join("\n"));
        self
    }

    /// What another program has written in roff.
    pub(crate) fn raw(&mut self, roff: &str) -> &mut Self {
        self.text.push_str(roff);
        self
    }

    /// All of it.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// Text with `code` between backticks, which is set bold.
fn prose(text: &str) -> String {
    let parts = text.replace("**", "").split('`').map(escape).collect::<Vec<_>>();
    let set = parts.iter().enumerate().map(|(i, part)| match i % 2 {
        1 => format!("\\fB{part}\\fR"),
        _ => part.clone(),
    });
    line(&set.collect::<String>())
}

/// A line that begins like a request, and is none.
fn line(escaped: &str) -> String {
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped.to_owned() }
}

/// Characters that mean something to roff. A plain hyphen would be set as a typographic one, which
/// nobody can copy into a shell.
fn escape(text: &str) -> String {
    text.replace('\\', "\\(rs").replace('-', "\\-").replace('"', "\\(dq")
}
