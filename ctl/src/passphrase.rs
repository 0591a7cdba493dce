//! The passphrase of an export: typed unseen, or the first line of a file.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use imgurd_proto::Secret;

use crate::failure::Failure;
use crate::hidden::HiddenInput;
use crate::output::tell;

/// Whoever has the export can try as many as they like.
const SHORTEST: usize = 8;

/// More than anybody types.
const LONGEST: u64 = 4096;

/// One for a new export, typed twice.
pub(crate) fn choose(file: Option<&Path>) -> Result<Secret, Failure> {
    if let Some(file) = file {
        let passphrase = first_line(file)?;
        return if is_long(&passphrase) { Ok(passphrase) } else { Err(short()) };
    }
    loop {
        let passphrase = ask("Passphrase for the export (it is not shown): ")?;
        if !is_long(&passphrase) {
            tell("It is too short: 8 characters or more, and better some words.");
        } else if ask("The same again: ")? == passphrase {
            return Ok(passphrase);
        } else {
            tell("They differ.");
        }
    }
}

/// The one of an export that there is.
pub(crate) fn recall(file: Option<&Path>) -> Result<Secret, Failure> {
    match file {
        Some(file) => first_line(file),
        None => ask("Passphrase of the export (it is not shown): "),
    }
}

fn is_long(passphrase: &Secret) -> bool {
    passphrase.expose().chars().count() >= SHORTEST
}

fn short() -> Failure {
    let reason =
        "the passphrase is too short, and whoever has the export can try many; take 8 characters or more";
    Failure::usage("passphrase_file", reason)
}

/// Asks at the terminal, wherever standard input comes from.
fn ask(question: &str) -> Result<Secret, Failure> {
    let terminal = HiddenInput::begin().map_err(|error| {
        let reason = format!(
            "there is no terminal to ask for the passphrase at ({error}); give --passphrase-file FILE"
        );
        Failure::usage("passphrase_file", reason)
    })?;
    let keys = terminal.keys().map_err(|error| crate::input::unreadable(&error))?;
    keys.ask(question)
}

fn first_line(path: &Path) -> Result<Secret, Failure> {
    let unread = |error| {
        let reason = format!("{} cannot be read: {error}; see where the passphrase is", path.display());
        Failure::usage("passphrase_file", reason)
    };
    let mut line = String::new();
    let file = File::open(path).map_err(unread)?;
    BufReader::new(file.take(LONGEST)).read_line(&mut line).map_err(unread)?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => {
            Err(Failure::usage("passphrase_file", format!("the first line of {} is empty", path.display())))
        }
        line => Ok(line.into()),
    }
}
