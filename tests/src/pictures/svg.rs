//! Text of a terminal as an SVG.

use std::fmt::Write as _;

use crate::columns::wrap;

/// The columns of a line. A longer line is wrapped.
const COLUMNS: usize = 96;
/// The width of a column and the height of a line, in pixels.
const COLUMN: f32 = 8.4;
const LINE: usize = 20;
/// The margin around the text, and the height of the title bar.
const MARGIN: usize = 16;
const TITLE: usize = 36;

/// Colours for the window's dark background, by number of SGR (ECMA-48, section 8.3.117).
const STYLE: &str = "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
    fill:#e6e6e6;white-space:pre}\
    .c1{font-weight:bold}.c2{fill:#9aa4b2}.c31{fill:#ff7b72}.c32{fill:#7ee787}.c33{fill:#f2cc60}.c34{fill:#79c0ff}\
    .c35{fill:#d2a8ff}.c36{fill:#76e3ea}.c90{fill:#9aa4b2}";

/// Draws the lines in a window.
pub(super) fn draw(text: &str) -> String {
    // Lines with colours belong to a table, which imgurctl already fits into the terminal.
    let lines: Vec<String> = text
        .lines()
        .flat_map(|line| if line.contains('\x1b') { vec![line.to_owned()] } else { wrap(line, COLUMNS) })
        .collect();
    let columns =
        lines.iter().map(|line| spans(line).iter().map(|(_, text)| text.chars().count()).sum()).max();
    #[expect(clippy::cast_precision_loss, reason = "a terminal has few columns")]
    let width = (columns.unwrap_or(0_usize) as f32).mul_add(COLUMN, 2.0 * 16.0).ceil();
    let height = TITLE + lines.len() * LINE + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#161b22\"/>\n\
         <g fill=\"#484f58\"><circle cx=\"20\" cy=\"18\" r=\"5\"/><circle cx=\"38\" cy=\"18\" r=\"5\"/>\
         <circle cx=\"56\" cy=\"18\" r=\"5\"/></g>\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let y = TITLE + number * LINE + LINE - 5;
        writeln!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{y}\">{}</text>",
            spans(line).iter().map(span).collect::<String>()
        )
        .unwrap();
    }
    svg + "</svg>\n"
}

/// The parts of a line, each with its SGR parameters.
fn spans(line: &str) -> Vec<(Vec<u8>, &str)> {
    let (mut spans, mut current) = (Vec::new(), Vec::new());
    for (number, part) in line.split("\x1b[").enumerate() {
        let mut text = part;
        if number > 0 {
            let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
            let (sequence, rest) = part.split_at(end);
            text = rest;
            if let Some(parameters) = sequence.strip_suffix('m') {
                // `38;5;10` is the bright form of `32`.
                let parameters = parameters.strip_prefix("38;5;").map_or_else(
                    || parameters.to_owned(),
                    |number| format!("{}", 30 + number.parse().unwrap_or(7) % 8),
                );
                for parameter in parameters.split(';') {
                    match parameter.parse().unwrap_or(0) {
                        0 | 22 | 39 => current.clear(),
                        colour => current.push(colour),
                    }
                }
            }
        }
        if !text.is_empty() {
            spans.push((current.clone(), text));
        }
    }
    spans
}

fn span((parameters, text): &(Vec<u8>, &str)) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    if parameters.is_empty() {
        return text;
    }
    let classes: Vec<_> = parameters.iter().map(|parameter| format!("c{parameter}")).collect();
    format!("<tspan class=\"{}\">{text}</tspan>", classes.join(" "))
}
