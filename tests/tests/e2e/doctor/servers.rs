//! Checks of the accounts' servers, without using a grant.

use std::fs;

use imgurd_proto::Health;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::testbed::{ACCOUNT, Scene};
use imgurd_tests::tls::Authority;

use super::examine;

#[test]
fn the_check_of_a_server_sends_no_token() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let before = scene.fake.requests(Endpoint::Authorize).len();
    let found = examine(&scene.bed);
    for check in ["auth_url", "token_url", "api_url"] {
        found.expect_ok(check, "the server answers (HTTP ");
    }
    let asked = scene.fake.requests(Endpoint::Authorize).split_off(before);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].target.as_str(), &asked[0].authorization), ("/oauth2/authorize", &None));
}

#[test]
fn finds_and_names_the_failure_of_a_server() {
    let scene = Scene::memory(Behaviour::default());
    let banned = r#"{"data":{"error":{"code":1016,"message":"Banned country attempt"}},"success":false}"#;
    let page = |text: &str| Fault::Answer {
        status: 200,
        headers: vec![("Content-Type".into(), "text/html".into())],
        body: format!("<html>{text}</html>").into(),
    };
    for (fault, result, part, hint) in [
        (Fault::OverCapacity(500), Health::Warn, "over capacity", "wait"),
        (page("Error (1024)"), Health::Warn, "over capacity", "wait"),
        (Fault::Html(503), Health::Warn, "HTTP 503", "wait"),
        (Fault::json(400, banned), Health::Fail, "blocks the country", "another network"),
        (Fault::DropBeforeAnswer, Health::Fail, "broke", "check the network"),
    ] {
        scene.fake.fail_next(Endpoint::Authorize, fault);
        examine(&scene.bed).expect("auth_url", result, part, hint);
    }
}

#[test]
fn finds_a_captive_portal() {
    let scene = Scene::memory(Behaviour::default());
    let api = format!("{}/3/account/me", scene.fake.origin());
    scene.ctl(&["account", "set", ACCOUNT, "--api-url", &api]).success();
    scene.fake.fail_always(Endpoint::Account, Fault::CaptivePortal);
    examine(&scene.bed).expect("api_url", Health::Warn, "the network may require you to sign in", "wait");
}

#[test]
fn finds_an_unreachable_server() {
    let mut scene = Scene::memory(Behaviour::default());
    scene.fake.go_down();
    let found = examine(&scene.bed);
    for check in ["auth_url", "token_url", "api_url"] {
        found.expect(check, Health::Fail, &scene.fake.origin(), "check the network");
    }
    let file = scene.bed.root().join("ca.pem");
    fs::copy(Authority::new(scene.bed.root(), "authority").certificate(), &file).unwrap();
    scene.ctl(&["account", "set", ACCOUNT, "--ca-file", file.to_str().unwrap()]).success();
    fs::write(&file, "no certificate").unwrap();
    examine(&scene.bed).expect("token_url", Health::Fail, "", "ca_file");
}
