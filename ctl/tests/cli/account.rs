//! `imgurctl account`: commands and options.

use serde_json::{Value, json};

use crate::daemon::{FakeDaemon, Home, account, account_with, only_line};

#[test]
fn sends_the_settings_and_the_secret_from_standard_input() {
    let empty = account_with("me", &json!({ "state": "empty", "username": null, "reason": "sign in" }));
    let daemon = FakeDaemon::answering("AddAccount", json!({ "account": empty }));
    let args = "account add me --client-id abc --client-secret-stdin --flow pin --client-auth basic \
                --send-redirect-uri true --refresh-reuse revokes --auth-param a=b --auth-param c=d --default";
    let args: Vec<_> = args.split_whitespace().collect();
    let ran = daemon.home.run_with(&args, "hush\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains("imgurctl login me"), "{ran:?}");
    assert_eq!(
        daemon.asked_for("AddAccount"),
        json!({
            "account": "me", "client_secret": "hush", "make_default": true,
            "settings": { "client_id": "abc", "flow": "pin", "client_auth": "basic", "send_redirect_uri": true,
                "refresh_reuse": "revokes", "auth_params": { "a": "b", "c": "d" } },
        })
    );
}

#[test]
fn says_that_adding_an_account_restored_its_grant() {
    let daemon = FakeDaemon::answering("AddAccount", json!({ "account": account("me") }));
    let ran = daemon.home.run(&["account", "add", "me", "--client-id", "abc"]);
    assert!(ran.stderr.contains("signed in as alice."), "{ran:?}");
}

#[test]
fn names_the_missing_option_without_a_terminal() {
    let ran = Home::new().run(&["account", "add", "me"]);
    assert_eq!(ran.code, 2);
    assert!(only_line(&ran.stderr).contains("--client-id"));
}

#[test]
fn sends_only_changed_settings() {
    let daemon = FakeDaemon::answering("SetAccount", json!({ "account": account("me") }));
    daemon.home.run(&["account", "set", "me", "--scope", ""]);
    assert_eq!(daemon.asked_for("SetAccount"), json!({ "account": "me", "settings": { "scope": "" } }));
    daemon.home.run(&["auto-refresh", "off"]);
    assert_eq!(daemon.asked_for("SetAccount"), json!({ "settings": { "auto_refresh": false } }));
    daemon.home.run(&["account", "default", "me"]);
    let asked = daemon.asked_for("SetAccount");
    assert_eq!((&asked["account"], &asked["make_default"]), (&json!("me"), &json!(true)));
}

#[test]
fn account_set_requires_a_setting() {
    assert_eq!(Home::new().run(&["account", "set", "me"]).code, 2);
}

#[test]
fn says_how_to_restore_the_grant_of_a_removed_account() {
    let daemon = FakeDaemon::answering("RemoveAccount", json!({}));
    let ran = daemon.home.run(&["account", "remove", "me"]);
    assert!(only_line(&ran.stderr).contains("add me again"));
}

#[test]
fn lists_accounts_in_aligned_columns() {
    let other = account_with("a-longer-name", &json!({ "is_default": false, "username": null }));
    let daemon = FakeDaemon::answering("ListAccounts", json!({ "accounts": [account("me"), other] }));
    let ran = daemon.home.run(&["account", "list"]);
    assert_eq!(
        ran.stdout,
        "ACCOUNT        USER   STATE  FLOW  CLIENT ID\n\
         me (default)   alice  fresh  code  0123456789abcde\n\
         a-longer-name  -      fresh  code  0123456789abcde\n"
    );
}

#[test]
fn shows_settings_by_their_names_in_config_toml() {
    let daemon = FakeDaemon::answering("ListAccounts", json!({ "accounts": [account("me")] }));
    let ran = daemon.home.run(&["account", "show"]);
    assert!(ran.stdout.contains("\nredirect_uri  http://127.0.0.1:8917/callback\n"), "{}", ran.stdout);
    let ran = daemon.home.run(&["account", "show", "--json"]);
    let object: Value = serde_json::from_str(only_line(&ran.stdout)).expect("JSON");
    assert_eq!(object, account("me"));
}
