//! The interface description as entries of a manual page.

use super::literal;

#[derive(Default)]
pub(super) struct Entries {
    pub(super) methods: String,
    pub(super) types: String,
    pub(super) errors: String,
}

impl Entries {
    /// Reads a Varlink description (<https://varlink.org/Interface-Definition>): a definition begins with its kind, ends
    /// with its last bracket, and has its comment directly above.
    pub(super) fn of(text: &str) -> Self {
        let mut entries = Self::default();
        let (mut comment, mut definition) = (Vec::new(), String::new());
        for line in text.lines() {
            if !definition.is_empty() {
                definition.extend([" ", line.trim()]);
            } else if let Some(about) = line.strip_prefix('#') {
                comment.push(about.strip_prefix(' ').unwrap_or(about));
                continue;
            } else {
                definition.push_str(line);
            }
            let is_open = definition.matches('(').count() > definition.matches(')').count();
            if !is_open {
                entries.add(&definition, &comment);
                comment.clear();
                definition.clear();
            }
        }
        entries
    }

    fn add(&mut self, definition: &str, comment: &[&str]) {
        let (kind, rest) = definition.split_once(' ').unwrap_or_default();
        let entries = match kind {
            "method" => &mut self.methods,
            "type" => &mut self.types,
            "error" => &mut self.errors,
            _ => return,
        };
        let rest = rest.replace("( ", "(").replace(" )", ")");
        entries.extend([".TP\n.B ", &literal(&rest), "\n", &about(comment), "\n"]);
    }
}

/// Comment lines in two columns become a list.
fn about(comment: &[&str]) -> String {
    let mut text = String::new();
    let mut in_list = false;
    for line in comment {
        let column = line.strip_prefix("  ").and_then(|line| line.split_once("  "));
        if column.is_some() != in_list {
            in_list = column.is_some();
            text += if in_list { ".RS\n" } else { ".RE\n" };
        }
        match column {
            Some((name, about)) => {
                text.extend([".TP\n.B ", &literal(name), "\n", &literal(about.trim()), "\n"]);
            }
            None => text.extend([&literal(line), "\n"]),
        }
    }
    if in_list {
        text += ".RE\n";
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_keeps_the_comment_directly_above_it() {
        let entries = Entries::of(
            "# Of all.\ninterface a.b\n\n# Of nothing.\n\n# Gives one.\nmethod One(a: ?int) -> (\n  b: int,\n  \
             c: []string\n)\nmethod Two() -> ()\n\n# Is it.\nerror Bad (why: string)\n",
        );
        assert_eq!(
            entries.methods,
            ".TP\n.B One(a: ?int) \\-> (b: int, c: []string)\nGives one.\n.TP\n.B Two() \\-> ()\n\n"
        );
        assert_eq!(entries.errors, ".TP\n.B Bad (why: string)\nIs it.\n");
        assert_eq!(entries.types, "");
    }

    #[test]
    fn comments_in_columns_become_a_list() {
        let text = about(&["What it is.", "  one    the first", "  two    the second-best"]);
        assert_eq!(text, "What it is.\n.RS\n.TP\n.B one\nthe first\n.TP\n.B two\nthe second\\-best\n.RE");
    }
}
