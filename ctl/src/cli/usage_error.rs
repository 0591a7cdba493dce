//! Help, and errors of the command line.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::{env, io};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use imgurd_proto::Error;

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
            Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
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

/// What people type first, and the command that does it.
pub(super) const GUESSES: [(&[&str], &str); 9] = [
    (&["whoami", "me", "info", "state"], "status"),
    (&["list", "ls", "accounts"], "account list"),
    (&["add", "new", "create", "register"], "account add NAME"),
    (&["remove", "rm", "delete"], "account remove NAME"),
    (&["show", "config", "settings"], "account show"),
    (&["set", "edit"], "account set"),
    (&["signin", "authorize", "auth", "consent"], "login"),
    (&["get", "access-token", "print"], "token"),
    (&["upload", "post", "run"], "exec -- CMD"),
];

/// The command that does what an unknown one is taken for.
fn guess(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let (_, command) = GUESSES.iter().find(|(words, _)| words.contains(&word.to_lowercase().as_str()))?;
    Some(format!("there is no command {word}; use `imgurctl {command}`, or see `imgurctl --help`"))
}

/// Joins the paragraphs of a clap error that come before its usage: the error, and perhaps a tip.
pub(super) fn usage_failure(error: &clap::Error) -> Failure {
    if let Some(reason) = guess(error) {
        return Error::invalid("", reason).into();
    }
    let text = error.render().to_string();
    let (message, usage) = text.split_once("\n\nUsage: ").unwrap_or((&text, "imgurctl"));
    let message = message.split("\n\nFor more information").next().unwrap_or(message);
    let mut message: Vec<_> = message.trim_start_matches("error: ").split_whitespace().collect();
    let command: Vec<_> =
        usage.split_whitespace().take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
    if let ["imgurctl", "curl" | "exec"] = command.as_slice() {
        message.push("(what is to be run comes behind `--`)");
    }
    let field = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    Error::invalid(field, format!("{}; see `{} --help`", message.join(" "), command.join(" "))).into()
}
