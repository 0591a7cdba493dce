//! What callers get, and when they wait.

use std::time::Duration;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, ExpiresIn};
use imgurd_tests::testbed::{ACCOUNT, Scene};
use serde_json::{Value, json};

use crate::{HOUR, expired, now};

const DAY: i64 = 24 * 3600;
const TEN_YEARS: i64 = 3650 * DAY;

/// When the token of a new grant expires and when it is refreshed, in seconds from now, for this lifetime in the
/// answer.
fn times(expires_in: ExpiresIn) -> (Option<i64>, Option<i64>) {
    let scene = Scene::memory(Behaviour { expires_in, ..Behaviour::default() }).signed_in();
    let account = scene.account();
    assert_eq!(account.state, State::Fresh);
    let token = scene.ctl(&["token", "--json"]).success().json();
    assert!(scene.fake.is_live(token["access_token"].as_str().unwrap()), "the served token is valid");
    assert_eq!(token["expires_at"].as_i64(), account.expires_at);
    let from_now = |at: i64| at - account.granted_at.unwrap();
    (account.expires_at.map(from_now), account.next_refresh_at.map(from_now))
}

#[track_caller]
fn expires_in_an_hour(value: Value) {
    let (expires, refresh) = times(ExpiresIn::Json(value));
    assert!(matches!(expires, Some(3599..=3601)), "{expires:?}");
    // Ten minutes before the token expires, or up to a minute earlier.
    assert!(matches!(refresh, Some(2939..=3001)), "{refresh:?}");
}

#[track_caller]
fn expiry_is_unknown(expires_in: ExpiresIn) {
    let (expires, refresh) = times(expires_in);
    assert_eq!(expires, None);
    assert!(matches!(refresh, Some(at) if (at - 28 * DAY).abs() <= 1), "{refresh:?}");
}

#[track_caller]
fn expires_in_ten_years(value: Value) {
    let (expires, refresh) = times(ExpiresIn::Json(value));
    assert!(matches!(expires, Some(at) if (at - TEN_YEARS).abs() <= 1), "{expires:?}");
    assert!(matches!(refresh, Some(at) if (at - 28 * DAY).abs() <= 1), "{refresh:?}");
}

#[test]
fn a_lifetime_can_be_a_number_a_string_or_a_fraction() {
    expires_in_an_hour(json!(3600));
    expires_in_an_hour(json!("3600"));
    expires_in_an_hour(json!(3600.5));
}

#[test]
fn a_missing_or_invalid_lifetime_is_unknown() {
    expiry_is_unknown(ExpiresIn::Absent);
    for value in [json!(0), json!(-1), json!("0"), json!("soon"), json!(null), json!([3600])] {
        expiry_is_unknown(ExpiresIn::Json(value));
    }
}

#[test]
fn a_lifetime_beyond_ten_years_counts_as_ten() {
    expires_in_ten_years(json!(315_360_000));
    for value in
        [json!(315_360_001), json!(1_u64 << 53), json!("9007199254740993"), json!(i64::MAX), json!(u64::MAX)]
    {
        expires_in_ten_years(value);
    }
}

#[test]
fn a_lifetime_with_too_many_digits_does_not_lose_the_token() {
    for value in [json!(1e300), json!(-1e300), json!("9".repeat(400))] {
        let (expires, refresh) = times(ExpiresIn::Json(value));
        assert!(expires.is_none_or(|at| at <= TEN_YEARS + 1), "{expires:?}");
        assert!(matches!(refresh, Some(at) if (at - 28 * DAY).abs() <= 1), "{refresh:?}");
    }
}

#[test]
fn a_valid_token_costs_no_request() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let first = scene.token();
    assert_eq!(scene.token(), first);
    assert_eq!(scene.ctl(&["token", ACCOUNT]).success().line(), first);
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 1, "only the code was exchanged");
}

#[test]
fn an_expired_token_is_replaced_on_demand() {
    let scene = expired(Scene::memory(crate::momentary()).signed_in());
    let token = scene.token();
    assert!(scene.fake.is_live(&token));
    assert_eq!(scene.refreshes().len(), 1);
    assert_eq!(scene.token(), token);
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn min_valid_says_how_long_the_token_has_to_last() {
    let scene = Scene::memory(Behaviour { lifetime: Duration::from_secs(8), ..Behaviour::default() });
    scene.ctl(&["auto-refresh", "off"]).success();
    let scene = scene.signed_in();
    let old = scene.token();
    scene.fake.configure(|behaviour| behaviour.lifetime = HOUR);
    // The default of 60 s is more than half of the lifetime, so half of the lifetime counts, which has passed now.
    scene.wait_until(|account| account.state == State::Stale);
    assert_eq!(scene.ctl(&["token", "--min-valid", "0s"]).success().line(), old);
    assert_eq!(scene.refreshes().len(), 0);
    assert_ne!(scene.token(), old);
    // For a token that lives an hour, at most half an hour counts.
    let new = scene.token();
    assert_eq!(scene.ctl(&["token", "--min-valid", "2400h"]).success().line(), new);
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_call_waits_as_long_as_its_wait_time() {
    let scene = expired(Scene::memory(crate::momentary()).signed_in());
    let gate = scene.fake.hold(Endpoint::Token);
    // Both calls end long before the server answers.
    for wait in ["0s", "200ms"] {
        scene.ctl(&["token", "--min-valid", "60s", "--wait", wait]).exits(6).complaint();
    }
    let patient = scene.bed.ctl_spawn(&["token", "--wait", "1h"]);
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    gate.release();
    assert!(scene.fake.is_live(patient.finish().success().line()));
}

#[test]
fn token_json_has_the_account_type_user_and_expiry() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let token = scene.ctl(&["token", "--json"]).success().json();
    assert_eq!(token["account"], ACCOUNT);
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["username"], "alice");
    assert!((token["expires_at"].as_i64().unwrap() - now() - 3600).abs() < 60);
}

#[test]
fn an_answer_wrapped_in_data_is_accepted() {
    let scene = Scene::memory(Behaviour { wrapped: true, ..Behaviour::default() }).signed_in();
    assert!(scene.fake.is_live(&scene.token()));
    assert_ne!(scene.refresh(), "");
}

#[test]
fn each_account_has_its_own_token() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    scene.bed.account(&scene.fake, "second");
    scene.bed.sign_in_as("second", "bob");
    let first = scene.token();
    let second = scene.ctl(&["token", "second"]).success().line().to_owned();
    assert_ne!(first, second);
    assert!(scene.fake.is_live(&first) && scene.fake.is_live(&second));
    scene.ctl(&["account", "default", "second"]).success();
    assert_eq!(scene.token(), second);
}
