use rstest::rstest;

use super::*;

const IMGUR: &str = r#"{"access_token":"aa11","expires_in":3600,"token_type":"bearer","scope":null,"refresh_token":"bb22","account_id":9042594,"account_username":"NAME"}"#;

fn imgurs() -> TokenResponse {
    TokenResponse {
        access_token: "aa11".into(),
        token_type: "Bearer".into(),
        refresh_token: Some("bb22".into()),
        expires_in: Some(3600),
        username: Some("NAME".into()),
        account_id: Some("9042594".into()),
        refresh_expires_in: None,
    }
}

fn read(json: &str) -> Option<TokenResponse> {
    TokenResponse::from_body(json.as_bytes())
}

#[test]
fn reads_what_imgur_answers() {
    assert_eq!(read(IMGUR), Some(imgurs()));
}

#[test]
fn reads_what_imgur_answers_wrapped_in_data() {
    assert_eq!(read(&format!(r#"{{"data":{IMGUR},"success":true,"status":200}}"#)), Some(imgurs()));
}

#[rstest]
#[case::as_github_has_it(r#"{"access_token":"a","refresh_token_expires_in":"1200"}"#)]
#[case::as_keycloak_has_it(r#"{"access_token":"a","refresh_expires_in":1200}"#)]
#[case::both(r#"{"access_token":"a","refresh_token_expires_in":1200,"refresh_expires_in":7}"#)]
fn reads_how_long_the_refresh_token_lives(#[case] json: &str) {
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
#[case::nought("0", Some(0))]
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
#[case::truth("true", None)]
#[case::list("[3600]", None)]
#[case::object("{}", None)]
fn reads_a_lifetime_however_it_is_written(#[case] written: &str, #[case] seconds: Option<i64>) {
    let tokens = read(&format!(r#"{{"access_token":"aa11","expires_in":{written}}}"#));
    assert_eq!(tokens.expect("the token is readable whatever its lifetime is").expires_in, seconds);
}

#[rstest]
#[case::number("9042594", Some("9042594"))]
#[case::text(r#""9042594""#, Some("9042594"))]
#[case::empty(r#""""#, None)]
#[case::null("null", None)]
#[case::object("{}", None)]
fn reads_an_account_id_however_it_is_written(#[case] written: &str, #[case] id: Option<&str>) {
    let tokens = read(&format!(r#"{{"access_token":"aa11","account_id":{written}}}"#)).expect("a token");
    assert_eq!(tokens.account_id.as_deref(), id);
}

#[rstest]
#[case::missing(r#"{"access_token":"aa11"}"#, "Bearer")]
#[case::null(r#"{"access_token":"aa11","token_type":null}"#, "Bearer")]
#[case::empty(r#"{"access_token":"aa11","token_type":""}"#, "Bearer")]
#[case::small(r#"{"access_token":"aa11","token_type":"bearer"}"#, "Bearer")]
#[case::capital(r#"{"access_token":"aa11","token_type":"BEARER"}"#, "Bearer")]
#[case::another(r#"{"access_token":"aa11","token_type":"mac"}"#, "mac")]
fn names_the_token_type_canonically(#[case] json: &str, #[case] token_type: &str) {
    assert_eq!(read(json).expect("a token").token_type, token_type);
}

#[rstest]
#[case::null("null")]
#[case::empty(r#""""#)]
#[case::number("5")]
fn takes_an_unusable_refresh_token_for_none(#[case] written: &str) {
    let tokens = read(&format!(r#"{{"access_token":"aa11","refresh_token":{written}}}"#)).expect("a token");
    assert_eq!(tokens.refresh_token, None);
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
#[case::number_as_token(r#"{"access_token":17}"#)]
#[case::refresh_token_alone(r#"{"refresh_token":"bb22"}"#)]
#[case::data_is_false(r#"{"data":false,"success":false,"status":500}"#)]
#[case::data_is_text(r#"{"data":"aa11"}"#)]
fn finds_no_token_where_there_is_none(#[case] body: &str) {
    assert_eq!(read(body), None);
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
fn reads_tokens_in_any_form_that_says_which(#[case] body: &str) {
    assert_eq!(read(body), Some(imgurs()));
}

#[rstest]
#[case(r#"{"access_token":"aa11","access_token":"cc33"}"#)]
#[case("access_token=aa11&access_token=cc33")]
#[case("<a href='?access_token=aa11'>")]
#[case("see access_token=aa11")]
#[case("error=bad_refresh_token")]
fn guesses_no_token(#[case] body: &str) {
    assert_eq!(read(body), None);
}

#[test]
fn an_odd_refresh_token_costs_no_access_token() {
    let tokens = read(r#"{"access_token":"aa11","refresh_token":"bb22","refresh_token":"cc33"}"#).unwrap();
    assert_eq!((tokens.access_token, tokens.refresh_token), ("aa11".into(), None));
}

#[test]
fn shows_no_token_to_a_debugger() {
    let tokens = imgurs();
    assert!(!format!("{tokens:?}").contains("aa11"));
    assert!(!format!("{tokens:?}").contains("bb22"));
}
