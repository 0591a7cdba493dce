//! Errors: one line, one code, one JSON object.

use serde_json::{Value, json};

use crate::daemon::{FakeDaemon, Home, only_line};

/// Each error of the interface, with its fields and its exit code.
fn errors() -> Vec<(&'static str, Value, i32)> {
    let reason = "it is so; do this";
    vec![
        ("InvalidArgument", json!({ "field": "account", "reason": reason }), 2),
        ("NoSuchAccount", json!({ "account": "me", "reason": reason }), 3),
        ("ConsentNeeded", json!({ "account": "me", "reason": reason }), 4),
        ("AccessDenied", json!({ "reason": reason }), 5),
        ("TemporarilyUnavailable", json!({ "reason": reason, "retry_at": 7 }), 6),
        ("StoreUnavailable", json!({ "reason": reason }), 7),
        ("Misconfigured", json!({ "setting": "client_id", "reason": reason }), 9),
        ("LoginFailed", json!({ "reason": reason }), 10),
    ]
}

#[test]
fn prints_each_error_on_one_line_with_its_exit_code() {
    for (name, fields, code) in errors() {
        let daemon = FakeDaemon::refusing(name, fields);
        let ran = daemon.home.run(&["token"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{name}");
        assert_eq!(only_line(&ran.stderr), "imgurctl: it is so; do this");
    }
}

#[test]
fn prints_each_error_as_json_on_standard_error() {
    for (name, mut fields, code) in errors() {
        let daemon = FakeDaemon::refusing(name, fields.clone());
        let ran = daemon.home.run(&["token", "--json"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""));
        fields["error"] = name.into();
        let object: Value = serde_json::from_str(only_line(&ran.stderr)).expect("JSON");
        assert_eq!(object, fields);
    }
}

#[test]
fn says_how_to_start_a_missing_daemon() {
    let home = Home::new();
    let ran = home.run(&["token"]);
    assert_eq!(ran.code, 8);
    assert!(only_line(&ran.stderr).contains("systemctl --user start imgurd"));
    let ran = home.run(&["token", "--json"]);
    assert!(ran.stderr.starts_with(r#"{"error":"DaemonUnreachable""#), "{ran:?}");
}

#[test]
fn a_daemon_that_disconnects_counts_as_unreachable() {
    let daemon = FakeDaemon::start(|_| panic!("gone"));
    assert_eq!(daemon.home.run(&["token"]).code, 8);
}

#[test]
fn says_that_the_daemon_is_older() {
    let daemon = FakeDaemon::answering("GetToken", json!({}));
    let ran = daemon.home.run(&["unlock"]);
    assert_eq!(ran.code, 1);
    let line = only_line(&ran.stderr);
    assert!(line.contains("older") && line.contains("systemctl --user restart imgurd"), "{line}");
}

#[test]
fn prints_a_usage_error_on_one_line() {
    let ran = Home::new().run(&["token", "--anonymous"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(only_line(&ran.stderr).starts_with("imgurctl: "));
    let ran = Home::new().run(&["token", "--json", "--wait", "-5s"]);
    let object: Value = serde_json::from_str(only_line(&ran.stderr)).expect("JSON");
    assert_eq!((ran.code, &object["error"]), (2, &json!("InvalidArgument")));
}

#[test]
fn refuses_header_together_with_json() {
    let ran = Home::new().run(&["token", "--header", "--json"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with(r#"{"error":"InvalidArgument","field":"header""#), "{ran:?}");
}

#[test]
fn prints_help_with_the_exit_codes() {
    let ran = Home::new().run(&["--help"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("8 daemon unreachable") && ran.stdout.contains("Examples:"));
}

#[test]
fn prints_a_completion_script() {
    let ran = Home::new().run(&["completions", "bash"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("_imgurctl"));
}
