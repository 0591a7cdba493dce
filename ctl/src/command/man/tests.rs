use std::collections::BTreeSet;

use clap::CommandFactory;
use imgurd_proto::INTERFACE_TEXT;

use super::*;

fn page(name: &str) -> String {
    let found = pages().into_iter().find(|page| page.name == name);
    found.unwrap_or_else(|| panic!("there is no page {name}")).text
}

/// The names of all commands, like on their pages.
fn commands(command: &Command, above: &str) -> Vec<String> {
    let name = format!("{above}{}", command.get_name());
    let below: Vec<_> = command.get_subcommands().flat_map(|it| commands(it, &format!("{name}-"))).collect();
    [name].into_iter().chain(below).collect()
}

#[test]
fn every_command_has_a_page() {
    let names: BTreeSet<_> = pages().into_iter().map(|page| page.name).collect();
    let commands = commands(&Cli::command(), "");
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        assert!(names.contains(&command), "{command} has no page");
    }
}

#[test]
fn every_page_has_the_usual_sections() {
    for page in pages() {
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"] {
            assert!(page.text.contains(&format!("\n.SH {section}\n")), "{} has no {section}", page.name);
        }
        for open in ["@COMMAND@", "@AFTER@", "@SEE_ALSO@", "@VERSION@", "@METHODS@", "@TYPES@", "@ERRORS@"] {
            assert!(!page.text.contains(open), "{}: {open}", page.name);
        }
    }
    for name in ["imgurctl", "imgurd"] {
        for section in ["OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "FILES"] {
            assert!(page(name).contains(section), "{name} has no {section}");
        }
    }
}

#[test]
fn the_interface_page_has_every_method_type_and_error() {
    let page = page("org.imgurd.Keeper1");
    let (on_the_socket, on_the_bus) =
        page.split_once(".SH ON D\\-BUS").expect("the page has a section on D-Bus");
    let names = |kind: &str| {
        let lines = INTERFACE_TEXT.lines().filter_map(|line| line.strip_prefix(kind));
        lines.filter_map(|line| line.split(['(', ' ']).next().map(str::to_owned)).collect::<Vec<_>>()
    };
    for name in [names("method "), names("type "), names("error ")].concat() {
        assert!(on_the_socket.contains(&format!("\n.B {name}")), "{name} has no entry");
    }
    for method in names("method ") {
        // On D-Bus, a stream is a signal or a property with change signals; and ExportGrant does not exist, since a bus
        // can be monitored.
        let is_there = !["Watch", "ExportGrant"].contains(&&*method) && !method.contains("Gateway");
        assert!(
            !is_there || on_the_bus.contains(&format!("\n.B {method}(")),
            "{method} is missing in the section on D-Bus"
        );
    }
    assert!(
        names("method ").len() > 15 && names("error ").len() == 8,
        "the interface has more than 15 methods, and 8 errors"
    );
}

#[test]
fn every_entry_of_the_interface_page_has_a_description() {
    let page = page("org.imgurd.Keeper1");
    let entries: Vec<_> = page.split(".TP\n").skip(1).collect();
    for entry in entries {
        assert!(entry.lines().nth(1).is_some_and(|about| !about.is_empty()), "{entry}");
    }
}

#[test]
fn the_page_contains_the_end_of_help() {
    let page = page("imgurctl-status");
    let (_, after) = page.split_once(".SH EXAMPLES\n.EX\n").expect("examples");
    let (examples, after) = after.split_once(".EE\n").expect("an end");
    assert!(examples.lines().all(|line| line.starts_with("imgurctl status ")), "{examples}");
    assert!(after.starts_with(".SH STATES\n.TP\n.B empty\nno grant: sign in\n.TP\n"), "{after}");
    let page = super::tests::page("imgurctl-curl");
    assert_eq!(page.matches(".SH NOTES\n.PP\nARGS are curl").count(), 1, "{page}");
    assert!(page.contains("\n.PP\nimgurctl refuses options"), "{page}");
}

#[test]
fn escapes_roff_commands() {
    assert_eq!(literal(".TH it's a -b \\n"), "\\&.TH it\\(aqs a \\-b \\en");
}
