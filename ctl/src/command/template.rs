//! A text file with placeholders for a token and its details.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::mem;
use std::path::Path;

use crate::failure::Failure;
use imgurd_proto::text::cause;

/// The length of the longest template, in bytes: more than any settings file has.
const LONGEST: u64 = 1024 * 1024;

/// The kinds of placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placeholder {
    AccessToken,
    /// In Unix seconds.
    ExpiresAt,
    Username,
    ClientId,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 4] = [
        ("access_token", Self::AccessToken),
        ("expires_at", Self::ExpiresAt),
        ("username", Self::Username),
        ("client_id", Self::ClientId),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(known, placeholder)| (known == name).then_some(placeholder))
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.into_iter().find(|(_, placeholder)| placeholder == self).map(|(name, _)| name);
        write!(f, "{{{{{}}}}}", name.unwrap_or_default())
    }
}

/// The placeholders, each with the text before it, and the text after the last one.
#[derive(Debug)]
pub(super) struct Template {
    filled: Vec<(String, Placeholder)>,
    rest: String,
}

impl Template {
    /// Reads and checks a file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let refuse = |reason: String| Failure::usage("template", format!("{}: {reason}", path.display()));
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
        read.map_err(|error| {
            refuse(format!("cannot be read ({error}); name a text file", error = cause(&error)))
        })?;
        if bytes.len() as u64 > LONGEST {
            return Err(refuse("it is longer than 1 MiB; name a shorter text file".into()));
        }
        Self::parse(&bytes).map_err(|(line, reason)| refuse(format!("line {line}: {reason}")))
    }

    /// Parses a template. An error has the line, counted from 1, and what to correct there.
    fn parse(bytes: &[u8]) -> Result<Self, (usize, String)> {
        let line = |length| bytes[..length].split(|byte| *byte == b'\n').count();
        let text = std::str::from_utf8(bytes).map_err(|error| {
            (line(error.valid_up_to()), "this is not UTF-8 text; save the file as UTF-8".into())
        })?;
        let (mut filled, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let line = line(text.len() - after.len());
            literal.push_str(before);
            let until = after.split_once('\n').map_or(after, |(until, _)| until);
            let (name, _) = until.split_once("}}").ok_or_else(|| (line, UNCLOSED.to_owned()))?;
            rest = &after[name.len() + "}}".len()..];
            match name.trim() {
                r#""{{""# | "'{{'" => literal.push_str("{{"),
                name => {
                    let placeholder = Placeholder::named(name).ok_or_else(|| (line, unknown(name)))?;
                    filled.push((mem::take(&mut literal), placeholder));
                }
            }
        }
        Ok(Self { filled, rest: literal + rest })
    }

    /// The text with each placeholder replaced by its value.
    pub(super) fn fill(
        &self,
        mut value: impl FnMut(Placeholder) -> Result<String, Failure>,
    ) -> Result<String, Failure> {
        let mut text = String::new();
        for (before, placeholder) in &self.filled {
            text.push_str(before);
            text.push_str(&value(*placeholder)?);
        }
        Ok(text + &self.rest)
    }
}

const UNCLOSED: &str =
    r#"a placeholder has no end; write `}}` after its name, or `{{"{{"}}` for the text `{{`"#;

fn unknown(name: &str) -> String {
    let known: Vec<_> = Placeholder::ALL.iter().map(|(_, placeholder)| placeholder.to_string()).collect();
    format!(
        "there is no placeholder {{{{{name}}}}}; use {}, or `{{{{\"{{{{\"}}}}` for the text `{{{{`",
        known.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, (usize, String)> {
        let template = Template::parse(text.as_bytes())?;
        Ok(template.fill(|placeholder| Ok(format!("<{placeholder}>"))).expect("filled"))
    }

    #[test]
    fn replaces_placeholders_only() {
        for (text, expected) in [
            ("", ""),
            ("a }} { } \r\n", "a }} { } \r\n"),
            ("{{access_token}}", "<{{access_token}}>"),
            ("a={{ username }}\nb={{\texpires_at }}", "a=<{{username}}>\nb=<{{expires_at}}>"),
            (r#"{"a":{"b":"{{client_id}}"}}"#, r#"{"a":{"b":"<{{client_id}}>"}}"#),
            ("{{username}}{{username}}}", "<{{username}}><{{username}}>}"),
            (r#"{{"{{"}} .Values.x }}"#, "{{ .Values.x }}"),
            ("{{ '{{' }}username}}={{username}}", "{{username}}=<{{username}}>"),
            (r#"{{"{{"}}{{"{{"}}"#, "{{{{"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn reports_a_mistake_with_its_line() {
        for (text, line, part) in [
            ("\n{{token}}", 2, "{{token}}; use {{access_token}}, "),
            ("{{}}", 1, "no placeholder {{}}"),
            ("{{username}}\n\n{{{username}}}", 3, "no placeholder {{{username}}"),
            ("a\n{{username\n}}", 2, "no end"),
            ("{{username}", 1, "no end"),
            ("{{\"{{\"", 1, "for the text `{{`"),
            ("{{\"{{}}", 1, "no placeholder {{\"{{}}; use "),
            ("{{Username}}", 1, "no placeholder"),
        ] {
            let (found, reason) = filled(text).expect_err(text);
            assert_eq!(found, line, "{text}");
            assert!(reason.contains(part) && reason.contains("; "), "{reason}");
        }
        let (line, _) =
            Template::parse(b"a\nb\n\xff{{username}}").expect_err("a template that is not UTF-8 is refused");
        assert_eq!(line, 3);
    }

    #[test]
    fn refuses_paths_that_are_not_text_files() {
        for path in ["/nowhere/at/all", "/dev/zero", "/"] {
            let refused = Template::read(Path::new(path)).expect_err(path);
            assert!(refused.to_string().starts_with(path) && refused.exit_code() == 2, "{refused}");
        }
    }
}
