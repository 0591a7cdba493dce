//! The formats of a text. All of them are parsed into the same tree of named values.

use std::borrow::Cow;
use std::{fmt, iter, mem};

use form_urlencoded::parse;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::field::is_field;
use crate::text::{bare, bare_address};

/// A part of a text: named values, and parts within.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    /// Whether a person chose the name, as for a request in Postman.
    pub(super) is_label: bool,
    /// In their order; a name may be there twice.
    pub(super) pairs: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
}

/// The tree of `text`; nothing if it has no shape that is known.
pub(super) fn read(text: &str) -> Option<Node> {
    let text = &unwrapped(text.trim_start_matches('\u{feff}').trim());
    if text.starts_with(['{', '[']) {
        // An INI file begins with the name of a section.
        let ini = || text.starts_with('[').then(|| lines(text))?;
        return documents(text).or_else(ini).or_else(|| lines(&one_a_line(text)?));
    }
    address(text).or_else(|| behind_text(text)).or_else(|| lines(text))
}

/// JSON out of what may be around it: the elements and entities of a web page (`<pre>{&quot;…`), or a string of JSON.
fn unwrapped(text: &str) -> Cow<'_, str> {
    let is_page = text.starts_with('<') && text.ends_with('>');
    let json = if is_page { text.find('{').zip(text.rfind('}')) } else { None };
    let text = json.and_then(|(from, to)| text.get(from..=to)).unwrap_or(text);
    if text.contains("&quot;") || text.contains("&#34;") {
        return text.replace("&quot;", "\"").replace("&#34;", "\"").replace("&amp;", "&").into();
    }
    match serde_json::from_str::<String>(text) {
        Ok(inner) if inner.starts_with(['{', '[']) => inner.into(),
        _ => text.into(),
    }
}

/// JSON; text after it is ignored.
fn json(text: &str, name: &str) -> Option<Node> {
    let json = Part { name }.deserialize(&mut serde_json::Deserializer::from_str(text));
    json.map(Value::into_node).ok()
}

/// All JSON documents in `text`, which begins with one. The others begin a line, or follow immediately.
fn documents(text: &str) -> Option<Node> {
    let mut root = json(text, "")?;
    let others = iter::successors(behind_document(text), |text| behind_document(text));
    root.children.extend(others.map_while(|text| json(text, "")));
    Some(root)
}

/// The next document behind the one that `text` begins with.
fn behind_document(text: &str) -> Option<&str> {
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    documents.next()?.ok()?;
    let behind = text[documents.byte_offset()..].trim_start_matches([',', ';', ' ', '\t', '\r', '\n']);
    let at = if behind.starts_with('{') { 0 } else { behind.find("\n{")? + 1 };
    Some(&behind[at..])
}

/// JSON after other text, such as the headers that `curl --include` prints. What a request says about its server
/// counts.
fn behind_text(text: &str) -> Option<Node> {
    let (at, _) = text.match_indices("\n{").next()?;
    let (before, within) = text.split_at(at + 1);
    let found = documents(within).filter(Node::has_field)?;
    // The headers of an answer describe the server's software; any other text before the JSON applies to the grant.
    let parts = if before.starts_with("HTTP/") { Vec::new() } else { sections(before).children };
    let pairs = parts.into_iter().flat_map(|part| part.pairs).collect();
    Some(Node { pairs, children: vec![found], ..Node::default() })
}

/// As deep as the JSON library reads.
const DEEPEST: usize = 128;

/// The members of something close to JSON, each on its own line: Python dictionaries, JavaScript objects, a surplus
/// comma. A text that is cut off has none.
fn one_a_line(text: &str) -> Option<String> {
    let (mut lines, mut within, mut depth) = (String::new(), None, 0);
    let mut deepest = 0;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, within) {
            ('\\', _) => match letters.next()? {
                '/' => lines.push('/'),
                _ => return None,
            },
            ('"' | '\'', None) => within = Some(letter),
            (quote, Some(open)) if quote == open => within = None,
            _ => {}
        }
        match letter {
            '{' | '[' if within.is_none() => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            '}' | ']' if within.is_none() => depth = usize::checked_sub(depth, 1)?,
            _ => {}
        }
        let is_between = within.is_none() && matches!(letter, '{' | '[' | ',' | '}' | ']');
        lines.push(if is_between { '\n' } else { letter });
    }
    (within.is_none() && depth == 0 && deepest <= DEEPEST).then_some(lines)
}

/// An address with its parameters, or bare parameters (RFC 6749, section 4.2.2). Browsers hide the scheme.
fn address(text: &str) -> Option<Node> {
    let text = &*bare_address(text);
    if text.contains(char::is_whitespace) || !text.contains('=') {
        return None;
    }
    let parameters = match text.split_once(['?', '#']) {
        Some((_, parameters)) => parameters,
        None if text.contains('&') => text,
        None => return None,
    };
    let parts = parameters.split(['?', '#']);
    let pairs: Vec<_> = parts.flat_map(|part| parse(part.as_bytes()).into_owned()).collect();
    pairs.iter().any(|(name, _)| is_field(name)).then(|| Node { pairs, ..Node::default() })
}

/// Lines of `KEY=value` or `key: value`, with sections of an INI file.
fn lines(text: &str) -> Option<Node> {
    Some(sections(text)).filter(Node::has_field)
}

fn sections(text: &str) -> Node {
    let (mut root, mut section) = (Node::default(), Node::default());
    let mut depth = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.trim().to_owned();
            root.children.push(mem::replace(&mut section, Node { name, ..Node::default() }));
        } else if let Some(name) = heading(line) {
            // A section that is indented further, with nothing in between, is part of the one above.
            let is_within = indent > depth && section.pairs.is_empty() && !section.name.is_empty();
            let name = if is_within { format!("{}/{name}", section.name) } else { name.to_owned() };
            root.children.push(mem::replace(&mut section, Node { name, ..Node::default() }));
            depth = indent;
        } else if let Some((name, value)) = pair(line) {
            // A block of YAML has its text in the lines below.
            let value = if is_block(&value) { lines.next().map_or(value, plain) } else { value };
            match braces(&value, &name) {
                Some(part) => section.children.push(part),
                None => section.pairs.push((name, value)),
            }
        }
    }
    root.children.push(section);
    root
}

fn is_block(value: &str) -> bool {
    matches!(value, ">" | ">-" | ">+" | "|" | "|-" | "|+")
}

/// The name of a part in YAML: `imgur:`.
fn heading(line: &str) -> Option<&str> {
    let name = bare(line.trim_start_matches("- ").strip_suffix(':')?);
    let is_name = |letter: char| letter.is_alphanumeric() || "_-. ".contains(letter);
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// What shells write before a variable's name.
const DECLARATIONS: [&str; 7] = ["export ", "set ", "setx ", "declare -x ", "$env:", "- ", "ENV "];

/// What csh, fish and old Dockerfiles write before a variable's name, with a space after it.
const SPACED_DECLARATIONS: [&str; 6] = ["setenv ", "set -gx ", "set -Ux ", "set -x ", "set -xg ", "ENV "];

fn pair(line: &str) -> Option<(String, String)> {
    if line.starts_with(['#', ';']) || line.starts_with("//") {
        return None;
    }
    let spaced = SPACED_DECLARATIONS.iter().find_map(|word| line.strip_prefix(word));
    let spaced = spaced.filter(|rest| !rest.split(' ').next().unwrap_or_default().contains('='));
    let line = DECLARATIONS.iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
    let (name, value) = match spaced {
        Some(rest) => rest.split_at(rest.find(' ')?),
        None => line.split_at(line.find(['=', ':'])?),
    };
    let name = name.trim();
    let name = if name.starts_with("u'") || name.starts_with("b'") { &name[1..] } else { name };
    let name = bare(name);
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_-. /\\".contains(letter);
    (!name.is_empty() && name.chars().all(is_name)).then(|| (name.to_owned(), plain(&value[1..])))
}

/// A value without its quotes, without the comma or comment after it, and without Qt's wrapper for bytes
/// (`@ByteArray(…)`).
fn plain(value: &str) -> String {
    let value = if is_block(value.trim()) { value } else { value.trim_start_matches(['>', '=']) }.trim();
    // YAML's tag or anchor.
    let is_property = |word: &str| word.starts_with("!!") || word.starts_with('&');
    let value =
        value.split_once(' ').filter(|(word, _)| is_property(word)).map_or(value, |(_, rest)| rest.trim());
    // Python marks strings of two kinds.
    let is_marked = ["u'", "u\"", "b'", "b\""].iter().any(|mark| value.starts_with(mark));
    let value = if is_marked { &value[1..] } else { value };
    let value = match value.chars().next().filter(|first| matches!(first, '"' | '\'' | '`')) {
        Some(quote) => value[1..].split(quote).next().unwrap_or_default(),
        None => before_comment(value).trim_end_matches([',', ';']).trim_end(),
    };
    value.strip_prefix("@ByteArray(").and_then(|bytes| bytes.strip_suffix(')')).unwrap_or(value).to_owned()
}

fn before_comment(value: &str) -> &str {
    let end = [" #", " ;"].iter().filter_map(|mark| value.find(mark)).min();
    &value[..end.unwrap_or(value.len())]
}

/// A value in braces: JSON, or what is [close to it](one_a_line), such as YAML's flow style.
fn braces(value: &str, name: &str) -> Option<Node> {
    if !value.starts_with('{') {
        return None;
    }
    let close = || Some(Node { name: name.to_owned(), ..lines(&one_a_line(value)?)? });
    json(value, name).or_else(close)
}

/// A value of JSON.
enum Value {
    Text(String),
    Part(Node),
    Bool(bool),
    Other,
}

impl Value {
    fn into_node(self) -> Node {
        match self {
            Self::Part(node) => node,
            _ => Node::default(),
        }
    }
}

/// Reads JSON, whose members may come twice.
struct Part<'a> {
    name: &'a str,
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, is_so: bool) -> Result<Value, E> {
        Ok(Value::Bool(is_so))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Text(number.to_string()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut node = Node { name: self.name.to_owned(), ..Node::default() };
        while let Some(value) = elements.next_element_seed(Part { name: "" })? {
            if let Value::Part(mut part) = value {
                // A list of variables, as Postman writes objects.
                node.pairs.extend(part.spelled_out());
                part.label();
                node.children.push(part);
            }
        }
        Ok(Value::Part(node))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut node = Node { name: self.name.to_owned(), ..Node::default() };
        let mut is_off = false;
        while let Some(name) = members.next_key::<String>()? {
            match members.next_value_seed(Part { name: &name })? {
                // Some programs store JSON as a string of JSON.
                Value::Text(text) => {
                    match Some(&text).filter(|text| text.starts_with('{')).and_then(|text| json(text, &name))
                    {
                        Some(part) => node.children.push(part),
                        None => node.pairs.push((name, text)),
                    }
                }
                Value::Part(part) => node.children.push(part),
                Value::Bool(is_so) => {
                    is_off |= (name == "enabled" && !is_so) || (name == "disabled" && is_so);
                }
                Value::Other => {}
            }
        }
        Ok(Value::Part(if is_off { Node::default() } else { node }))
    }
}

impl Node {
    fn has_field(&self) -> bool {
        self.pairs.iter().any(|(name, _)| is_field(name)) || self.children.iter().any(Self::has_field)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The one variable that `{"key": …, "value": …}` stands for.
    fn spelled_out(&self) -> Option<(String, String)> {
        Some((self.get("key")?.to_owned(), self.get("value")?.to_owned()))
    }

    /// An element of a list has no name, except one that a person gave it.
    fn label(&mut self) {
        let given = ["name", "title", "id"].iter().find_map(|name| self.get(name));
        self.name = given.unwrap_or_default().to_owned();
        self.is_label = true;
    }
}
