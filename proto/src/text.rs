//! Checks text from other programs and people. A credential is accepted or refused, a name is cleaned and shortened, and bytes
//! become text. All such checks are in this module.

use std::borrow::Cow;
use std::fmt::Display;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// The length of the longest bare credential, in bytes.
const LONGEST_CREDENTIAL: usize = 4096;

/// The length of the longest name from elsewhere that is shown or saved, in characters.
pub const LONGEST_NAME: usize = 128;

/// `text` without control and format characters (Unicode's Cc, Cf, Zl and Zp), so that it cannot control a terminal
/// and is shown in its own order. Characters that separate words become spaces.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().filter_map(shown).collect()
}

/// Text from elsewhere to show, such as an application or an error code: [printable](printable()), and at most
/// [`LONGEST_NAME`] characters.
#[must_use]
pub fn printable_name(text: &str) -> String {
    text.chars().filter_map(shown).take(LONGEST_NAME).collect()
}

/// A name from elsewhere, such as a username: like [`printable_name`], without spaces at its ends. `None` if nothing
/// is left.
#[must_use]
pub fn name(text: &str) -> Option<String> {
    let name = printable_name(printable(text).trim());
    Some(name.trim_end().to_owned()).filter(|name| !name.is_empty())
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

/// The client ID, client secret, code, token or PIN in `text`, without spaces, byte order marks, zero-width
/// characters and quotes at its ends. `None` if it is empty, or has a character that RFC 6749, appendix A, does not
/// allow (only 0x20 to 0x7E).
#[must_use]
pub fn credential(text: &str) -> Option<&str> {
    Some(bare(text)).filter(|bare| is_credential(bare))
}

/// The [`credential`] that `text` is, unless it could be something else: words, JSON, an address, or an encoded part
/// of one.
#[must_use]
pub fn lone_credential(text: &str) -> Option<&str> {
    let is_alone = |text: &&str| {
        // `=` is padding at the end; elsewhere it separates a name from a value.
        let unpadded = text.trim_end_matches('=');
        text.len() <= LONGEST_CREDENTIAL
            && !unpadded.is_empty()
            && !unpadded.contains([' ', '%', '{', '[', '<', '>', '&', '"', '?', '#', '='])
            && !is_place(text)
    };
    credential(text).filter(is_alone)
}

/// Whether this is an address without query and fragment: with a scheme, or with a host name and a path.
#[must_use]
pub fn is_place(text: &str) -> bool {
    let host = text.split_once('/').map(|(host, _)| host);
    text.contains("://") || host.is_some_and(|host| host == "localhost" || host.contains(['.', ':']))
}

/// Whether an account or a gateway client can have this name.
#[must_use]
pub fn is_account_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// The ASCII letters and digits of a name, in lower case, to compare names in any spelling.
#[must_use]
pub fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The cause of a failure for messages, without the number that [`std::io::Error`] adds: `(os error 2)`.
#[must_use]
pub fn cause(error: &dyn Display) -> String {
    let text = error.to_string();
    let (first, numbered) = text.split_once(" (os error ").unwrap_or((&text, ""));
    match numbered.split_once(')') {
        Some((_, rest)) => first.to_owned() + &cause(&rest),
        None => text,
    }
}

/// The error about a `field` that is not a [`credential`]. It quotes nothing of the text.
#[must_use]
pub fn not_a_credential(field: &str) -> String {
    format!("{field} is empty or contains characters other than printable ASCII; copy it again")
}

/// `text` without spaces, byte order marks, zero-width characters and quotes at its ends.
#[must_use]
pub fn bare(text: &str) -> &str {
    text.trim_matches(|letter: char| letter.is_whitespace() || is_quote(letter) || is_zero_width(letter))
}

/// The address in `text`, without the quotes, backticks and brackets that mail and documents put around one (RFC 3986,
/// appendix C), the punctuation of the sentence that it ends, and the backslashes that shells put before `?`, `=` and `&` in a
/// pasted one. A page may have escaped its `&`.
#[must_use]
pub fn bare_address(text: &str) -> Cow<'_, str> {
    let address = (0..DEEPEST).fold(bare(text), |address, _| without_end(within_brackets(address)));
    // No address has a backslash (RFC 3986, section 2).
    let is_escaped = ["\\?", "\\=", "\\&", "\\#"].iter().any(|escaped| address.contains(escaped));
    let address: Cow<'_, str> = if is_escaped { address.replace('\\', "").into() } else { address.into() };
    if address.contains("&amp;") { address.replace("&amp;", "&").into() } else { address }
}

/// How many characters and pairs of brackets are removed around an address at most.
const DEEPEST: usize = 8;

/// Whether a program has shortened this text to show it: it ends with an ellipsis.
#[must_use]
pub fn is_shortened(text: &str) -> bool {
    text.ends_with("..") || text.ends_with('\u{2026}')
}

fn within_brackets(text: &str) -> &str {
    let within = |open, close| text.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
    // A link in Markdown: `[text](address)`.
    let link = || text.strip_prefix('[')?.split_once("](")?.1.strip_suffix(')');
    let round = || within('(', ')').filter(|_| has_parameters(text));
    within('<', '>').or_else(|| within('`', '`')).or_else(link).or_else(round).map_or(text, bare)
}

/// An address without a character of punctuation behind it. A code that ends with such a character has it percent-encoded
/// (`%29`) in an address; the full stop is the exception, but no known server ends a code with one. A code alone may
/// end with anything.
fn without_end(text: &str) -> &str {
    let surplus = |open, close| text.matches(open).count() < text.matches(close).count();
    let is_behind = |last: &char| match last {
        '.' | ',' | ';' | '\u{3001}' | '\u{3002}' | '\u{ff0c}' => true,
        ')' => surplus('(', ')'),
        '>' => surplus('<', '>'),
        ']' => surplus('[', ']'),
        _ => false,
    };
    let last = text.chars().next_back().filter(is_behind);
    let is_known = last.is_some() && has_parameters(text) && !is_shortened(text);
    text.strip_suffix(|letter| is_known && Some(letter) == last).map_or(text, bare)
}

/// Whether this has the parameters of an address: `?a=b`, `a=b&c=d` or `code=abc`, but not padding.
fn has_parameters(text: &str) -> bool {
    text.split_once('=').is_some_and(|(_, value)| value.contains(char::is_alphanumeric))
}

fn is_quote(letter: char) -> bool {
    let category = letter.general_category();
    matches!(letter, '"' | '\'' | '\u{201a}' | '\u{201e}')
        || matches!(category, GeneralCategory::InitialPunctuation | GeneralCategory::FinalPunctuation)
}

fn is_zero_width(letter: char) -> bool {
    letter.general_category() == GeneralCategory::Format
}

/// Whether RFC 6749, appendix A, allows every character of `text` in a credential. An empty text is not a credential.
#[must_use]
pub fn is_credential(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

/// The text in `bytes`: UTF-8, or UTF-16 as PowerShell writes it, with a byte order mark or in ASCII. The mark is
/// removed. Invalid bytes become U+FFFD, which no credential contains.
#[must_use]
pub fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<_> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units).into()
    };
    match bytes {
        [0xff, 0xfe, text @ ..] => utf16(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => utf16(text, u16::from_be_bytes),
        text if is_padded(text, 1) => utf16(text, u16::from_le_bytes),
        text if is_padded(text, 0) => utf16(text, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, text @ ..] | text => String::from_utf8_lossy(text),
    }
}

/// Whether exactly every second byte is zero, starting at `first`. No other encoding of several letters looks like
/// this.
fn is_padded(bytes: &[u8], first: usize) -> bool {
    let is_in_place = |(at, byte): (usize, &u8)| (*byte == 0) == (at % 2 == first);
    bytes.len() > 2 && bytes.len().is_multiple_of(2) && bytes.iter().enumerate().all(is_in_place)
}

#[cfg(test)]
mod tests;
