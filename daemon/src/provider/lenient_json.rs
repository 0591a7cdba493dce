//! JSON as servers write it: an error in one member must not make the others unreadable.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::value::RawValue;

/// `text` as JSON, if its values are recognisable. Corrects control characters in strings, unknown escapes, `NaN`,
/// single quotes, a trailing comma, and a semicolon at the end.
pub(super) fn lenient_json(text: &str) -> Option<Cow<'_, str>> {
    let is_json = |text: &str| serde_json::from_str::<&RawValue>(text).is_ok();
    if is_json(text) {
        return Some(text.into());
    }
    let text = text.trim_ascii().trim_end_matches(';');
    Some(put_right(text)).filter(|text| text.starts_with(['{', '[']) && is_json(text)).map(Cow::from)
}

fn put_right(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '"' | '\'' => rest = string(&mut json, letter, rest),
            '}' | ']' => {
                let kept = json.trim_end().trim_end_matches(',').len();
                json.truncate(kept);
                json.push(letter);
            }
            letter if letter.is_ascii_alphabetic() => {
                let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
                word(&mut json, &format!("{letter}{}", &rest[..end]));
                rest = &rest[end..];
            }
            letter => json.push(letter),
        }
    }
    json
}

/// Copies a string up to its closing quote, and returns the rest.
fn string<'a>(json: &mut String, quote: char, text: &'a str) -> &'a str {
    json.push('"');
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some((_, known @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u'))) => {
                    json.extend(['\\', known]);
                }
                Some((_, '\'')) => json.push('\''),
                Some((_, other)) => json.extend(['\\', '\\', other]),
                None => {}
            },
            letter if letter == quote => {
                json.push('"');
                return &text[at + letter.len_utf8()..];
            }
            '"' => json.push_str("\\\""),
            letter if letter < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(letter));
            }
            letter => json.push(letter),
        }
    }
    ""
}

fn word(json: &mut String, word: &str) {
    match word {
        "NaN" | "Infinity" | "None" | "undefined" => {
            let kept = json.trim_end_matches('-').len();
            json.truncate(kept);
            json.push_str("null");
        }
        "True" | "False" => json.push_str(&word.to_ascii_lowercase()),
        other => json.push_str(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrects_invalid_members() {
        for text in [
            r#"{"access_token":"aa11"}"#,
            "{\"access_token\":\"aa11\",\"note\":\"a\tb\nc\"}",
            r#"{"access_token":"aa11","note":"a\x"}"#,
            r#"{"access_token":"aa11","n":[NaN,-Infinity,1,],}"#,
            r#"{"access_token":"aa11"};"#,
            "{'access_token': 'aa11', 'note': 'it\\'s \"x\"', 'n': None, 'ok': True}",
        ] {
            let json = lenient_json(text).expect(text);
            let value: serde_json::Value = serde_json::from_str(&json).expect(text);
            assert_eq!(value["access_token"], "aa11", "{text}");
        }
    }

    #[test]
    fn rejects_incomplete_json_and_other_texts() {
        for text in [
            "",
            "aa11",
            "{\"access_token\":\"aa",
            "{\"access_token\":\"aa11\"",
            "<html>",
            "access_token=aa11",
            "{}{}",
        ] {
            assert_eq!(lenient_json(text), None, "{text}");
        }
    }
}
