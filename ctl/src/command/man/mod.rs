//! `imgurctl man`: a page for each command, and pages about the daemon, its configuration and its interface.

mod interface;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use imgurd_proto::INTERFACE_TEXT;
use serde_json::json;

use crate::app::App;
use crate::cli::Cli;
use crate::failure::Failure;

/// The hand-written pages, by name and section.
const PAGES: [(&str, &str, &str); 3] = [
    ("imgurd", "1", include_str!("../../../man/imgurd.1.in")),
    ("imgurd-config", "5", include_str!("../../../man/imgurd-config.5.in")),
    ("org.imgurd.Keeper1", "7", include_str!("../../../man/org.imgurd.Keeper1.7.in")),
];

/// Templates for `imgurctl` and for one of its commands.
const CLIENT: &str = include_str!("../../../man/imgurctl.1.in");
const COMMAND: &str = include_str!("../../../man/command.1.in");

struct Page {
    name: String,
    section: &'static str,
    text: String,
}

pub(crate) fn man(app: &App, directory: &Path) -> Result<(), Failure> {
    let mut written = Vec::new();
    for page in pages() {
        let directory = directory.join(format!("man{}", page.section));
        let file = directory.join(format!("{}.{}", page.name, page.section));
        let done = fs::create_dir_all(&directory).and_then(|()| fs::write(&file, &page.text));
        done.map_err(|error| Failure::cannot("write", &file, &error))?;
        written.push(file);
    }
    let (count, shown) = (written.len(), directory.display());
    app.output.conclude(&json!({ "pages": written }), || {
        format!("Wrote {count} manual pages; read the first with `man -M {shown} imgurctl`.")
    })
}

fn pages() -> Vec<Page> {
    let mut grammar = Cli::command().disable_help_subcommand(true);
    grammar.build();
    let mut pages = Vec::new();
    add_command(&grammar, &[], &mut pages);
    let page = |(name, section, template)| Page { name: str::to_owned(name), section, text: fill(template) };
    pages.extend(PAGES.map(page));
    pages
}

fn fill(template: &str) -> String {
    let interface = interface::Entries::of(INTERFACE_TEXT);
    template
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@METHODS@", &interface.methods)
        .replace("@TYPES@", &interface.types)
        .replace("@ERRORS@", &interface.errors)
}

/// Adds the pages of `command` and its subcommands. `path` names the commands above.
fn add_command(command: &Command, path: &[&str], pages: &mut Vec<Page>) {
    let path: Vec<_> = path.iter().copied().chain([command.get_name()]).collect();
    let name = path.join("-");
    let template = if path.len() == 1 { CLIENT } else { COMMAND };
    let text = template
        .replace("@COMMAND@", &grammar(command, &name))
        .replace("@AFTER@", &after(command))
        .replace("@SEE_ALSO@", &see_also(command, &path));
    pages.push(Page { name, section: "1", text: lines(&text) });
    for below in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        add_command(below, &path, pages);
    }
}

/// The sections from the title to the options, generated from the grammar.
fn grammar(command: &Command, name: &str) -> String {
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .source(concat!("imgurd ", env!("CARGO_PKG_VERSION")))
        .manual("imgurd manual");
    let mut page = Vec::new();
    let mut render = || {
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        if command.has_subcommands() { man.render_subcommands_section(&mut page) } else { Ok(()) }
    };
    let rendered = render();
    debug_assert!(rendered.is_ok(), "a vector takes all that is written to it");
    String::from_utf8_lossy(&page).into_owned()
}

/// The end of `--help`: blocks with a title, such as `Example:`, and notes.
fn after(command: &Command) -> String {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (titled, notes): (Vec<_>, Vec<_>) = after.split("\n\n").partition(|block| block.contains(":\n"));
    let titled = titled.iter().filter_map(|block| block.split_once(":\n"));
    let sections = titled.map(|(title, text)| match title {
        "Example" | "Examples" => {
            let lines: Vec<_> = text.lines().map(|line| literal(line.trim())).collect();
            format!(".SH EXAMPLES\n.EX\n{}\n.EE\n", lines.join("\n"))
        }
        _ => format!(".SH {}\n{}", title.to_uppercase(), entries(text)),
    });
    let notes = notes.iter().filter(|note| !note.is_empty()).map(|note| format!(".PP\n{}\n", literal(note)));
    let notes: String = notes.collect();
    let notes = if notes.is_empty() { notes } else { format!(".SH NOTES\n{notes}") };
    sections.chain([notes]).collect()
}

/// Formats a table with a word and its meaning on each line.
fn entries(text: &str) -> String {
    let lines = text.lines().filter_map(|line| line.trim().split_once("  "));
    let entry = |(word, about): (&str, &str)| {
        [".TP\n.B ", &literal(word), "\n", &literal(about.trim()), "\n"].concat()
    };
    lines.map(entry).collect()
}

fn see_also(command: &Command, path: &[&str]) -> String {
    let above = path[..path.len() - 1].join("-");
    let mut pages = vec![(above, "1")];
    if path.len() > 2 {
        pages.insert(0, ("imgurctl".to_owned(), "1"));
    }
    pages.push(match command.get_name() {
        "account" | "add" | "set" | "init" | "permit" => ("imgurd-config".to_owned(), "5"),
        _ => ("imgurd".to_owned(), "1"),
    });
    let lines = pages.iter().map(|(name, section)| format!(".BR {} ({section})", literal(name)));
    lines.collect::<Vec<_>>().join(",\n")
}

/// Escapes text so that roff prints it unchanged (groff_char(7)), with hyphens that can be copied.
fn literal(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// Removes lines that are empty because a template had nothing to insert.
fn lines(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}
