//! `imgurctl status`.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Mutex, mpsc};

use serde_json::{Value, json};

use crate::daemon::{FakeDaemon, PATIENCE, account, account_with, only_line};
use crate::terminal::Terminal;

fn listing(accounts: &Value) -> FakeDaemon {
    FakeDaemon::answering("ListAccounts", json!({ "accounts": accounts }))
}

#[test]
fn prints_a_table_and_advice_for_each_problem() {
    let reason = "nobody has signed in; sign in with `imgurctl login other`";
    let changes = json!({ "is_default": false, "username": null, "state": "empty", "reason": reason,
        "expires_at": null, "granted_at": null });
    let daemon = listing(&json!([account("me"), account_with("other", &changes)]));
    let ran = daemon.home.run(&["status"]);
    assert_eq!(
        ran.stdout,
        "ACCOUNT       USER   STATE  EXPIRES     NEXT\n\
         me (default)  alice  fresh  2100-01-01  -\n\
         other         -      empty  -           -\n\
         \n\
         other  nobody has signed in\n\
         \x20      → sign in with `imgurctl login other`\n"
    );
}

#[test]
fn uses_no_colour_without_a_terminal_unless_told() {
    let daemon = listing(&json!([account("me")]));
    assert!(!daemon.home.run(&["status"]).stdout.contains('\x1b'));
    let coloured = daemon.home.run(&["status", "--color", "always"]).stdout;
    assert!(coloured.contains("\x1b["), "{coloured:?}");
}

#[test]
fn prints_the_accounts_as_json() {
    let daemon = listing(&json!([account("me")]));
    let ran = daemon.home.run(&["status", "me", "--json"]);
    let object: Value = serde_json::from_str(only_line(&ran.stdout)).expect("JSON");
    assert_eq!(object, json!({ "accounts": [account("me")] }));
    assert_eq!(daemon.asked_for("ListAccounts"), json!({ "account": "me" }));
}

#[test]
fn says_how_to_add_the_first_account() {
    let ran = listing(&json!([])).home.run(&["status"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(only_line(&ran.stderr).contains("imgurctl account add NAME"));
}

/// A daemon that reports a change each time the test sends one, and disconnects when the test drops the sender.
fn watched() -> (FakeDaemon, mpsc::Sender<&'static str>) {
    let (sender, states) = mpsc::channel();
    let states = Mutex::new(states);
    let daemon = FakeDaemon::start(move |call| {
        assert!(call.more && call.method == "Watch");
        let states = states.lock().expect("one watcher");
        while let Ok(state) = states.recv() {
            call.reply_more(&json!({ "account": account_with("me", &json!({ "state": state })) }));
        }
        panic!("the daemon closes the connection");
    });
    (daemon, sender)
}

#[test]
fn prints_a_line_for_each_change_immediately() {
    let (daemon, changes) = watched();
    let mut child = daemon.home.command(&["status", "--watch", "--json"]).spawn().expect("runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for state in ["fresh", "refreshing", "fresh"] {
        changes.send(state).expect("a daemon");
        let line = lines.next().expect("a line").expect("read");
        let object: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(object["state"], state);
    }
    drop(changes);
    assert_eq!(
        child.wait().expect("ends").code(),
        Some(8),
        "the exit code says that the daemon closed the connection"
    );
}

#[test]
fn sends_no_escape_sequences_to_a_dumb_terminal() {
    let daemon = FakeDaemon::start(|call| match call.method.as_str() {
        "ListAccounts" => call.reply(&json!({ "accounts": [account("me")] })),
        _ => call.reply_more(&json!({ "account": account("me") })),
    });
    for (name, clears) in [("dumb", false), ("xterm", true)] {
        let mut terminal = Terminal::open();
        let mut command = terminal.command(&daemon, &["status", "--watch"]);
        let mut child = command.env("TERM", name).env("NO_COLOR", "1").spawn().expect("runs");
        let seen = terminal.see("me");
        assert_eq!(seen.contains('\u{1b}'), clears, "{name}: {seen:?}");
        child.kill().expect("killed");
        child.wait().expect("ends");
    }
}

#[test]
fn exits_silently_when_its_output_is_closed() {
    let (daemon, changes) = watched();
    let mut child = daemon.home.command(&["status", "--watch", "--json"]).spawn().expect("runs");
    drop(child.stdout.take());
    changes.send("fresh").expect("a daemon");
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert_eq!((child.wait().expect("ends").code(), said.as_str()), (Some(0), ""));
}

#[test]
fn prints_the_table_again_after_a_change() {
    let (sender, changes) = mpsc::channel::<()>();
    let (changes, listed) = (Mutex::new(changes), Mutex::new(0));
    let daemon = FakeDaemon::start(move |call| {
        if call.method == "ListAccounts" {
            let mut listed = listed.lock().expect("one call at a time");
            *listed += 1;
            let state = if *listed == 1 { "fresh" } else { "refreshing" };
            return call.reply(&json!({ "accounts": [account_with("me", &json!({ "state": state }))] }));
        }
        changes.lock().expect("one watcher").recv_timeout(PATIENCE).expect("a change");
        call.reply(&json!({ "account": account("me") }));
    });
    let mut child = daemon.home.command(&["status", "--watch"]).spawn().expect("runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut until = |word: &str| lines.by_ref().any(|line| line.expect("read").contains(word));
    assert!(until("fresh"));
    sender.send(()).expect("a daemon");
    assert!(until("refreshing"));
    child.wait().expect("ends");
}
