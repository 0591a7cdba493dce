//! `--help` of every command.

use crate::daemon::Home;

fn help(home: &Home, path: &[&str]) -> String {
    let ran = home.run(&[path, &["--help"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{path:?}");
    ran.stdout
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    let home = Home::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let output = home.command(&["--help"]).stdout(full).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.starts_with("imgurctl: cannot write"), "{said}");
}

/// The lines below a heading, up to the next one.
fn below<'a>(help: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1);
    lines
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .filter(|line| !line.is_empty())
        .collect()
}

/// The subcommands, as the help lists them.
fn commands(help: &str) -> Vec<&str> {
    let names = below(help, "Commands:").into_iter().filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

/// Reads the help of a command and of its subcommands.
fn read(home: &Home, path: &[&str], seen: &mut Vec<String>) {
    let text = help(home, path);
    seen.push(path.join(" "));
    let about = text.lines().next().unwrap_or_default();
    assert!(about.len() > 10 && !about.starts_with("Usage"), "{path:?} does not say what it does");
    for heading in ["Arguments:", "Options:", "Global options:"] {
        explained(path, &below(&text, heading));
    }
    // A command with more arguments than an account needs an example.
    let options = below(&text, "Options:").into_iter().filter(|line| line.trim_start().starts_with('-'));
    let arguments =
        below(&text, "Arguments:").into_iter().filter(|line| line.trim_start().starts_with(['<', '[']));
    let takes = options.filter(|line| !line.contains("--help")).chain(arguments).count();
    if takes > 1 && commands(&text).is_empty() {
        assert!(text.contains("\nExample"), "{path:?} has no example");
    }
    for command in commands(&text) {
        read(home, &[path, &[command]].concat(), seen);
    }
}

/// Checks that each option or argument is explained, on the same line or the next one.
fn explained(path: &[&str], lines: &[&str]) {
    for (number, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        if !text.starts_with(['-', '<']) || text.starts_with("- ") {
            continue;
        }
        let beside = text.split_once("  ").is_some_and(|(_, help)| !help.trim().is_empty());
        let under = lines.get(number + 1).is_some_and(|next| !next.trim_start().starts_with(['-', '<', '[']));
        assert!(beside || under, "{path:?} does not describe this: {line}");
    }
}

#[test]
fn help_explains_every_command_and_option() {
    let home = Home::new();
    let mut seen = Vec::new();
    read(&home, &[], &mut seen);
    assert!(seen.len() > 24, "{seen:?}");
    for command in ["token", "account add", "permit allow", "doctor", "man"] {
        assert!(seen.iter().any(|path| path == command), "the help of {command} was not found");
    }
}

#[test]
fn the_help_of_status_lists_all_states() {
    let text = help(&Home::new(), &["status"]);
    let states = text.split_once("States:\n").expect("a list").1;
    let states: Vec<_> = states.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let all = imgurd_proto::INTERFACE_TEXT.split_once("type State (").expect("states").1;
    let all: Vec<_> = all.split(')').next().expect("an end").split(", ").collect();
    assert_eq!(states, all);
}
