//! The Varlink client from PyPI, which reads the interface description from the daemon.

use imgurd_proto::INTERFACE;
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::stranger::PythonClient;
use imgurd_tests::testbed::{ACCOUNT, Scene, Testbed};
use serde_json::{Value, json};

/// A daemon with a token, and the client.
fn scene() -> (Scene, PythonClient) {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let client = PythonClient::varlink(&scene.bed);
    (scene, client)
}

fn token(answer: &Value) -> &str {
    answer["returned"]["token"]["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("the answer has no token: {answer}"))
}

#[test]
fn varlink_reads_the_service_info() {
    let (_scene, mut client) = scene();
    let info = client.ask(&json!({ "info": {} }));
    assert_eq!(info["returned"]["product"], "imgurd");
    assert_eq!(info["returned"]["interfaces"], json!(["org.varlink.service", INTERFACE]));
    let members = client.ask(&json!({ "members": INTERFACE }));
    let members = members["returned"].as_array().unwrap();
    for member in ["GetToken", "RejectToken", "Watch", "Login", "Settings", "ConsentNeeded"] {
        assert!(members.contains(&json!(member)), "{member}");
    }
}

#[test]
fn varlink_gets_a_token_and_another_for_a_rejected_one() {
    let (scene, mut client) = scene();
    let answer = client.call("GetToken", &json!({ "account": ACCOUNT, "min_valid_s": 60 }));
    let old = token(&answer).to_owned();
    assert!(scene.fake.is_live(&old));
    assert_eq!(answer["returned"]["token"]["token_type"], "Bearer");
    assert_eq!(token(&client.call("GetToken", &json!({}))), old);

    scene.fake.kill_access_token();
    let answer = client.call("RejectToken", &json!({ "access_token": old }));
    assert!(token(&answer) != old && scene.fake.is_live(token(&answer)));
    assert_eq!(scene.refreshes().len(), 1);
    drop(client);
    scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
}

#[test]
fn varlink_raises_the_keepers_errors_with_their_names_and_fields() {
    let (scene, mut client) = scene();
    let error = client.call("GetToken", &json!({ "account": "nobody" }));
    assert_eq!(error["raised"], "VarlinkError");
    assert_eq!(error["error"], "org.imgurd.Keeper1.NoSuchAccount");
    assert_eq!(error["parameters"]["account"], "nobody");

    scene.ctl(&["logout"]).success();
    let error = client.call("GetToken", &json!({}));
    assert_eq!(error["error"], "org.imgurd.Keeper1.ConsentNeeded");
    assert!(error["parameters"]["reason"].as_str().unwrap().contains("imgurctl login"), "{error}");

    let error = client.call("GetToken", &json!({ "wait_ms": -1 }));
    assert_eq!(error["error"], "org.imgurd.Keeper1.InvalidArgument");
    assert_eq!(error["parameters"]["field"], "wait_ms");
}

#[test]
fn varlink_raises_its_own_errors_for_invalid_calls() {
    let (_scene, mut client) = scene();
    let error = client.ask(&json!({ "members": "org.example.Other" }));
    assert_eq!(error["raised"], "InterfaceNotFound");
    assert_eq!(error["parameters"]["interface"], "org.example.Other");

    // A client of a later version calls a method and an argument type that this daemon does not have.
    let later = format!("interface {INTERFACE}\nmethod Later() -> ()\nmethod GetToken(account: int) -> ()");
    let error = client.ask(&json!({ "call": "Later", "arguments": {}, "as": later }));
    assert_eq!(error["error"], "org.varlink.service.MethodNotFound");
    assert_eq!(error["parameters"]["method"], "org.imgurd.Keeper1.Later");
    let error = client.ask(&json!({ "call": "GetToken", "arguments": { "account": 5 }, "as": later }));
    assert_eq!(error["raised"], "InvalidParameter");
    assert_eq!(error["parameters"]["parameter"], "account");

    let error = client.call("Watch", &json!({}));
    assert_eq!(error["error"], "org.varlink.service.ExpectedMore");
}

#[test]
fn varlink_watches_a_refresh() {
    let (scene, mut client) = scene();
    let now = client.ask(&json!({ "watch": "Watch", "arguments": { "account": ACCOUNT } }));
    assert_eq!(now["returned"]["account"]["state"], "fresh");
    let gate = scene.fake.hold(Endpoint::Token);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    let state = |client: &mut PythonClient| client.answer()["returned"]["account"]["state"].clone();
    while state(&mut client) != "refreshing" {}
    gate.release();
    while state(&mut client) != "fresh" {}
}

#[test]
fn varlink_raises_the_error_of_a_full_daemon() {
    let bed = Testbed::memory();
    // Leaves hardly any descriptors for callers (prlimit(1)).
    bed.launch_by(["prlimit", "--nofile=136:136"]);
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    // The client asks the service about itself, on a connection that it then closes.
    let mut client = PythonClient::varlink(&scene.bed);
    let _ = token(&client.call("GetToken", &json!({})));
    let _held = scene.bed.take_all_places();
    for _ in 0..10 {
        let error = client.call("GetToken", &json!({}));
        assert_eq!(error["error"], "org.imgurd.Keeper1.TemporarilyUnavailable");
        assert!(error["parameters"]["reason"].as_str().unwrap().contains("try again in a moment"), "{error}");
    }
}
