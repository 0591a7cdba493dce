//! The Varlink interface, as any client can use it.

use imgurd_proto::{INTERFACE, INTERFACE_TEXT, State};
use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::{ACCOUNT, Scene};
use imgurd_tests::wire::{Wire, error_of, token_of};
use serde_json::{Value, json};

fn scene() -> Scene {
    Scene::memory(Behaviour::default()).signed_in()
}

const SERVICE: &str = "org.varlink.service";
const GET_INFO: &str = "org.varlink.service.GetInfo";
const DESCRIBE: &str = "org.varlink.service.GetInterfaceDescription";

#[test]
fn the_service_describes_itself() {
    let scene = Scene::memory(Behaviour::default());
    let mut wire = scene.bed.wire();
    let info = wire.call(GET_INFO, &json!({}));
    assert_eq!(info["parameters"]["product"], "imgurd");
    assert_eq!(info["parameters"]["interfaces"], json!([SERVICE, INTERFACE]));
    for member in ["vendor", "version", "url"] {
        assert!(info["parameters"][member].is_string(), "{member}");
    }
    let text = wire.call(DESCRIBE, &json!({ "interface": INTERFACE }));
    assert_eq!(text["parameters"]["description"], INTERFACE_TEXT);
    let text = wire.call(DESCRIBE, &json!({ "interface": SERVICE }));
    let text = text["parameters"]["description"].as_str().unwrap();
    assert!(text.contains("interface org.varlink.service") && text.contains("method GetInfo()"), "{text}");
}

#[test]
fn every_described_method_exists() {
    let scene = Scene::memory(Behaviour::default());
    let methods = INTERFACE_TEXT.lines().filter_map(|line| line.strip_prefix("method "));
    let mut count = 0;
    for method in methods.filter_map(|line| line.split('(').next()) {
        let answer = scene.bed.wire().call(method, &json!({ "account": "nobody", "login_id": "none" }));
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(!error.ends_with("MethodNotFound"), "{method}: {answer}");
        count += 1;
    }
    assert!(count >= 15, "{count}");
}

#[test]
fn unknown_methods_and_interfaces_are_errors() {
    let scene = scene();
    let mut wire = scene.bed.wire();
    let answer = wire.call("NoSuchMethod", &json!({}));
    assert_eq!(error_of(&answer), "org.varlink.service.MethodNotFound");
    assert_eq!(answer["parameters"]["method"], "org.imgurd.Keeper1.NoSuchMethod");
    let answer = wire.call("org.varlink.service.NoSuchMethod", &json!({}));
    assert_eq!(error_of(&answer), "org.varlink.service.MethodNotFound");
    let answer = wire.call("org.example.Other.GetToken", &json!({}));
    assert_eq!(error_of(&answer), "org.varlink.service.InterfaceNotFound");
    assert_eq!(answer["parameters"]["interface"], "org.example.Other");
    let answer = wire.call(DESCRIBE, &json!({ "interface": "org.example.Other" }));
    assert_eq!(error_of(&answer), "org.varlink.service.InterfaceNotFound");
    // The connection still works.
    assert!(scene.fake.is_live(token_of(&wire.call("GetToken", &json!({})))));
}

#[test]
fn a_parameter_of_the_wrong_type_is_named() {
    let scene = scene();
    let mut wire = scene.bed.wire();
    for (method, parameters, named) in [
        ("GetToken", json!({ "account": 5 }), "account"),
        ("GetToken", json!({ "min_valid_s": "60" }), "min_valid_s"),
        ("GetToken", json!({ "wait_ms": 1.5 }), "wait_ms"),
        ("RejectToken", json!({}), "access_token"),
        ("GetToken", json!(["mytoken", 60]), "parameters"),
        ("ListPermits", json!([]), "parameters"),
        ("org.varlink.service.GetInfo", json!([]), "parameters"),
        ("AddAccount", json!({ "account": "x", "settings": { "flow": "magic" } }), "settings.flow"),
        ("CompleteLogin", json!({ "login_id": "x" }), "response"),
        (DESCRIBE, json!({}), "interface"),
    ] {
        let answer = wire.call(method, &parameters);
        assert_eq!(error_of(&answer), "org.varlink.service.InvalidParameter", "{method} {parameters}");
        assert_eq!(answer["parameters"]["parameter"], named);
    }
    // A message must be an object as well.
    wire.send(&json!(["org.varlink.service.GetInfo"]));
    wire.expect_hang_up();
}

#[test]
fn an_invalid_argument_is_named() {
    let scene = scene();
    let mut wire = scene.bed.wire();
    for (method, parameters, field) in [
        ("GetToken", json!({ "wait_ms": -1 }), "wait_ms"),
        ("GetToken", json!({ "min_valid_s": -1 }), "min_valid_s"),
        ("RejectToken", json!({ "access_token": "" }), "access_token"),
        ("AddAccount", json!({ "account": "a/b", "settings": { "client_id": "x" } }), "account"),
        ("ImportGrant", json!({ "text": "two words" }), "text"),
        ("CompleteLogin", json!({ "login_id": "none", "response": "0123" }), "login_id"),
        ("CancelLogin", json!({ "login_id": "none" }), "login_id"),
    ] {
        let answer = wire.call(method, &parameters);
        assert_eq!(error_of(&answer), "InvalidArgument", "{method} {parameters}: {answer}");
        assert_eq!(answer["parameters"]["field"], field);
        assert!(answer["parameters"]["reason"].is_string());
    }
}

#[test]
fn the_largest_numbers_do_no_harm() {
    let scene = scene();
    let mut wire = scene.bed.wire();
    let answer = wire.call("GetToken", &json!({ "wait_ms": i64::MAX, "min_valid_s": i64::MAX }));
    assert!(scene.fake.is_live(token_of(&answer)));
    let answer = wire.call("Refresh", &json!({ "wait_ms": i64::MAX }));
    assert!(scene.fake.is_live(token_of(&answer)));
}

#[test]
fn streaming_methods_need_more() {
    let scene = scene();
    let mut wire = scene.bed.wire();
    for method in ["Watch", "Login", "ReadJournal"] {
        let answer = wire.call(method, &json!({}));
        assert_eq!(error_of(&answer), "org.varlink.service.ExpectedMore");
    }
    assert!(!scene.account().login_pending);
    // A method that does not stream answers once even with `more`.
    wire.stream("GetToken", &json!({}));
    let answer = wire.answer();
    assert!(scene.fake.is_live(token_of(&answer)));
    assert_ne!(answer["continues"], true);
}

#[test]
fn calls_are_answered_in_their_order() {
    let scene = scene();
    let gate = scene.fake.hold(Endpoint::Token);
    let mut wire = scene.bed.wire();
    let call = |method: &str| format!("{}\0", json!({ "method": method }));
    let calls = [call("org.imgurd.Keeper1.Refresh"), call(GET_INFO), call("org.imgurd.Keeper1.GetToken")];
    wire.send_bytes(calls.concat().as_bytes());
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    assert!(!wire.has_answer());
    gate.release();
    let first = wire.answer();
    assert_eq!(wire.answer()["parameters"]["product"], "imgurd");
    assert_eq!(token_of(&wire.answer()), token_of(&first));
}

#[test]
fn a_message_can_arrive_byte_by_byte() {
    let scene = scene();
    let mut wire = scene.bed.wire();
    let message = format!("{}\0", json!({ "method": "org.imgurd.Keeper1.GetToken" }));
    for byte in message.as_bytes() {
        wire.send_bytes(&[*byte]);
    }
    assert!(scene.fake.is_live(token_of(&wire.answer())));
}

#[test]
fn a_oneway_call_has_an_effect_but_no_answer() {
    let scene = scene();
    let old = scene.token();
    let mut wire = scene.bed.wire();
    wire.send(&json!({ "method": "org.imgurd.Keeper1.Refresh", "oneway": true }));
    wire.send(&json!({ "method": "org.imgurd.Keeper1.NoSuchMethod", "oneway": true }));
    let answer = wire.call("GetToken", &json!({}));
    assert_ne!(token_of(&answer), old, "the first answer belongs to the last call");
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_client_that_closes_its_writing_half_still_gets_the_answer() {
    let scene = scene();
    let gate = scene.fake.hold(Endpoint::Token);
    let mut wire = scene.bed.wire();
    wire.ask("Refresh", &json!({}));
    wire.finish_sending();
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    gate.release();
    assert!(scene.fake.is_live(token_of(&wire.answer())));
    wire.expect_hang_up();
}

#[test]
fn unknown_and_null_fields_are_ignored() {
    let scene = scene();
    let mut wire = scene.bed.wire();
    wire.send(&json!({ "method": "org.imgurd.Keeper1.GetToken", "upgrade": false, "later": [1],
        "parameters": { "account": null, "min_valid_s": null, "wait_ms": null, "later": { "x": 1 } } }));
    assert!(scene.fake.is_live(token_of(&wire.answer())));
    wire.send(&json!({ "method": "org.imgurd.Keeper1.GetToken", "parameters": { "account": "" } }));
    assert_eq!(
        wire.answer()["parameters"]["token"]["account"],
        ACCOUNT,
        "an empty name means the default account"
    );
    wire.send(&json!({ "method": "org.imgurd.Keeper1.ListAccounts" }));
    let accounts = wire.answer();
    assert_eq!(accounts["parameters"]["accounts"].as_array().unwrap().len(), 1);
    // `SetAccount` declares its settings as optional.
    let answer = wire.call("SetAccount", &json!({ "settings": null, "make_default": true }));
    assert_eq!(answer["parameters"]["account"]["is_default"], true, "{answer}");
}

#[test]
fn an_invalid_message_closes_the_connection() {
    let scene = scene();
    for message in ["\0", "{\0", "nonsense\0", "[]\0", "{}\0", "{\"method\":5}\0", "\u{1}\u{2}\0"] {
        let mut wire = scene.bed.wire();
        wire.send_bytes(message.as_bytes());
        wire.expect_hang_up();
    }
    assert!(scene.fake.is_live(&scene.token()));
}

fn report(wire: &mut Wire) -> (String, Value, bool) {
    let answer = wire.answer();
    let account = answer["parameters"]["account"].clone();
    let name = account["name"].as_str().expect("the answer has an account").to_owned();
    (name, account, answer["continues"] == true)
}

#[test]
fn watch_reports_the_current_state_and_each_change() {
    let scene = scene();
    let mut watch = scene.bed.wire();
    watch.stream("Watch", &json!({}));
    let (name, account, continues) = report(&mut watch);
    assert_eq!((name.as_str(), account["state"].as_str()), (ACCOUNT, Some("fresh")));
    assert!(continues);

    let gate = scene.fake.hold(Endpoint::Token);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    let mut reports = std::iter::repeat_with(|| report(&mut watch).1);
    assert!(reports.any(|account| account["state"] == "refreshing"));
    gate.release();
    assert!(reports.any(|account| account["state"] == "fresh"));
    scene.bed.account(&scene.fake, "second");
    assert!(reports.any(|account| account["name"] == "second"));
    scene.ctl(&["auto-refresh", "off", ACCOUNT]).success();
    assert!(reports.any(|account| account["name"] == ACCOUNT && account["auto_refresh"] == false));
}

#[test]
fn watch_of_an_account_ends_when_it_is_removed() {
    let scene = scene();
    scene.bed.account(&scene.fake, "second");
    let mut watch = scene.bed.wire();
    watch.stream("Watch", &json!({ "account": "second" }));
    assert_eq!(report(&mut watch).0, "second");
    scene.ctl(&["refresh"]).success();
    scene.ctl(&["account", "remove", "second"]).success();
    assert!(watch.answer()["error"].is_string(), "the watch ends with an error, without other accounts");
    let mut watch = scene.bed.wire();
    watch.stream("Watch", &json!({ "account": "nobody" }));
    assert_eq!(error_of(&watch.answer()), "NoSuchAccount");
}

#[test]
fn any_varlink_client_can_run_a_login() {
    let scene = Scene::memory(Behaviour::default());
    let mut login = scene.bed.wire();
    login.stream("Login", &json!({}));
    let begun = login.answer();
    assert_eq!(begun["continues"], true);
    assert_eq!(begun["parameters"]["paste"], false);
    browser::allow(begun["parameters"]["url"].as_str().unwrap(), "alice");
    let done = login.answer();
    assert_ne!(done["continues"], true);
    assert_eq!(done["parameters"]["login_id"], begun["parameters"]["login_id"]);
    assert_eq!(done["parameters"]["account"]["username"], "alice");
}

#[test]
fn a_login_can_be_completed_and_cancelled_from_another_connection() {
    let scene = Scene::memory(Behaviour::default());
    let mut login = scene.bed.wire();
    login.stream("Login", &json!({ "flow": "pin" }));
    let begun = login.answer();
    let (id, url) = (&begun["parameters"]["login_id"], begun["parameters"]["url"].as_str().unwrap());
    assert_eq!(begun["parameters"]["paste"], true);
    let page = browser::allow(url, "alice");
    // A wrong paste does not end the login.
    let mut other = scene.bed.wire();
    let refused = other.call("CompleteLogin", &json!({ "login_id": id, "response": "two words" }));
    assert_eq!(error_of(&refused), "InvalidArgument");
    assert!(scene.account().login_pending);
    let done = other.call("CompleteLogin", &json!({ "login_id": id, "response": page.pin() }));
    assert_eq!(done["parameters"]["account"]["state"], "fresh");
    assert_eq!(login.answer()["parameters"]["account"]["state"], "fresh");

    login.stream("Login", &json!({ "flow": "pin" }));
    let id = login.answer()["parameters"]["login_id"].clone();
    assert_eq!(other.call("CancelLogin", &json!({ "login_id": id }))["parameters"], json!({}));
    let ended = login.answer();
    assert_eq!(error_of(&ended), "LoginFailed");
    assert!(ended["parameters"]["reason"].as_str().unwrap().contains("cancelled"));
    assert_eq!(scene.account().state, State::Fresh);
}
