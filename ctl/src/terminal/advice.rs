//! A list of problems: each problem, and on the next line what to do.

use comfy_table::{Cell, Color, ContentArrangement};
use imgurd_proto::text::printable;

use super::table::{new_table, render};

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The first columns, with their colours on a terminal.
    pub(crate) labels: Vec<(String, Option<Color>)>,
    /// What is wrong, or that all is well.
    pub(crate) text: String,
    /// What to do.
    pub(crate) advice: Option<String>,
}

impl Entry {
    /// Splits an error's sentence; the advice follows the last `; `.
    pub(crate) fn of_error(labels: Vec<(String, Option<Color>)>, sentence: &str) -> Self {
        let (text, advice) = match sentence.rsplit_once("; ") {
            Some((text, advice)) => (text, Some(advice.to_owned())),
            None => (sentence, None),
        };
        Self { labels, text: text.to_owned(), advice }
    }

    fn sentence(&self) -> String {
        let advice = self.advice.as_ref().map(|advice| format!("\n→ {}", printable(advice)));
        printable(&self.text) + &advice.unwrap_or_default()
    }
}

/// The entries in columns, at most `width` wide.
pub(crate) fn list(entries: &[Entry], color: bool, width: Option<u16>) -> String {
    let mut table = new_table(color);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for entry in entries {
        let labels = entry.labels.iter().map(|(label, color)| {
            let cell = Cell::new(printable(label));
            color.map_or(cell.clone(), |color| cell.fg(color))
        });
        table.add_row(labels.chain([Cell::new(entry.sentence())]));
    }
    render(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(label: &str, sentence: &str) -> Entry {
        Entry::of_error(vec![(label.to_owned(), Some(Color::Red))], sentence)
    }

    #[test]
    fn prints_advice_on_the_line_below_the_problem() {
        let entries = [entry("me", "The store is locked; run `imgurctl unlock`"), entry("other", "It works")];
        assert_eq!(
            list(&entries, false, None),
            "me     The store is locked\n       → run `imgurctl unlock`\nother  It works"
        );
    }

    #[test]
    fn wraps_long_sentences_within_their_column() {
        let entries = [entry("me", "one two three four; five six")];
        assert_eq!(list(&entries, false, Some(18)), "me  one two\n    three four\n    → five six");
    }

    #[test]
    fn removes_control_characters_from_entries() {
        let text = list(&[entry("bus", "It\u{1b}[2J answers")], true, None);
        assert!(text.contains("It[2J answers") && text.contains("\u{1b}["), "{text:?}");
    }
}
