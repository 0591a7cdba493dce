//! Text that others choose: what a terminal, a log or a header may be given of it, and what a credential may be made of.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// The longest name of somebody else's that is shown or stored, in characters.
pub const LONGEST_NAME: usize = 128;

/// `text` without control and format characters (Unicode's Cc, Cf, Zl and Zp), so that a terminal obeys none of it and a
/// reader sees it in the order that it has. What separates words becomes a space.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().filter_map(shown).collect()
}

/// A name that others choose (a username, an application, an error description): [printable](printable()), and at most
/// [`LONGEST_NAME`] characters.
#[must_use]
pub fn printable_name(text: &str) -> String {
    text.chars().filter_map(shown).take(LONGEST_NAME).collect()
}

/// Whether [`printable()`] leaves `text` as it is.
#[must_use]
pub fn is_printable(text: &str) -> bool {
    text.chars().all(|letter| shown(letter) == Some(letter))
}

fn shown(letter: char) -> Option<char> {
    match letter {
        '\t'..='\r' => Some(' '),
        _ => match letter.general_category() {
            GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => Some(' '),
            GeneralCategory::Control | GeneralCategory::Format => None,
            _ => Some(letter),
        },
    }
}

/// The client id, client secret, code, token or PIN in `text`: blanks, a byte order mark, zero-width spaces and quotes at
/// its ends are not part of it. Nothing if it is empty, or has a character that RFC 6749, appendix A, does not allow in
/// one (0x20 to 0x7E).
#[must_use]
pub fn credential(text: &str) -> Option<&str> {
    Some(bare(text)).filter(|bare| is_credential(bare))
}

/// `text` without blanks, byte order mark, zero-width spaces and quotes at its ends.
#[must_use]
pub fn bare(text: &str) -> &str {
    text.trim_matches(|letter: char| {
        letter.is_whitespace()
            || matches!(letter, '"' | '\'')
            || letter.general_category() == GeneralCategory::Format
    })
}

/// Whether every character of `text` is one that RFC 6749, appendix A, allows in a credential; an empty one is none.
#[must_use]
pub fn is_credential(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_left_out() {
        let text = "\u{1b}[31mred\u{7} \u{9b}2Jc1\nline\u{2028}end\u{202e}rtl\u{200b}\u{feff}\0";
        assert_eq!(printable(text), "[31mred 2Jc1 line endrtl");
        assert!(!is_printable(text));
        assert!(is_printable(&printable(text)));
        assert!(is_printable("Zoë 🦀 日本"));
    }

    #[test]
    fn a_name_is_cut() {
        assert_eq!(printable_name(&"ä".repeat(200)).chars().count(), LONGEST_NAME);
    }

    #[test]
    fn a_credential_is_read_without_what_is_around_it() {
        for text in ["abc", " abc\r\n", "\u{feff}abc", "\"abc\"", "'abc' ", "\u{200b}abc\u{200b}"] {
            assert_eq!(credential(text), Some("abc"), "{text:?}");
        }
        for text in ["", "  ", "\"\"", "a\nb", "a\u{e9}b", "a\0b", "a\tb", "a\u{200b}b"] {
            assert_eq!(credential(text), None, "{text:?}");
        }
        assert_eq!(credential("a b~"), Some("a b~"));
    }
}
