//! `imgurctl token` in its plain forms, read without the grammar: building that takes longer than getting the token.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::{Cli, Color, Command, Global, TokenArgs, Wait};
use crate::time::parse_duration;

/// What the words behind the program's name say, where they ask for a token and each is plain. All else is the grammar's to
/// read: other commands, mistakes, help, abbreviations, words that are said twice, values that are empty or look like
/// options.
pub(crate) fn shortcut(words: &[OsString]) -> Option<Cli> {
    let mut said = Said::default();
    let mut words = words.iter().skip(1).map(|word| word.to_str());
    while let Some(word) = words.next() {
        said.take(word?, || words.next()?)?;
    }
    said.command()
}

/// What was said so far.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command line")]
struct Said {
    token: bool,
    socket: Option<PathBuf>,
    json: bool,
    quiet: bool,
    color: Option<Color>,
    account: Option<String>,
    min_valid: Option<Duration>,
    wait: Option<Duration>,
    header: bool,
    prefix: Option<String>,
}

impl Said {
    fn take<'a>(&mut self, word: &'a str, next: impl FnOnce() -> Option<&'a str>) -> Option<()> {
        let (option, joined) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value)),
            _ => (word, None),
        };
        let value = || joined.or_else(next).filter(|value| is_plain(value));
        match option {
            "--socket" => once(&mut self.socket, value()?.into()),
            "--color" => once(&mut self.color, Color::from_str(value()?, false).ok()?),
            "--min-valid" if self.token => once(&mut self.min_valid, parse_duration(value()?).ok()?),
            "--wait" if self.token => once(&mut self.wait, parse_duration(value()?).ok()?),
            "--prefix" if self.token => once(&mut self.prefix, value()?.to_owned()),
            _ if joined.is_some() => None,
            "--json" => flag(&mut self.json),
            "-q" | "--quiet" => flag(&mut self.quiet),
            "--header" if self.token => flag(&mut self.header),
            "token" if !self.token => flag(&mut self.token),
            account if self.token && is_plain(account) => once(&mut self.account, account.to_owned()),
            _ => None,
        }
    }

    fn command(self) -> Option<Cli> {
        let Self { token, socket, json, quiet, color, account, min_valid, wait, header, prefix } = self;
        if !token || (prefix.is_some() && !header) {
            return None;
        }
        Some(Cli {
            global: Global { socket, json, quiet, color: color.unwrap_or(Color::Auto) },
            command: Command::Token(TokenArgs {
                account,
                min_valid,
                wait: Wait { wait },
                header,
                prefix,
                anonymous: false,
                follow: false,
                output: None,
            }),
        })
    }
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && !value.starts_with('-')
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn flag(place: &mut bool) -> Option<()> {
    (!std::mem::replace(place, true)).then_some(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use clap::Parser;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    /// Every word of the grammar that could be near, values that are right, wrong and odd, and all with `=` between.
    const WORDS: &[&str] = &[
        "token",
        "me",
        "a.b_c-d",
        "a=b",
        "=",
        "",
        "-",
        "--",
        "-5s",
        "60s",
        "1h 30m",
        "250ms",
        "90",
        "soon",
        "auto",
        "always",
        "Never",
        "never",
        "--socket",
        "--json",
        "-q",
        "--quiet",
        "-qq",
        "-q=1",
        "--color",
        "--min-valid",
        "--wait",
        "--header",
        "--prefix",
        "--anonymous",
        "--follow",
        "--output",
        "--help",
        "-h",
        "-V",
        "--version",
        "--jso",
        "--head",
        "--no-such",
        "status",
        "help",
        "reject",
        "tok",
        "Token",
        "ä",
        "/run/a socket",
    ];

    fn word() -> impl Strategy<Value = String> {
        let one = || prop::sample::select(WORDS);
        prop_oneof![
            6 => one().prop_map(ToOwned::to_owned),
            2 => (one(), one()).prop_map(|(option, value)| format!("{option}={value}")),
            1 => ".{0,5}",
        ]
    }

    /// Lines that are likely to be lines, so that the property is about something.
    fn line() -> impl Strategy<Value = Vec<String>> {
        let words = || prop::collection::vec(word(), 0..6);
        (words(), any::<bool>(), words()).prop_map(|(before, token, behind)| {
            let token = token.then(|| "token".to_owned());
            before.into_iter().filter(|word| word.starts_with('-')).chain(token).chain(behind).collect()
        })
    }

    fn words(line: &[impl AsRef<str>]) -> impl Iterator<Item = &str> {
        std::iter::once("imgurctl").chain(line.iter().map(AsRef::as_ref))
    }

    fn taken(line: &[impl AsRef<str>]) -> Option<String> {
        let words: Vec<_> = words(line).map(OsString::from).collect();
        shortcut(&words).map(|cli| format!("{cli:?}"))
    }

    fn parsed(line: &[impl AsRef<str>]) -> Result<String, String> {
        Cli::try_parse_from(words(line)).map(|cli| format!("{cli:?}")).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_a_line_as_the_grammar_does_or_not_at_all() {
        let taken_ones = Cell::new(0);
        let config = ProptestConfig { cases: 5_000, ..ProptestConfig::default() };
        let outcome = TestRunner::new(config).run(&line(), |line| {
            if let Some(taken) = taken(&line) {
                taken_ones.set(taken_ones.get() + 1);
                prop_assert_eq!(Ok(taken), parsed(&line));
            }
            Ok(())
        });
        outcome.unwrap();
        assert!(taken_ones.get() > 50, "{} of 5,000 lines were taken", taken_ones.get());
    }

    #[test]
    fn takes_the_plain_forms_of_token_and_reads_them_as_the_grammar_does() {
        for line in [
            "token",
            "token me",
            "token token",
            "token help",
            "token a=b",
            "token --json",
            "--json token me",
            "-q token",
            "token me -q",
            "token --quiet",
            "token --header",
            "token --header --prefix token",
            "token --prefix=Bearer me --header",
            "token --min-valid 60s",
            "token --min-valid=5m --wait 250ms",
            "token --wait 0",
            "token --socket /run/a/socket",
            "--socket=s token",
            "--socket token token token",
            "token --color never",
            "--color=always token me --wait=1h --min-valid 90 --header --json --quiet --socket s --prefix p",
        ] {
            let line: Vec<_> = line.split(' ').collect();
            let taken = taken(&line).unwrap_or_else(|| panic!("{line:?} falls through"));
            assert_eq!(Ok(taken), parsed(&line), "{line:?}");
        }
    }

    #[test]
    fn leaves_to_the_grammar_what_is_not_plain() {
        for line in [
            "",
            "status",
            "me token",
            "--header token",
            "token me you",
            "token --help",
            "token -h",
            "token --json --json",
            "--json token --json",
            "token --head",
            "token --json=true",
            "token --wait",
            "token --wait -5s",
            "token --wait soon",
            "token --socket=",
            "token --prefix p",
            "token --header --anonymous",
            "token --follow --output f",
            "token --color Never",
            "token -- me",
        ] {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(taken(&words), None, "{line}");
        }
    }

    #[test]
    fn leaves_to_the_grammar_what_is_no_text() {
        use std::os::unix::ffi::OsStringExt;
        for position in ["token", "--socket"] {
            let words = ["imgurctl", "token", position].map(OsString::from);
            let words = [&words[..], &[OsString::from_vec(vec![0xff])]].concat();
            assert!(shortcut(&words).is_none());
        }
    }
}
