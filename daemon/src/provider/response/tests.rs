//! Answers with tokens. Each line is a test case.

use rstest::rstest;

use super::*;

const IMGUR: &str = r#"{"access_token":"aa11","expires_in":3600,"token_type":"bearer","scope":null,"refresh_token":"bb22","account_id":9042594,"account_username":"NAME"}"#;

fn imgurs() -> TokenResponse {
    TokenResponse {
        access_token: Some("aa11".into()),
        token_type: "Bearer".into(),
        refresh_token: Some("bb22".into()),
        expires_in: Some(3600),
        username: Some("NAME".into()),
        account_id: Some("9042594".into()),
        scope: None,
        refresh_expires_in: None,
        has_odd_refresh_token: false,
        id_token: None,
    }
}

fn read(body: &str) -> Option<TokenResponse> {
    read_bytes(body.as_bytes())
}

fn read_bytes(body: &[u8]) -> Option<TokenResponse> {
    TokenResponse::from_text(&text(body))
}

/// An answer in UTF-16, after a byte order mark.
fn utf16(body: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{body}").encode_utf16().flat_map(unit).collect()
}

/// The formats of these servers are documented in issues of clients that could not read them, as named.
#[rstest]
#[case(r#""read write""#, Some("read write"))]
#[case(r#"" read\n write ""#, Some("read write"))]
#[case(r#"["read","write"]"#, Some("read write"))]
#[case("null", None)]
#[case(r#""""#, None)]
#[case("[]", None)]
#[case("7", None)]
#[case("[7]", None)]
#[case(r#""r\u00e9ad""#, None)]
fn reads_a_scope_in_every_format(#[case] written: &str, #[case] scope: Option<&str>) {
    let tokens = read(&format!(r#"{{"access_token":"aa11","scope":{written}}}"#)).expect("a token");
    assert_eq!(tokens.scope.as_deref(), scope);
}

#[rstest]
#[case::azure_writes_numbers_as_text(br#"{"token_type":"Bearer","expires_in":"3599","ext_expires_in":"3599","expires_on":"1671217329","access_token":"A","refresh_token":"R"}"#, Some("R"), Some(3599))] // SecureAuthCorp/oauth2c, 37
#[case::twitch_lists_scopes(br#"{"access_token":"A","expires_in":14113,"refresh_token":"R","scope":["openid"],"token_type":"bearer"}"#, Some("R"), Some(14_113))] // ramosbugs/openidconnect-rs, 163
#[case::vk_names_no_type(
    br#"{"access_token":"A","expires_in":86400,"user_id":1856549,"email":"a@example.com"}"#,
    None,
    Some(86_400)
)] // crystal-lang/crystal, 4503
#[case::linkedin_names_no_type(br#"{"access_token":"A","expires_in":5184000,"refresh_token":"R","refresh_token_expires_in":525600,"scope":"r_basicprofile"}"#, Some("R"), Some(5_184_000))] // cmd-johnson/deno-oauth2-client, 37
#[case::facebook_of_old_sends_a_form(b"access_token=A&expires=5183999", None, None)] // oauthlib/oauthlib, 267
#[case::github_sends_a_form(b"access_token=A&expires_in=28800&refresh_token=R&refresh_token_expires_in=15897600&scope=&token_type=bearer", Some("R"), Some(28_800))] // ramosbugs/oauth2-rs, 33
#[case::slack_has_more_tokens_within(br#"{"ok":true,"access_token":"A","token_type":"bot","authed_user":{"id":"U1","access_token":"B"},"refresh_token":"R","expires_in":43200}"#, Some("R"), Some(43_200))]
#[case::foursquare_sends_the_token_alone(br#"{"access_token":"A"}"#, None, None)] // spring-projects/spring-security, 5118
#[case::google_repeats_no_refresh_token(br#"{"access_token":"A","expires_in":3594,"scope":"x","token_type":"Bearer","id_token":"e.y.J","refresh_token":null}"#, None, Some(3594))] // golang/oauth2, 655
#[case::a_type_that_is_null(
    br#"{"access_token":"A","token_type":null,"expires_in":null,"refresh_token":"R"}"#,
    Some("R"),
    None
)] // spring-attic/spring-security-oauth, 676
#[case::a_type_that_is_a_list(
    br#"{"access_token":"A","token_type":["bearer"],"refresh_token":"R"}"#,
    Some("R"),
    None
)]
#[case::behind_a_byte_order_mark(
    b"\xef\xbb\xbf{\"access_token\":\"A\",\"refresh_token\":\"R\"}",
    Some("R"),
    None
)] // ordercloud-api/ordercloud-javascript-sdk, 40
#[case::a_form_behind_a_byte_order_mark(b"\xef\xbb\xbfaccess_token=A&refresh_token=R", Some("R"), None)]
#[case::before_a_nul(b"{\"access_token\":\"A\",\"refresh_token\":\"R\"}\0", Some("R"), None)]
#[case::a_form_before_a_nul(b"access_token=A&refresh_token=R\0", Some("R"), None)]
#[case::before_line_ends(b"{\"access_token\":\"A\",\"refresh_token\":\"R\"}\r\n\r\n", Some("R"), None)]
#[case::a_name_in_latin_1(
    b"{\"access_token\":\"A\",\"refresh_token\":\"R\",\"account_username\":\"Jos\xe9\"}",
    Some("R"),
    None
)]
#[case::half_a_character(
    br#"{"access_token":"A","refresh_token":"R","account_username":"\ud83d"}"#,
    Some("R"),
    None
)]
#[case::escaped(br#"{"\u0061ccess_token":"\u0041","refresh_token":"\u0052"}"#, Some("R"), None)]
#[case::within_blanks_and_quotes(
    br#"{"access_token":" \"A\"\r\n","refresh_token":"\ufeffR"}"#,
    Some("R"),
    None
)]
#[case::with_a_nul_in_the_other_token(br#"{"access_token":"A","refresh_token":"R\u0000x"}"#, None, None)]
fn reads_the_responses_of_known_servers(
    #[case] body: &[u8],
    #[case] refresh_token: Option<&str>,
    #[case] expires_in: Option<i64>,
) {
    let tokens = read_bytes(body).expect("a token");
    assert_eq!(tokens.access_token, Some(Secret::from("A")));
    assert_eq!(tokens.refresh_token, refresh_token.map(Secret::from));
    assert_eq!(tokens.expires_in, expires_in);
}

#[test]
fn reads_utf_16_behind_its_byte_order_mark() {
    assert_eq!(read_bytes(&utf16(IMGUR, u16::to_le_bytes)), Some(imgurs()));
    assert_eq!(read_bytes(&utf16(IMGUR, u16::to_be_bytes)), Some(imgurs()));
}

#[test]
fn reads_imgurs_response() {
    assert_eq!(read(IMGUR), Some(imgurs()));
}

#[test]
fn reads_imgurs_response_inside_data() {
    assert_eq!(read(&format!(r#"{{"data":{IMGUR},"success":true,"status":200}}"#)), Some(imgurs()));
}

#[rstest]
#[case::as_github_has_it(r#"{"access_token":"a","refresh_token_expires_in":"1200"}"#)]
#[case::as_keycloak_has_it(r#"{"access_token":"a","refresh_expires_in":1200}"#)]
#[case::both(r#"{"access_token":"a","refresh_token_expires_in":1200,"refresh_expires_in":7}"#)]
fn reads_the_lifetime_of_the_refresh_token(#[case] json: &str) {
    assert_eq!(read(json).unwrap().refresh_expires_in, Some(1200));
}

#[test]
fn reads_behind_a_byte_order_mark() {
    assert_eq!(read(&format!("\u{feff}{IMGUR}")), Some(imgurs()));
}

#[rstest]
#[case::seconds("3600", Some(3600))]
#[case::four_weeks("2419200", Some(2_419_200))]
#[case::ten_years("315360000", Some(315_360_000))]
#[case::text(r#""3600""#, Some(3600))]
#[case::padded_text(r#"" 3600 ""#, Some(3600))]
#[case::fraction("3599.9", Some(3599))]
#[case::fraction_as_text(r#""3599.9""#, Some(3599))]
#[case::exponent("3.6e3", Some(3600))]
#[case::zero("0", Some(0))]
#[case::negative("-1", Some(-1))]
#[case::beyond_a_double("9007199254740993", Some(9_007_199_254_740_993))]
#[case::greatest("9223372036854775807", Some(i64::MAX))]
#[case::beyond_an_integer("9223372036854775808", Some(i64::MAX))]
#[case::beyond_a_large_one("18446744073709551616", Some(i64::MAX))]
#[case::beyond_any_number("1e400", Some(i64::MAX))]
#[case::below_any_number("-1e400", Some(i64::MIN))]
#[case::null("null", None)]
#[case::empty(r#""""#, None)]
#[case::word(r#""soon""#, None)]
#[case::infinite(r#""inf""#, None)]
#[case::not_a_number(r#""nan""#, None)]
#[case::with_a_unit(r#""3600s""#, None)]
#[case::boolean("true", None)]
#[case::list("[3600]", None)]
#[case::object("{}", None)]
fn reads_a_lifetime_in_every_format(#[case] written: &str, #[case] seconds: Option<i64>) {
    let tokens = read(&format!(r#"{{"access_token":"aa11","expires_in":{written}}}"#));
    assert_eq!(tokens.expect("the token is read with any lifetime").expires_in, seconds);
}

#[rstest]
#[case::number("9042594", Some("9042594"))]
#[case::text(r#""9042594""#, Some("9042594"))]
#[case::empty(r#""""#, None)]
#[case::null("null", None)]
#[case::object("{}", None)]
fn reads_an_account_id_in_every_format(#[case] written: &str, #[case] id: Option<&str>) {
    let tokens = read(&format!(r#"{{"access_token":"aa11","account_id":{written}}}"#)).expect("a token");
    assert_eq!(tokens.account_id.as_deref(), id);
}

#[rstest]
#[case::missing(r#"{"access_token":"aa11"}"#, "Bearer")]
#[case::null(r#"{"access_token":"aa11","token_type":null}"#, "Bearer")]
#[case::empty(r#"{"access_token":"aa11","token_type":""}"#, "Bearer")]
#[case::lower_case(r#"{"access_token":"aa11","token_type":"bearer"}"#, "Bearer")]
#[case::upper_case(r#"{"access_token":"aa11","token_type":"BEARER"}"#, "Bearer")]
#[case::another(r#"{"access_token":"aa11","token_type":"mac"}"#, "mac")]
fn names_the_token_type_canonically(#[case] json: &str, #[case] token_type: &str) {
    assert_eq!(read(json).expect("a token").token_type, token_type);
}

#[rstest]
#[case::null("null")]
#[case::empty(r#""""#)]
#[case::blank(r#"" ""#)]
#[case::no("false")]
#[case::list("[]")]
fn treats_empty_values_as_no_refresh_token(#[case] written: &str) {
    let tokens = read(&format!(r#"{{"access_token":"aa11","refresh_token":{written}}}"#)).expect("a token");
    assert_eq!((tokens.refresh_token, tokens.has_odd_refresh_token), (None, false));
}

#[rstest]
#[case::number("1.5")]
#[case::object(r#"{"value":"bb22"}"#)]
#[case::letters("\"caf\u{e9}\"")]
#[case::twice(r#""bb22","refresh_token":"cc33""#)]
fn reports_an_unreadable_refresh_token(#[case] written: &str) {
    let tokens = read(&format!(r#"{{"access_token":"aa11","refresh_token":{written}}}"#)).expect("a token");
    assert_eq!((tokens.refresh_token, tokens.has_odd_refresh_token), (None, true));
}

#[test]
fn reads_tokens_written_as_numbers() {
    let tokens = read(r#"{"access_token":17,"refresh_token":12345678901234567890123}"#).expect("a token");
    assert_eq!(tokens.access_token, Some("17".into()));
    assert_eq!(tokens.refresh_token, Some("12345678901234567890123".into()));
}

#[rstest]
#[case::nothing("")]
#[case::no_form("access_token aa11")]
#[case::truncated(&IMGUR[..IMGUR.len() - 9])]
#[case::trailing(r#"{"access_token":"aa11"} and more"#)]
#[case::list("[]")]
#[case::text(r#""aa11""#)]
#[case::no_token("{}")]
#[case::empty_token(r#"{"access_token":""}"#)]
#[case::null_token(r#"{"access_token":null}"#)]
#[case::fraction_as_token(r#"{"access_token":1.7}"#)]
#[case::message(r#"{"refresh_token":"The refresh token of 2026 is bad"}"#)]
#[case::message_of_one_word(r#"{"refresh_token":"invalid"}"#)]
#[case::data_is_false(r#"{"data":false,"success":false,"status":500}"#)]
#[case::data_is_text(r#"{"data":"aa11"}"#)]
fn finds_no_token_in_other_texts(#[case] body: &str) {
    assert_eq!(read(body), None);
}

#[rstest]
#[case::alone(r#"{"refresh_token":"bb22"}"#)]
#[case::empty(r#"{"access_token":"","refresh_token":"bb22"}"#)]
#[case::null(r#"{"access_token":null,"refresh_token":"bb22","expires_in":3600}"#)]
#[case::control(r#"{"access_token":"a\u0000b","refresh_token":"bb22"}"#)]
#[case::number(r#"{"access_token":1.5,"refresh_token":"bb22"}"#)]
#[case::twice(r#"{"access_token":"aa11","access_token":"cc33","refresh_token":"bb22"}"#)]
#[case::inside_data(r#"{"data":{"access_token":"","refresh_token":"bb22"},"success":true}"#)]
#[case::form("access_token=&refresh_token=bb22&token_type=bearer")]
fn keeps_the_refresh_token_if_the_access_token_cannot_be_read(#[case] body: &str) {
    let tokens = read(body).expect("a refresh token");
    assert_eq!((tokens.access_token, tokens.refresh_token), (None, Some("bb22".into())));
}

#[test]
fn reads_a_redirect_fragment() {
    let fragment = "access_token=aa11&expires_in=315360000&token_type=bearer&refresh_token=bb22&account_username=NAME&account_id=114888747";
    let tokens = TokenResponse::from_pairs(url::form_urlencoded::parse(fragment.as_bytes()));
    let expected =
        TokenResponse { expires_in: Some(315_360_000), account_id: Some("114888747".into()), ..imgurs() };
    assert_eq!(tokens, Some(expected));
}

#[test]
fn finds_no_token_in_the_fragment_of_a_denial() {
    assert_eq!(TokenResponse::from_pairs([("error", "access_denied"), ("state", "s")]), None);
    assert_eq!(TokenResponse::from_pairs([("refresh_token", "bb22"), ("state", "s")]), None);
}

#[rstest]
#[case::as_github_answers(
    "access_token=aa11&refresh_token=bb22&expires_in=3600&token_type=bearer&account_username=NAME&account_id=9042594"
)]
#[case::with_a_line_end(
    "access_token=aa11&refresh_token=bb22&expires_in=3600&token_type=bearer&account_username=NAME&account_id=9042594\r\n"
)]
#[case::twice_alike(
    r#"{"access_token":"aa11","access_token":"aa11","expires_in":3600,"token_type":"bearer","refresh_token":"bb22","refresh_token":"bb22","account_id":9042594,"account_username":"NAME"}"#
)]
fn reads_tokens_in_every_unambiguous_form(#[case] body: &str) {
    assert_eq!(read(body), Some(imgurs()));
}

#[rstest]
#[case(r#"{"access_token":"aa11","access_token":"cc33"}"#)]
#[case("access_token=aa11&access_token=cc33")]
#[case("<a href='?access_token=aa11'>")]
#[case("see access_token=aa11")]
#[case("error=bad_refresh_token")]
#[case(r#"{"ok":true,"authed_user":{"access_token":"aa11"}}"#)]
#[case(r#"[{"access_token":"aa11"}]"#)]
#[case("<Access_Token><Token>aa11</Token></Access_Token>")]
#[case("callback({\"access_token\":\"aa11\"})")]
#[case(")]}',\n{\"access_token\":\"aa11\"}")]
fn does_not_guess_a_token(#[case] body: &str) {
    assert_eq!(read(body), None);
}

#[test]
fn keeps_the_access_token_if_the_refresh_token_is_ambiguous() {
    let tokens = read(r#"{"access_token":"aa11","refresh_token":"bb22","refresh_token":"cc33"}"#).unwrap();
    assert_eq!((tokens.access_token, tokens.refresh_token), (Some("aa11".into()), None));
}

#[test]
fn the_debug_output_has_no_tokens() {
    let tokens = imgurs();
    assert!(!format!("{tokens:?}").contains("aa11"));
    assert!(!format!("{tokens:?}").contains("bb22"));
}
