//! The source of `src/` as text, with comments and strings told apart from code, and the product
//! told apart from its tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file, with its code told apart from its comments and strings.
pub struct Source {
    /// Below `src/`.
    pub path: PathBuf,
    pub text: String,
    /// The file's lines with comments and the insides of strings blanked out.
    pub code: Vec<String>,
    /// Strings, each with the line on which it starts.
    strings: Vec<(usize, String)>,
    /// For each line, whether it belongs to the product and not to its tests.
    product: Vec<bool>,
}

impl Source {
    pub fn new(path: PathBuf, text: String) -> Self {
        let (code, strings) = tell_apart(&text);
        let code: Vec<_> = code.lines().map(squeeze).collect();
        let product = mark_product(&code);
        Self { path, text, code, strings, product }
    }

    /// The modules that this file declares for tests only: `#[cfg(test)] mod laws;`.
    pub fn test_modules(&self) -> Vec<PathBuf> {
        let code = self.code.join(" ");
        let folder = match self.path.file_name().and_then(|n| n.to_str()) {
            Some("mod.rs" | "lib.rs" | "main.rs") => self.path.with_file_name(""),
            _ => self.path.with_extension(""),
        };
        code.match_indices("#[cfg(test)]")
            .filter_map(|(at, mark)| code[at + mark.len()..].trim_start().strip_prefix("mod "))
            .filter_map(|rest| rest.split_once(';'))
            .filter(|(name, _)| identifiers(name).count() == 1 && !name.contains('{'))
            .flat_map(|(name, _)| [folder.join(name).with_extension("rs"), folder.join(name)])
            .collect()
    }

    /// The first folder or file below `src/`.
    pub fn top(&self) -> &str {
        self.path.iter().next().and_then(|part| part.to_str()).unwrap_or_default()
    }

    pub fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().map(String::as_str).enumerate().filter(|(line, _)| self.product[*line])
    }

    pub fn product_strings(&self) -> impl Iterator<Item = (usize, &str)> {
        self.strings.iter().filter(|(line, _)| self.product[*line]).map(|(line, s)| (*line, s.as_str()))
    }

    /// The modules of this crate that the code names: `x` of `crate::x` and of `crate::{…, x, …}`.
    pub fn crate_paths(&self) -> impl Iterator<Item = (usize, String)> {
        let blank_tests =
            |(line, code): (usize, &String)| if self.product[line] { code.clone() } else { String::new() };
        let code = self.code.iter().enumerate().map(blank_tests).collect::<Vec<_>>().join("\n");
        let mut found = Vec::new();
        for (at, _) in code.match_indices("crate::") {
            let line = code[..at].matches('\n').count();
            let rest = &code[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                None => found.extend(identifiers(rest).next().map(|seen| (line, seen.to_owned()))),
                Some(list) => {
                    let (mut depth, mut start) = (0, true);
                    let mut word = String::new();
                    for c in list.chars() {
                        match c {
                            '{' => depth += 1,
                            '}' if depth == 0 => break,
                            '}' => depth -= 1,
                            ',' if depth == 0 => {
                                found.push((line, std::mem::take(&mut word)));
                                start = true;
                            }
                            c if depth == 0 && start && (c.is_alphanumeric() || c == '_') => word.push(c),
                            c if !c.is_whitespace() => start = false,
                            _ => {}
                        }
                    }
                    found.push((line, word));
                }
            }
        }
        found.into_iter().filter(|(_, word)| !word.is_empty())
    }

    pub fn at(&self, line: usize, what: &str) -> String {
        format!("src/{}:{}: {what}", self.path.display(), line + 1)
    }
}

/// Leaves out each item that `#[cfg(test)]` stands before: up to its `;`, or its closing brace.
fn mark_product(code: &[String]) -> Vec<bool> {
    let mut product = vec![true; code.len()];
    let (mut in_test, mut depth) = (false, 0);
    for (line, code) in code.iter().enumerate() {
        let mut item = code.as_str();
        if !in_test {
            let Some((_, rest)) = code.split_once("#[cfg(test)]") else { continue };
            (in_test, depth, item) = (true, 0, rest);
        }
        product[line] = false;
        for c in item.chars() {
            match c {
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    in_test &= depth > 0;
                }
                ';' if depth == 0 => in_test = false,
                _ => {}
            }
        }
    }
    product
}

/// Blanks out comments and the insides of strings and character literals, and collects the strings.
fn tell_apart(text: &str) -> (String, Vec<(usize, String)>) {
    let (mut code, mut strings) = (String::with_capacity(text.len()), Vec::new());
    let (mut rest, mut line) = (text, 0);
    while let Some(c) = rest.chars().next() {
        let raw_hashes = rest.strip_prefix('r').map(|r| r.len() - r.trim_start_matches('#').len());
        let after_name = code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let (len, string) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), None)
        } else if let Some(hashes) = raw_hashes.filter(|n| !after_name && rest[1 + n..].starts_with('"')) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            let end = rest[open..].find(&close).map_or(rest.len(), |end| open + end);
            ((end + close.len()).min(rest.len()), Some(rest[open..end].to_owned()))
        } else if c == '"' {
            let end = closing(rest, '"');
            ((end + 1).min(rest.len()), Some(rest[1..end].to_owned()))
        } else if c == '\'' && is_char_literal(rest) {
            ((closing(rest, '\'') + 1).min(rest.len()), None)
        } else {
            code.push(c);
            line += usize::from(c == '\n');
            rest = &rest[c.len_utf8()..];
            continue;
        };
        strings.extend(string.map(|s| (line, s)));
        let lines = rest[..len].matches('\n').count();
        code.push_str(&"\n".repeat(lines));
        code.push(' ');
        line += lines;
        rest = &rest[len..];
    }
    (code, strings)
}

/// Where the literal that starts `text` closes: the first unescaped `quote` after its first.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// Tells `'x'` and `'\n'` from the lifetime `'x`.
fn is_char_literal(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

/// Drops white space but one blank between two words.
fn squeeze(line: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut squeezed = String::with_capacity(line.len());
    let mut gap = false;
    for c in line.chars() {
        if c.is_whitespace() {
            gap = true;
            continue;
        }
        let before = squeezed.chars().next_back();
        // A blank stays between words, and before a brace, so that `async {` reads as written.
        if gap && (before.is_some_and(is_word) && (is_word(c) || c == '{')) {
            squeezed.push(' ');
        }
        gap = false;
        squeezed.push(c);
    }
    squeezed
}

/// Whether `what` stands in `code`, not as a part of longer words.
pub fn has_word(code: &str, what: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(what).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + what.len()..].chars().next();
        let free = |edge: Option<char>, neighbour: Option<char>| {
            !(edge.is_some_and(is_word) && neighbour.is_some_and(is_word))
        };
        free(what.chars().next(), before) && free(what.chars().next_back(), after)
    })
}

pub fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

pub fn all() -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("source files are UTF-8");
                let below = path.strip_prefix(root().join("src")).expect("found below src");
                files.push(Source::new(below.to_owned(), text));
            }
        }
    }
    assert!(files.len() > 5, "src was found");
    let tests: Vec<PathBuf> = files.iter().flat_map(Source::test_modules).collect();
    for file in &mut files {
        if tests.iter().any(|test| file.path.starts_with(test)) {
            file.product.fill(false);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
