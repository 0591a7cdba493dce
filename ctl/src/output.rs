//! Results on standard output, everything said to people on standard error.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use imgurd_proto::text::{is_printable, printable};
use rustix::io::Errno;
use serde::Serialize;

use crate::cli::{Color, Global};
use crate::failure::Failure;

/// How to print.
pub(crate) struct Output {
    /// Whether results are JSON, one value a line.
    pub(crate) json: bool,
    color: Color,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self { json: global.json, color: global.color, quiet: global.quiet }
    }

    /// Whether tables are coloured.
    pub(crate) fn is_colored(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io::stdout().is_terminal() && wants_color(),
        }
    }

    /// Says something to the person. With `--json`, standard error holds nothing but the one error object.
    pub(crate) fn say(&self, text: impl Display) {
        if !self.quiet && !self.json {
            tell(&text.to_string());
        }
    }

    /// Whether somebody is there who wonders what is awaited.
    pub(crate) fn is_watched(&self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// Puts a question, which a person who is asked has to see.
    pub(crate) fn ask(question: &str) {
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "{}", lines(question)).and_then(|()| stderr.flush());
    }

    /// Ends a line that was typed unseen.
    pub(crate) fn end_line() {
        tell("");
    }

    /// A result: one line or more, and their end.
    pub(crate) fn print(text: &str) -> Result<(), Failure> {
        write_out(text, "\n")
    }

    /// A result that brings its own line ends.
    pub(crate) fn print_raw(text: &str) -> Result<(), Failure> {
        write_out(text, "")
    }

    /// A result as one line of JSON.
    pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::Other(error.to_string()))?;
        Self::print(&escaped(&text))
    }

    /// The end of a call that answers nothing: a sentence, or an empty object.
    pub(crate) fn done(&self, text: impl Display) -> Result<(), Failure> {
        self.say(text);
        if self.json {
            return Self::print("{}");
        }
        Ok(())
    }

    /// Prints why it failed, and names the exit code.
    pub(crate) fn report(&self, failure: &Failure) -> ExitCode {
        match failure {
            Failure::NoReader | Failure::Ended(_) => {}
            _ if self.json => tell(&escaped(&failure.json())),
            _ => tell(&format!("imgurctl: {}", printable(&failure.to_string()))),
        }
        failure.exit_code().into()
    }
}

/// <https://no-color.org>: any value but the empty one.
fn wants_color() -> bool {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Where standard error is gone, there is nobody left to tell.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", lines(text));
}

/// Lines without what a terminal would obey.
fn lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// In one piece, past the buffer that the standard library would keep a copy in.
fn write_out(text: &str, end: &str) -> Result<(), Failure> {
    let whole = [text, end].concat();
    let mut rest = whole.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), rest) {
            Ok(0) => return Err(cannot_write(Errno::IO.into())),
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(cannot_write(error.into())),
        }
    }
    Ok(())
}

/// Lost output is an error, unless nobody reads it any more.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands on")]
pub(crate) fn cannot_write(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::NoReader;
    }
    Failure::Other(format!("cannot write to standard output: {error}; see where it goes"))
}

/// JSON in which whatever a terminal would obey is escaped; serde leaves C1 and format characters as they are.
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
    fn json_says_the_same_and_steers_no_terminal() {
        let value = "a\u{1b}[2J\nb\u{9b}c\u{202e}d\u{e0001}\u{7f}";
        let text = escaped(&serde_json::to_string(value).expect("JSON"));
        assert_eq!(text, r#""a\u001b[2J\nb\u009bc\u202ed\udb40\udc01\u007f""#);
        assert_eq!(serde_json::from_str::<String>(&text).expect("JSON"), value);
    }

    #[test]
    fn what_is_said_keeps_its_lines_and_nothing_else() {
        assert_eq!(lines("a\u{1b}[2J\n\u{2588}\u{202e}b\n"), "a[2J\n\u{2588}b\n");
    }
}
