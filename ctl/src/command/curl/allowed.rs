//! The curl options that `imgurctl curl` accepts, each with the reason why it cannot move or show the token.
//!
//! imgurctl refuses an option that is not here. Left out on purpose are options that choose another server (`--next`,
//! `--connect-to`, `--resolve`, `--doh-url`, `--unix-socket`, `--alt-svc`, `--hsts`, `--request-target`, `--preproxy`,
//! `--socks*`), that read further options (`--config`, `--variable`, `--expand-*`), that decide whom TLS trusts or how
//! well it protects (`--insecure`, `--cacert`, `--capath`, `--ca-native`, `--pinnedpubkey`, `--proxy-*`, `--ciphers`,
//! `--curves`, `--tls-max`), that send other credentials (`--user`, `--netrc`, `--oauth2-bearer`, `--aws-sigv4`), and
//! that print request headers (`--verbose`, `--trace*`, `--libcurl`).

/// The kind of an option's value, which decides how it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// No value.
    None,
    /// One line of text.
    Line,
    /// The method of the request.
    Method,
    /// One header line.
    Header,
    /// A cookie, or a file with cookies.
    Cookie,
    /// A body, or `@FILE`.
    Body,
    /// A body or a part of the query: `TEXT`, `@FILE` or `NAME@FILE`.
    Encoded,
    /// A body that is sent as written.
    Literal,
    /// A part of a form, which may name files.
    Form,
    /// A file that curl reads.
    Input,
    /// A file or directory that curl writes.
    Output,
    /// The format of what curl prints at the end.
    Format,
    /// The URL.
    Url,
}

/// An option that is passed on.
pub(super) struct Allowed {
    pub(super) name: &'static str,
    pub(super) letter: Option<char>,
    pub(super) value: Value,
}

/// A row of the table. The reason is only for readers.
const fn row(name: &'static str, letter: char, value: Value, _reason: &str) -> Allowed {
    let letter = if letter == NO_LETTER { None } else { Some(letter) };
    Allowed { name, letter, value }
}

const NO_LETTER: char = '\0';

/// Checked against `curl --help all` and curl(1) of 7.88 and 8.14.
pub(super) const ALLOWED: &[Allowed] = &[
    // What is sent.
    row("data", 'd', Value::Body, "body"),
    row("data-ascii", NO_LETTER, Value::Body, "body"),
    row("data-binary", NO_LETTER, Value::Body, "body"),
    row("data-raw", NO_LETTER, Value::Literal, "body, no file"),
    row("data-urlencode", NO_LETTER, Value::Encoded, "body"),
    row("json", NO_LETTER, Value::Body, "body and two fixed headers"),
    row("form", 'F', Value::Form, "body"),
    row("form-string", NO_LETTER, Value::Literal, "body, no file"),
    row("form-escape", NO_LETTER, Value::None, "quoting inside the body"),
    row("upload-file", 'T', Value::Input, "body; at most adds the file's name to the path"),
    row("crlf", NO_LETTER, Value::None, "line ends inside the body"),
    row("get", 'G', Value::None, "the body becomes the query of the same URL"),
    row("url-query", NO_LETTER, Value::Encoded, "query of the same URL, percent-encoded"),
    row("head", 'I', Value::None, "method HEAD"),
    row("request", 'X', Value::Method, "one RFC 9110 token, so it cannot end its line"),
    row("header", 'H', Value::Header, "one checked line; no name that routes, frames or authorizes"),
    row("cookie", 'b', Value::Cookie, "header Cookie on one line; libcurl keeps cookies to their domains"),
    row("referer", 'e', Value::Line, "header Referer on one line; the URL in it holds no token"),
    row("user-agent", 'A', Value::Line, "header User-Agent on one line"),
    row("range", 'r', Value::Line, "header Range on one line"),
    row("time-cond", 'z', Value::Line, "a date, or a file whose date is used; header If-Modified-Since"),
    row("etag-compare", NO_LETTER, Value::Input, "header If-None-Match from the first line of a file"),
    row("compressed", NO_LETTER, Value::None, "header Accept-Encoding"),
    row("tr-encoding", NO_LETTER, Value::None, "fixed header TE"),
    row("expect100-timeout", NO_LETTER, Value::Line, "time"),
    // Where it is sent: imgurctl sets the URL, and a redirect does not take the token to another origin.
    row("url", NO_LETTER, Value::Url, "checked and rewritten in target.rs"),
    row("globoff", 'g', Value::None, "always set: braces in a URL are literal"),
    row("path-as-is", NO_LETTER, Value::None, "dots in the path; the origin stays"),
    row(
        "location",
        'L',
        Value::None,
        "curl drops Authorization at another origin; https stays https by --proto-redir",
    ),
    row("max-redirs", NO_LETTER, Value::Line, "number"),
    row("post301", NO_LETTER, Value::None, "method after a redirect"),
    row("post302", NO_LETTER, Value::None, "method after a redirect"),
    row("post303", NO_LETTER, Value::None, "method after a redirect"),
    row("proxy", 'x', Value::Line, "sees CONNECT alone, as TLS ends at the API; none is used for plain HTTP"),
    row("noproxy", NO_LETTER, Value::Line, "fewer proxies; ours comes last for plain HTTP"),
    row("interface", NO_LETTER, Value::Line, "our own end of the connection"),
    row("local-port", NO_LETTER, Value::Line, "our own end of the connection"),
    row("ipv4", '4', Value::None, "address family"),
    row("ipv6", '6', Value::None, "address family"),
    // How it is sent.
    row("http1.0", '0', Value::None, "protocol version"),
    row("http1.1", NO_LETTER, Value::None, "protocol version"),
    row("http2", NO_LETTER, Value::None, "protocol version"),
    row("http3", NO_LETTER, Value::None, "protocol version, same certificate checks"),
    row("ssl-reqd", NO_LETTER, Value::None, "stricter"),
    row("tlsv1.2", NO_LETTER, Value::None, "stricter: a minimum"),
    row("tlsv1.3", NO_LETTER, Value::None, "stricter: a minimum"),
    row("cert", 'E', Value::Line, "the client's own certificate; the server's is checked as before"),
    row("cert-type", NO_LETTER, Value::Line, "format of --cert"),
    row("key", NO_LETTER, Value::Input, "the key of --cert, which stays here"),
    row("key-type", NO_LETTER, Value::Line, "format of --key"),
    row("connect-timeout", NO_LETTER, Value::Line, "time"),
    row("max-time", 'm', Value::Line, "time"),
    row("happy-eyeballs-timeout-ms", NO_LETTER, Value::Line, "time"),
    row("keepalive-time", NO_LETTER, Value::Line, "time"),
    row("no-keepalive", NO_LETTER, Value::None, "TCP option"),
    row("tcp-fastopen", NO_LETTER, Value::None, "TCP option"),
    row("tcp-nodelay", NO_LETTER, Value::None, "TCP option"),
    row("limit-rate", NO_LETTER, Value::Line, "speed"),
    row("rate", NO_LETTER, Value::Line, "speed"),
    row("speed-limit", 'Y', Value::Line, "speed"),
    row("speed-time", 'y', Value::Line, "speed"),
    row("retry", NO_LETTER, Value::Line, "the same request to the same origin"),
    row("retry-all-errors", NO_LETTER, Value::None, "the same request to the same origin"),
    row("retry-connrefused", NO_LETTER, Value::None, "the same request to the same origin"),
    row("retry-delay", NO_LETTER, Value::Line, "time"),
    row("retry-max-time", NO_LETTER, Value::Line, "time"),
    // What happens with the answer: curl writes only what the server sent, and no server returns the token.
    row("output", 'o', Value::Output, "writes the body"),
    row("output-dir", NO_LETTER, Value::Output, "writes the body"),
    row("remote-name", 'O', Value::None, "writes the body"),
    row("remote-header-name", 'J', Value::None, "writes the body, over no file"),
    row("remote-time", 'R', Value::None, "date of the file"),
    row("remove-on-error", NO_LETTER, Value::None, "removes what curl wrote"),
    row("create-dirs", NO_LETTER, Value::None, "directories for --output"),
    row("create-file-mode", NO_LETTER, Value::Line, "mode of the file"),
    row("xattr", NO_LETTER, Value::None, "stores the URL, which holds no token, beside the file"),
    row("dump-header", 'D', Value::Output, "writes the answer's headers"),
    row("etag-save", NO_LETTER, Value::Output, "writes one of the answer's headers"),
    row("cookie-jar", 'c', Value::Output, "writes the cookies"),
    row("junk-session-cookies", 'j', Value::None, "fewer cookies"),
    row("include", 'i', Value::None, "prints the answer's headers"),
    row("show-headers", NO_LETTER, Value::None, "prints the answer's headers"),
    row("max-filesize", NO_LETTER, Value::Line, "number"),
    row("no-compressed", NO_LETTER, Value::None, "takes --compressed back"),
    row("raw", NO_LETTER, Value::None, "the body as it came"),
    row("fail", 'f', Value::None, "exit status"),
    row("fail-early", NO_LETTER, Value::None, "exit status"),
    row("fail-with-body", NO_LETTER, Value::None, "exit status"),
    row("write-out", 'w', Value::Format, "has no variable for request headers"),
    row("stderr", NO_LETTER, Value::Output, "messages, which hold no request header without --verbose"),
    row("silent", 's', Value::None, "messages"),
    row("show-error", 'S', Value::None, "messages"),
    row("no-buffer", 'N', Value::None, "buffering"),
    row("no-progress-meter", NO_LETTER, Value::None, "progress"),
    row("progress-bar", '#', Value::None, "progress"),
    row("styled-output", NO_LETTER, Value::None, "colours of --include"),
];

/// Finds an option by its full name; abbreviations find nothing.
pub(super) fn by_name(name: &str) -> Option<&'static Allowed> {
    ALLOWED.iter().find(|option| option.name == name)
}

pub(super) fn by_letter(letter: char) -> Option<&'static Allowed> {
    ALLOWED.iter().find(|option| option.letter == Some(letter))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn option_names_and_letters_are_unique() {
        let names: HashSet<_> = ALLOWED.iter().map(|option| option.name).collect();
        assert_eq!(names.len(), ALLOWED.len());
        let letters: Vec<_> = ALLOWED.iter().filter_map(|option| option.letter).collect();
        assert_eq!(letters.iter().collect::<HashSet<_>>().len(), letters.len());
    }
}
