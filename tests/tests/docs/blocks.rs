//! The code blocks of the documents for users and for authors of applications.

/// These documents, by their paths in the repository.
pub(crate) const DOCUMENTS: [(&str, &str); 5] = [
    ("README.md", include_str!("../../../README.md")),
    ("proto/README.md", include_str!("../../../proto/README.md")),
    ("proto/js/README.md", include_str!("../../../proto/js/README.md")),
    ("proto/python/README.md", include_str!("../../../proto/python/README.md")),
    ("systemd/README.md", include_str!("../../../systemd/README.md")),
];

/// A fenced code block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The path of its document.
    pub(crate) document: &'static str,
    /// The heading of its section.
    pub(crate) section: String,
    /// The line that its text begins in, counted from 1.
    pub(crate) line: usize,
    /// The first word after the fence: rustdoc's attributes follow it after a comma.
    pub(crate) language: String,
    /// The lines between the fences.
    pub(crate) text: String,
}

impl Block {
    /// The path of its document and its line.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.document, self.line)
    }
}

/// The blocks of all documents.
pub(crate) fn all_blocks() -> Vec<Block> {
    DOCUMENTS.into_iter().flat_map(|(document, text)| blocks(document, text)).collect()
}

/// Returns the code blocks of a Markdown text in their order, including those in lists.
pub(crate) fn blocks(document: &'static str, markdown: &str) -> Vec<Block> {
    let (mut found, mut section, mut indent) = (Vec::new(), String::new(), 0);
    let mut open = None::<Block>;
    for (number, line) in markdown.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.text.extend([line.get(indent..).unwrap_or_default(), "\n"]),
            (None, Some(language)) => {
                indent = line.len() - line.trim_start().len();
                let language = language.split([' ', ',']).next().unwrap_or_default().to_owned();
                let (section, text) = (section.clone(), String::new());
                open = Some(Block { document, section, line: number + 2, language, text });
            }
            (None, None) => {
                if let Some(heading) = line.strip_prefix('#') {
                    heading.trim_start_matches('#').trim().clone_into(&mut section);
                }
            }
        }
    }
    assert!(open.is_none(), "a code block has no end");
    found
}
