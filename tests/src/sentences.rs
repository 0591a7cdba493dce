//! The texts that the programs print, read from their sources: `make sentences`.
//!
//! In Rust these are string literals of two words or more, and the doc comments that clap prints for `--help`,
//! without tests, panics and the reasons of lints. In a page it is the text between tags, in the interface
//! description its comments.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, Literal, TokenStream, TokenTree};

/// The directories whose texts are listed.
pub const ROOMS: [&str; 3] = ["ctl/src", "daemon/src", "proto/src"];

/// A sentence, or several sentences of one literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The file, relative to the repository.
    pub file: PathBuf,
    /// The line in which it begins, from 1.
    pub line: usize,
    /// The text with the placeholders of `format!`.
    pub text: String,
}

/// All sentences of the files below `repository`/`room`, in the order of paths and lines.
pub fn of_room(repository: &Path, room: &str) -> Vec<Sentence> {
    let mut files = Vec::new();
    collect_files(&repository.join(room), &mut files);
    files.sort();
    let sentences = files.iter().flat_map(|path| {
        let file = path.strip_prefix(repository).unwrap().to_owned();
        let text = fs::read_to_string(path).unwrap();
        of_file(path, &text).into_iter().map(move |(line, text)| Sentence { file: file.clone(), line, text })
    });
    sentences.collect()
}

fn collect_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if matches!(name, "tests" | "fuzzing") {
            continue;
        }
        if path.is_dir() {
            collect_files(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn of_file(path: &Path, text: &str) -> Vec<(usize, String)> {
    let mut found = match path.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => of_rust(text),
        Some("html") => of_page(text),
        Some("varlink") => of_comments(text),
        _ => Vec::new(),
    };
    found.retain(|(_, text)| is_prose(text));
    found.sort_by_key(|(line, _)| *line);
    found
}

/// Whether the text has at least two words.
fn is_prose(text: &str) -> bool {
    text.split_whitespace().filter(|word| word.contains(char::is_alphabetic)).nth(1).is_some()
}

fn of_page(text: &str) -> Vec<(usize, String)> {
    let without_tags = |line: &str| {
        let pieces = line.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
        pieces.collect::<String>()
    };
    text.lines().map(without_tags).enumerate().map(|(at, text)| (at + 1, text)).collect()
}

/// Comments that begin with `#`, with the lines of one paragraph joined.
fn of_comments(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::<(usize, String)>::new();
    let mut is_open = false;
    for (at, line) in text.lines().enumerate() {
        let comment = line.strip_prefix('#').filter(|comment| !comment.is_empty());
        match (comment, found.last_mut()) {
            (Some(comment), Some((_, text))) if is_open && !comment.starts_with("  ") => {
                text.push_str(comment);
            }
            (Some(comment), _) => found.push((at + 1, comment.trim_start().to_owned())),
            (None, _) => {}
        }
        is_open = comment.is_some();
    }
    found
}

fn of_rust(text: &str) -> Vec<(usize, String)> {
    let mut reader = Reader::default();
    reader.read(text.parse().unwrap(), false);
    reader.found
}

#[derive(Default)]
struct Reader {
    found: Vec<(usize, String)>,
}

impl Reader {
    /// `is_help` says whether clap prints these doc comments for `--help`.
    fn read(&mut self, tokens: TokenStream, is_help: bool) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let (mut at, mut is_cli) = (0, is_help);
        while at < tokens.len() {
            if is_inner_attribute(&tokens[at..]) {
                at += 3;
                continue;
            }
            let attributes = attributes(&tokens[at..]);
            if attributes.is_empty() {
                match &tokens[at] {
                    TokenTree::Group(group) if !is_panic(&tokens[..at]) => {
                        self.read(group.stream(), is_cli);
                        is_cli = is_help || (is_cli && group.delimiter() != Delimiter::Brace);
                    }
                    TokenTree::Literal(literal) => self.note(literal),
                    _ => {}
                }
                at += 1;
                continue;
            }
            at += 2 * attributes.len();
            if attributes.iter().any(is_test) {
                at += item(&tokens[at..]);
                continue;
            }
            is_cli |= attributes.iter().any(is_of_command_line);
            self.read_attributes(&attributes, is_cli);
        }
    }

    fn read_attributes(&mut self, attributes: &[Group], is_help: bool) {
        let mut help = None::<(usize, String)>;
        for attribute in attributes {
            match name(attribute).as_str() {
                "doc" if is_help => {
                    let Some((line, text)) = literals(attribute).first().and_then(string) else { continue };
                    let (_, help) = help.get_or_insert((line, String::new()));
                    help.push_str(if text.is_empty() { "\n" } else { &text });
                }
                "arg" | "command" | "error" => self.read(attribute.stream(), false),
                _ => {}
            }
        }
        self.found.extend(help.map(|(line, text)| (line, text.trim().to_owned())));
    }

    fn note(&mut self, literal: &Literal) {
        self.found.extend(string(literal));
    }
}

/// The attributes at the beginning of `tokens`: `#[…]`, including doc comments.
fn attributes(tokens: &[TokenTree]) -> Vec<Group> {
    let pairs = tokens.chunks_exact(2).map_while(|pair| match pair {
        [TokenTree::Punct(sign), TokenTree::Group(group)]
            if sign.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
        {
            Some(group.clone())
        }
        _ => None,
    });
    pairs.collect()
}

/// Whether `tokens` begins with `#![…]` or `//!`.
fn is_inner_attribute(tokens: &[TokenTree]) -> bool {
    let is = |token: &TokenTree, sign| matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign);
    matches!(tokens, [first, second, TokenTree::Group(_), ..] if is(first, '#') && is(second, '!'))
}

fn name(attribute: &Group) -> String {
    attribute.stream().into_iter().next().map(|token| token.to_string()).unwrap_or_default()
}

fn is_test(attribute: &Group) -> bool {
    let text = attribute.stream().to_string();
    name(attribute) == "cfg" && (text.contains("test") || text.contains("fuzzing"))
}

fn is_of_command_line(attribute: &Group) -> bool {
    let text = attribute.stream().to_string();
    let derives = ["Args", "Parser", "Subcommand", "ValueEnum"];
    name(attribute) == "derive"
        && text.split(|c: char| !c.is_alphanumeric()).any(|word| derives.contains(&word))
}

/// Whether the tokens after `before` are the message of a panic.
fn is_panic(before: &[TokenTree]) -> bool {
    let words: Vec<_> = before.iter().rev().take(2).map(ToString::to_string).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["expect" | "expect_err", "."] => true,
        ["!", name] => name.contains("assert") || matches!(*name, "panic" | "unreachable"),
        _ => false,
    }
}

/// The number of tokens of the item at the beginning of `tokens`.
fn item(tokens: &[TokenTree]) -> usize {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(sign) => sign.as_char() == ';',
        _ => false,
    };
    tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1)
}

fn literals(attribute: &Group) -> Vec<Literal> {
    let literal = |token| match token {
        TokenTree::Literal(literal) => Some(literal),
        _ => None,
    };
    attribute.stream().into_iter().filter_map(literal).collect()
}

fn string(literal: &Literal) -> Option<(usize, String)> {
    match syn::Lit::new(literal.clone()) {
        syn::Lit::Str(text) => Some((literal.span().start().line, text.value())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        let mut found = of_file(Path::new("x.rs"), source);
        found.sort_by_key(|(line, _)| *line);
        found.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn finds_printed_texts_only() {
        let source = r#"
            //! Not this one.
            #![allow(lint, reason = "nor this reason")]
            /// Nor this comment.
            #[expect(lint, reason = "nor this reason")]
            fn f() -> Result<(), String> {
                println!("line {n} of \
                          it; try again");
                found.expect("nor a panic");
                assert!(a, "nor an assertion");
                Err(format!("cannot read {path}"))
            }
            #[derive(Debug, Error)]
            enum E {
                /// Nor this one.
                #[error("it is broken; repair it")]
                Broken,
            }
            #[cfg(test)]
            mod tests { const A: &str = "nor a test"; }
        "#;
        let expected = ["line {n} of it; try again", "cannot read {path}", "it is broken; repair it"];
        assert_eq!(texts(source), expected);
    }

    #[test]
    fn finds_the_texts_that_clap_prints() {
        let source = "
            /// Shows the
            /// accounts.
            #[derive(Debug, Parser)]
            #[command(after_help = \"Read the manual\")]
            struct Cli {
                /// The one account
                ///
                /// More of it.
                #[arg(long)]
                account: String,
            }
            /// No help here.
            struct Other {
                /// Nor here.
                a: u8,
            }
        ";
        let expected = ["Shows the accounts.", "Read the manual", "The one account\n More of it."];
        assert_eq!(texts(source), expected);
    }

    #[test]
    fn finds_the_text_of_pages_and_of_the_interface() {
        let page = of_file(Path::new("x.html"), "<p class=\"a b\">Close <b>this</b> tab.</p>\n<i>one</i>");
        assert_eq!(page, [(1, "Close this tab.".to_owned())]);
        let interface =
            "# Gets a\n# token.\n#\n# More of it.\nmethod Get() -> ()\n# States:\n#   empty  no grant\n";
        let found: Vec<_> =
            of_file(Path::new("x.varlink"), interface).into_iter().map(|(_, text)| text).collect();
        assert_eq!(found, ["Gets a token.", "More of it.", "empty  no grant"]);
    }
}
