//! Checks the values of curl's options: none may add a line to the request, replace our header, or read the descriptor that
//! holds the token.

use std::ffi::OsStr;
use std::fs;
use std::path::{self, Path};

use super::allowed::Value;

/// Headers that route, frame or authorize a request, or concern one hop (RFC 9110, sections 7.2 and
/// 7.6.1; RFC 9112, section 6).
const RESERVED: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The kernel's limit (`path_resolution(7)`).
const LINKS_MAX: usize = 40;

/// Why `text` is refused, as the end of a sentence that begins with the option.
pub(super) fn objection(kind: Value, text: &str) -> Option<&'static str> {
    if has_control(kind, text) {
        return Some(
            "does not accept line breaks and other control characters; remove them, or put them in the body",
        );
    }
    match kind {
        Value::Method if !is_token(text) => Some("needs a method such as GET; write one word"),
        Value::Header => header(text),
        _ if files(kind, text).into_iter().any(|file| place(file) == Place::Closed) => {
            Some("must not read or write below /proc or /dev/fd; name another file, or use standard input")
        }
        _ => None,
    }
}

/// Whether curl reads its standard input for this value.
pub(super) fn reads_input(kind: Value, text: &str) -> bool {
    match kind {
        Value::Form => text.contains("@-") || text.contains("<-") || names_input(kind, text),
        Value::Body | Value::Encoded => text.ends_with("@-") || names_input(kind, text),
        Value::Cookie => text == "-" || names_input(kind, text),
        Value::Input => matches!(text, "-" | ".") || names_input(kind, text),
        _ => false,
    }
}

fn names_input(kind: Value, text: &str) -> bool {
    files(kind, text).into_iter().any(|file| place(file) == Place::Standard)
}

/// Whether the value has forbidden control characters. A body and the --write-out format may have several lines.
/// Everything else is one line of the request, or a name.
fn has_control(kind: Value, text: &str) -> bool {
    let is_control = |text: &str| text.chars().any(char::is_control);
    let beyond_lines =
        |text: &str| text.chars().any(|letter| letter.is_control() && !"\t\r\n".contains(letter));
    match kind {
        Value::Body | Value::Encoded if text.starts_with('@') => is_control(text),
        Value::Body | Value::Encoded | Value::Literal | Value::Format => beyond_lines(text),
        // `;type=`, `;filename=` and `;headers=` become lines of the part's own header.
        Value::Form if !text.contains(';') => match text.split_once('=') {
            Some((name, content)) if !content.starts_with(['@', '<', '(']) => {
                is_control(name) || beyond_lines(content)
            }
            _ => is_control(text),
        },
        _ => is_control(text),
    }
}

fn header(line: &str) -> Option<&'static str> {
    if line.starts_with('@') {
        return Some("does not accept a file; write the header as \"Name: value\"");
    }
    // curl reads `Name;` as a header without a value.
    let name = line.split_once(':').map(|(name, _)| name).or_else(|| line.strip_suffix(';'));
    let Some(name) = name.filter(|name| is_token(name)) else {
        return Some("needs a header such as \"Accept: text/plain\"; write it that way");
    };
    let name = name.to_ascii_lowercase();
    let is_reserved = RESERVED.contains(&name.as_str()) || name.starts_with("proxy-");
    is_reserved.then_some(
        "cannot set Authorization, Host, Connection and other headers that route or frame the request; leave it out",
    )
}

/// Whether it is a token (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_of_one = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(is_of_one)
}

/// The files that curl opens for this value. For a form, the result may contain text that is not a file.
fn files(kind: Value, text: &str) -> Vec<&str> {
    match kind {
        Value::Input | Value::Output => vec![text],
        Value::Cookie if !text.contains('=') => vec![text],
        Value::Body => text.strip_prefix('@').into_iter().collect(),
        // Without a file, this has `=` before any `@`.
        Value::Encoded => {
            let at = text.split_once('@').filter(|(name, _)| !name.contains('='));
            at.map(|(_, file)| file).into_iter().collect()
        }
        Value::Form => {
            let pieces = text.split(['=', '@', '<', ',', ';']);
            pieces.map(|piece| piece.trim_matches([' ', '"'])).filter(|piece| !piece.is_empty()).collect()
        }
        _ => Vec::new(),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// An ordinary file, or none.
    Ordinary,
    /// Standard input, output or error.
    Standard,
    /// Another file under `/proc`, which has the descriptors of processes.
    Closed,
}

/// Follows links as the kernel does, except those of `/proc`, which lead to open files.
fn place(file: &str) -> Place {
    let Ok(mut path) = path::absolute(file) else { return Place::Ordinary };
    for _ in 0..LINKS_MAX {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Place::Ordinary };
        let Ok(parent) = fs::canonicalize(parent) else { return Place::Ordinary };
        if parent.starts_with("/proc") {
            return if is_standard(&parent, name) { Place::Standard } else { Place::Closed };
        }
        match fs::read_link(parent.join(name)) {
            Ok(target) => path = parent.join(target),
            Err(_) => return Place::Ordinary,
        }
    }
    Place::Closed
}

fn is_standard(parent: &Path, name: &OsStr) -> bool {
    let own = fs::canonicalize("/proc/self/fd").ok();
    own.as_deref() == Some(parent) && ["0", "1", "2"].iter().any(|standard| name == *standard)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn refuses_values_that_would_add_a_line_to_the_request() {
        for text in ["a\rb", "a\nb", "a\r\nX: y", "a\u{b}", "a\u{1b}", "a\u{7f}", "a\u{85}"] {
            for kind in [Value::Line, Value::Method, Value::Header, Value::Cookie, Value::Input, Value::Url] {
                let text = if kind == Value::Header { format!("X: {text}") } else { text.to_owned() };
                assert!(objection(kind, &text).is_some(), "{kind:?} {text:?}");
            }
        }
        for (kind, text) in [
            (Value::Form, "a=b;type=text/plain\r\nX: y"),
            (Value::Form, "a=@f;filename=\"x\ny\""),
            (Value::Form, "a\nb=c"),
            (Value::Body, "@a\nb"),
            (Value::Literal, "a\u{1b}"),
        ] {
            assert!(objection(kind, text).is_some(), "{kind:?} {text:?}");
        }
    }

    #[test]
    fn a_body_may_have_several_lines() {
        for (kind, text) in [
            (Value::Body, "{\n\t\"a\": 1\r\n}"),
            (Value::Encoded, "description=one\ntwo"),
            (Value::Literal, "@one\ntwo"),
            (Value::Form, "description=one\ntwo"),
            (Value::Format, "\n%{http_code}\n"),
        ] {
            assert_eq!(objection(kind, text), None, "{kind:?} {text:?}");
        }
    }

    #[test]
    fn accepts_only_one_word_as_method() {
        for text in ["GET", "PATCH", "x-custom", "M-SEARCH"] {
            assert_eq!(objection(Value::Method, text), None, "{text}");
        }
        for text in ["", "GET ", "GET /x HTTP/1.1", "G\u{e9}T", "GET:", "GET\tx"] {
            assert!(objection(Value::Method, text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn refuses_reserved_and_invalid_headers() {
        for line in
            ["A:b", "Accept: text/plain", "X-Empty;", "Expect:", "Content-Type: a; b=\"c:d\"", "X: @f"]
        {
            assert_eq!(objection(Value::Header, line), None, "{line}");
        }
        for line in [
            "@headers",
            "",
            "nonsense",
            ": x",
            "Host",
            "Host;",
            "host:x",
            "HOST : x",
            " Host: x",
            "Host;x: y",
            "Authorization:",
            "authorization;",
            ":authority: evil",
            "Proxy-Authorization: x",
            "Proxy-Connection: x",
            "Transfer-Encoding: chunked",
            "Content-Length: 0",
            "Connection: x",
            "Upgrade: h2c",
            "H\u{f6}st: x",
        ] {
            assert!(objection(Value::Header, line).is_some(), "{line:?}");
        }
    }

    #[test]
    fn refuses_file_names_that_lead_to_descriptors() {
        let room = tempfile::tempdir().expect("a directory");
        let link = room.path().join("link");
        let second = room.path().join("second");
        symlink("/proc/self/fd/7", &link).expect("a link");
        symlink("link", &second).expect("a link");
        let (link, second) = (link.display().to_string(), second.display().to_string());
        for path in [
            "/dev/fd/7",
            "//dev//fd/7",
            "/dev/./fd/7",
            "/dev/../dev/fd/7",
            "/proc/self/fd/7",
            "/proc/thread-self/fd/7",
            "/proc/self/environ",
            "/proc/1/fd/0",
            &link,
            &second,
        ] {
            for (kind, text) in [
                (Value::Input, path.to_owned()),
                (Value::Output, path.to_owned()),
                (Value::Cookie, path.to_owned()),
                (Value::Body, format!("@{path}")),
                (Value::Encoded, format!("name@{path}")),
                (Value::Form, format!("image=@{path}")),
                (Value::Form, format!("image=<{path};type=text/plain")),
                (Value::Form, format!("image=@cat.png,\"{path}\"")),
                (Value::Form, format!("image=x;headers=@{path}")),
            ] {
                assert!(objection(kind, &text).is_some(), "{kind:?} {text}");
            }
        }
        for path in
            ["/dev/stdin", "/dev/stdout", "/proc/self/fd/0", "/dev/null", "cat.png", "/nowhere/x", "-"]
        {
            assert_eq!(objection(Value::Output, path), None, "{path}");
        }
        assert_eq!(objection(Value::Body, "see /dev/fd/7"), None);
    }

    #[test]
    fn recognises_every_name_of_standard_input() {
        for (kind, text) in [
            (Value::Input, "-"),
            (Value::Input, "."),
            (Value::Input, "/dev/stdin"),
            (Value::Body, "@-"),
            (Value::Body, "@/dev/stdin"),
            (Value::Encoded, "n@-"),
            (Value::Form, "i=@-;type=image/png"),
            (Value::Form, "i=<-"),
            (Value::Form, "i=@/dev/fd/0"),
            (Value::Cookie, "-"),
        ] {
            assert!(reads_input(kind, text), "{kind:?} {text}");
        }
        for (kind, text) in [
            (Value::Body, "@f"),
            (Value::Body, "-"),
            (Value::Output, "-"),
            (Value::Form, "i=@f"),
            (Value::Literal, "i=@-"),
        ] {
            assert!(!reads_input(kind, text), "{kind:?} {text}");
        }
    }
}
