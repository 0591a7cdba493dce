//! Reads code blocks from Markdown.

/// A fenced code block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The heading that it stands below.
    pub(crate) section: String,
    /// The line that its text begins in, counted from 1.
    pub(crate) line: usize,
    /// The first word behind the fence.
    pub(crate) language: String,
    /// What is in it.
    pub(crate) text: String,
}

/// The blocks of a text, in their order; those in lists as well.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let (mut found, mut section, mut indent) = (Vec::new(), String::new(), 0);
    let mut open = None::<Block>;
    for (number, line) in markdown.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.text.extend([line.get(indent..).unwrap_or_default(), "\n"]),
            (None, Some(language)) => {
                indent = line.len() - line.trim_start().len();
                let language = language.split_whitespace().next().unwrap_or_default().to_owned();
                let (section, text) = (section.clone(), String::new());
                open = Some(Block { section, line: number + 2, language, text });
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
