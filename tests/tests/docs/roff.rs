//! Reads examples and commands from manual pages (groff_man(7)).

use std::fs;

use imgurd_tests::testbed::Testbed;

/// The text between `.EX` and `.EE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    /// The name of its page.
    pub(crate) page: String,
    /// The heading of its section.
    pub(crate) section: String,
    /// The text as it is displayed.
    pub(crate) text: String,
}

/// All pages that `imgurctl man` writes: their names and their text in roff.
pub(crate) fn pages() -> Vec<(String, String)> {
    let bed = Testbed::new();
    let written = bed.ctl(&["man", bed.home().join("man").to_str().unwrap(), "--json"]).success().json();
    let files = written["pages"].as_array().unwrap().iter().map(|file| file.as_str().unwrap().to_owned());
    let pages = files.map(|file| {
        let name = file.rsplit('/').next().unwrap().rsplit_once('.').unwrap().0;
        (name.to_owned(), fs::read_to_string(&file).unwrap())
    });
    pages.collect()
}

/// The examples of a page, in their order.
pub(crate) fn examples(page: &str, roff: &str) -> Vec<Example> {
    let (mut found, mut section) = (Vec::new(), String::new());
    let mut open = None::<Example>;
    for line in roff.lines() {
        match (&mut open, line) {
            (Some(_), ".EE") => found.extend(open.take()),
            (Some(example), _) => example.text.extend([&*plain(line), "\n"]),
            (None, ".EX") => {
                let (page, section) = (page.to_owned(), section.clone());
                open = Some(Example { page, section, text: String::new() });
            }
            (None, _) => {
                if let Some(heading) = line.strip_prefix(".SH ") {
                    section = plain(heading);
                }
            }
        }
    }
    assert!(open.is_none(), "an example in {page} has no end");
    found
}

/// Returns the lines for `program` in the text that are bold or between backquotes, up to a pipe.
pub(crate) fn commands(roff: &str, program: &str) -> Vec<String> {
    let mut named = Vec::new();
    for line in roff.lines() {
        if let Some(bold) = line.strip_prefix(".B ") {
            named.push(plain(bold));
        } else if let Some((_, bold)) = line.strip_prefix(".BR ").and_then(|rest| rest.split_once('"')) {
            named.extend(bold.split('"').next().map(plain));
        } else if !line.starts_with('.') {
            named.extend(line.split('`').skip(1).step_by(2).map(plain));
        }
    }
    let lines = named.iter().map(|line| line.split(" | ").next().unwrap_or_default().trim());
    lines.filter(|line| line.starts_with(&format!("{program} "))).map(str::to_owned).collect()
}

/// Returns a line as it is displayed (groff_char(7), groff(7)).
fn plain(roff: &str) -> String {
    let mut pieces = roff.split('\\');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escapes = [
            ("-", "-"),
            ("e", "\\"),
            ("&", ""),
            (" ", " "),
            ("(aq", "'"),
            ("*(Aq", "'"),
            ("(dq", "\""),
            ("fB", ""),
            ("fI", ""),
            ("fR", ""),
        ];
        let known = escapes.iter().find_map(|(escape, is)| Some((is, piece.strip_prefix(escape)?)));
        let (is, rest) = known.unwrap_or_else(|| panic!("unknown escape \\{piece} in: {roff}"));
        text.extend([is, rest]);
    }
    text
}

#[test]
fn reads_examples_as_displayed() {
    let roff =
        ".SH \"A B\"\nnone\n.EX\n\\&.x \\-\\- \\(aq\\e0\\(aq\n\ny\n.EE\n.SH C\n.EX\n\"\\(dq\\*(Aq\n.EE\n";
    let found = examples("p", roff);
    let seen: Vec<_> = found.iter().map(|it| (&*it.page, &*it.section, &*it.text)).collect();
    assert_eq!(seen, [("p", "\"A B\"", ".x -- '\\0'\n\ny\n"), ("p", "C", "\"\"'\n")]);
}

#[test]
fn finds_commands_in_bold_and_backquotes() {
    let roff = ".B p a \\-\\-b\n.BR \"p c\" ,\n.BR p (1)\nsee `p d | q`, `other`\n.EX\np e\n.EE\n";
    assert_eq!(commands(roff, "p"), ["p a --b", "p c", "p d"]);
}
