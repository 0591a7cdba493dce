//! Texts that users paste, and what imgurd reads from them. Each line is a test case.

use imgurd_proto::text;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn error(code: &str, description: Option<&str>) -> Content {
    Content::Error { code: code.to_owned(), description: description.map(ToOwned::to_owned) }
}

fn code(text: &str) -> Content {
    Content::Code(Secret::from(text))
}

#[rstest]
#[case("http://127.0.0.1:8917/callback?state=S&code=abc", Some("S"), code("abc"))]
#[case("http://127.0.0.1:8917/callback?error=access_denied&state=S", Some("S"), Content::Denied { description: None })]
#[case("http://127.0.0.1:8917/callback?state=S#error=access_denied", Some("S"), Content::Denied { description: None })]
#[case("https://as.example/cb?error=invalid_scope&state=S", Some("S"), error("invalid_scope", None))]
#[case("?error=x&error_description=no%1b+way%0a&state=S", Some("S"), error("x", Some("no way ")))]
#[case("imgur.com/?state=S&code=abc", Some("S"), code("abc"))]
#[case("state=S&code=abc", Some("S"), code("abc"))]
#[case("<http://127.0.0.1:8917/callback?state=S&code=abc>", Some("S"), code("abc"))]
#[case("https://imgur.com/?state=S#state=S&code=abc", Some("S"), code("abc"))]
#[case("http://127.0.0.1:8917/callback?state=S&code=abc.", Some("S"), code("abc"))]
#[case("(http://127.0.0.1:8917/callback?code=abc&state=S).", Some("S"), code("abc"))]
#[case("http://127.0.0.1:8917/callback?state=S&amp;code=abc%2E%29,", Some("S"), code("abc.)"))]
#[case("http://127.0.0.1:8917/callback?state=S&code=a(b)", Some("S"), code("a(b)"))]
#[case("code=abc;", None, code("abc"))]
#[case("ab1.", None, code("ab1."))]
#[case("(abc)", None, code("(abc)"))]
#[case("code=4%2F0Ab", None, code("4/0Ab"))]
#[case("\u{feff}\"4/0Ab=\"", None, code("4/0Ab="))]
#[case("  ab1\n", None, code("ab1"))]
#[case("\u{a0}“ab1”\u{2028}", None, code("ab1"))]
#[case("\u{202e}ab1\u{200b}\u{2060}", None, code("ab1"))]
// With a label, in backticks, pasted twice, or encoded once more.
#[case("URL: http://127.0.0.1:8917/callback?state=S&code=abc", Some("S"), code("abc"))]
#[case("location: <http://127.0.0.1:8917/callback?state=S&code=abc>\r\n", Some("S"), code("abc"))]
#[case("Code: 4/0Ab", None, code("4/0Ab"))]
#[case("`http://127.0.0.1:8917/callback?state=S&code=abc`", Some("S"), code("abc"))]
#[case("```\nhttp://127.0.0.1:8917/callback?state=S&code=abc\n```", Some("S"), code("abc"))]
#[case("http://127.0.0.1/?state=S&code=abc http://127.0.0.1/?state=S&code=abc", Some("S"), code("abc"))]
#[case("http://127.0.0.1/?state=S&code=abchttp://127.0.0.1/?state=S&code=abc", Some("S"), code("abc"))]
#[case("http%3A%2F%2F127.0.0.1%3A8917%2Fcallback%3Fstate%3DS%26code%3Da%252Fb", Some("S"), code("a/b"))]
#[case("abcdefghijklmnopq", None, code("abcdefghijklmnopq"))]
#[case("?state=S&code=%22abc%22%0d%0a", Some("S"), code("abc"))]
#[case("?state=S&code=a+b~!", Some("S"), code("a b~!"))]
fn reads_pasted_answers(#[case] text: &str, #[case] state: Option<&str>, #[case] content: Content) {
    let answer = from_paste(&Secret::from(text), Flow::Code).unwrap();
    assert_eq!(answer, AuthorizationResponse { state: state.map(Secret::from), iss: None, content });
}

#[rstest]
#[case(
    "https://imgur.com/#state=S&access_token=AT&expires_in=315360000&token_type=bearer&refresh_token=RT&account_username=NAME&account_id=114888747"
)]
#[case(
    "https://www.getpostman.com/oauth2/callback?state=S#access_token=AT&expires_in=315360000&token_type=bearer&refresh_token=RT&account_username=NAME&account_id=114888747"
)]
fn reads_the_fragment_of_imgurs_token_flow(#[case] text: &str) {
    let answer = from_paste(&Secret::from(text), Flow::Token).unwrap();
    let Content::Tokens(tokens) = answer.content else { panic!("{answer:?}") };
    assert_eq!(tokens.refresh_token, Some(Secret::from("RT")));
    assert_eq!(tokens.username.as_deref(), Some("NAME"));
    assert_eq!(tokens.expires_in, Some(315_360_000));
}

#[test]
fn reads_a_pin() {
    let answer = from_paste(&Secret::from("0123456"), Flow::Pin).unwrap();
    assert_eq!(answer.content, Content::Pin(Secret::from("0123456")));
}

#[test]
fn a_pin_may_look_like_a_word() {
    for (text, is_pin) in [
        ("WDJBMJHT", true),
        ("WDJB-MJHT", true),
        ("fadebead", true),
        ("PIN: 47110815", true),
        ("quit", false),
    ] {
        assert_eq!(from_paste(&Secret::from(text), Flow::Pin).is_ok(), is_pin, "{text}");
    }
}

#[rstest]
#[case("")]
#[case("<\"\">")]
#[case("two words")]
#[case("https://imgur.com/")]
#[case("imgur.com/")]
#[case("localhost/callback")]
#[case("127.0.0.1:8917/callback?foo=bar")]
#[case("https://imgur.com/?code=abc")]
#[case("?code=abc")]
#[case("state=S&code=abc&code=abc")]
#[case("state=S&code=abc&state=T")]
#[case("https://imgur.com/?state=S#state=T&code=abc")]
#[case("state=S&access_token=AT")]
#[case("state=S&pin=123")]
#[case("state=S&code=a%00b")]
#[case("state=S&code=a%FFb")]
#[case("state=S&code=%ED%A0%BD")]
#[case("state=S&code=a%E2%80%AEb")]
#[case("state=S&code=%22%22")]
#[case("a\0")]
#[case("a\u{2028}b")]
#[case("a\u{200b}b")]
#[case("ab\u{fffd}")]
#[case("4%2F0Ab")]
#[case("name=value")]
#[case("a\u{e9}b")]
#[case("http://127.0.0.1:8917/callback?state=S&code=abc...")]
#[case("(http://127.0.0.1:8917/callback?code=abc&state=S\u{2026})")]
#[case("abc...")]
#[case("abc")]
#[case("quit")]
#[case("Help")]
#[case("about:blank")]
#[case("mailto:alice@example.com")]
#[case("localhost:8917")]
#[case("myapp:callback")]
#[case("ftp://example.com/")]
#[case("URL: about:blank")]
#[case("code: quit")]
#[case("http://127.0.0.1/?state=S&code=abc http://127.0.0.1/?state=S&code=abd")]
#[case("http%3A%2F%2F127.0.0.1%2F")]
#[case(r#"{"code":"abc"}"#)]
fn rejects_unclear_pastes_with_advice(#[case] text: &str) {
    let error = from_paste(&Secret::from(text), Flow::Code).unwrap_err();
    assert!(matches!(&error, Error::InvalidArgument { field, .. } if field == "response"), "{error:?}");
}

#[rstest]
#[case(Flow::Token, "?state=S#access_token=a%0Ab&refresh_token=RT")]
#[case(Flow::Token, "?state=S#access_token=AT&refresh_token=R%00T")]
#[case(Flow::Token, "?state=S#access_token=AT&refresh_token=%C3%A9")]
#[case(Flow::Code, "?state=S&code=a%0Ab")]
#[case(Flow::Pin, "?state=S&pin=%F0%9F%A6%80")]
fn rejects_credentials_with_invalid_characters(#[case] flow: Flow, #[case] text: &str) {
    let error = from_paste(&Secret::from(text), flow).unwrap_err().to_string();
    assert!(error.contains("invalid characters"), "{error}");
}

#[rstest]
#[case("a".repeat(4097))]
#[case("a".repeat(1_000_000))]
#[case(format!("{} ab1", "\u{200b}".repeat(100_000)))]
fn reads_a_long_text_quickly(#[case] text: String) {
    let is_read = from_paste(&Secret::from(text.as_str()), Flow::Code).is_ok();
    assert_eq!(is_read, text.ends_with(" ab1"));
}

#[test]
fn ignores_texts_too_short_for_a_code_or_pin() {
    for text in ["q", "ok", "y\n", "\"\""] {
        assert!(from_paste(&Secret::from(text), Flow::Code).is_err(), "{text:?}");
        assert!(from_paste(&Secret::from(text), Flow::Pin).is_err(), "{text:?}");
    }
}

/// Values as they occur in addresses, and some that do not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9a-f]{40}", "[0-9]{4,10}", "\\PC{0,40}", "(%[0-9a-fA-F]{0,2}|[+&=#?`<]){0,12}", "x{5000}"]
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let names =
        vec!["code", "pin", "state", "error", "access_token", "refresh_token", "expires_in", "token_type"];
    let name = prop_oneof![prop::sample::select(names).prop_map(String::from), "\\PC{0,8}"];
    prop::collection::vec((name, value()), 0..6)
}

fn encoded(pairs: &[(String, String)], is_encoded: bool) -> String {
    if is_encoded {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        // A full stop at the end would be the sentence's.
        return text.strip_suffix('.').map(|text| format!("{text}%2E")).unwrap_or(text);
    }
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn base() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "http://127.0.0.1:8917/callback",
            "http://[::1]:1/",
            "https://www.getpostman.com/oauth2/callback",
            "https://imgur.com/",
            "myapp:/callback",
            "HTTP://Localhost/",
            "",
        ][..],
    )
}

/// An address that may contain secrets, and those secrets.
fn address() -> impl Strategy<Value = (String, Vec<String>)> {
    (base(), pairs(), pairs(), any::<bool>()).prop_map(|(base, query, fragment, is_encoded)| {
        let text = format!("{base}?{}#{}", encoded(&query, is_encoded), encoded(&fragment, is_encoded));
        // Shorter values occur in error texts by chance, and an error code is meant to be shown.
        let is_secret = |(name, value): &&(String, String)| value.trim().len() >= 8 && name != "error";
        let secrets =
            query.iter().chain(&fragment).filter(is_secret).map(|(_, value)| value.trim().to_owned());
        (text, secrets.collect())
    })
}

fn errors_of(text: &str) -> Vec<String> {
    let text = Secret::from(text);
    let pasted = [Flow::Code, Flow::Token, Flow::Pin].map(|flow| from_paste(&text, flow).err());
    pasted.into_iter().flatten().map(|error| error.to_string()).collect()
}

proptest! {
    #[test]
    fn no_text_panics_or_appears_in_an_error(text in prop_oneof!["\\PC{0,200}", "[ -~\\n\\t]{0,200}"]) {
        for error in errors_of(&text) {
            prop_assert!(text.trim().len() < 8 || !error.contains(text.trim()));
        }
    }

    #[test]
    fn no_url_panics_or_reveals_secrets_in_an_error((text, secrets) in address()) {
        for error in errors_of(&text) {
            for secret in &secrets {
                prop_assert!(!error.contains(secret.as_str()), "{error}");
            }
        }
    }

    #[test]
    fn the_debug_output_of_an_answer_has_no_secrets((text, secrets) in address()) {
        if let Ok(answer) = from_paste(&Secret::from(text), Flow::Code) {
            let shown = format!("{answer:?}");
            // Usernames, scopes and token types are not secrets.
            let AuthorizationResponse { iss: None, content: Content::Code(_) | Content::Pin(_) | Content::Denied { description: None }, .. } = answer else {
                return Ok(());
            };
            for secret in &secrets {
                prop_assert!(!shown.contains(secret.as_str()), "{shown}");
            }
        }
    }

    #[test]
    fn finds_the_code_in_the_query_or_fragment(
        base in base().prop_filter("an address", |base| base.contains("://")),
        code in "[!-&(-~]{1,60}".prop_filter("bare", |code| !code.starts_with('"') && !code.ends_with('"')),
        state in "[a-zA-Z0-9_-]{1,60}",
        in_fragment: bool,
        spaces in "[ \\t\\n]{0,3}",
    ) {
        let pairs = [("state".to_owned(), state.clone()), ("code".to_owned(), code.clone())];
        let separator = if in_fragment { '#' } else { '?' };
        let text = format!("{spaces}{base}{separator}{}{spaces}", encoded(&pairs, true));
        let answer = from_paste(&Secret::from(text), Flow::Code).unwrap();
        prop_assert_eq!(answer.state, Some(Secret::from(state)));
        prop_assert_eq!(answer.content, Content::Code(Secret::from(code)));
    }

    #[test]
    fn reads_tokens_from_the_fragment_and_state_from_the_query(
        base in base().prop_filter("an address", |base| base.contains("://")),
        tokens in ("[0-9a-f]{40}", "[0-9a-f]{40}", "\\PC{1,30}"),
        state in "[a-zA-Z0-9_-]{1,60}",
        expires_in: i64,
    ) {
        let (access, refresh, name) = tokens;
        let fragment = [
            ("access_token", access.clone()), ("expires_in", expires_in.to_string()),
            ("token_type", "bearer".to_owned()), ("refresh_token", refresh.clone()),
            ("account_username", name.clone()), ("account_id", "114888747".to_owned()),
        ].map(|(name, value)| (name.to_owned(), value));
        let text = format!("{base}?state={state}#{}", encoded(&fragment, true));
        let answer = from_paste(&Secret::from(text), Flow::Token).unwrap();
        prop_assert_eq!(answer.state, Some(Secret::from(state)));
        let Content::Tokens(tokens) = answer.content else { return Err(TestCaseError::fail("no tokens")) };
        prop_assert_eq!(tokens.access_token, Some(Secret::from(access)));
        prop_assert_eq!(tokens.refresh_token, Some(Secret::from(refresh)));
        prop_assert_eq!(tokens.expires_in, Some(expires_in));
        prop_assert_eq!(tokens.username, text::name(&name));
    }
}
