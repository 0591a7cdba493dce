//! Refreshes: automatic, on demand, and within limits.

use std::fs;
use std::time::Duration;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Rotation};
use imgurd_tests::testbed::{Scene, Testbed};
use imgurd_tests::wire::{Wire, error_of, token_of};
use serde_json::{Value, json};

use crate::{HOUR, now};

fn rotating(rotation: Rotation) -> Behaviour {
    Behaviour { rotation, ..Behaviour::default() }
}

fn scene() -> Scene {
    Scene::memory(rotating(Rotation::Plain)).signed_in()
}

#[test]
fn a_token_is_refreshed_before_it_expires_without_a_caller() {
    let scene = Scene::memory(Behaviour { lifetime: Duration::from_secs(4), ..rotating(Rotation::Plain) })
        .signed_in();
    let expiry = scene.account().expires_at.unwrap();
    scene.fake.configure(|behaviour| behaviour.lifetime = HOUR);
    let requests = scene.fake.wait_for_answers(Endpoint::Token, 2);
    assert_eq!(requests[1].grant_type(), Some("refresh_token"));
    assert!(now() <= expiry, "the refresh comes before expiry");
    scene.wait_until(|account| account.expires_at > Some(expiry) && account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.token()));
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_due_refresh_waits_for_a_pause_between_calls() {
    let bed = Testbed::file();
    let config = fs::read_to_string(bed.config_file()).unwrap();
    bed.configure(&format!("{config}\n[refresh]\nmargin = \"130s\"\n"));
    let mut scene = Scene::new(bed, Behaviour { lifetime: 10 * HOUR, ..Behaviour::default() }).signed_in();
    assert!(scene.stop().success());
    // The refresh is due 130 s before the token expires, or up to a tenth of that earlier.
    scene.bed.set_clock(10 * 3600 - 145);
    scene.start();
    let due = scene.wait_until(|account| account.state == State::Fresh).next_refresh_at;
    let mut program = scene.bed.wire();
    let mut last = String::new();
    while scene.account().next_refresh_at == due {
        last = token_of(&program.call("GetToken", &json!({}))).to_owned();
    }
    assert!(scene.refreshes().is_empty(), "the refresh was postponed");
    scene.fake.wait_for_answers(Endpoint::Token, 2);
    scene.wait_until(|account| account.next_refresh_at > due.map(|due| due + 3600));
    assert_ne!(scene.token(), last);
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_token_with_a_very_short_lifetime_is_refreshed_on_demand_only() {
    let scene = crate::expired(Scene::memory(crate::momentary()).signed_in());
    let account = scene.account();
    assert_eq!(account.state, State::Stale);
    assert_eq!(account.next_refresh_at, None);
    assert!(account.reason.unwrap().contains("lifetime is too short"));
    assert_eq!(scene.refreshes().len(), 0);
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn with_auto_refresh_off_a_token_is_refreshed_on_demand_only() {
    let scene = Scene::memory(Behaviour { lifetime: Duration::from_secs(2), ..Behaviour::default() });
    scene.ctl(&["auto-refresh", "off"]).success();
    let scene = scene.signed_in();
    assert_eq!(scene.account().next_refresh_at, None);
    let account = scene.wait_until(|account| account.state == State::Stale);
    assert!(!account.auto_refresh);
    assert!(account.reason.unwrap().starts_with("Auto-refresh is off"));
    assert_eq!(scene.refreshes().len(), 0);
    scene.fake.configure(|behaviour| behaviour.lifetime = HOUR);
    assert!(scene.fake.is_live(&scene.token()));
    assert_eq!(scene.refreshes().len(), 1);
    let output = scene.ctl(&["auto-refresh", "on"]).success();
    assert!(output.stderr.contains("before its token expires"), "{}", output.stderr);
    assert!(scene.account().next_refresh_at.is_some());
}

#[test]
fn switching_auto_refresh_on_refreshes_an_expired_token_at_once() {
    let scene = Scene::memory(Behaviour { lifetime: Duration::from_secs(2), ..Behaviour::default() });
    scene.ctl(&["auto-refresh", "off"]).success();
    let scene = scene.signed_in();
    scene.wait_until(|account| account.state == State::Stale);
    scene.fake.configure(|behaviour| behaviour.lifetime = HOUR);
    scene.ctl(&["auto-refresh", "on"]).success();
    scene.wait_until(|account| account.state == State::Fresh);
}

#[test]
fn a_rotated_refresh_token_survives_restarts_and_crashes() {
    let mut scene = Scene::file(rotating(Rotation::ReuseDetection)).signed_in();
    scene.refresh();
    scene.restart();
    scene.refresh();
    scene.crash();
    scene.start();
    let token = scene.refresh();
    assert!(scene.fake.is_live(&token), "no used refresh token was sent again");
    let refreshes = scene.refreshes();
    let presented: Vec<_> = refreshes.iter().map(|request| request.refresh_token().unwrap()).collect();
    assert_eq!(presented.len(), 3);
    assert!(presented[0] != presented[1] && presented[1] != presented[2]);
}

#[test]
fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let mut scene = Scene::file(rotating(Rotation::Omitted)).signed_in();
    scene.refresh();
    scene.restart();
    scene.refresh();
    let refreshes = scene.refreshes();
    assert_eq!(refreshes.len(), 2);
    assert_eq!(refreshes[0].refresh_token(), refreshes[1].refresh_token());
}

#[test]
fn six_refreshes_a_minute_are_the_limit_and_tokens_are_still_returned() {
    let scene = scene();
    for _ in 0..6 {
        scene.ctl(&["refresh"]).success();
    }
    let output = scene.ctl(&["refresh"]).exits(6);
    assert!(output.complaint().contains("6 times within a minute"), "{}", output.stderr);
    let error: Value = serde_json::from_str(&scene.ctl(&["refresh", "--json"]).exits(6).stderr).unwrap();
    let retry = error["retry_at"].as_i64().unwrap() - now();
    assert!((1..=61).contains(&retry), "{retry}");
    assert!(scene.fake.is_live(&scene.token()));
    assert_eq!(scene.refreshes().len(), 6);
}

#[test]
fn a_rejected_token_is_replaced() {
    let scene = scene();
    let old = scene.token();
    scene.fake.kill_access_token();
    let new = scene.ctl_with(&["reject"], &old).success().line().to_owned();
    assert_ne!(new, old);
    assert!(scene.fake.is_live(&new));
    assert_eq!(scene.token(), new);
}

#[test]
fn reporting_an_old_token_costs_no_request() {
    let scene = scene();
    let old = scene.token();
    let new = scene.ctl_with(&["reject"], &old).success().line().to_owned();
    for outdated in [old.as_str(), "0123456789abcdef"] {
        assert_eq!(scene.ctl_with(&["reject"], outdated).success().line(), new);
    }
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_rejected_token_is_not_returned_while_a_refresh_is_in_progress() {
    let scene = scene();
    let old = scene.token();
    let gate = scene.fake.hold(Endpoint::Token);
    let rejecting = {
        let mut ctl = scene.bed.ctl_spawn(&["reject"]);
        ctl.write(&old);
        ctl
    };
    let rejecting = std::thread::spawn(move || rejecting.finish());
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    let mut caller = scene.bed.wire();
    caller.ask("GetToken", &json!({}));
    assert_eq!(scene.account().state, State::Refreshing);
    assert!(!caller.has_answer());
    gate.release();
    let new = token_of(&caller.answer()).to_owned();
    assert_ne!(new, old);
    assert_eq!(rejecting.join().unwrap().success().line(), new);
}

#[test]
fn fifty_programs_that_reject_the_same_token_cause_one_refresh() {
    let scene = scene();
    let old = scene.token();
    scene.fake.kill_access_token();
    let gate = scene.fake.hold(Endpoint::Token);
    let mut callers: Vec<Wire> = (0..50).map(|_| scene.bed.wire()).collect();
    for caller in &mut callers {
        caller.ask("RejectToken", &json!({ "access_token": old }));
    }
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    gate.release();
    let answers: Vec<_> = callers.iter_mut().map(Wire::answer).collect();
    let new = token_of(&answers[0]);
    assert!(scene.fake.is_live(new));
    assert!(answers.iter().all(|answer| token_of(answer) == new));
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_third_rejection_of_a_new_token_in_a_row_is_not_accepted() {
    let scene = scene();
    let mut token = scene.token();
    for _ in 0..2 {
        token = scene.ctl_with(&["reject"], &token).success().line().to_owned();
    }
    let output = scene.ctl_with(&["reject"], &token).exits(6);
    assert!(output.complaint().contains("three new tokens"), "{}", output.stderr);
    assert_eq!(scene.token(), token, "callers still get a token");
    assert_eq!(scene.refreshes().len(), 2);
    // A program that reports an old token still gets the current one.
    let mut caller = scene.bed.wire();
    let answer = caller.call("RejectToken", &json!({ "access_token": "0123456789abcdef" }));
    assert_eq!(token_of(&answer), token);
    let answer = caller.call("RejectToken", &json!({ "access_token": token }));
    assert_eq!(error_of(&answer), "TemporarilyUnavailable");
}

#[test]
fn a_grant_without_a_refresh_token_advises_to_sign_in() {
    let scene = Scene::memory(Behaviour::default());
    let (mut login, url) = scene.login(&["--flow", "token", "--paste"]);
    scene.fake.configure(|behaviour| behaviour.callback = None);
    let page = imgurd_tests::browser::allow(&url, "alice");
    let (before, after) = page.url.split_once("&refresh_token=").unwrap();
    let (_, after) = after.split_once('&').unwrap();
    login.write(&format!("{before}&{after}\n"));
    login.finish().success();
    assert!(scene.fake.is_live(&scene.token()));
    let output = scene.ctl(&["refresh"]).exits(4);
    assert!(output.complaint().contains("imgurctl login"), "{}", output.stderr);
    assert!(scene.fake.is_live(&scene.token()));
}
