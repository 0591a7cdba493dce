//! Each fault looks like on a real server.

use std::time::Duration;

use imgurd_tests::fake::{Behaviour, Endpoint, Fake, Fault, HUGE, RateLimit, Rotation};
use imgurd_tests::http::{self, Answer};

use crate::{ID, SECRET, refresh, refused};

fn fake() -> Fake {
    Fake::start(Behaviour { rotation: Rotation::Plain, ..Behaviour::default() })
}

/// Returns the answer to a refresh that meets this fault.
fn meet(fault: Fault) -> Answer {
    let fake = fake();
    let (token, _) = fake.issue_grant("alice");
    fake.fail_next(Endpoint::Token, fault);
    let answer = refresh(&fake, &token);
    assert_eq!(refresh(&fake, &token).status, 200, "the failed request did not use up the token");
    answer
}

/// Returns the answer to a refresh whose answer never arrives in full, and whether the refresh token was used up.
fn meet_break(fault: Fault) -> (Result<Answer, ureq::Error>, bool) {
    let fake = fake();
    let (token, _) = fake.issue_grant("alice");
    fake.fail_next(Endpoint::Token, fault);
    let form = [
        ("client_id", ID),
        ("client_secret", SECRET),
        ("grant_type", "refresh_token"),
        ("refresh_token", token.as_str()),
    ];
    let answer = http::post(&fake.token_url(), None, &form);
    (answer, refresh(&fake, &token).status == 400)
}

#[test]
fn over_capacity_is_json_with_the_chosen_status() {
    for status in [500, 503, 403] {
        let answer = meet(Fault::OverCapacity(status));
        assert_eq!(answer.status, status);
        assert_eq!(
            answer.text,
            format!(
                r#"{{"data":{{"error":"Imgur is temporarily over capacity. Please try again later."}},"success":false,"status":{status}}}"#
            )
        );
    }
}

#[test]
fn proxies_answer_in_html() {
    let answer = meet(Fault::Html(503));
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.text.contains("Varnish cache error"));
}

#[test]
fn too_many_requests_has_three_formats() {
    let daily = meet(Fault::RateLimited(RateLimit::Daily, Some("120".into())));
    assert_eq!((daily.status, daily.header("retry-after")), (429, Some("120")));
    assert_eq!(
        daily.text,
        r#"{"data":{"error":"Daily client requests exceeded","request":"\/oauth2\/token","method":"POST"},"status":429,"success":false}"#
    );
    let legacy = meet(Fault::RateLimited(RateLimit::Legacy, None));
    assert_eq!((legacy.status, legacy.header("retry-after")), (429, None));
    assert_eq!(
        legacy.text,
        r#"{"errors":[{"id":"legacy-api-0f1e2d","code":"429","status":"Too Many Requests","detail":"Too Many Requests"}]}"#
    );
    let uploading = meet(Fault::RateLimited(RateLimit::Uploading, None));
    assert_eq!(uploading.status, 400);
    assert_eq!(
        uploading.text,
        r#"{"data":{"error":{"code":429,"message":"You are uploading too fast. Please wait 59 more minutes.","type":"ImgurException","exception":[]},"request":"\/oauth2\/token","method":"POST"},"success":false,"status":400}"#
    );
}

#[test]
fn refusals_have_imgurs_texts() {
    let answer = meet(Fault::invalid_refresh_token());
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.text,
        r#"{"data":{"error":"Invalid refresh token","request":"\/oauth2\/token","method":"POST"},"success":false,"status":400}"#
    );
    let expired = meet(Fault::refused("Refresh token has expired"));
    assert_eq!(expired.text, refused("Refresh token has expired"));
}

#[test]
fn the_content_network_forbids_with_400_and_retry_after_0() {
    let answer = meet(Fault::Forbidden);
    assert_eq!((answer.status, answer.header("retry-after")), (400, Some("0")));
    assert_eq!(
        answer.text,
        r#"{"data":{"error":"These actions are forbidden."},"success":false,"status":400}"#
    );
}

#[test]
fn can_answer_with_rfc_6749_errors() {
    let answer = meet(Fault::Rfc6749(401, "invalid_client".into()));
    assert_eq!(answer.status, 401);
    assert_eq!(answer.text, r#"{"error":"invalid_client","error_description":"said the fake"}"#);
}

#[test]
fn a_captive_portal_answers_200_in_html() {
    let answer = meet(Fault::CaptivePortal);
    assert_eq!(answer.status, 200);
    assert!(answer.text.starts_with("<!DOCTYPE html>"));
}

#[test]
fn can_answer_with_nothing_a_huge_body_a_redirect_or_any_json() {
    assert_eq!(meet(Fault::Empty).text, "");
    assert_eq!(meet(Fault::Huge).text.len(), HUGE);
    let redirect = meet(Fault::Redirect("https://imgur.com/".into()));
    assert_eq!((redirect.status, redirect.header("location")), (302, Some("https://imgur.com/")));
    let custom = meet(Fault::json(418, r#"{"data":false}"#));
    assert_eq!((custom.status, custom.text.as_str()), (418, r#"{"data":false}"#));
}

#[test]
fn a_delayed_answer_is_the_real_one() {
    let fake = fake();
    let (token, _) = fake.issue_grant("alice");
    fake.fail_next(Endpoint::Token, Fault::Delay(Duration::from_millis(20)));
    assert_eq!(refresh(&fake, &token).status, 200);
    assert_eq!(refresh(&fake, &token).status, 400);
}

#[test]
fn a_trickled_answer_is_the_real_one() {
    let fake = fake();
    let (token, _) = fake.issue_grant("alice");
    fake.fail_next(Endpoint::Token, Fault::Trickle(Duration::from_micros(100)));
    assert!(refresh(&fake, &token).text.ends_with(r#""account_username":"alice"}"#));
}

#[test]
fn dropping_before_the_answer_keeps_the_token_valid() {
    let (answer, spent) = meet_break(Fault::DropBeforeAnswer);
    assert!(answer.is_err());
    assert!(!spent);
}

#[test]
fn dropping_after_processing_uses_up_the_token() {
    let (answer, spent) = meet_break(Fault::DropAfterProcessing);
    assert!(answer.is_err());
    assert!(spent);
}

#[test]
fn dropping_in_mid_body_uses_up_the_token() {
    let (answer, spent) = meet_break(Fault::DropMidBody);
    let error = answer.unwrap_err();
    assert!(
        !matches!(error, ureq::Error::Timeout(_)),
        "the client notices the end of the connection at once"
    );
    assert!(spent);
}

#[test]
fn truncated_json_uses_up_the_token() {
    let (answer, spent) = meet_break(Fault::TruncatedJson);
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.text.starts_with(r#"{"access_token":"#) && !answer.text.ends_with('}'));
    assert!(spent);
}
