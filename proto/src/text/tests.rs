//! What each check accepts, as tables and as properties.

use proptest::prelude::*;

use super::*;

#[test]
fn an_address_is_read_as_mail_documents_and_shells_write_it() {
    let address = "https://a.example/cb?code=1&state=2";
    for written in [
        address.to_owned(),
        format!(" <{address}> "),
        format!("\"{address}\""),
        format!("[the page]({address})"),
        "https://a.example/cb\\?code\\=1\\&state\\=2".to_owned(),
        address.replace('&', "&amp;"),
    ] {
        assert_eq!(bare_address(&written), address, "{written}");
    }
    assert_eq!(bare_address("back\\slash"), "back\\slash");
}

#[test]
fn an_address_has_no_punctuation_of_the_sentence_around_it() {
    let address = "https://a.example/cb?state=2&code=1";
    for (before, behind) in [
        ("", "."),
        ("", ","),
        ("", ";"),
        ("", ")"),
        ("", ")."),
        ("", ">"),
        ("", "]"),
        ("", "\""),
        ("", "\u{201d}"),
        ("", "'."),
        ("\"", ".\""),
        ("(", ")"),
        ("(", ".)"),
        ("(<", ">)."),
        ("[the page](", "),"),
        ("", "\u{3002}"),
    ] {
        assert_eq!(bare_address(&format!("{before}{address}{behind}")), address, "{before}{behind}");
    }
    for kept in [
        "?state=2&code=a%2E",
        "?state=2&code=a(b)",
        "?state=2&code=a!",
        "?code=a&state=2..",
        "?code=a&state=2\u{2026}",
        "abc.",
        "(abc)",
        "4/0Ab=.",
    ] {
        assert_eq!(bare_address(kept), kept);
    }
    for end in [").", "."] {
        assert!(bare_address(&format!("?code={}", end.repeat(100_000))).len() > 100_000);
    }
}

#[test]
fn a_text_that_a_program_shortened_ends_with_dots() {
    for text in ["?code=a...", "?code=a..", "abc\u{2026}"] {
        assert!(is_shortened(text), "{text}");
    }
    assert!(!is_shortened("?code=a.") && !is_shortened(""));
}

#[test]
fn removes_control_and_format_characters() {
    let text = "\u{1b}[31mred\u{7} \u{9b}2Jc1\nline\u{2028}end\u{202e}rtl\u{200b}\u{feff}\0";
    assert_eq!(printable(text), "[31mred 2Jc1 line endrtl");
    assert!(!is_printable(text));
    assert!(is_printable(&printable(text)));
    assert!(is_printable("Zoë 🦀 日本"));
}

#[test]
fn removes_the_system_error_number_from_a_cause() {
    let missing = std::io::Error::from_raw_os_error(2);
    assert_eq!(cause(&missing), "No such file or directory");
    assert_eq!(
        cause(&format_args!("a: {missing}: {missing}; b (c)")),
        "a: No such file or directory: No such file or directory; b (c)"
    );
    assert_eq!(cause(&"cut short (os error 2"), "cut short (os error 2");
}

#[test]
fn limits_the_length_of_a_name() {
    assert_eq!(printable_name(&"ä".repeat(200)).chars().count(), LONGEST_NAME);
    assert_eq!(name(&format!("{} b", "a".repeat(LONGEST_NAME - 1))), Some("a".repeat(LONGEST_NAME - 1)));
    assert_eq!(name("\r\n alice\u{200b}\0"), Some("alice".to_owned()));
    assert_eq!(name("\u{feff} \u{202e}\0"), None);
}

/// Characters that are copied along with a text.
const AROUND: [&str; 20] = [
    "", " ", "\t", "\r\n", "\u{a0}", "\u{2007}", "\u{2028}", "\u{2029}", "\u{3000}", "\u{feff}", "\u{200b}",
    "\u{200d}", "\u{200e}", "\u{202e}", "\u{2060}", "\"", "'", "“", "”", "„",
];

/// Characters that no credential contains.
const ODD: [&str; 16] = [
    "\0", "\t", "\n", "\r\n", "\u{1b}", "\u{7f}", "\u{85}", "\u{a0}", "é", "\u{200b}", "\u{202e}",
    "\u{2028}", "\u{fe0f}", "\u{feff}", "\u{fffd}", "🦀",
];

#[test]
fn strips_spaces_and_quotes_around_a_credential() {
    for around in AROUND {
        assert_eq!(credential(&format!("{around}a b~%00{around}")), Some("a b~%00"), "{around:?}");
        assert_eq!(credential(around), None, "{around:?}");
    }
}

#[test]
fn refuses_a_credential_with_an_invalid_character() {
    for odd in ODD {
        assert_eq!(credential(&format!("a{odd}b")), None, "{odd:?}");
    }
    for text in ["a\0", "\0a", "\u{1b}a", "a\u{fffd}"] {
        assert_eq!(credential(text), None, "{text:?}");
    }
}

#[test]
fn refuses_texts_that_may_be_something_else_than_a_credential() {
    for text in [
        "0123456789abcdef",
        "4/0Ab=",
        "1//0g-x_y",
        "e30.e30.c2ln",
        "xoxe-1-a:b",
        "$2y$10$a",
        "M.C5_BAY.0.U.-a!b*c$",
        "YWI=",
        "YQ==",
        "“a”\r\n",
    ] {
        assert_eq!(lone_credential(text), credential(text), "{text:?}");
    }
    for text in [
        "two words",
        "4%2F0Ab",
        "%00",
        "{a",
        "[a]",
        "<a>",
        "a&b",
        "a\"b",
        "https://a/b",
        "a\0",
        "",
        "?a",
        "a#b",
        "name=value",
        "=",
        "imgur.com/a",
        "localhost/a",
        "127.0.0.1:8917/a",
    ] {
        assert_eq!(lone_credential(text), None, "{text:?}");
    }
    assert!(lone_credential(&"a".repeat(4096)).is_some() && lone_credential(&"a".repeat(4097)).is_none());
}

#[test]
fn decodes_utf_8_and_utf_16() {
    let utf16 = |mark: u16, unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        [mark].into_iter().chain("é🦀".encode_utf16()).flat_map(unit).collect()
    };
    assert_eq!(decoded("é🦀".as_bytes()), "é🦀");
    assert_eq!(decoded("\u{feff}é🦀".as_bytes()), "é🦀");
    assert_eq!(decoded(&utf16(0xfeff, u16::to_le_bytes)), "é🦀");
    assert_eq!(decoded(&utf16(0xfeff, u16::to_be_bytes)), "é🦀");
    assert_eq!(decoded(b"a\0b\0"), "ab");
    assert_eq!(decoded(b"\0a\0b"), "ab");
    assert_eq!(decoded(b"a\0\0\0b\0\0\0"), "a\0\0\0b\0\0\0");
    assert_eq!(decoded(b"Jos\xe9"), "Jos\u{fffd}");
    assert_eq!(decoded(b"\xff\xfe\x3d\xd8a"), "\u{fffd}");
}

proptest! {
    #[test]
    fn returns_every_credential_unchanged(text in "[ -~]{0,80}", around in prop::sample::select(AROUND.to_vec())) {
        let text = bare(&text);
        prop_assume!(!text.is_empty());
        let copied = format!("{around}{text}{around}");
        prop_assert_eq!(credential(&copied), Some(text));
    }

    #[test]
    fn refuses_every_other_text(
        ends in ("[!-~&&[^'\"]]{1,9}", "[!-~&&[^'\"]]{1,9}"),
        odd in "[^ -~]{1,3}",
    ) {
        let text = format!("{}{odd}{}", ends.0, ends.1);
        prop_assert_eq!(credential(&text), None);
    }

    #[test]
    fn every_check_accepts_its_own_result(text in "(.|[\\x00-\\x20\"'\u{200b}\u{feff}\u{202e}\u{a0}]){0,200}") {
        if let Some(credential) = credential(&text) {
            prop_assert!(is_credential(credential));
            prop_assert_eq!(super::credential(credential), Some(credential));
        }
        let shown = printable(&text);
        prop_assert!(is_printable(&shown));
        prop_assert_eq!(&printable(&shown), &shown);
        let short = printable_name(&text);
        prop_assert!(is_printable(&short) && short.chars().count() <= LONGEST_NAME);
        prop_assert_eq!(&printable_name(&short), &short);
        if let Some(name) = name(&text) {
            prop_assert!(is_printable(&name) && name.chars().count() <= LONGEST_NAME);
            prop_assert_eq!(super::name(&name), Some(name));
        }
    }

    #[test]
    fn decoding_accepts_all_bytes_and_its_own_result(bytes: Vec<u8>) {
        let text = decoded(&bytes);
        prop_assert_eq!(decoded(text.as_bytes()), text.trim_start_matches('\u{feff}'));
    }
}
