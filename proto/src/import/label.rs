//! A refresh token behind its name in any text: a command, a unit file, XML, a table. This is the last resort for texts of no
//! known shape, so it takes only what is certainly a token.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::field::{Given, is_path, is_placeholder};

/// The most characters between a name and its value.
const FARTHEST: usize = 40;
/// The shortest and the longest value that counts as a token, in characters.
const SHORTEST: usize = 8;
const LONGEST: usize = 4096;

/// The refresh tokens in `text`, each with the prefix of its name, and what the text says about their client and server.
pub(super) fn read(text: &str) -> Vec<(String, Given)> {
    let mut client_ids: Vec<_> = values(text, "client", "id").map(|(_, value)| value.into_owned()).collect();
    client_ids.dedup();
    let about = Given {
        client_id: client_ids.pop().filter(|_| client_ids.is_empty()),
        services: servers(text),
        ..Given::default()
    };
    let tokens = values(text, "refresh", "token").filter(|(_, value)| is_token(value));
    let given = |value: Cow<'_, str>| Given { refresh_tokens: vec![value.into_owned()], ..about.clone() };
    tokens.map(|(prefix, value)| (prefix.to_owned(), given(value))).collect()
}

fn is_token(value: &str) -> bool {
    value.len() >= SHORTEST
        && value.contains(|letter: char| letter.is_ascii_digit())
        && !is_placeholder(value)
        && !is_path(value)
}

/// The values of a name of two words, and the prefixes of the name: `IMGUR` in `IMGUR_REFRESH_TOKEN`.
fn values<'t>(text: &'t str, first: &str, second: &str) -> impl Iterator<Item = (&'t str, Cow<'t, str>)> {
    let lower = text.to_ascii_lowercase();
    let ends = |at: usize| {
        let behind = lower[at..].strip_prefix(first)?;
        let behind = behind.strip_prefix(['_', '-', ' ']).unwrap_or(behind).strip_prefix(second)?;
        Some((at, lower.len() - behind.len()))
    };
    let names: Vec<_> = lower.match_indices(first).filter_map(|(at, _)| ends(at)).collect();
    names.into_iter().filter_map(|(at, end)| {
        let value = run(value(&text[end..])?)?;
        let is_of_the_name = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        let before = text[..at].trim_end_matches(is_of_the_name);
        // The value of an XML element is before its closing tag.
        let prefix = text[before.len()..at].trim_matches(['_', '-', '.']);
        (!before.ends_with("</")).then_some((prefix, value))
    })
}

/// What follows a name and the characters between a name and a value.
fn value(behind: &str) -> Option<&str> {
    // `<key>NAME</key><string>VALUE</string>`
    if let Some(tag) = behind.strip_prefix("</") {
        let next = tag.split_once('>')?.1.trim_start().strip_prefix('<')?;
        return next
            .split_once('>')
            .filter(|(tag, _)| !tag.ends_with('/'))
            .map(|(_, value)| value.trim_start());
    }
    let is_between = |letter: char| letter.is_whitespace() || "=:>\"'`(]\\".contains(letter);
    let (between, value) = behind.split_at(behind.find(|letter| !is_between(letter))?);
    let is_apart = between.contains(['=', ':', '>', '"', '\'', '`', '\t', '\n']) && between.len() <= FARTHEST;
    let is_empty = ["\"\"", "''", "``"].iter().any(|quotes| between.contains(quotes))
        || (between.contains('\n') && between.replace("=>", "").contains('='));
    // PHP: `string(40) "VALUE"`.
    let dumped = value.strip_prefix("string(").and_then(|length| length.split_once(") \""));
    (is_apart && !is_empty).then_some(dumped.map_or(value, |(_, value)| value))
}

/// The characters of a token (RFC 6750, section 2.1) that `text` begins with, up to the end of a value.
fn run(text: &str) -> Option<Cow<'_, str>> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=%".contains(byte);
    let end = text.bytes().take(LONGEST + 1).take_while(is_part).count();
    let is_end = |letter: char| letter.is_whitespace() || "\"'`<)]},;&\\".contains(letter);
    let (run, behind) = text.split_at(end);
    let is_whole = behind.chars().next().is_none_or(is_end) && !run.ends_with("..");
    let run = run.strip_suffix('.').unwrap_or(run);
    if !is_whole || run.is_empty() || run.len() > LONGEST || run.trim_end_matches('=').contains('=') {
        return None;
    }
    percent_decode_str(run).decode_utf8().ok()
}

/// The hosts of the addresses in `text` that tokens may be sent to.
fn servers(text: &str) -> Vec<String> {
    let is_end = |letter: char| letter.is_whitespace() || "\"'`<>".contains(letter);
    let addresses = text.split("://").skip(1).map(|rest| rest.split(is_end).next().unwrap_or_default());
    let addresses = addresses.filter(|address| address.contains("oauth") || address.contains("token"));
    addresses.filter_map(|address| address.split(['/', ':', '?', '#']).next()).map(str::to_owned).collect()
}
