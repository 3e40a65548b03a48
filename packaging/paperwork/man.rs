//! The manual pages that say what the code knows: the verbs, the exit codes, the configuration.
//! What systemd does with all of it is in `nonstop.service.8`, which is written by hand.

use crate::roff;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use nonstop::cli::args::Cli;
use nonstop::cli::failure::TABLE;
use nonstop::config::reference::{Fallback, reference};

/// A page and its file's name.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// nonstop(1), a page for each verb, and nonstop.toml(5).
pub(crate) fn pages() -> Vec<Page> {
    let mut command = Cli::command();
    command.build();
    let mut pages = vec![of_the_command(&command), of_the_configuration()];
    pages.extend(command.get_subcommands().map(of_a_verb));
    pages
}

fn of_the_command(command: &Command) -> Page {
    let man = Man::new(command.clone().after_help("").after_long_help(""));
    let mut page = roff::Page::new("nonstop", 1);
    page.raw(&written(|out| man.render_name_section(out)))
        .raw(&written(|out| man.render_synopsis_section(out)))
        .raw(&written(|out| man.render_description_section(out)));
    page.section("Verbs");
    for verb in command.get_subcommands() {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        page.term(&format!("nonstop-{}(1)", verb.get_name()), &about);
    }
    page.raw(&written(|out| man.render_options_section(out)));
    page.section("Exit status");
    for (code, meaning) in exit_codes() {
        page.term(&code, &meaning);
    }
    page.section("Files")
        .term("/etc/nonstop/nonstop.toml", "The configuration of `nonstop.service`.")
        .term("/etc/nonstop/NAME.toml", "The configuration of `nonstop@NAME.service`.")
        .term("/etc/nonstop/stream-key", "The stream key, for root alone to read.");
    page.section("See also").paragraph("`nonstop.toml`(5), `nonstop.service`(8), `ffmpeg`(1)");
    Page { name: "nonstop.1".to_owned(), text: page.finish() }
}

fn of_a_verb(verb: &Command) -> Page {
    let name = format!("nonstop-{}", verb.get_name());
    let man = Man::new(verb.clone());
    let mut page = roff::Page::new(&name, 1);
    page.raw(&written(|out| man.render_name_section(out)))
        .raw(&written(|out| man.render_synopsis_section(out)))
        .raw(&written(|out| man.render_description_section(out)))
        .raw(&written(|out| man.render_options_section(out)));
    page.section("See also").paragraph("`nonstop`(1), which has the exit codes, and `nonstop.toml`(5)");
    Page { name: format!("{name}.1"), text: page.finish() }
}

fn of_the_configuration() -> Page {
    let mut page = roff::Page::new("nonstop.toml", 5);
    page.section("Name").raw("nonstop.toml \\- the configuration of a channel\n");
    page.section("Synopsis")
        .paragraph("`/etc/nonstop/nonstop.toml` for `nonstop.service`")
        .paragraph("`/etc/nonstop/NAME.toml` for `nonstop@NAME.service`");
    page.section("Description").paragraph(
        "One file is one channel. It is written in TOML, and refused as a whole if anything is wrong \
         with it: nonstop then names file, line and key, gives a hint, and exits with 78. \
         `nonstop check` does the same and looks at the world besides.",
    );
    let mut section = None;
    for key in reference() {
        if section != Some(key.section) {
            let title = match key.section {
                "" => "Before any section".to_owned(),
                "destination" => "[[destination]], once for each platform".to_owned(),
                "destination.key" => "key of a destination".to_owned(),
                other => format!("[{other}]"),
            };
            page.section(&title);
            section = Some(key.section);
        }
        page.term(key.name, key.doc);
        page.more(&match key.default {
            Fallback::Required => format!("{}: {}. It must be given.", key.kind, key.range),
            Fallback::Toml(value) => format!("{}: {}. By default `{value}`.", key.kind, key.range),
            Fallback::Rule(rule) => format!("{}: {}. By default {rule}.", key.kind, key.range),
        });
    }
    page.section("Example").verbatim(include_str!("../nonstop.toml"));
    page.section("See also").paragraph("`nonstop-check`(1), `nonstop.service`(8)");
    Page { name: "nonstop.toml.5".to_owned(), text: page.finish() }
}

/// The table of the help as codes and meanings: a code stands left of what it means, which may go on
/// in the next line.
fn exit_codes() -> Vec<(String, String)> {
    let mut codes: Vec<(String, String)> = Vec::new();
    for line in TABLE.lines().skip(1) {
        match line.trim().split_once("  ") {
            Some((code, meaning)) => codes.push((code.to_owned(), meaning.to_owned())),
            None => {
                let (_, meaning) = codes.last_mut().expect("the first line has a code");
                meaning.push(' ');
                meaning.push_str(line.trim());
            }
        }
    }
    assert!(codes.iter().all(|(code, _)| code.parse::<u8>().is_ok()), "{codes:?}");
    codes
}

fn written(render: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut text = Vec::new();
    render(&mut text).expect("memory can be written to");
    String::from_utf8(text).expect("clap_mangen writes UTF-8")
}
