//! Answers of the user, and standard input.

use std::io::{self, BufRead, IsTerminal, Read};

use imgurd_proto::Secret;
use imgurd_proto::text::decoded;
use imgurd_proto::varlink::MAX_MESSAGE;

use super::output;
use super::password_input::PasswordInput;
use crate::failure::Failure;

/// The size of the largest file that is read, in bytes. Postman's exports and the settings of large programs are
/// smaller.
const LARGEST_FILE: usize = 16 * 1024 * 1024;

/// Whether imgurctl can ask questions at a terminal.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// All of standard input, trimmed, which contains `what`.
pub(crate) fn everything(what: &str, field: &str) -> Result<Secret, Failure> {
    read_bounded(io::stdin().lock(), MAX_MESSAGE, what, field)
}

/// A file on standard input, trimmed, which contains `what`.
pub(crate) fn file(what: &str, field: &str) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return read_bounded(io::stdin().lock(), LARGEST_FILE, what, field);
    }
    // A terminal that edits lines cuts them at 4,095 bytes (termios(3)).
    let (_terminal, keys) = PasswordInput::begin().map_err(Failure::Input)?;
    read_bounded(&keys.paste()?[..], LARGEST_FILE, what, field)
}

/// A secret: typed without echo at a terminal, otherwise all of standard input.
pub(crate) fn secret(what: &str, field: &str) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return everything(what, field);
    }
    let answer = ask_secret(&format!("Enter {what} (not shown): "))?;
    if answer.is_empty() { Err(missing(what, field)) } else { Ok(answer) }
}

/// The next line of standard input, trimmed, which contains `what`.
pub(crate) fn line(what: &str, field: &str) -> Result<Secret, Failure> {
    let line = line_or_none(what, field)?;
    if line.is_empty() { Err(missing(what, field)) } else { Ok(line) }
}

/// The next line of standard input, trimmed, which may be empty.
pub(crate) fn line_or_none(what: &str, field: &str) -> Result<Secret, Failure> {
    let mut line = Vec::new();
    let mut stdin = io::stdin().lock().take(MAX_MESSAGE as u64 + 1);
    stdin.read_until(b'\n', &mut line).map_err(Failure::Input)?;
    bounded(&line, MAX_MESSAGE, what, field)
}

/// The answer to a question, with echo.
pub(crate) fn ask(question: &str) -> Result<String, Failure> {
    output::ask(question);
    let mut answer = Vec::new();
    match io::stdin().lock().read_until(b'\n', &mut answer).map_err(Failure::Input)? {
        0 => Err(Failure::Cancelled),
        _ => Ok(decoded(&answer).trim().to_owned()),
    }
}

/// Whether the answer to a question is yes.
pub(crate) fn agrees(question: &str) -> Result<bool, Failure> {
    Ok(matches!(ask(question)?.to_lowercase().as_str(), "y" | "yes"))
}

/// The answer to a question, without echo; empty after Enter alone.
pub(crate) fn ask_secret(question: &str) -> Result<Secret, Failure> {
    let (_terminal, keys) = PasswordInput::begin().map_err(Failure::Input)?;
    keys.ask(question)
}

fn read_bounded(from: impl Read, most: usize, what: &str, field: &str) -> Result<Secret, Failure> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut bytes).map_err(Failure::Input)?;
    let text = bounded(&bytes, most, what, field)?;
    if text.is_empty() { Err(missing(what, field)) } else { Ok(text) }
}

fn bounded(bytes: &[u8], most: usize, what: &str, field: &str) -> Result<Secret, Failure> {
    if bytes.len() > most {
        let most = most / 1024;
        return Err(Failure::usage(
            field,
            format!("standard input has more than {most} KiB; give only {what}"),
        ));
    }
    Ok(decoded(bytes).trim().into())
}

fn missing(what: &str, field: &str) -> Failure {
    Failure::usage(field, format!("standard input is empty; give it {what}, as in `… < FILE`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Secret, Failure> {
        read_bounded(bytes, MAX_MESSAGE, "the token", "access_token")
    }

    #[test]
    fn trims_the_input() {
        assert_eq!(read(b" abc\r\n").expect("read").expose(), "abc");
    }

    #[test]
    fn says_what_is_missing_from_empty_input() {
        let failure = read(b" \n").expect_err("refused");
        assert_eq!(failure.to_string(), "standard input is empty; give it the token, as in `… < FILE`");
        assert_eq!(failure.exit_code(), 2);
    }

    #[test]
    fn limits_the_input_to_the_size_of_a_message() {
        let failure =
            read_bounded(io::repeat(b'a'), MAX_MESSAGE, "the token", "access_token").expect_err("refused");
        assert!(failure.to_string().contains("64 KiB"));
        assert!(read(&vec![b'a'; MAX_MESSAGE]).is_ok());
    }
}
