//! Parses curl's arguments, and keeps only the allowed ones.

use super::allowed::{Allowed, Value, by_letter, by_name};
use super::value;
use crate::failure::Failure;

const NOWHERE: &str = "/dev/null";

#[derive(Debug, Default)]
pub(super) struct Request {
    /// The options by their long names, so that curl parses them like imgurctl did.
    pub(super) options: Vec<String>,
    /// The URL, or a path.
    pub(super) url: String,
    /// The value of --write-out.
    pub(super) format: String,
    /// Whether the request can be repeated.
    pub(super) is_repeatable: bool,
    /// Where the body goes.
    pub(super) destination: Destination,
    /// Whether --fail was given.
    pub(super) hides_errors: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Destination {
    #[default]
    Output,
    File,
    /// `/dev/null`. It is imgurctl that discards the body, because that shows whether an error is about the token.
    Nowhere,
}

impl Request {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut request = Self { is_repeatable: true, ..Self::default() };
        let mut urls = Vec::new();
        let mut words = arguments.iter();
        let mut are_options = true;
        while let Some(word) = words.next() {
            match word.strip_prefix('-').filter(|_| are_options) {
                None => urls.push(word.clone()),
                Some("-") => are_options = false,
                Some(letters) => {
                    for (option, value) in options(letters, &mut words)? {
                        request.take(option, value, &mut urls)?;
                    }
                }
            }
        }
        if request.options.iter().any(|option| option == "--output-dir") {
            request.write_to_a_directory();
        }
        match <[String; 1]>::try_from(urls) {
            Ok([url]) => match value::objection(Value::Url, &url) {
                Some(reason) => Err(usage(&format!("the URL {reason}"))),
                None => Ok(Self { url, ..request }),
            },
            Err(urls) if urls.is_empty() => {
                Err(usage("no URL was given; give one, or a path below the API URL"))
            }
            Err(_) => Err(usage("more than one URL was given; run `imgurctl curl` once for each")),
        }
    }

    /// In a directory, `/dev/null` is an ordinary file.
    fn write_to_a_directory(&mut self) {
        if self.destination == Destination::Nowhere {
            self.destination = Destination::File;
            self.options.extend(["--output".to_owned(), NOWHERE.to_owned()]);
        }
    }

    fn take(
        &mut self,
        option: &'static Allowed,
        value: Option<String>,
        urls: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let name = option.name;
        let text = value.as_deref().unwrap_or_default();
        if let Some(reason) = value::objection(option.value, text).filter(|_| option.value != Value::None) {
            return Err(usage(&format!("--{name} {reason}")));
        }
        self.is_repeatable &= !value::reads_input(option.value, text);
        // It does not overwrite the file of the first attempt.
        self.is_repeatable &= name != "remote-header-name";
        if name == "output" && text == NOWHERE {
            self.destination = Destination::Nowhere;
            return Ok(());
        }
        if matches!(name, "output" | "remote-name") {
            self.destination = Destination::File;
        }
        match (option.value, value) {
            (Value::Url, Some(value)) if value.starts_with('@') => {
                return Err(usage("--url does not accept a file of URLs; give one URL on the command line"));
            }
            (Value::Url, Some(value)) => urls.push(value),
            (Value::Format, Some(value)) if value.starts_with('@') => {
                return Err(usage(
                    "--write-out does not accept a file; give the format itself, for example with \"$(cat FILE)\"",
                ));
            }
            (Value::Format, Some(value)) => self.format = value,
            (_, value) => {
                self.hides_errors |= name == "fail";
                self.options.push(format!("--{name}"));
                self.options.extend(value);
            }
        }
        Ok(())
    }
}

/// The options in a word without its first dash. A value is in the same word or the next one.
fn options<'a>(
    letters: &str,
    words: &mut impl Iterator<Item = &'a String>,
) -> Result<Vec<(&'static Allowed, Option<String>)>, Failure> {
    if let Some(name) = letters.strip_prefix('-') {
        let option = by_name(name).ok_or_else(|| refused(&format!("--{name}")))?;
        let value = if option.value == Value::None { None } else { Some(next(option, words)?) };
        return Ok(vec![(option, value)]);
    }
    let mut found = Vec::new();
    for (at, letter) in letters.char_indices() {
        let option = by_letter(letter).ok_or_else(|| refused(&format!("-{letter}")))?;
        if option.value == Value::None {
            found.push((option, None));
            continue;
        }
        let rest = &letters[at + letter.len_utf8()..];
        let given = if rest.is_empty() { next(option, words)? } else { rest.to_owned() };
        found.push((option, Some(given)));
        break;
    }
    if found.is_empty() { Err(refused("-")) } else { Ok(found) }
}

fn next<'a>(option: &Allowed, words: &mut impl Iterator<Item = &'a String>) -> Result<String, Failure> {
    let missing = || usage(&format!("--{} needs a value; add it", option.name));
    words.next().cloned().ok_or_else(missing)
}

fn refused(option: &str) -> Failure {
    usage(&format!(
        "imgurctl does not pass {option} to curl, because it is unknown, abbreviated, or could show the token or send it \
         elsewhere; leave it out, or use `imgurctl token --header | curl -H @- …`"
    ))
}

fn usage(reason: &str) -> Failure {
    Failure::usage("ARGS", reason)
}

#[cfg(test)]
mod tests {
    use super::super::allowed::ALLOWED;
    use super::*;

    fn parse(line: &str) -> Result<Request, Failure> {
        let words: Vec<_> = line.split(' ').map(ToOwned::to_owned).collect();
        Request::parse(&words)
    }

    #[test]
    fn parses_arguments_like_curl() {
        let request =
            parse("-sSofile -X POST -H A:b account/me -w%{http_code} --max-time 5").expect("understood");
        let options = "--silent --show-error --output file --request POST --header A:b --max-time 5";
        assert_eq!(request.options.join(" "), options);
        assert_eq!((request.url.as_str(), request.format.as_str()), ("account/me", "%{http_code}"));
        assert!(request.destination == Destination::File && request.is_repeatable);
        let request = parse("-so/dev/null a").expect("understood");
        assert!(request.destination == Destination::Nowhere && request.options == ["--silent"]);
        let request = parse("-o /dev/null --output-dir d a").expect("understood");
        assert_eq!(request.destination, Destination::File);
        assert_eq!(request.options, ["--output-dir", "d", "--output", "/dev/null"]);
        assert_eq!(parse("-s -- -odd").expect("understood").url, "-odd");
        assert_eq!(parse("--url a").expect("understood").url, "a");
    }

    #[test]
    fn refuses_options_that_could_redirect_or_show_the_token() {
        for option in [
            "-K f",
            "--config f",
            "--next",
            "-:",
            "--location-trusted",
            "-k",
            "--insecure",
            "-sk",
            "--proxy-insecure",
            "--connect-to a:b",
            "--resolve a:1:b",
            "--unix-socket s",
            "--abstract-unix-socket s",
            "--doh-url u",
            "-v",
            "--verbose",
            "-sv",
            "--trace f",
            "--trace-ascii f",
            "--libcurl f",
            "-u a:b",
            "--user a:b",
            "-n",
            "--netrc",
            "--oauth2-bearer t",
            "--anyauth",
            "--negotiate",
            "--request-target /x",
            "--alt-svc f",
            "--proto-default http",
            "--variable v",
            "--expand-url u",
            "-Z",
            "-q",
            "--locat",
            "--url=a",
            "--url @f",
            "--cacert f",
            "--capath d",
            "--ca-native",
            "--pinnedpubkey f",
            "--cert-status",
            "--ciphers NULL",
            "--tls-max 1.0",
            "--preproxy p",
            "--socks5 p",
            "-p",
            "--proxy-header A:b",
            "--proxy-cacert f",
            "--haproxy-protocol",
            "--aws-sigv4 a",
            "--engine e",
            "--hsts f",
            "--proto http",
            "--proto-redir http",
            "--no-globoff",
            "--no-proxy-insecure",
            "--prox p",
            "--proxy=p",
            "--header=A:b",
            "-H authorization:x",
            "-HHost:x",
            "-H @f",
            "-H@-",
            "-X G:T",
            "-w @f",
            "-C -",
            "--no-clobber",
            "--nonsense",
            "-é",
            "-",
        ] {
            let failure = parse(&format!("{option} account/me")).expect_err(option);
            assert_eq!(failure.exit_code(), 2, "{option}");
        }
    }

    #[test]
    fn requires_exactly_one_url() {
        for line in ["-s", "a b", "a --url b"] {
            assert!(parse(line).expect_err(line).to_string().contains("URL"), "{line}");
        }
        assert!(parse("a -o").expect_err("no value").to_string().contains("--output needs a value"));
    }

    #[test]
    fn recognises_requests_that_cannot_be_repeated() {
        for option in ["-T -", "-d @-", "-Fi=@-", "--json @-", "-b -", "-J"] {
            assert!(!parse(&format!("{option} a")).expect("understood").is_repeatable, "{option}");
        }
        for option in ["-d @f", "-d -", "-F i=@f", "-T f", "-o -", "--form-string i=@-"] {
            assert!(parse(&format!("{option} a")).expect("understood").is_repeatable, "{option}");
        }
    }

    /// For any arguments, curl gets only options of the table by their full names, with checked values.
    #[test]
    fn passes_on_only_options_in_the_table() {
        let mut pieces: Vec<String> = ALLOWED.iter().map(|option| format!("--{}", option.name)).collect();
        pieces.extend(ALLOWED.iter().filter_map(|option| option.letter).map(|letter| format!("-{letter}")));
        let odd = [
            "",
            "-",
            "--",
            "-K",
            "--config",
            "--next",
            "-:",
            "-k",
            "--cacert",
            "@-",
            "@/dev/fd/3",
            "x=@/dev/fd/3",
            "a\r\nb",
            "G ET",
            "Host: x",
            "a",
            "--url=x",
            "-XPO\nST",
            "-sK",
            "-HHost:x",
            "-d@/proc/self/fd/3",
            "--expand-url",
        ];
        pieces.extend(odd.map(ToOwned::to_owned));
        let mut seed = 7_u32;
        let mut dice = |sides: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(seed >> 8).expect("fits") % sides
        };
        let mut passed = 0;
        for _ in 0..20_000 {
            let words: Vec<_> = (0..=dice(5)).map(|_| pieces[dice(pieces.len())].clone()).collect();
            let Ok(request) = Request::parse(&words) else { continue };
            passed += 1;
            let mut given = request.options.iter();
            while let Some(option) = given.next() {
                let option =
                    option.strip_prefix("--").and_then(by_name).expect("options are from the table only");
                if option.value != Value::None {
                    let value = given.next().expect("a value");
                    assert_eq!(value::objection(option.value, value), None, "{words:?}");
                }
            }
            assert_eq!(value::objection(Value::Url, &request.url), None, "{words:?}");
        }
        assert!(passed > 1_000, "only {passed} command lines were accepted");
    }
}
