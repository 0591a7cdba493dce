//! Help, and errors of the command line.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::{env, io};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use imgurd_proto::Error;
use imgurd_proto::text::letters;

use crate::failure::Failure;
use crate::terminal::output::tell;

/// Prints help on request. An error becomes one line, as all errors do.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        let printed = if is_plain() { write!(io::stdout(), "{}", error.render()) } else { error.print() };
        return match printed {
            Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
                let failure = Failure::Output(failed);
                tell(&format!("imgurctl: {failure}"));
                failure.exit_code().into()
            }
            _ => u8::try_from(error.exit_code()).unwrap_or(2).into(),
        };
    }
    let failure = usage_failure(error);
    if options().any(|arg| arg == "--json") {
        tell(&failure.json());
    } else {
        tell(&format!("imgurctl: {failure}"));
    }
    failure.exit_code().into()
}

/// The options of a command line that could not be parsed.
fn options() -> impl Iterator<Item = OsString> {
    env::args_os().take_while(|arg| arg != "--")
}

/// Whether `--color never` was given; clap itself honours `NO_COLOR`.
fn is_plain() -> bool {
    options().any(|arg| arg == "--color=never")
        || options().zip(options().skip(1)).any(|(option, value)| option == "--color" && value == "never")
}

/// What users type instead of a command, by the command before it, and the right command.
pub(super) const GUESSES: [(&str, &[&str], &str); 27] = [
    ("imgurctl", &["whoami", "me", "info", "state"], "imgurctl status"),
    ("imgurctl", &["list", "ls", "accounts"], "imgurctl account list"),
    ("imgurctl", &["add", "new", "create", "register"], "imgurctl account add NAME"),
    ("imgurctl", &["remove", "rm", "delete"], "imgurctl account remove NAME"),
    ("imgurctl", &["show", "config", "settings"], "imgurctl account show"),
    ("imgurctl", &["set", "edit"], "imgurctl account set"),
    ("imgurctl", &["default", "use", "switch", "select"], "imgurctl account default NAME"),
    ("imgurctl", &["signin", "sign-in", "authorize", "auth", "consent"], "imgurctl login"),
    ("imgurctl", &["signout", "sign-out", "revoke"], "imgurctl logout"),
    ("imgurctl", &["get", "access-token", "print"], "imgurctl token"),
    ("imgurctl", &["renew", "update"], "imgurctl refresh"),
    ("imgurctl", &["log", "logs", "history", "audit"], "imgurctl journal"),
    ("imgurctl", &["check", "diagnose", "ping", "test"], "imgurctl doctor"),
    ("imgurctl", &["credits", "quota", "limits"], "imgurctl status --credits"),
    ("imgurctl", &["allow", "deny"], "imgurctl permit --help"),
    ("imgurctl", &["undo", "rollback"], "imgurctl restore"),
    ("imgurctl", &["backup"], "imgurctl export"),
    ("imgurctl", &["setup", "configure"], "imgurctl init"),
    ("imgurctl", &["health"], "imgurctl doctor"),
    ("imgurctl", &["upload", "post", "run"], "imgurctl exec -- CMD"),
    ("imgurctl", &["version"], "imgurctl --version"),
    ("imgurctl", &["start", "stop", "restart"], "systemctl --user restart imgurd"),
    ("imgurctl account", &["ls", "get", "info"], "imgurctl account list"),
    ("imgurctl account", &["new", "create", "register"], "imgurctl account add NAME"),
    ("imgurctl account", &["rm", "delete"], "imgurctl account remove NAME"),
    ("imgurctl account", &["edit", "update", "rename"], "imgurctl account set"),
    ("imgurctl permit", &["add", "grant", "set"], "imgurctl permit allow APP"),
];

/// Options that users expect but imgurctl does not have, and what to use instead.
const OPTIONS: [(&[&str], &str); 6] = [
    (&["--account"], "write the account's name without an option"),
    (&["--client-secret", "--secret"], "give the secret on standard input with `--client-secret-stdin`"),
    (&["--callback-url", "--redirect-url", "--callback"], "use --redirect-uri"),
    (&["--resource", "--audience", "--prompt", "--param"], "use --auth-param NAME=VALUE"),
    (&["--verbose", "-v", "--debug"], "see what imgurd logs with `journalctl --user -u imgurd`"),
    (&["--file"], "use `> FILE` for output, `< FILE` for input"),
];

/// What to use instead of an unknown command or option.
fn guess(error: &clap::Error, command: &str) -> Option<String> {
    if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) {
        let typed = word.to_lowercase();
        if (command, typed.as_str()) == ("imgurctl account", "rename") {
            return Some(
                "an account keeps its name; add another one with `imgurctl account add NAME`".to_owned(),
            );
        }
        let fits = |(group, words, _): &&(&str, &[&str], &str)| *group == command && words.contains(&&*typed);
        let known = GUESSES.iter().find(fits).map(|(_, _, instead)| (*instead).to_owned());
        let instead = known.or_else(|| {
            Some(format!("{command} {}", similar(error, ContextKind::SuggestedSubcommand, word)?))
        });
        let instead = instead.map(|it| format!("use `{it}`, or ")).unwrap_or_default();
        return Some(format!("there is no command {word}; {instead}see `{command} --help`"));
    }
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_others = matches!(command, "imgurctl exec" | "imgurctl curl");
    if error.kind() != ErrorKind::UnknownArgument || !option.starts_with('-') || is_others {
        return None;
    }
    let known =
        OPTIONS.iter().find(|(words, _)| words.contains(&option.as_str())).map(|(_, it)| (*it).to_owned());
    let instead =
        known.or_else(|| Some(format!("use {}", similar(error, ContextKind::SuggestedArg, option)?)));
    let instead = instead.map(|it| format!("{it}, or ")).unwrap_or_default();
    Some(format!("`{command}` has no option {option}; {instead}see `{command} --help`"))
}

/// The word that clap suggests, if both begin alike: clap suggests `token` for `open`.
fn similar(error: &clap::Error, kind: ContextKind, word: &str) -> Option<String> {
    let suggested = match error.get(kind)? {
        ContextValue::String(one) => vec![one.clone()],
        ContextValue::Strings(several) => several.clone(),
        _ => return None,
    };
    let word = letters(word);
    let is_alike = |one: &String| {
        let one = letters(one);
        let shared = one.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
        one == word || (shared >= 2 && one.len().abs_diff(word.len()) <= 1)
    };
    let sorted = |text: &str| {
        let mut letters: Vec<_> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    // Two letters are swapped.
    let is_mixed = |one: &String| sorted(&letters(one)) == sorted(&word);
    suggested.into_iter().find(|one| is_alike(one) || is_mixed(one))
}

/// Joins the paragraphs of a clap error that come before its usage: the error, and perhaps a tip.
pub(super) fn usage_failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let (message, usage) = text.split_once("\n\nUsage: ").unwrap_or((&text, "imgurctl"));
    let message = message.split("\n\nFor more information").next().unwrap_or(message);
    let mut message: Vec<_> = message.trim_start_matches("error: ").split_whitespace().collect();
    let command: Vec<_> =
        usage.split_whitespace().take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
    if let ["imgurctl", "curl" | "exec"] = command.as_slice() {
        message.push("(put it after `--`)");
    }
    let field = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    let command = command.join(" ");
    let reason = guess(error, &command);
    let reason = reason.unwrap_or_else(|| format!("{}; see `{command} --help`", message.join(" ")));
    Error::invalid(field, reason).into()
}
