//! Importing, restoring and deleting grants.

use serde_json::{Value, json};

use crate::daemon::{FakeDaemon, Ran, account, account_with, only_line};

fn importing(account: &Value) -> FakeDaemon {
    let account = account.clone();
    FakeDaemon::start(move |call| match call.method.as_str() {
        "ListAccounts" => call.reply(&json!({ "accounts": [account] })),
        _ => call.reply(&json!({ "account": account })),
    })
}

#[test]
fn imports_a_grant_from_standard_input() {
    let daemon = importing(&account("me"));
    let ran = daemon.home.run_with(&["import", "me", "--replace"], "{\"refresh_token\": \"r\"}\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert_eq!(ran.stderr, "Imported: signed in as alice.\n");
    daemon.asked_for("ListAccounts");
    assert_eq!(
        daemon.asked_for("ImportGrant"),
        json!({ "account": "me", "text": "{\"refresh_token\":\"r\"}", "replace": true })
    );
}

#[test]
fn keeps_a_grant_that_could_not_be_verified() {
    let reason = "connection refused by api.imgur.com; it is tried again by itself, just wait";
    let daemon = importing(&account_with("me", &json!({ "state": "waiting", "reason": reason })));
    let ran = daemon.home.run_with(&["import"], "r");
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("not verified yet") && ran.stderr.contains(reason), "{ran:?}");
}

#[test]
fn fails_if_the_server_refuses_the_grant() {
    for state in ["consent_needed", "waiting"] {
        let reason = "The server refused the refresh token (Invalid refresh token); just wait";
        let daemon =
            importing(&account_with("me", &json!({ "state": state, "reason": reason, "refused": true })));
        let ran = daemon.home.run_with(&["import"], "r");
        assert_eq!((ran.code, ran.stdout.as_str()), (4, ""));
        assert!(only_line(&ran.stderr).ends_with(reason));
    }
}

#[test]
fn a_refused_client_is_not_a_refused_grant() {
    let reason = "the server refused the client; correct client_id";
    let daemon = importing(&account_with("me", &json!({ "state": "misconfigured", "reason": reason })));
    assert_eq!(daemon.home.run_with(&["import"], "r").code, 0);
}

#[test]
fn refuses_to_import_empty_input() {
    let daemon = importing(&account("me"));
    let ran = daemon.home.run_with(&["import"], " \n");
    assert_eq!(ran.code, 2);
    assert!(only_line(&ran.stderr).contains("standard input is empty"));
}

#[test]
fn restores_a_replaced_grant() {
    let daemon = FakeDaemon::answering("RestoreGrant", json!({ "account": account("me") }));
    assert_eq!(daemon.home.run(&["restore"]).stderr, "Restored: signed in as alice.\n");
}

#[test]
fn prints_an_empty_object_for_a_call_without_result() {
    let daemon = FakeDaemon::answering("UnlockStore", json!({}));
    let ran = daemon.home.run(&["unlock", "--json"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "{}\n", ""));
}

/// Runs `imgurctl logout` for an account with these settings, whose server answers with `reply`.
fn logged_out(arguments: &[&str], settings: &Value, reply: &Value) -> Ran {
    let account = account_with("me", &json!({ "settings": settings }));
    let reply = reply.clone();
    let daemon = FakeDaemon::start(move |call| match call.method.as_str() {
        "ListAccounts" => call.reply(&json!({ "accounts": [account] })),
        _ => call.reply(&reply),
    });
    let ran = daemon.home.run(&[&["logout", "me"], arguments].concat());
    daemon.asked_for("ListAccounts");
    assert_eq!(daemon.asked_for("Logout"), json!({ "account": "me" }));
    ran
}

#[test]
fn logout_reports_the_revocation_at_the_server() {
    let elsewhere = json!({ "token_url": "https://as.example/token" });
    let revocable =
        json!({ "token_url": "https://as.example/token", "revoke_url": "https://as.example/revoke" });
    let refused = json!({ "revoked": false, "note": "the server answered with HTTP 503" });
    for (settings, reply, said) in [
        (&revocable, json!({ "revoked": true }), "The server has revoked them."),
        (&revocable, refused, "The server did not revoke them: the server answered with HTTP 503. Revoke"),
        (&revocable, json!({}), "nothing to revoke"),
        (&elsewhere, json!({}), "revoke the access on the server's own page"),
        (&json!({}), json!({}), "https://imgur.com/account/settings/apps"),
    ] {
        let ran = logged_out(&[], settings, &reply);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
        assert!(only_line(&ran.stderr).contains(said), "{}", ran.stderr);
        let ran = logged_out(&["--json", "--yes"], settings, &reply);
        let printed: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!((ran.code, printed, ran.stderr.as_str()), (0, reply, ""));
    }
}
