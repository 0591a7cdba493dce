//! `imgurctl doctor` with a daemon of another version or behaviour.

use serde_json::{Value, json};

use crate::daemon::{FakeDaemon, account_with, only_line};

/// A daemon of this version, with an account with these changes.
fn daemon(version: &'static str, changes: Value) -> FakeDaemon {
    FakeDaemon::start(move |call| match call.method.as_str() {
        "GetInfo" => call
            .reply(&json!({ "vendor": "imgurd", "product": "imgurd", "version": version, "url": "",
            "interfaces": [] })),
        "Probe" => call.reply(&json!({ "findings": [] })),
        _ => call.reply(&json!({ "accounts": [account_with("me", &changes)] })),
    })
}

fn finding(daemon: &FakeDaemon, check: &str) -> (Value, i32) {
    let ran = daemon.home.run(&["doctor", "--json"]);
    let all: Vec<Value> = serde_json::from_str(only_line(&ran.stdout)).expect("JSON");
    let found = all.into_iter().find(|finding| finding["check"] == check);
    (found.unwrap_or_else(|| panic!("no {check}: {}", ran.stdout)), ran.code)
}

#[test]
fn names_both_versions_if_they_differ() {
    let (found, _) = finding(&daemon("0.0.1", json!({})), "daemon");
    assert_eq!(found["result"], "warn");
    let detail = found["detail"].as_str().expect("text");
    assert!(detail.contains("0.0.1") && detail.contains(env!("CARGO_PKG_VERSION")), "{detail}");
    assert!(found["hint"].as_str().expect("text").contains("systemctl --user restart imgurd"));
    let (found, _) = finding(&daemon(env!("CARGO_PKG_VERSION"), json!({})), "daemon");
    assert_eq!(found["result"], "ok");
}

#[test]
fn advises_to_restart_a_daemon_without_probe() {
    let daemon = FakeDaemon::start(|call| match call.method.as_str() {
        "GetInfo" => call.reply(&json!({ "vendor": "", "product": "", "version": "0.0.1", "url": "",
            "interfaces": [] })),
        _ => call.refuse_as("org.varlink.service.MethodNotFound", &json!({ "method": call.method })),
    });
    let (found, _) = finding(&daemon, "probe");
    assert_eq!(found["result"], "warn");
    assert!(found["detail"].as_str().expect("text").contains("systemctl --user restart imgurd"), "{found}");
}

#[test]
fn a_failing_account_is_reported_with_its_reason_only() {
    for (state, result) in [
        ("consent_needed", "fail"),
        ("misconfigured", "fail"),
        ("store_unavailable", "fail"),
        ("waiting", "warn"),
        ("stale", "warn"),
        ("refreshing", "ok"),
    ] {
        let daemon = daemon("1", json!({ "state": state, "reason": "It is so; do this" }));
        let (found, code) = finding(&daemon, "account");
        assert_eq!(found["result"], result, "{state}");
        if result != "ok" {
            assert_eq!((&found["detail"], &found["hint"]), (&json!("me: It is so; do this"), &Value::Null));
        }
        assert!(result != "fail" || code == 1);
        assert!(!found.to_string().contains("alice"));
    }
}

#[test]
fn reports_a_wrong_clock_separately_from_the_account() {
    let reason = "This machine's clock is about 3 hours behind the server's; set it right";
    let daemon = daemon("1", json!({ "clock_skew_s": -10_800, "reason": reason }));
    assert_eq!(finding(&daemon, "account").0["result"], "ok");
    let (found, _) = finding(&daemon, "clock");
    assert_eq!(found["detail"], "This machine's clock is 10800 s behind a server's");
}
