//! Getting and rejecting tokens.

use serde_json::{Value, json};

use crate::daemon::{FakeDaemon, account, account_with, only_line, token};

#[test]
fn prints_only_the_token() {
    let daemon = FakeDaemon::answering("GetToken", token());
    let ran = daemon.home.run(&["token"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "s3cret\n", ""));
    assert_eq!(daemon.asked_for("GetToken"), json!({}));
}

#[test]
fn passes_on_wait_and_min_valid() {
    let daemon = FakeDaemon::answering("GetToken", token());
    daemon.home.run(&["token", "me", "--min-valid", "5m", "--wait", "250ms"]);
    assert_eq!(daemon.asked_for("GetToken"), json!({ "account": "me", "min_valid_s": 300, "wait_ms": 250 }));
}

#[test]
fn prints_a_header() {
    let daemon = FakeDaemon::answering("GetToken", token());
    assert_eq!(daemon.home.run(&["token", "--header"]).stdout, "Authorization: Bearer s3cret\n");
    let ran = daemon.home.run(&["token", "--header", "--prefix", "token"]);
    assert_eq!(ran.stdout, "Authorization: token s3cret\n");
}

#[test]
fn prints_the_token_object() {
    let daemon = FakeDaemon::answering("GetToken", token());
    let ran = daemon.home.run(&["--json", "token"]);
    let object: Value = serde_json::from_str(only_line(&ran.stdout)).expect("JSON");
    assert_eq!(object, token()["token"]);
}

#[test]
fn needs_no_grant_for_an_anonymous_header() {
    let empty = account_with("me", &json!({ "state": "empty", "reason": "nobody has signed in; sign in" }));
    let other = account_with("other", &json!({ "is_default": false, "settings": { "client_id": "x" } }));
    let daemon = FakeDaemon::answering("ListAccounts", json!({ "accounts": [other, empty] }));
    let ran = daemon.home.run(&["token", "--header", "--anonymous"]);
    assert_eq!(ran.stdout, "Authorization: Client-ID 0123456789abcde\n");
}

#[test]
fn names_the_setting_that_an_anonymous_header_lacks() {
    let bare = account_with("me", &json!({ "settings": {} }));
    let daemon = FakeDaemon::answering("ListAccounts", json!({ "accounts": [bare] }));
    let ran = daemon.home.run(&["token", "--header", "--anonymous"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (9, ""));
    assert!(only_line(&ran.stderr).contains("--client-id"));
}

#[test]
fn says_how_to_choose_a_default_account() {
    let other = account_with("other", &json!({ "is_default": false }));
    let daemon = FakeDaemon::answering("ListAccounts", json!({ "accounts": [other] }));
    let ran = daemon.home.run(&["token", "--header", "--anonymous"]);
    assert_eq!(ran.code, 3);
    assert!(only_line(&ran.stderr).contains("imgurctl account default NAME"));
}

#[test]
fn reads_the_rejected_token_from_standard_input() {
    let daemon = FakeDaemon::answering("RejectToken", token());
    let ran = daemon.home.run_with(&["reject", "me", "--wait", "5"], "0ld\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "s3cret\n"));
    assert_eq!(
        daemon.asked_for("RejectToken"),
        json!({ "account": "me", "access_token": "0ld", "wait_ms": 5000 })
    );
}

#[test]
fn reject_requires_a_token() {
    let daemon = FakeDaemon::answering("RejectToken", token());
    let ran = daemon.home.run(&["reject"]);
    assert_eq!(ran.code, 2);
    assert!(only_line(&ran.stderr).contains("give it the rejected token"));
}

#[test]
fn refreshes_without_showing_the_token() {
    let daemon = FakeDaemon::answering("Refresh", token());
    for args in [&["refresh"][..], &["refresh", "--json"]] {
        let ran = daemon.home.run(args);
        assert_eq!(ran.code, 0);
        assert!(!ran.stdout.contains("s3cret") && !ran.stderr.contains("s3cret"), "{ran:?}");
    }
}

#[test]
fn quiet_prints_no_messages() {
    let daemon = FakeDaemon::answering("Refresh", token());
    let ran = daemon.home.run(&["-q", "refresh"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
}

#[test]
fn connects_to_the_given_socket() {
    let daemon = FakeDaemon::answering("ListAccounts", json!({ "accounts": [account("me")] }));
    let elsewhere = crate::daemon::Home::new();
    let socket = daemon.home.path().join("imgurd/socket");
    let ran = elsewhere.run(&["status", "--socket", socket.to_str().expect("text")]);
    assert_eq!(ran.code, 0, "{ran:?}");
}
