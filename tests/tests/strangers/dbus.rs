//! Two D-Bus clients from PyPI: dasbus, based on GLib, and jeepney, in pure Python.

use imgurd_proto::dbus::{BUS_NAME, PATH, account_path};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::stranger::PythonClient;
use imgurd_tests::testbed::{ACCOUNT, Bus, Scene, Testbed};
use serde_json::{Value, json};

/// Starts a client.
type Start = fn(&Testbed) -> PythonClient;

/// A daemon on a bus, with a token, and a client.
fn scene(start: Start) -> (PythonClient, Scene, Bus) {
    let bed = Testbed::memory();
    let bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    (start(&scene.bed), scene, bus)
}

#[track_caller]
fn gets_tokens(start: Start) {
    let (mut client, scene, _bus) = scene(start);
    let (old, expires_at) = (scene.token(), scene.account().expires_at);
    let answer = client.call("GetToken", &json!(["", -1, -1]));
    assert_eq!(answer["returned"], json!([old, "Bearer", expires_at]));

    scene.fake.kill_access_token();
    let answer = client.call("RejectToken", &json!([ACCOUNT, old, -1]));
    let new = answer["returned"][0].as_str().unwrap();
    assert!(new != old && scene.fake.is_live(new));
    drop(client);
    scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
}

#[track_caller]
fn raises_errors(start: Start) {
    let (mut client, scene, _bus) = scene(start);
    scene.ctl(&["logout"]).success();
    for (arguments, name, message) in [
        (json!(["nobody", -1, -1]), "NoSuchAccount", "nobody"),
        (json!(["", -1, -1]), "ConsentNeeded", "imgurctl login mytoken"),
        (json!(["", -1, -2]), "InvalidArgument", "wait_ms"),
    ] {
        let answer = client.call("GetToken", &arguments);
        assert_eq!(answer["raised"], name, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{answer}");
    }
}

#[track_caller]
fn reads_accounts(start: Start) {
    let (mut client, scene, _bus) = scene(start);
    let path = account_path(ACCOUNT);
    let properties = client.ask(&json!({ "properties": path.as_str() }))["returned"].clone();
    let account = scene.account();
    assert_eq!(properties["Name"], ACCOUNT);
    assert_eq!(properties["State"], "fresh");
    assert_eq!(properties["Username"], json!(account.username));
    assert_eq!(properties["ExpiresAt"], json!(account.expires_at));
    assert_eq!(properties["NextRefreshAt"], json!(account.next_refresh_at));
    assert_eq!(properties["AutoRefresh"], true);

    let objects = client.ask(&json!({ "objects": {} }))["returned"].clone();
    assert_eq!(objects[path.as_str()][format!("{BUS_NAME}.Account")], properties);
    assert!(!objects.to_string().contains(&scene.token()), "the properties below {PATH} have no token");
}

#[track_caller]
fn notices_changes(start: Start) {
    let (mut client, scene, _bus) = scene(start);
    let state = client.ask(&json!({ "watch": account_path(ACCOUNT).as_str() }));
    assert_eq!(state["returned"], "fresh");
    let token = scene.refresh();
    let signal = |client: &mut PythonClient, member: &str, wanted: fn(&Value) -> bool| {
        loop {
            let signal = client.answer();
            assert!(!signal.to_string().contains(&token), "signals have no token");
            if signal["signal"] == member && wanted(&signal["arguments"]) {
                return signal["arguments"].clone();
            }
        }
    };
    let changed = signal(&mut client, "PropertiesChanged", |arguments| arguments[1]["State"] == "refreshing");
    assert_eq!(changed[0], format!("{BUS_NAME}.Account"));
    signal(&mut client, "PropertiesChanged", |arguments| arguments[1]["State"] == "fresh");
    signal(&mut client, "TokenChanged", |arguments| arguments == &json!([]));
}

#[test]
fn dasbus_gets_a_token_and_another_for_a_rejected_one() {
    gets_tokens(PythonClient::dasbus);
}

#[test]
fn jeepney_gets_a_token_and_another_for_a_rejected_one() {
    gets_tokens(PythonClient::jeepney);
}

#[test]
fn dasbus_raises_the_keepers_errors_by_their_names() {
    raises_errors(PythonClient::dasbus);
}

#[test]
fn jeepney_raises_the_keepers_errors_by_their_names() {
    raises_errors(PythonClient::jeepney);
}

#[test]
fn dasbus_reads_the_state_of_an_account() {
    reads_accounts(PythonClient::dasbus);
}

#[test]
fn jeepney_reads_the_state_of_an_account() {
    reads_accounts(PythonClient::jeepney);
}

#[test]
fn dasbus_notices_a_refresh() {
    notices_changes(PythonClient::dasbus);
}

#[test]
fn jeepney_notices_a_refresh() {
    notices_changes(PythonClient::jeepney);
}
