//! Failures of the server and the network: imgurd keeps returning valid tokens, and keeps the grant.

use std::time::Duration;

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, Endpoint, Fault, RateLimit, Rotation};
use imgurd_tests::testbed::Scene;
use imgurd_tests::wire::error_of;
use serde_json::{Value, json};

use crate::{HOUR, expired, momentary, now};

/// A server that replaces refresh tokens but accepts the old one for an hour.
fn scene() -> Scene {
    Scene::memory(Behaviour { rotation: Rotation::Grace(HOUR), ..Behaviour::default() }).signed_in()
}

/// Runs a refresh that meets the fault, and returns the account's state then.
fn refresh_meets(scene: &Scene, fault: Fault) -> Account {
    let before = scene.refreshes().len();
    scene.fake.fail_always(Endpoint::Token, fault);
    scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
    let account = scene.wait_until(|account| account.state == State::Waiting);
    assert!(scene.refreshes().len() > before);
    account
}

/// Checks a temporary failure: imgurd returns the valid token, shows the reason, and can refresh afterwards.
#[track_caller]
fn is_temporary(fault: Fault, reason: &str) {
    let scene = scene();
    let old = scene.token();
    let account = refresh_meets(&scene, fault);
    let said = account.reason.unwrap();
    assert!(
        said.contains(reason) && (said.contains("retries automatically") || said.contains("keeps trying")),
        "{said}"
    );
    assert!(account.retry_at.is_some());
    assert_eq!(scene.token(), old);

    scene.fake.clear(Endpoint::Token);
    let new = scene.ctl(&["refresh"]).success();
    assert!(new.stderr.contains("Refreshed"), "{}", new.stderr);
    let token = scene.token();
    assert!(token != old && scene.fake.is_live(&token));
    assert_eq!(scene.account().state, State::Fresh);
}

#[test]
fn keeps_the_grant_when_a_captive_portal_answers() {
    is_temporary(Fault::CaptivePortal, "the answer is a web page");
}

#[test]
fn keeps_the_grant_when_the_answer_is_empty() {
    is_temporary(Fault::Empty, "incomplete or unreadable");
}

#[test]
fn keeps_the_grant_when_the_answer_is_cut_off() {
    is_temporary(Fault::TruncatedJson, "incomplete or unreadable");
}

#[test]
fn keeps_the_grant_when_the_answer_has_an_unknown_compression() {
    is_temporary(Fault::Compressed("br"), "compressed its answer as “br”");
    is_temporary(Fault::Compressed("gzip"), "incomplete or unreadable");
}

#[test]
fn keeps_the_grant_when_the_server_fails() {
    is_temporary(Fault::OverCapacity(500), "over capacity");
    is_temporary(Fault::json(503, "{}"), "the server has a problem");
}

#[test]
fn keeps_the_grant_when_a_proxy_shows_its_error_page() {
    is_temporary(Fault::Html(502), "error page");
}

#[test]
fn keeps_the_grant_when_over_capacity_comes_with_status_403() {
    is_temporary(Fault::OverCapacity(403), "over capacity");
}

#[test]
fn keeps_the_grant_when_the_cdn_answers_403() {
    is_temporary(Fault::Forbidden, "rejected the request");
}

#[test]
fn keeps_the_grant_and_follows_no_redirect() {
    let elsewhere = imgurd_tests::fake::Fake::start(Behaviour::default());
    is_temporary(Fault::Redirect(elsewhere.token_url()), "redirect");
    assert_eq!(elsewhere.requests(Endpoint::Token).len(), 0, "no request follows the redirect");
}

#[test]
fn keeps_the_grant_when_the_answer_never_ends() {
    is_temporary(Fault::Huge, "too long");
}

#[test]
fn keeps_the_grant_when_the_connection_breaks() {
    is_temporary(Fault::DropBeforeAnswer, "broke before the answer was complete");
    is_temporary(Fault::DropMidBody, "broke before the answer was complete");
}

#[test]
fn keeps_the_grant_when_the_error_is_unknown() {
    is_temporary(Fault::Error(403, "Unauthorized".into()), "the server says “Unauthorized” (HTTP 403)");
    is_temporary(Fault::Error(404, "Not found".into()), "no tokens at the token URL");
}

#[test]
fn an_error_with_status_200_is_a_refusal_and_keeps_the_grant() {
    let scene = scene();
    let old = scene.token();
    let account = refresh_meets(&scene, Fault::json(200, r#"{"error":"invalid_grant"}"#));
    assert!(account.refused && account.retry_at.is_some(), "{account:?}");
    assert_eq!(scene.token(), old);
    scene.fake.clear(Endpoint::Token);
    scene.ctl(&["refresh"]).success();
}

/// Checks that imgurd shows when it retries, sends nothing before that, and returns the valid token meanwhile.
#[track_caller]
fn waits_as_told(shape: RateLimit, retry_after: &str, seconds: std::ops::RangeInclusive<i64>) {
    let scene = scene();
    let old = scene.token();
    let account = refresh_meets(&scene, Fault::RateLimited(shape, Some(retry_after.to_owned())));
    assert!(account.reason.unwrap().contains("limits the number of requests"));
    let pause = account.retry_at.unwrap() - now();
    assert!(seconds.contains(&pause), "{pause}");
    assert_eq!(scene.token(), old);
    // A caller that asks earlier gets the same answer, and imgurd sends nothing.
    let asked = scene.refreshes().len();
    let error: Value =
        serde_json::from_str(&scene.ctl(&["refresh", "--wait", "200ms", "--json"]).exits(6).stderr).unwrap();
    assert_eq!(error["retry_at"].as_i64(), account.retry_at);
    assert_eq!(scene.refreshes().len(), asked);
}

#[test]
fn waits_as_long_as_retry_after_says() {
    waits_as_told(RateLimit::Daily, "120", 60..=120);
    waits_as_told(RateLimit::Legacy, "120", 60..=120);
    waits_as_told(RateLimit::Uploading, "120", 60..=120);
}

#[test]
fn waits_at_most_an_hour_for_any_retry_after() {
    waits_as_told(RateLimit::Daily, "999999999999999999999999", 3540..=3600);
    waits_as_told(RateLimit::Legacy, "Fri, 31 Dec 2100 23:59:59 GMT", 3540..=3600);
}

#[test]
fn a_rate_limit_without_retry_after_is_retried_like_any_failure() {
    is_temporary(Fault::RateLimited(RateLimit::Legacy, None), "limits the number of requests");
    is_temporary(Fault::RateLimited(RateLimit::Uploading, None), "limits the number of requests");
}

#[test]
fn a_lost_answer_costs_no_grant_if_the_server_tolerates_reuse() {
    let compressed = ["br", "zstd", "gzip"].map(Fault::Compressed);
    let lost = [Fault::DropAfterProcessing, Fault::TruncatedJson, Fault::DropMidBody];
    for fault in lost.into_iter().chain(compressed) {
        let scene = scene();
        scene.fake.fail_next(Endpoint::Token, fault);
        let token = scene.refresh();
        assert!(scene.fake.is_live(&token));
        let refreshes = scene.refreshes();
        assert_eq!(refreshes.len(), 2);
        assert_eq!(
            refreshes[0].refresh_token(),
            refreshes[1].refresh_token(),
            "the retry sends the current refresh token"
        );
        assert_ne!(scene.refresh(), token);
    }
}

/// The server revokes the grant if it sees the replaced refresh token again.
#[test]
fn an_answer_without_an_access_token_costs_no_grant() {
    let behaviour = Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() };
    let scene = Scene::memory(behaviour).signed_in();
    for faults in [1, 3] {
        for _ in 0..faults {
            scene.fake.fail_next(Endpoint::Token, Fault::NoAccessToken);
        }
        let sent = scene.refreshes().len();
        let token = scene.refresh();
        assert!(scene.fake.is_live(&token));
        assert_eq!(scene.refreshes().len(), sent + faults + 1);
    }
}

#[test]
fn a_crash_during_a_refresh_costs_no_grant_if_reuse_is_tolerated() {
    let mut scene =
        Scene::file(Behaviour { rotation: Rotation::Grace(HOUR), ..Behaviour::default() }).signed_in();
    let gate = scene.fake.hold_answer(Endpoint::Token);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    scene.crash();
    gate.release();
    scene.start();
    // imgurd finds the in-flight mark and sends the current refresh token again, without a call.
    scene.fake.wait_for_requests(Endpoint::Token, 3);
    scene.wait_until(|account| account.state == State::Fresh);
    let refreshes = scene.refreshes();
    assert_eq!(refreshes[0].refresh_token(), refreshes[1].refresh_token());
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_temporary_failure_is_retried_without_a_caller() {
    let scene = scene();
    scene.fake.fail_times(Endpoint::Token, 2, Fault::OverCapacity(500));
    scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
    scene.fake.wait_for_answers(Endpoint::Token, 4);
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_waiting_caller_gets_a_token_after_a_temporary_failure() {
    let scene = scene();
    let old = scene.token();
    scene.fake.kill_access_token();
    scene.fake.fail_times(Endpoint::Token, 2, Fault::OverCapacity(500));
    let new = scene.ctl_with(&["reject"], &old).success().line().to_owned();
    assert!(scene.fake.is_live(&new));
    assert_eq!(scene.refreshes().len(), 3);
}

#[test]
fn a_token_is_returned_until_it_expires_while_the_server_fails() {
    let scene =
        Scene::memory(Behaviour { lifetime: Duration::from_secs(6), ..Behaviour::default() }).signed_in();
    let old = scene.token();
    scene.fake.fail_always(Endpoint::Token, Fault::Html(503));
    // imgurd refreshes early, which fails. The token is then still valid for half of its lifetime.
    let account = scene.wait_until(|account| account.state == State::Waiting);
    assert_eq!(scene.token(), old);
    let refusal = loop {
        let output = scene.ctl(&["token", "--wait", "100ms"]);
        if output.code != Some(0) {
            break output.exits(6);
        }
        assert_eq!(output.line(), old);
    };
    assert!(now() >= account.expires_at.unwrap());
    refusal.complaint();
    let account = scene.wait_until(|account| account.state == State::Waiting);
    assert!(account.reason.unwrap().contains("error page"));
}

#[test]
fn one_refusal_does_not_end_a_grant() {
    let scene = scene();
    let old = scene.token();
    let account = refresh_meets(&scene, Fault::invalid_refresh_token());
    let reason = account.reason.unwrap();
    assert!(reason.contains("asks the server once more"), "{reason}");
    let pause = account.retry_at.unwrap() - now();
    assert!((30..=67).contains(&pause), "{pause}");
    assert_eq!(scene.token(), old);

    scene.fake.clear(Endpoint::Token);
    let refused = scene.refreshes()[0].clone();
    scene.refresh();
    assert_eq!(
        scene.refreshes().last().unwrap().refresh_token(),
        refused.refresh_token(),
        "the refresh token was kept"
    );
}

#[test]
fn a_refusal_survives_a_crash_and_is_checked_again() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    refresh_meets(&scene, Fault::invalid_refresh_token());
    scene.crash();
    scene.fake.clear(Endpoint::Token);
    scene.start();
    scene.fake.wait_for_answers(Endpoint::Token, 3);
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.refresh()));
}

#[test]
fn a_wrong_client_secret_is_named_and_a_correct_one_fixes_it() {
    let scene = scene();
    let old = scene.token();
    scene.fake.configure(|behaviour| "another-secret".clone_into(&mut behaviour.client_secret));
    let mut caller = scene.bed.wire();
    let answer = caller.call("Refresh", &json!({}));
    assert_eq!(error_of(&answer), "Misconfigured");
    assert_eq!(answer["parameters"]["setting"], "client_secret");
    let output = scene.ctl(&["refresh"]).exits(9);
    assert!(output.complaint().contains("account set mytoken --client-secret-stdin"), "{}", output.stderr);
    assert_eq!(scene.account().state, State::Misconfigured);
    assert_eq!(scene.token(), old, "the valid token is still served");

    scene.ctl_with(&["account", "set", "--client-secret-stdin"], "another-secret").success();
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.token()));
    assert_ne!(scene.token(), old);
}

#[test]
fn errors_of_rfc_6749_are_recognised() {
    let scene = scene();
    scene.fake.fail_next(Endpoint::Token, Fault::Rfc6749(401, "invalid_client".into()));
    scene.ctl(&["refresh"]).exits(9);
    scene.ctl(&["refresh"]).success();
    let account = refresh_meets(&scene, Fault::Rfc6749(400, "invalid_grant".into()));
    assert!(account.reason.unwrap().contains("invalid_grant"));
}

#[test]
fn a_server_that_is_down_at_start_is_used_once_it_is_up() {
    let mut scene = Scene::file(Behaviour { lifetime: Duration::from_secs(2), ..Behaviour::default() });
    scene.ctl(&["auto-refresh", "off"]).success();
    scene = expired(scene.signed_in());
    scene.fake.go_down();
    scene.ctl(&["auto-refresh", "on"]).success();
    scene.restart();
    let account = scene.wait_until(|account| account.state == State::Waiting);
    assert!(account.reason.unwrap().contains("no connection"));

    scene.fake.come_back();
    // New tokens live for an hour.
    scene.wait_until(|account| account.expires_at > Some(now() + 60));
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_call_before_the_store_is_read_gets_a_token() {
    let mut scene = Scene::file(momentary());
    scene.ctl(&["auto-refresh", "off"]).success();
    scene = expired(scene.signed_in());
    for _ in 0..3 {
        scene.restart();
        // Only this call needs a refresh.
        assert!(scene.fake.is_live(scene.ctl(&["token", "--min-valid", "1h"]).success().line()));
    }
    assert_eq!(scene.refreshes().len(), 1);
}
