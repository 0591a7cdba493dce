//! `imgurctl journal`.

use serde_json::{Value, json};

use crate::daemon::{FakeDaemon, only_line};

fn entry() -> Value {
    json!({ "at": 1_700_000_000, "count": 1, "outcome": "granted", "account": "me", "method": "GetToken",
        "wire": "bus", "application": "app-gnome-viewer.scope", "sandboxed": false, "uid": 1000, "pid": 7,
        "program": "/usr/bin/viewer" })
}

/// A daemon with these entries.
fn noted(entries: Vec<Value>) -> FakeDaemon {
    FakeDaemon::start(move |call| {
        assert!(call.more && call.method == "ReadJournal");
        for entry in &entries {
            call.reply_more(&json!({ "entry": entry }));
        }
        call.reply(&json!({}));
    })
}

#[test]
fn prints_a_table_in_local_time() {
    let daemon = noted(vec![entry()]);
    let output = daemon.home.command(&["journal", "me"]).env("TZ", "UTC").output().expect("runs");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "TIME                 ACCOUNT  RESULT  APPLICATION             PROGRAM          VIA\n\
         2023-11-14 22:13:20  me       token   app-gnome-viewer.scope  /usr/bin/viewer  bus\n"
    );
    assert_eq!(daemon.asked_for("ReadJournal"), json!({ "account": "me" }));
}

#[test]
fn prints_each_entry_as_a_line_of_json() {
    let daemon = noted(vec![entry(), entry()]);
    let ran = daemon.home.run(&["journal", "--json"]);
    let lines: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((ran.code, lines), (0, vec![entry(), entry()]));
}

#[test]
fn says_that_the_journal_is_empty() {
    let ran = noted(Vec::new()).home.run(&["journal"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(only_line(&ran.stderr).contains("No program has asked"));
    let ran = noted(Vec::new()).home.run(&["journal", "--json"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
}

#[test]
fn says_that_an_older_daemon_has_no_journal() {
    let method = json!({ "method": "org.imgurd.Keeper1.ReadJournal" });
    let daemon = FakeDaemon::start(move |call| call.refuse_as("org.varlink.service.MethodNotFound", &method));
    let ran = daemon.home.run(&["journal"]);
    assert_eq!(ran.code, 1);
    assert!(only_line(&ran.stderr).contains("older"), "{}", ran.stderr);
}
