//! Calls of the user while the store or the server does not answer.

use std::time::Duration;
use std::{fs, thread};

use imgurd_proto::State;
use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::{ACCOUNT, Scene, Testbed};
use imgurd_tests::wire::error_of;
use serde_json::json;

#[test]
fn reporting_an_old_token_brings_a_new_one_with_auto_refresh_off() {
    let lifetime = Duration::from_secs(2);
    let scene = Scene::memory(Behaviour { lifetime, ..Behaviour::default() });
    scene.ctl(&["auto-refresh", "off"]).success();
    scene.login_as("alice", &[]).success();
    scene.wait_until(|account| account.state == State::Stale);
    scene.ctl_with(&["reject", "--wait", "5s"], "fake-older-token").success();
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_logout_discards_the_answer_to_a_code_exchange() {
    let scene = Scene::memory(Behaviour::default());
    let gate = scene.fake.hold_answer(Endpoint::Token);
    let (login, url) = scene.login(&[]);
    let allowing = thread::spawn(move || browser::allow(&url, "alice"));
    scene.fake.wait_for_requests(Endpoint::Token, 1);
    scene.ctl(&["logout"]).success();
    gate.release();
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("signed out"), "{}", output.stderr);
    allowing.join().unwrap();
    assert_eq!(scene.account().state, State::Empty);
    scene.ctl(&["token"]).exits(4);
}

#[test]
fn a_waiting_caller_learns_that_the_account_was_removed() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let gate = scene.fake.hold_answer(Endpoint::Token);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    scene.ctl(&["account", "remove", ACCOUNT]).success();
    assert_eq!(error_of(&caller.answer()), "NoSuchAccount");
    gate.release();
}

#[test]
fn a_client_that_joins_a_login_keeps_its_own_timeout() {
    let scene = Scene::memory(Behaviour::default());
    let (first, url) = scene.login(&[]);
    scene.ctl(&["login", "--no-browser", "--timeout", "1s"]).exits(10);
    browser::allow(&url, "alice");
    first.finish().success();
}

#[test]
fn every_displaced_grant_can_be_restored() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    for user in ["bob", "carol"] {
        scene.login_as(user, &["--replace"]).success();
    }
    for user in ["bob", "alice", "carol"] {
        scene.ctl(&["restore"]).success();
        scene.wait_until(|account| account.username.as_deref() == Some(user));
    }
}

#[test]
fn a_delayed_logout_is_completed_after_the_account_is_removed() {
    let bed = Testbed::new();
    let _bus = bed.bus();
    let mut keyring = bed.keyring();
    keyring.start(&bed);
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    let config = fs::read_to_string(scene.bed.config_file()).unwrap();
    assert!(scene.stop().success());
    keyring.hang();
    scene.start();
    let asked = |scene: &mut Scene| scene.daemon().log().matches("event=\"asked\"").count();
    let before = asked(&mut scene);
    let mut caller = scene.bed.wire();
    caller.ask("Logout", &json!({}));
    while asked(&mut scene) == before {
        thread::yield_now();
    }
    scene.ctl(&["account", "remove", ACCOUNT]).success();
    keyring.resume();
    caller.answer();
    scene.bed.configure(&config);
    scene.daemon().reload();
    scene.wait_until(|account| account.state == State::Empty);
}

#[test]
fn a_client_secret_is_saved_as_soon_as_the_store_works() {
    let bed = Testbed::file();
    let disk = bed.disk(64);
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    disk.fill_but(0);
    let mut caller = scene.bed.wire();
    assert_eq!(error_of(&caller.call("Refresh", &json!({ "wait_ms": 100 }))), "StoreUnavailable");
    // Each call tries the store again, and each failure lengthens the pause before imgurd's own next try.
    for _ in 0..12 {
        caller.call("UnlockStore", &json!({}));
    }
    let secret = scene.fake.behaviour().client_secret;
    let call = json!({ "account": ACCOUNT, "settings": {}, "client_secret": secret });
    assert_eq!(error_of(&caller.call("SetAccount", &call)), "StoreUnavailable");
    disk.clear();
    assert_eq!(caller.call("SetAccount", &call).get("error"), None);
}
