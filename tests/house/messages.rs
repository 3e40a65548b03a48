//! What is logged, the table of messages and the catalogue that explains them say the same.

use super::source::{self, root};
use nonstop::telemetry::messages::{MESSAGES, Message};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// A place that logs: where, at which level, with which text between the parentheses.
struct Place {
    at: String,
    level: &'static str,
    inside: String,
}

fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for file in source::all() {
        // The code has blanks for strings, at other columns: so the level and the line come from
        // there, and the text from the file.
        for (line, code) in file.product_code() {
            for (level, call) in
                [("INFO", "tracing::info!"), ("WARN", "tracing::warn!"), ("ERROR", "tracing::error!")]
            {
                if code.replace(' ', "").contains(call) {
                    let text: String = file.text.lines().skip(line).collect::<Vec<_>>().join("\n");
                    let start = text.find(call).expect("the code is the text's") + call.len();
                    let inside = parentheses(&text[start..]).to_owned();
                    places.push(Place { at: file.at(line, call), level, inside });
                }
            }
        }
    }
    places
}

/// What is between the first parenthesis and the one that closes it.
fn parentheses(text: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return &text[1..at];
                }
            }
            _ => {}
        }
    }
    panic!("a call ends")
}

fn named(inside: &str) -> Option<&'static Message> {
    let name = inside.split("messages::").nth(1)?;
    let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    MESSAGES.iter().find(|message| message.name == name)
}

#[test]
fn every_line_that_an_operator_may_meet_has_its_message() {
    let mut broken = Vec::new();
    for Place { at, level, inside } in places() {
        match named(&inside) {
            None => broken.push(format!(
                "{at}: no `message_id = messages::…`: add the message to src/telemetry/messages.rs and its \
                 explanation to packaging/nonstop.catalog"
            )),
            Some(message) if message.level.as_str() != level => {
                broken.push(format!("{at}: {} is {}", message.name, message.level));
            }
            Some(message) if !inside.contains(&format!("\"{}\"", message.sentence)) => {
                broken.push(format!("{at}: {} says {:?}", message.name, message.sentence));
            }
            Some(_) => {}
        }
    }
    super::none(broken, "INFO, WARN and ERROR carry a message of the table, with its level and sentence");
}

#[test]
fn every_message_is_said_somewhere() {
    let said: BTreeSet<_> = places().iter().filter_map(|p| named(&p.inside)).map(|m| m.name).collect();
    let silent: Vec<_> =
        MESSAGES.iter().filter(|m| !said.contains(m.name)).map(|m| m.name.to_owned()).collect();
    super::none(silent, "a message that nobody says is not in the table");
}

#[test]
fn identities_are_unique_and_of_the_journal_s_form() {
    let ids: BTreeSet<_> = MESSAGES.iter().map(|message| message.id).collect();
    assert_eq!(ids.len(), MESSAGES.len());
    for id in ids {
        assert!(id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    }
}

#[test]
fn the_catalogue_explains_every_message_and_no_other() {
    let text = fs::read_to_string(root().join("packaging/nonstop.catalog")).expect("the catalogue is there");
    let entries: BTreeMap<_, _> = text
        .split("\n-- ")
        .skip(1)
        .map(|entry| entry.split_once('\n').expect("an entry has more than its identity"))
        .collect();
    let mut broken = Vec::new();
    for Message { name, id, .. } in MESSAGES {
        let Some(entry) = entries.get(id) else {
            broken.push(format!("{name} ({id}) is not explained"));
            continue;
        };
        let (head, body) = entry.split_once("\n\n").unwrap_or((entry, ""));
        for field in ["Subject: ", "Defined-By: nonstop", "Documentation: "] {
            if !head.lines().any(|line| line.starts_with(field)) {
                broken.push(format!("{name}: no {field}"));
            }
        }
        let parts: Vec<_> = body.trim_end().split("\n\n").collect();
        match parts[..] {
            [happened, does, todo]
                if happened.len() > 10
                    && does.starts_with("What nonstop does: ")
                    && todo.starts_with("What you should do: ") => {}
            _ => broken.push(format!("{name}: what happened, what nonstop does, what you should do")),
        }
        if body.lines().any(|line| line.len() > 100) {
            broken.push(format!("{name}: a line of more than 100 bytes"));
        }
    }
    for id in entries.keys().filter(|id| !MESSAGES.iter().any(|message| message.id == **id)) {
        broken.push(format!("{id} is explained, and is no message"));
    }
    super::none(broken, "packaging/nonstop.catalog and src/telemetry/messages.rs tell of the same messages");
}
