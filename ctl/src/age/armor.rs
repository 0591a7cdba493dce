//! The armor: base64 between two lines, as RFC 7468 has it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

pub(super) const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";

/// Columns of a line.
const WIDTH: usize = 64;

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = format!("{BEGIN}\n");
    let mut letters = BASE64_STANDARD.encode(bytes);
    while !letters.is_empty() {
        let rest = letters.split_off(WIDTH.min(letters.len()));
        text.push_str(&letters);
        text.push('\n');
        letters = rest;
    }
    text + END + "\n"
}

/// What pasting adds, spaces and line ends, is overlooked.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let letters = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let letters: String = letters.split_whitespace().collect();
    BASE64_STANDARD.decode(letters).ok()
}
