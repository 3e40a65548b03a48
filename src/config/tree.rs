//! The text as a tree of known keys: TOML, with lines to point at. Values come out of it one by
//! one, and everything that is wrong is gathered on the way.
//!
//! Deserialising into a struct was rejected: it stops at the first thing that is wrong, and its
//! messages quote the text, in which a stream key may stand.

use super::ingest::looks_secret;
use super::problem::Problem;
use super::reference::{Fallback, Key, key, reference};
use super::units::Unfit;
use std::ops::Range;
use std::str::FromStr;
use toml::de::{DeTable, DeValue};

/// Reads values and gathers problems.
pub(super) struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

/// A section of the file, or the lack of it.
#[derive(Clone, Copy)]
pub(super) struct Table<'d, 't> {
    section: &'static str,
    line: Option<usize>,
    entries: Option<&'d DeTable<'t>>,
}

impl Table<'_, '_> {
    /// Whether the key is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.is_some_and(|entries| entries.contains_key(name))
    }

    /// The key with its section: `video.fps`.
    pub(super) fn path(&self, name: &str) -> String {
        if self.section.is_empty() { name.to_owned() } else { format!("{}.{name}", self.section) }
    }
}

impl<'t> Reader<'t> {
    /// The text as TOML, or everything that keeps it from being that.
    pub(super) fn new(text: &'t str) -> Result<(Self, DeTable<'t>), Vec<Problem>> {
        /// One missing quote can put every later line in the wrong.
        const MOST: usize = 5;
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self { text, problems: Vec::new() };
        for error in errors.iter().take(MOST) {
            // The parser's own words are fixed ones; its Display would quote the line.
            let message = error.message().lines().next().unwrap_or_default();
            let line = error.span().map(|span| reader.line(&span));
            let hint = match message {
                "duplicate key" => "each key and each section stands once",
                _ => "values in words need quotation marks, as in size = \"1280x720\"",
            };
            reader.problems.push(Problem {
                line,
                key: String::new(),
                sentence: format!("this is not TOML: {message}"),
                hint: Some(hint.to_owned()),
            });
        }
        if reader.problems.is_empty() { Ok((reader, root.into_inner())) } else { Err(reader.finish()) }
    }

    /// Everything that is wrong, by line.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        self.problems
    }

    /// Says that something is wrong with the key `name`, given or not.
    pub(super) fn wrong(
        &mut self,
        table: &Table<'_, 't>,
        name: &str,
        sentence: String,
        hint: impl Into<String>,
    ) {
        let given = table.entries.and_then(|entries| entries.get_key_value(name));
        let line = given.map(|(key, _)| self.line(&key.span())).or(table.line);
        self.problems.push(Problem { line, key: table.path(name), sentence, hint: Some(hint.into()) });
    }

    /// The root as a table, its keys checked.
    pub(super) fn root<'d>(&mut self, root: &'d DeTable<'t>) -> Table<'d, 't> {
        self.known(Table { section: "", line: None, entries: Some(root) })
    }

    /// The section `name`, its keys checked; an empty one if it is not given.
    pub(super) fn section<'d>(&mut self, root: &'d DeTable<'t>, name: &'static str) -> Table<'d, 't> {
        let absent = Table { section: name, line: None, entries: None };
        let Some((key, value)) = root.get_key_value(name) else { return absent };
        let line = Some(self.line(&key.span()));
        let Some(entries) = value.get_ref().as_table() else {
            let table = Table { section: "", line, entries: Some(root) };
            self.wrong(
                &table,
                name,
                format!("`{name}` is not a section"),
                format!("write [{name}] on a line of its own"),
            );
            return absent;
        };
        self.known(Table { section: name, line, entries: Some(entries) })
    }

    /// The sections `[[destination]]`, their keys checked.
    pub(super) fn destinations<'d>(&mut self, root: &'d DeTable<'t>) -> Vec<Table<'d, 't>> {
        let top = Table { section: "", line: None, entries: Some(root) };
        if !top.has("destination") {
            let hint = "write at least\n\n[[destination]]\nprimary = \"rtmps://a.rtmps.youtube.com/live2\"\nkey = { file = \"/etc/nonstop/stream-key\" }";
            self.wrong(&top, "destination", "there is no [[destination]] to publish to".to_owned(), hint);
            return Vec::new();
        }
        self.sections(root, "destination")
    }

    /// The sections `[[name]]`, their keys checked; none if there are none.
    pub(super) fn sections<'d>(&mut self, root: &'d DeTable<'t>, name: &'static str) -> Vec<Table<'d, 't>> {
        let top = Table { section: "", line: None, entries: Some(root) };
        let Some(value) = root.get(name) else { return Vec::new() };
        let tables = value.get_ref().as_array().filter(|array| !array.is_empty()).and_then(|array| {
            array
                .iter()
                .map(|item| Some((item.span(), item.get_ref().as_table()?)))
                .collect::<Option<Vec<_>>>()
        });
        let Some(tables) = tables else {
            let sentence = format!("`{name}` is a list, and every item of it a section");
            let hint = format!("write [[{name}]], with two brackets on either side");
            self.wrong(&top, name, sentence, hint);
            return Vec::new();
        };
        let table = |this: &mut Self, (span, entries): (Range<usize>, &'d DeTable<'t>)| {
            let line = Some(this.line(&span));
            this.known(Table { section: name, line, entries: Some(entries) })
        };
        tables.into_iter().map(|item| table(self, item)).collect()
    }

    /// The table that a key of `table` holds, its keys checked; none if it holds something else.
    pub(super) fn inner<'d>(
        &mut self,
        table: &Table<'d, 't>,
        name: &str,
        section: &'static str,
    ) -> Option<Table<'d, 't>> {
        let (key, value) = table.entries?.get_key_value(name)?;
        let entries = value.get_ref().as_table()?;
        let line = Some(self.line(&key.span()));
        Some(self.known(Table { section, line, entries: Some(entries) }))
    }

    /// The `key` of a destination, its keys checked.
    pub(super) fn key_table<'d>(&mut self, destination: &Table<'d, 't>) -> Option<Table<'d, 't>> {
        const HINT: &str = "write key = { credential = \"stream-key\" }, key = { file = \"/etc/nonstop/stream-key\" } or key = { secret = \"nonstop/lofi\", field = \"youtube_stream_key\" }";
        let Some((key, value)) = destination.entries.and_then(|entries| entries.get_key_value("key")) else {
            self.wrong(destination, "key", "`destination.key` is missing".to_owned(), HINT);
            return None;
        };
        let line = Some(self.line(&key.span()));
        let Some(entries) = value.get_ref().as_table() else {
            let sentence = if value.get_ref().is_str() {
                "`destination.key` seems to be the stream key itself, which does not belong in this file"
            } else {
                "`destination.key` does not say where the stream key is"
            };
            let hint = format!("{HINT}, and change a key that others may have read");
            self.wrong(destination, "key", sentence.to_owned(), hint);
            return None;
        };
        Some(self.known(Table { section: "destination.key", line, entries: Some(entries) }))
    }

    /// The value of a key, or its default. `None`: it has neither, or is wrong (and that is said).
    pub(super) fn value<T: FromStr<Err = Unfit>>(&mut self, table: &Table<'_, 't>, name: &str) -> Option<T> {
        let key = key(table.section, name);
        let Some(value) = table.entries.and_then(|entries| entries.get(name)) else {
            return match key.default {
                Fallback::Toml(default) => {
                    let parsed = default.trim_matches('"').parse().ok();
                    Some(parsed.unwrap_or_else(|| {
                        panic!("the default {default} of {} is none of its kind", key.path())
                    }))
                }
                Fallback::Rule(_) => None,
                Fallback::Required => {
                    let hint = format!("`{name}` takes {}", key.range);
                    self.wrong(table, name, format!("`{}` is missing", key.path()), hint);
                    None
                }
            };
        };
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            _ => {
                let hint = format!("`{name}` takes {}", key.range);
                self.wrong(
                    table,
                    name,
                    format!("{} has the wrong type", self.shown(key, value.span())),
                    hint,
                );
                return None;
            }
        };
        match text.parse() {
            Ok(value) => Some(value),
            Err(unfit) => {
                let shown = self.shown(key, value.span());
                let hint = unfit.hint.unwrap_or_else(|| key.range.to_owned());
                self.wrong(table, name, format!("{shown} {}", unfit.reason), hint);
                None
            }
        }
    }

    /// `video.fps = 29.97`, or without the value if that is long or may be a secret.
    pub(super) fn shown(&self, key: &Key, span: Range<usize>) -> String {
        let value = self.text.get(span).unwrap_or_default();
        let secret = key.is_delicate()
            || value.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').any(looks_secret);
        if secret || value.is_empty() || value.len() > 60 || value.chars().any(char::is_control) {
            format!("`{}`", key.path())
        } else {
            format!("`{} = {value}`", key.path())
        }
    }

    /// Says which keys of `table` do not exist, and which one may be meant.
    fn known<'d>(&mut self, table: Table<'d, 't>) -> Table<'d, 't> {
        let Table { section, entries: Some(entries), .. } = table else { return table };
        let known = names(section);
        for key in entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            let place = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
            let shown = if looks_secret(name) || name.len() > 40 {
                String::new()
            } else {
                format!(" `{}`", name.escape_debug())
            };
            let problem = Problem {
                line: Some(self.line(&key.span())),
                key: if shown.is_empty() { section.to_owned() } else { name.to_owned() },
                sentence: format!("there is no key{shown}{place}"),
                hint: Some(meant(section, name, &known)),
            };
            self.problems.push(problem);
        }
        table
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        before.iter().filter(|&&b| b == b'\n').count() + 1
    }
}

/// What may stand in a section: its keys, and at the top the sections.
fn names(section: &str) -> Vec<&'static str> {
    let keys = reference().iter().filter(|key| key.section == section).map(|key| key.name);
    let mut names: Vec<_> = keys.collect();
    if section.is_empty() {
        names.extend([
            "media",
            "rotation",
            "video",
            "audio",
            "destination",
            "metrics",
            "cloudwatch",
            "webhook",
        ]);
    }
    names
}

/// Which key an unknown one may stand for.
fn meant(section: &str, name: &str, known: &[&str]) -> String {
    /// Below this likeness a suggestion misleads more often than it helps.
    const LIKE: f64 = 0.75;
    let likeness = |known: &str| match name.to_lowercase() {
        name if name.ends_with(known) => 1.0,
        name => strsim::jaro_winkler(&name, known),
    };
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let elsewhere = reference().iter().find(|key| key.name == name && key.section != section);
    match (nearest, elsewhere) {
        (_, Some(key)) if key.section.is_empty() => format!("`{name}` goes before the first section"),
        (_, Some(key)) if key.section == "destination.key" => {
            format!("`{name}` goes into the braces: key = {{ {name} = \"…\" }}")
        }
        (_, Some(Key { section: list @ ("destination" | "webhook"), .. })) => {
            format!("`{name}` goes into [[{list}]]")
        }
        (_, Some(key)) => format!("`{name}` goes into [{}]", key.section),
        (Some(nearest), None) if likeness(nearest) >= LIKE => format!("did you mean `{nearest}`?"),
        _ => format!("known here are {}", known.join(", ")),
    }
}

/// The word of a list that `text` is, else what is wrong, with the nearest.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Unfit> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let all: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let likeness = |word: &str| strsim::jaro_winkler(&text.to_lowercase(), word);
    let near = words.iter().map(|(word, _)| *word).find(|word| likeness(word) > 0.75);
    let all = all.join(" or ");
    let hint =
        near.map_or_else(|| format!("write {all}"), |word| format!("did you mean \"{word}\"? It is {all}"));
    Err(Unfit::new("is not one of its words", hint))
}
