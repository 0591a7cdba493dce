//! The passphrase of an export: typed without echo, or the first line of a file.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use imgurd_proto::Secret;
use imgurd_proto::text::cause;

use super::output::tell;
use super::password_input::PasswordInput;
use crate::failure::Failure;

/// The shortest passphrase, in characters, because anyone who has the export can try passphrases without limit.
const SHORTEST: usize = 8;

/// The longest passphrase, in bytes.
const LONGEST: u64 = 4096;

/// Asks for the passphrase of a new export; twice at a terminal.
pub(crate) fn choose(file: Option<&Path>) -> Result<Secret, Failure> {
    let is_long = |passphrase: &Secret| passphrase.expose().chars().count() >= SHORTEST;
    if let Some(file) = file {
        return Some(first_line(file)?).filter(is_long).ok_or_else(|| {
            usage("the passphrase is too short; use at least 8 characters, or better several words")
        });
    }
    loop {
        let passphrase = ask("Passphrase for the export (not shown): ")?;
        if !is_long(&passphrase) {
            tell("This passphrase is too short; use at least 8 characters, or better several words.");
        } else if ask("Repeat the passphrase: ")? == passphrase {
            return Ok(passphrase);
        } else {
            tell("The passphrases differ; enter both again.");
        }
    }
}

/// Asks for the passphrase of an existing export.
pub(crate) fn recall(file: Option<&Path>) -> Result<Secret, Failure> {
    match file {
        Some(file) => first_line(file),
        None => ask("Passphrase of the export (not shown): "),
    }
}

/// Asks at the terminal, even if standard input is something else.
fn ask(question: &str) -> Result<Secret, Failure> {
    let (_terminal, keys) = PasswordInput::begin().map_err(|error| {
        usage(format!(
            "imgurctl has no terminal to ask for the passphrase ({error}); give --passphrase-file FILE",
            error = cause(&error)
        ))
    })?;
    keys.ask(question)
}

fn first_line(path: &Path) -> Result<Secret, Failure> {
    let shown = path.display();
    let unread = |error| {
        usage(format!(
            "cannot read {shown}: {error}; check the path and its permissions",
            error = cause(&error)
        ))
    };
    let mut line = String::new();
    let file = File::open(path).map_err(unread)?;
    BufReader::new(file.take(LONGEST)).read_line(&mut line).map_err(unread)?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(usage(format!("the first line of {shown} is empty; write the passphrase there"))),
        line => Ok(line.into()),
    }
}

fn usage(reason: impl Into<String>) -> Failure {
    Failure::usage("passphrase_file", reason)
}
