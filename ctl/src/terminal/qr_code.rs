//! A QR code for a phone, in half blocks.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// White on black in every terminal: entries of the 256 colours that no theme changes. Light modules are drawn, and
/// dark modules are the background.
const COLORS: &str = "\x1b[38;5;231;48;5;16m";

/// The code of `text`, with a line break after each line; `None` if the text is too long. It includes the light margin that
/// scanners need.
pub(crate) fn qr_code(text: &str, is_colored: bool) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    let line = |line: &str| if is_colored { format!("{COLORS}{line}\x1b[0m\n") } else { format!("{line}\n") };
    Some(picture.lines().map(line).collect())
}

/// The width in columns.
pub(crate) fn width(picture: &str) -> usize {
    let line = picture.lines().next().unwrap_or_default();
    line.trim_start_matches(COLORS).trim_end_matches("\x1b[0m").chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://as.example/device?user_code=WDJB-MJHT";

    #[test]
    fn the_code_has_a_margin_and_two_modules_per_character() {
        let code = qr_code(URL, false).expect("a code");
        let lines: Vec<&str> = code.lines().collect();
        let modules = QrCode::with_error_correction_level(URL, EcLevel::L).unwrap().width() + 8;
        assert_eq!((lines.len(), width(&code)), (modules.div_ceil(2), modules));
        let is_light = |line: &str| line.chars().all(|c| c == '\u{2588}');
        assert!(is_light(lines[0]) && is_light(lines[1]), "{code}");
        assert!(
            lines
                .iter()
                .all(|line| line.starts_with("\u{2588}\u{2588}\u{2588}\u{2588}")
                    || line.starts_with('\u{2580}'))
        );
    }

    #[test]
    fn colours_do_not_change_the_code() {
        let (plain, coloured) = (qr_code(URL, false).expect("a code"), qr_code(URL, true).expect("a code"));
        assert_eq!(coloured.replace(COLORS, "").replace("\x1b[0m", ""), plain);
        assert_eq!(width(&coloured), width(&plain));
    }

    #[test]
    fn returns_none_for_a_text_that_is_too_long() {
        assert_eq!(qr_code(&"x".repeat(4000), false), None);
    }
}
