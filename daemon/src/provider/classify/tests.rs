//! How answers are classified: refusals, wrong settings, temporary failures. Each line is a test case.

mod without_code;

use hyper::header::HeaderValue;
use rstest::rstest;

use super::*;
use crate::provider::complaint::TOO_MANY;

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const TOKENS: &str =
    r#"{"access_token":"aa11","expires_in":3600,"token_type":"bearer","refresh_token":"bb22"}"#;

fn answer(status: u16, content_type: &str, body: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    classify(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), false, &[])
}

/// A text in Imgur's error format, as recorded.
fn imgurs(text: &str, status: u16) -> String {
    format!(
        r#"{{"data":{{"error":{},"request":"\/oauth2\/token","method":"POST"}},"success":false,"status":{status}}}"#,
        serde_json::to_string(text).unwrap()
    )
}

#[rstest]
#[case::json(JSON)]
#[case::text("text/plain")]
#[case::mislabelled(HTML)]
#[case::absent("")]
fn accepts_tokens_with_any_content_type(#[case] content_type: &str) {
    assert!(matches!(answer(200, content_type, TOKENS), Answer::Granted(_)));
}

#[rstest]
fn believes_invalid_grant(
    #[values(400, 401, 403)] status: u16,
    #[values(
        r#"{"error":"invalid_grant"}"#,
        r#"{"error":"invalid_grant","error_description":"Token revoked."}"#
    )]
    body: &str,
) {
    assert!(
        matches!(answer(status, JSON, body), Answer::Refused { reason } if reason.contains("invalid_grant"))
    );
}

#[rstest]
#[case::behind_a_byte_order_mark("\u{feff}{\"error\":\"invalid_grant\"}")]
#[case::before_a_nul("{\"error\":\"invalid_grant\"}\0")]
#[case::in_an_object(r#"{"error":{"code":"invalid_grant","message":"Token revoked."}}"#)]
#[case::in_a_list(r#"{"errors":[{"code":"invalid_grant","detail":"Token revoked."}]}"#)]
#[case::in_a_form("error=invalid_grant&error_description=Token+revoked.")]
#[case::as_text("invalid_grant")]
#[case::as_a_sentence("Error: invalid_grant: the refresh token has expired")]
#[case::as_json_text("\"invalid_grant\"")]
#[case::in_xml("<?xml version=\"1.0\"?><oauth><error>invalid_grant</error></oauth>")]
#[case::as_a_title(
    r#"{"type":"about:blank","title":"invalid_grant","status":400,"detail":"Token revoked."}"#
)]
#[case::as_an_address(r#"{"type":"https://as.example/problems/invalid_grant","title":"No","status":400}"#)]
#[case::as_a_code(r#"{"code":"invalid_grant","message":"Token revoked."}"#)]
#[case::among_others(
    r#"{"error":"invalid_grant","error_uri":null,"timestamp":"2026-11-29","correlation_id":"0"}"#
)]
fn believes_invalid_grant_in_every_format(#[case] body: &str) {
    for content_type in [JSON, "text/plain", HTML, "", "application/x-www-form-urlencoded; charset=utf-8"] {
        assert!(matches!(answer(400, content_type, body), Answer::Refused { .. }), "{content_type}");
    }
}

#[rstest]
fn ignores_invalid_grant_with_other_status_codes(
    #[values(200, 201, 302, 404, 408, 410, 418, 425, 429, 500, 502, 503, 504)] status: u16,
) {
    assert!(matches!(answer(status, JSON, r#"{"error":"invalid_grant"}"#), Answer::Transient(_)));
}

#[rstest]
#[case("Invalid refresh token")]
#[case("invalid refresh token.")]
#[case("Refresh token doesn't exist or is invalid for the client")]
#[case("Refresh token has expired")]
#[case("Invalid Pin")]
#[case("invalid pin")]
fn believes_imgurs_refusals(#[case] text: &str) {
    assert!(matches!(answer(400, JSON, &imgurs(text, 400)), Answer::Refused { .. }));
    assert!(
        matches!(answer(400, JSON, &imgurs(text, 403)), Answer::Refused { .. }),
        "the HTTP status counts, not the one in the body"
    );
    let bare = format!(r#"{{"data":"{text}","success":false,"status":400}}"#);
    assert!(matches!(answer(400, JSON, &bare), Answer::Refused { .. }));
}

#[rstest]
fn ignores_imgurs_refusals_with_other_status_codes(#[values(200, 401, 403, 404, 429, 500, 503)] status: u16) {
    let body = imgurs("Invalid refresh token", 400);
    assert!(matches!(answer(status, JSON, &body), Answer::Transient(_)));
}

#[rstest]
#[case::unknown_client(401, r#"{"error":"invalid_client"}"#, "client_secret")]
#[case::unknown_client(400, r#"{"error":"invalid_client"}"#, "client_secret")]
#[case::unauthorized_client(400, r#"{"error":"unauthorized_client"}"#, "client_secret")]
#[case::scope(400, r#"{"error":"invalid_scope"}"#, "scope")]
#[case::grant_type(400, r#"{"error":"unsupported_grant_type"}"#, "token_url")]
#[case::request(400, r#"{"error":"invalid_request"}"#, "token_url")]
#[case::not_found_with_an_error_code(404, r#"{"error":"invalid_client"}"#, "client_secret")]
#[case::imgur_secret(400, &imgurs("The client credentials are invalid", 400), "client_secret")]
#[case::imgur_id(403, &imgurs("Invalid client_id", 403), "client_id")]
#[case::imgur_id(400, &imgurs("Invalid client_id", 400), "client_id")]
#[case::imgur_grant_type(400, &imgurs("Invalid grant_type parameter or parameter missing", 400), "token_url")]
#[case::imgur_parameter(400, &imgurs(r#"Missing parameter. "code" is required"#, 400), "token_url")]
fn names_the_invalid_setting(#[case] status: u16, #[case] body: &str, #[case] at_fault: &str) {
    assert!(
        matches!(answer(status, JSON, body), Answer::Misconfigured { setting, .. } if setting == at_fault)
    );
}

#[rstest]
#[case::over_capacity(403, JSON, &imgurs("Imgur is temporarily over capacity. Please try again later.", 403), "over capacity")]
#[case::over_capacity(500, JSON, r#"{"data":{"error":"Imgur is temporarily over capacity. Please try again later."},"success":false,"status":500}"#, "over capacity")]
#[case::banned_country(400, JSON, r#"{"data":{"error":{"code":1016,"message":"Banned country attempt","type":"ImgurException"}},"success":false,"status":400}"#, "country")]
#[case::too_fast(400, JSON, r#"{"data":{"error":{"code":429,"message":"You are uploading too fast. Please wait 59 more minutes.","type":"ImgurException","exception":[]}},"success":false,"status":400}"#, TOO_MANY)]
#[case::too_many(
    429,
    JSON,
    r#"{"data":{"error":"Daily client requests exceeded"},"status":429,"success":false}"#,
    TOO_MANY
)]
#[case::too_many(429, JSON, r#"{"errors":[{"id":"legacy-api-1","code":"429","status":"Too Many Requests","detail":"Too Many Requests"}]}"#, TOO_MANY)]
#[case::too_many(429, "", "", TOO_MANY)]
#[case::forbidden_by_the_network(400, JSON, &imgurs("These actions are forbidden.", 400), "network")]
#[case::forbidden(403, JSON, &imgurs("Unauthorized", 403), "says “Unauthorized” (HTTP 403)")]
#[case::malformed(403, JSON, &imgurs("Malformed auth header.", 403), "HTTP 403")]
#[case::token_of_the_api(403, JSON, r#"{"data":{"error":"The access token provided is invalid.","request":"\/3\/account\/me","method":"GET"},"success":false,"status":403}"#, "HTTP 403")]
#[case::data_is_false(500, JSON, r#"{"data":false,"success":false,"status":500}"#, "HTTP 500")]
#[case::no_error_in_it(400, JSON, r#"{"success":false,"status":400}"#, "HTTP 400")]
#[case::list(400, JSON, r#"["invalid_grant"]"#, "HTTP 400")]
#[case::page(400, HTML, "<html>invalid_grant</html>", "HTTP 400")]
#[case::form(400, "", "status=invalid_grant", "HTTP 400")]
#[case::page_with_a_byte_order_mark(200, "", "\u{feff}<html>Sign in</html>", "sign in")]
#[case::empty(400, "", "", "HTTP 400")]
#[case::captive_portal(200, HTML, "<!doctype html><title>Sign in</title>", "sign in")]
#[case::captive_portal(511, HTML, "<html></html>", "sign in")]
#[case::imgurs_error_page(200, HTML, "<html>Error (1024)</html>", "web page")]
#[case::redirect(302, HTML, "<a href='/signin'>Found</a>", "redirect")]
#[case::redirect(307, "", "", "redirect")]
#[case::not_found(404, HTML, "<h1>404</h1>", "HTTP 404")]
#[case::method(405, "", "", "HTTP 405")]
#[case::gone(410, JSON, "{}", "HTTP 410")]
#[case::slow_request(408, "", "", "HTTP 408")]
#[case::early(425, "", "", "HTTP 425")]
#[case::varnish(503, HTML, "<html>Varnish cache error</html>", "error page")]
#[case::nginx(502, HTML, "<html><center>nginx</center></html>", "error page")]
#[case::server_error(503, JSON, "{}", "has a problem")]
fn every_other_answer_is_transient(
    #[case] status: u16,
    #[case] content_type: &str,
    #[case] body: &str,
    #[case] says: &str,
) {
    let Answer::Transient(transient) = answer(status, content_type, body) else {
        panic!("{status} {body} is not treated as transient");
    };
    assert!(transient.reason.contains(says), "{}", transient.reason);
    let expected = match (status, body) {
        (408 | 425 | 429 | 500.., _) => Delivery::Answered,
        (404 | 405 | 410, _) => Delivery::NotOauth,
        (400.., "") => Delivery::Wordless,
        (_, body)
            if ["over capacity", "forbidden", "country", "too fast", "exceeded"]
                .iter()
                .any(|it| body.contains(it)) =>
        {
            Delivery::Answered
        }
        (400.., body) if body.contains(r#""error"#) => Delivery::Unclear,
        (_, body) if body.contains(r#""error"#) => Delivery::Answered,
        _ => Delivery::NotOauth,
    };
    assert_eq!(transient.delivery, expected);
}

#[rstest]
#[case(200)]
#[case(201)]
#[case(203)]
#[case(206)]
fn accepts_tokens_with_any_2xx_status(#[case] status: u16) {
    assert!(matches!(answer(status, JSON, TOKENS), Answer::Granted(_)));
}

#[rstest]
#[case::empty(200, "")]
#[case::blank(200, " \r\n")]
#[case::truncated(200, &TOKENS[..40])]
#[case::no_token(200, "{}")]
#[case::empty_token(200, r#"{"access_token":""}"#)]
#[case::not_json(200, "OK")]
#[case::no_content(204, "")]
#[case::nested(200, r#"{"ok":true,"authed_user":{"access_token":"aa11"}}"#)]
#[case::nul(200, "\0")]
#[case::byte_order_mark(200, "\u{feff}")]
#[case::compressed_without_a_header(200, "\u{1f}\u{8b}\u{8}")]
#[case::odd_token(200, r#"{"access_token":"a\u0000b"}"#)]
#[case::odd_token_in_a_form(200, "access_token=a%00b")]
fn a_success_without_tokens_is_in_doubt(#[case] status: u16, #[case] body: &str) {
    let Answer::Transient(transient) = answer(status, JSON, body) else {
        panic!("{body} is not treated as transient")
    };
    assert_eq!(transient.delivery, Delivery::InDoubt);
}

#[rstest]
#[case::new("bb33", r#""access_token":"""#, true)]
#[case::the_one_that_was_sent("bb22", r#""access_token":"""#, false)]
#[case::with_an_error("bb33", r#""error":"server_error""#, false)]
fn an_answer_without_an_access_token_grants_a_new_refresh_token(
    #[case] refresh_token: &str,
    #[case] other: &str,
    #[case] is_granted: bool,
) {
    let body = format!(r#"{{"refresh_token":"{refresh_token}",{other}}}"#);
    let answer = classify(StatusCode::OK, &HeaderMap::new(), body.as_bytes(), false, &["bb22".into()]);
    assert_eq!(matches!(answer, Answer::Granted(_)), is_granted, "{answer:?}");
}

#[rstest]
#[case::possible_tokens(200, Delivery::InDoubt)]
#[case::an_error(400, Delivery::Answered)]
#[case::server_error(503, Delivery::Answered)]
fn names_an_unsupported_content_coding(#[case] status: u16, #[case] delivery: Delivery) {
    for coding in ["br", "zstd", "gzip, br"] {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
        let status = StatusCode::from_u16(status).unwrap();
        let Answer::Transient(transient) = classify(status, &headers, b"\x1b\x7f\x00 \xf8\x8d", true, &[])
        else {
            panic!("an unreadable answer is not treated as transient");
        };
        assert!(transient.reason.contains(coding), "{}", transient.reason);
        assert_eq!(transient.delivery, delivery);
    }
}

#[test]
fn ignores_content_codings_that_change_nothing() {
    for coding in ["identity", "utf-8"] {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
        assert!(matches!(
            classify(StatusCode::OK, &headers, TOKENS.as_bytes(), false, &[]),
            Answer::Granted(_)
        ));
    }
}

#[rstest]
#[case::seconds("120", Some(120))]
#[case::now("0", Some(0))]
#[case::bounded("86400", Some(3600))]
#[case::beyond_any_number("99999999999999999999999", Some(3600))]
#[case::date("Mon, 23 Nov 2026 10:00:30 GMT", Some(30))]
#[case::date_of_rfc_850("Monday, 23-Nov-26 10:00:30 GMT", Some(30))]
#[case::date_of_asctime("Mon Nov 23 10:00:30 2026", Some(30))]
#[case::past_date("Mon, 23 Nov 2026 09:00:00 GMT", Some(0))]
#[case::far_date("Tue, 24 Nov 2026 10:00:00 GMT", Some(3600))]
#[case::negative("-5", None)]
#[case::word("soon", None)]
fn reads_retry_after(#[case] value: &str, #[case] seconds: Option<u64>) {
    let mut headers = HeaderMap::new();
    headers.insert(DATE, HeaderValue::from_static("Mon, 23 Nov 2026 10:00:00 GMT"));
    headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
    let Answer::Transient(transient) = classify(StatusCode::SERVICE_UNAVAILABLE, &headers, b"", false, &[])
    else {
        panic!("503 is not treated as transient");
    };
    assert_eq!(transient.retry_after, seconds.map(Duration::from_secs));
}

#[rstest]
#[case::words("Token has been expired or revoked.", "Token has been expired or revoked.")]
#[case::hex("Token 8d9f0f0c0d6c4a3f8d9f0f0c0d6c4a3f8d9f0f0c is bad", "Token is bad")]
#[case::letters("token=abcdefghijklmnopqrstuvwxyz is bad", "is bad")]
#[case::pin("PIN 47110815 is bad", "PIN is bad")]
#[case::a_short_token("Code a1b2c3 is bad", "Code is bad")]
#[case::the_codes_of_a_product(
    "AADSTS70008: expired on 2026-11-29 (ORA-00001, HTTP 400).",
    "AADSTS70008: expired on 2026-11-29 (ORA-00001, HTTP 400)."
)]
#[case::control("bad\u{1b}[31m\u{7}token here", "here")]
#[case::invisible("b\u{202e}ad\u{7} to\u{9b}ken", "bad token")]
#[case::a_command("run `rm -r x`", "run 'rm -r x'")]
#[case::another_language("Zugriff ung\u{fc}ltig", "Zugriff ung\u{fc}ltig")]
fn shows_a_description_without_possible_secrets(#[case] description: &str, #[case] shown: &str) {
    let body = serde_json::json!({"error": "invalid_grant", "error_description": description}).to_string();
    let Answer::Refused { reason } = answer(400, JSON, &body) else { panic!("the answer is not a refusal") };
    assert_eq!(reason, format!("the server says “invalid_grant” ({shown})"));
}

/// What imgurd shows of an unknown error, and of one that contains a secret of the request.
#[rstest]
#[case(
    400,
    r#"{"error":"quota_reached","error_description":"Too many devices."}"#,
    "the server says “quota_reached” (Too many devices.) (HTTP 400)"
)]
#[case(403, r#"{"error":"Not today\u001b"}"#, "the server says “Not today” (HTTP 403)")]
#[case(503, r#"{"error_description":"Back soon"}"#, "the server says “Back soon” (HTTP 503)")]
#[case(400, r#"{"error":"0123abcd"}"#, "the server rejected the request without a reason (HTTP 400)")]
#[case(400, r#"{"error":"my_pass","error_description":"Bad"}"#, "the server says “Bad” (HTTP 400)")]
#[case(
    400,
    r#"{"error":"odd","error_description":"It is my 1 pass or my_pass."}"#,
    "the server says “odd” (HTTP 400)"
)]
#[case(400, r#"{"error":"odd","error_description":"my a1b2c3 pass"}"#, "the server says “odd” (HTTP 400)")]
fn shows_an_unknown_error_without_our_secrets(#[case] status: u16, #[case] body: &str, #[case] said: &str) {
    let secrets = ["my_pass".into(), "my pass".into()];
    let status = StatusCode::from_u16(status).unwrap();
    let answer = classify(status, &HeaderMap::new(), body.as_bytes(), false, &secrets);
    assert!(matches!(&answer, Answer::Transient(it) if it.reason == said), "{answer:?}");
}

#[test]
fn limits_the_length_of_a_description() {
    let body =
        serde_json::json!({"error": "invalid_grant", "error_description": "word ".repeat(9999)}).to_string();
    let Answer::Refused { reason } = answer(400, JSON, &body) else { panic!("the answer is not a refusal") };
    assert!(reason.len() < 300);
}

/// A client secret of one letter is in most words.
#[test]
fn shows_an_error_that_contains_the_letters_of_a_short_secret() {
    for code in ["invalid_scope", "unsupported_grant_type", "access_denied", "foo_bar"] {
        let body = format!(r#"{{"error":"{code}","error_description":"No s today"}}"#);
        let secrets = ["s".into(), "ed".into()];
        let answer = classify(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes(), true, &secrets);
        assert_eq!(answer, Answer::Refused { reason: format!("the server says “{code}”") });
        let body = body.replace("No s today", "Scope x is gone");
        let answer = classify(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes(), true, &secrets);
        let reason = format!("the server says “{code}” (Scope x is gone)");
        assert_eq!(answer, Answer::Refused { reason });
    }
}
