//! Results on standard output, messages on standard error.

use std::env;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::ColorChoice;
use imgurd_proto::text::{is_printable, printable};
use rustix::fs::{FileType, fstat, makedev};
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use super::qr_code;
use crate::failure::Failure;

/// How to print.
#[derive(Clone)]
pub(crate) struct Output {
    /// Whether results are JSON, one value per line.
    pub(crate) json: bool,
    /// When tables are coloured.
    pub(crate) color: ColorChoice,
    /// Whether standard error is only for errors.
    pub(crate) quiet: bool,
}

impl Output {
    /// Whether tables are coloured.
    pub(crate) fn is_colored(&self) -> bool {
        self.colors(&io::stdout())
    }

    fn colors(&self, terminal: &impl IsTerminal) -> bool {
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal.is_terminal() && wants_color(),
        }
    }

    /// The width of the terminal; `None` if standard output is not one.
    pub(crate) fn width() -> Option<u16> {
        columns(io::stdout())
    }

    /// Prints a message. With `--json`, only an error object goes to standard error.
    pub(crate) fn say(&self, text: impl Display) {
        if !self.quiet && !self.json {
            tell(&text.to_string());
        }
    }

    /// Shows `url` as a QR code.
    pub(crate) fn draw_qr_code(&self, url: &str) {
        if self.quiet || self.json {
            return;
        }
        let columns = columns(io::stderr()).map(usize::from);
        match qr_code::qr_code(url, self.colors(&io::stderr())) {
            None => tell("This URL is too long for a QR code."),
            Some(code) if columns.is_some_and(|columns| columns < qr_code::width(&code)) => {
                tell(&format!(
                    "The QR code needs {} columns; make the terminal wider and try again.",
                    qr_code::width(&code)
                ));
            }
            Some(code) => {
                let mut stderr = io::stderr().lock();
                let _ = stderr.write_all(code.as_bytes()).and_then(|()| stderr.flush());
            }
        }
    }

    /// Whether this is the null device, as standard output is for a Rust program that was started without one.
    pub(crate) fn is_discarded(output: impl AsFd) -> bool {
        fstat(output).is_ok_and(|found| {
            FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
                && found.st_rdev == makedev(1, 3)
        })
    }

    /// Whether messages appear on a terminal.
    pub(crate) fn is_watched(&self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// Prints a value: with `--json` as JSON, otherwise as the text that `text` makes of it.
    pub(crate) fn print_value<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.json { Self::print_json(value) } else { Self::print(&text(value)) }
    }

    /// Concludes a call: prints its result as JSON, or a message.
    pub(crate) fn conclude(
        &self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json {
            return Self::print_json(value);
        }
        self.say(text());
        Ok(())
    }

    /// Prints a result and a line end.
    pub(crate) fn print(text: &str) -> Result<(), Failure> {
        Self::print_raw(&[text, "\n"].concat())
    }

    /// Prints a result with its own line ends, in one piece. This bypasses the standard library's buffer, which would
    /// keep a copy.
    pub(crate) fn print_raw(text: &str) -> Result<(), Failure> {
        let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
        stdout.and_then(|mut stdout| stdout.write_all(text.as_bytes())).map_err(Failure::Output)
    }

    /// Prints a result as one line of JSON.
    pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::Other(error.to_string()))?;
        Self::print(&escaped(&text))
    }

    /// Concludes a call without a result: a sentence, or an empty object.
    pub(crate) fn done(&self, text: impl Display) -> Result<(), Failure> {
        self.say(text);
        if self.json { Self::print("{}") } else { Ok(()) }
    }

    /// Prints an error, and returns its exit code.
    pub(crate) fn report(&self, failure: &Failure) -> ExitCode {
        if !failure.is_silent() {
            if self.json {
                tell(&escaped(&failure.json()));
            } else {
                tell(&format!("imgurctl: {}", printable(&failure.to_string())));
            }
        }
        failure.exit_code().into()
    }
}

fn columns(terminal: impl AsFd) -> Option<u16> {
    tcgetwinsize(terminal).ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
}

/// Whether the user wants colour (<https://no-color.org>): any value of the variable except an empty one means no.
fn wants_color() -> bool {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && !is_dumb()
}

/// Whether the terminal interprets no escape sequences.
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Prints a line on standard error, unless that is closed.
pub(crate) fn tell(text: &str) {
    ask(&[text, "\n"].concat());
}

/// Prints a question, which ends within its line, on standard error.
pub(crate) fn ask(question: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{}", lines(question)).and_then(|()| stderr.flush());
}

/// Removes everything that a terminal would interpret, except line ends.
fn lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Escapes everything in JSON that a terminal would interpret. serde does not escape C1 and format characters.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_printable(letter.encode_utf8(&mut [0; 4])) {
            text.push(letter);
        } else {
            text.extend(letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_characters_in_json() {
        let value = "a\u{1b}[2J\nb\u{9b}c\u{202e}d\u{e0001}\u{7f}";
        let text = escaped(&serde_json::to_string(value).expect("JSON"));
        assert_eq!(text, r#""a\u001b[2J\nb\u009bc\u202ed\udb40\udc01\u007f""#);
        assert_eq!(serde_json::from_str::<String>(&text).expect("JSON"), value);
    }

    #[test]
    fn messages_keep_line_ends_but_no_control_characters() {
        assert_eq!(lines("a\u{1b}[2J\n\u{2588}\u{202e}b\n"), "a[2J\n\u{2588}b\n");
    }
}
