//! Text in lines of a limited width.

/// Breaks a line at blanks into parts of at most `columns` characters. A longer word stays whole.
pub fn wrap(line: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + word.trim_end().chars().count() > columns {
            lines.push(String::new());
        }
        lines.last_mut().into_iter().for_each(|line| line.push_str(word));
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
#[test]
fn breaks_a_line_at_blanks_without_losing_text() {
    assert_eq!(wrap("  one two three", 9), ["  one two", "three"]);
    assert_eq!(wrap("a-word-of-its-own b", 5), ["a-word-of-its-own", "b"]);
    assert_eq!(wrap("", 5), [""]);
}
