//! The texts that users read contain no retired words. `make sentences` lists the texts of the programs.

use std::fs;
use std::path::Path;

use imgurd_tests::sentences::{ROOMS, of_room};

use crate::roff::pages;

/// Words and phrases, each with what to write instead.
const RETIRED: &[(&str, &str)] = &[
    ("all the same", "anyway"),
    ("amiss", "wrong"),
    ("anew", "again"),
    ("anybody", "a program, a user"),
    ("at hand", "valid"),
    ("by way of", "through"),
    ("comes behind", "comes after"),
    ("desk", "the module's name"),
    ("door", "the module's name"),
    ("doors", "the module's name"),
    ("farewell", "the sentence itself"),
    ("grants rest", "imgurd stores grants"),
    ("grows old", "needs attention"),
    ("heed", "honour, follow"),
    ("heeded", "honoured, followed"),
    ("heeds", "honours, follows"),
    ("hung up on", "imgurd closes the connection"),
    ("in vain", "say what fails"),
    ("is no file", "is not a file"),
    ("is spent", "was used"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("mending", "fixing"),
    ("mends", "fixes"),
    ("odd", "invalid"),
    ("of no use", "useless"),
    ("one that", "name the thing"),
    ("passed over", "skipped"),
    ("person", "you, the user"),
    ("person's", "your, the user's"),
    ("persons", "users"),
    ("somebody", "a program, another user"),
    ("telephone", "phone"),
    ("understood are", "imgurd accepts"),
    ("void", "invalid"),
    ("where there are none", "if there are none"),
    ("where there is", "if there is"),
    ("who has called", "the caller"),
    ("whoever", "anyone who"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Returns a text in lower case, with one blank around each word, without code and the placeholders of `format!`.
fn words(text: &str) -> String {
    let text = text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let mut depth = 0_usize;
    let outside = text.chars().filter(|letter| match letter {
        '{' => {
            depth += 1;
            false
        }
        '}' => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => depth == 0,
    });
    let text = outside.collect::<String>().to_lowercase();
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '\'');
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// The retired words in a text, and what to write instead.
fn retired(text: &str) -> Vec<String> {
    let words = words(text);
    let found = RETIRED.iter().filter(|(word, _)| words.contains(&format!(" {word} ")));
    found.map(|(word, instead)| format!("“{word}”; write: {instead}")).collect()
}

/// The paragraphs of a document, each with its place.
fn paragraphs(name: &str, text: &str) -> Vec<(String, String)> {
    let mut found = Vec::<(String, String)>::new();
    let mut is_open = false;
    for (at, line) in text.lines().enumerate() {
        match found.last_mut().filter(|_| is_open) {
            Some((_, text)) => text.extend(["\n", line]),
            None => found.push((format!("{name}:{}", at + 1), line.to_owned())),
        }
        is_open = !line.is_empty();
    }
    found
}

fn document(name: &str) -> String {
    let text = fs::read_to_string(root().join(name)).unwrap();
    // Old entries of the changelog are history and do not change.
    let end = text.match_indices("\n## [").nth(1).map(|(at, _)| at).filter(|_| name == "CHANGELOG.md");
    text[..end.unwrap_or(text.len())].to_owned()
}

/// Fails and lists all places that have retired words.
fn check(texts: impl IntoIterator<Item = (String, String)>) {
    let mut read = 0;
    let mut found = Vec::new();
    for (place, text) in texts {
        read += 1;
        found.extend(retired(&text).into_iter().map(|it| format!("{place}: {it}\n    {text}\n")));
    }
    assert!(read > 0, "there are no texts to check");
    assert!(found.is_empty(), "retired words:\n{}", found.concat());
}

#[test]
fn the_programs_contain_no_retired_words() {
    let sentences = ROOMS.into_iter().flat_map(|room| of_room(root(), room));
    check(sentences.map(|it| (format!("{}:{}", it.file.display(), it.line), it.text)));
}

#[test]
fn the_documents_contain_no_retired_words() {
    let names = [
        "README.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "proto/README.md",
        "systemd/README.md",
        "tests/README.md",
    ];
    let documents = names.into_iter().flat_map(|name| paragraphs(name, &document(name)));
    let pages = pages().into_iter().flat_map(|(name, roff)| paragraphs(&name, &roff));
    check(documents.chain(pages));
}

#[test]
fn finds_retired_words_in_any_position() {
    assert_eq!(retired("**Mend**\nit.").len(), 1);
    assert_eq!(retired("Go\nwhere there\nis a keyring").len(), 1);
    assert_eq!(retired("Recommend {person} {a.door}").len(), 0);
}
