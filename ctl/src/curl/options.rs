//! curl's arguments: what is passed on to it, and what is not.

use crate::failure::Failure;

/// Options without a value that leave the token where it belongs: their names, and their letters.
const FLAGS: &str = "compressed crlf create-dirs fail:f fail-early fail-with-body form-escape get:G globoff:g \
    head:I http1.0:0 http1.1 http2 http3 include:i show-headers ipv4:4 ipv6:6 junk-session-cookies:j location:L \
    no-buffer:N no-compressed no-keepalive no-progress-meter path-as-is post301 post302 post303 progress-bar:# raw \
    remote-header-name:J remote-name:O remote-time:R remove-on-error retry-all-errors retry-connrefused show-error:S \
    silent:s ssl-reqd styled-output tcp-fastopen tcp-nodelay tlsv1.2 tlsv1.3 tr-encoding xattr";

/// Those with a value.
const VALUES: &str = "cacert capath cert:E cert-type ciphers connect-timeout cookie:b cookie-jar:c create-file-mode \
    crlfile curves data:d data-ascii data-binary data-raw data-urlencode dump-header:D etag-compare etag-save \
    expect100-timeout form:F form-string happy-eyeballs-timeout-ms header:H interface json keepalive-time key key-type \
    limit-rate local-port max-filesize max-redirs max-time:m noproxy output:o output-dir pinnedpubkey proxy:x range:r \
    rate referer:e request:X retry retry-delay retry-max-time speed-limit:Y speed-time:y stderr time-cond:z \
    tls-max tls13-ciphers upload-file:T url url-query user-agent:A write-out:w";

/// What curl is to do.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// Its options, each by its long name, so that curl reads them as they were read here.
    pub(super) options: Vec<String>,
    /// The URL, or a path.
    pub(super) url: String,
    /// What --write-out asks for.
    pub(super) format: String,
    /// Whether the same can be done once more.
    pub(super) is_repeatable: bool,
    /// Whether the body goes to a file.
    pub(super) is_to_file: bool,
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
                    for (name, value) in options(letters, &mut words)? {
                        request.take(name, value, &mut urls)?;
                    }
                }
            }
        }
        match <[String; 1]>::try_from(urls) {
            Ok([url]) => Ok(Self { url, ..request }),
            Err(urls) if urls.is_empty() => Err(usage("no URL was given; name one, or a path of the API")),
            Err(_) => Err(usage("more than one URL was given; call once for each")),
        }
    }

    fn take(&mut self, name: &str, value: Option<String>, urls: &mut Vec<String>) -> Result<(), Failure> {
        if let Some(value) = &value {
            self.is_repeatable &= !reads_input(name, value);
        }
        // It writes over no file, not even over that of a first try.
        self.is_repeatable &= name != "remote-header-name";
        self.is_to_file |= matches!(name, "output" | "remote-name");
        match (name, value) {
            ("url", Some(value)) if value.starts_with('@') => {
                return Err(usage("URLs in a file are not looked at; name one on the command line"));
            }
            ("url", Some(value)) => urls.push(value),
            ("write-out", Some(value)) if value.starts_with('@') => {
                return Err(usage("--write-out takes the format itself here; give it with \"$(cat FILE)\""));
            }
            ("write-out", Some(value)) => self.format = value,
            ("header", Some(value)) if is_ours(&value) => {
                return Err(usage(
                    "the headers Authorization and Host are not yours to give here; leave them out",
                ));
            }
            (name, value) => {
                self.options.push(format!("--{name}"));
                self.options.extend(value);
            }
        }
        Ok(())
    }
}

/// The options in a word without its first dash, and the value that is in it or in the next one.
fn options<'a>(
    letters: &str,
    words: &mut impl Iterator<Item = &'a String>,
) -> Result<Vec<(&'static str, Option<String>)>, Failure> {
    if let Some(name) = letters.strip_prefix('-') {
        let by_name = |(known, _): &(&str, _)| *known == name;
        if let Some((name, _)) = known(FLAGS).find(by_name) {
            return Ok(vec![(name, None)]);
        }
        let (name, _) = known(VALUES).find(by_name).ok_or_else(|| refused(&format!("--{name}")))?;
        return Ok(vec![(name, Some(value(name, words)?))]);
    }
    let mut found = Vec::new();
    for (at, letter) in letters.char_indices() {
        let by_letter = |(_, known): &(_, Option<char>)| *known == Some(letter);
        if let Some((name, _)) = known(FLAGS).find(by_letter) {
            found.push((name, None));
            continue;
        }
        let (name, _) = known(VALUES).find(by_letter).ok_or_else(|| refused(&format!("-{letter}")))?;
        let rest = &letters[at + letter.len_utf8()..];
        let given = if rest.is_empty() { value(name, words)? } else { rest.to_owned() };
        found.push((name, Some(given)));
        break;
    }
    if found.is_empty() { Err(refused("-")) } else { Ok(found) }
}

fn known(table: &'static str) -> impl Iterator<Item = (&'static str, Option<char>)> {
    table.split_whitespace().map(|entry| match entry.split_once(':') {
        Some((name, letter)) => (name, letter.chars().next()),
        None => (entry, None),
    })
}

fn value<'a>(name: &str, words: &mut impl Iterator<Item = &'a String>) -> Result<String, Failure> {
    words.next().cloned().ok_or_else(|| usage(&format!("--{name} wants a value; give it one")))
}

/// Whether curl reads its standard input for this.
fn reads_input(name: &str, value: &str) -> bool {
    match name {
        "upload-file" => matches!(value, "-" | "."),
        "form" => value.contains("@-") || value.contains("<-"),
        "cookie" => value == "-",
        "data" | "data-ascii" | "data-binary" | "data-urlencode" | "json" | "url-query" | "header" => {
            value.ends_with("@-")
        }
        _ => false,
    }
}

/// A second Authorization is none of the keeper's, and another Host may be another customer of the same network.
fn is_ours(header: &str) -> bool {
    let name = header.split([':', ';']).next().unwrap_or_default().trim();
    ["authorization", "host"].iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

fn refused(option: &str) -> Failure {
    usage(&format!(
        "{option} is not passed on to curl: it may take the token elsewhere or show it, or is not known here; leave it \
         out, write another by its whole name, or use `imgurctl token --header | curl -H @- …`"
    ))
}

fn usage(reason: &str) -> Failure {
    Failure::usage("ARGS", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, Failure> {
        let words: Vec<_> = line.split(' ').map(ToOwned::to_owned).collect();
        Request::parse(&words)
    }

    #[test]
    fn reads_arguments_as_curl_does() {
        let request =
            parse("-sSofile -X POST -H A:b account/me -w%{http_code} --max-time 5").expect("understood");
        let options = "--silent --show-error --output file --request POST --header A:b --max-time 5";
        assert_eq!(request.options.join(" "), options);
        assert_eq!((request.url.as_str(), request.format.as_str()), ("account/me", "%{http_code}"));
        assert!(request.is_to_file && request.is_repeatable);
        assert_eq!(parse("-s -- -odd").expect("understood").url, "-odd");
        assert_eq!(parse("--url a").expect("understood").url, "a");
    }

    #[test]
    fn passes_nothing_on_that_may_take_the_token_elsewhere_or_show_it() {
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
            "-H authorization:x",
            "-HHost:x",
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
    fn wants_one_url() {
        for line in ["-s", "a b", "a --url b"] {
            assert!(parse(line).expect_err(line).to_string().contains("URL"), "{line}");
        }
        assert!(parse("a -o").expect_err("no value").to_string().contains("--output wants a value"));
    }

    #[test]
    fn knows_what_consumes_standard_input() {
        for option in [
            "-T -",
            "-T.",
            "-d @-",
            "--data-urlencode n@-",
            "-F i=@-",
            "-Fi=@-;type=image/png",
            "-F i=<-",
            "--json @-",
            "-H @-",
            "-b -",
        ] {
            assert!(!parse(&format!("{option} a")).expect("understood").is_repeatable, "{option}");
        }
        for option in ["-d @f", "-d -", "-F i=@f", "-T f", "-o -", "--form-string i=@-"] {
            assert!(parse(&format!("{option} a")).expect("understood").is_repeatable, "{option}");
        }
    }

    #[test]
    fn has_each_letter_once() {
        let mut letters: Vec<_> =
            known(FLAGS).chain(known(VALUES)).filter_map(|(_, letter)| letter).collect();
        let count = letters.len();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), count);
    }
}
