//! `imgurctl login`.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Mutex, mpsc};

use serde_json::{Value, json};

use crate::daemon::{Call, FakeDaemon, PATIENCE, Ran, account};

const URL: &str = "https://api.imgur.com/oauth2/authorize?client_id=0123456789abcde&response_type=code";

fn opening() -> Value {
    json!({ "login_id": "l1", "url": URL })
}

fn outcome() -> Value {
    json!({ "login_id": "l1", "account": account("me") })
}

/// A daemon whose login waits for `CompleteLogin`, or for the test itself.
fn daemon() -> (FakeDaemon, mpsc::Sender<()>) {
    let (sender, consented) = mpsc::channel();
    let (consented, completing) = (Mutex::new(consented), Mutex::new(sender.clone()));
    let daemon = FakeDaemon::start(move |call: &mut Call| match call.method.as_str() {
        "ListAccounts" => call.reply(&json!({ "accounts": [account("me")] })),
        "Login" => {
            assert!(call.more, "Login is called with `more`");
            let mut opening = opening();
            if call.parameters["paste"] == true || call.parameters["flow"] == "pin" {
                opening["paste"] = true.into();
            }
            call.reply_more(&opening);
            consented.lock().expect("one login").recv_timeout(PATIENCE).expect("consent");
            call.reply(&outcome());
        }
        "CompleteLogin" => {
            completing.lock().expect("one answer").send(()).expect("a login");
            call.reply(&json!({ "account": outcome()["account"] }));
        }
        other => panic!("unexpected {other}"),
    });
    (daemon, sender)
}

/// The parameters of `Login`, which follows `ListAccounts`.
fn login_parameters(daemon: &FakeDaemon) -> Value {
    daemon.asked_for("ListAccounts");
    daemon.asked_for("Login")
}

#[test]
fn prints_the_url_on_the_first_line_and_waits() {
    let (daemon, consent) = daemon();
    let mut child = daemon.home.command(&["login", "--no-browser"]).spawn().expect("runs");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    assert_eq!(line, format!("{URL}\n"));
    assert_eq!(child.try_wait().expect("asked"), None, "login waits for consent");

    consent.send(()).expect("a daemon");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "");
    let ran = Ran::from(child.wait_with_output().expect("ends"));
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.ends_with("Signed in as alice.\n"), "{ran:?}");
    assert_eq!(login_parameters(&daemon), json!({ "account": "me" }));
}

#[test]
fn opens_the_browser_and_keeps_standard_output_for_results() {
    let (daemon, consent) = daemon();
    consent.send(()).expect("a daemon");
    let ran = daemon.home.run(&["login"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains(URL), "{ran:?}");
}

#[test]
fn sends_a_pasted_answer_on_a_second_connection() {
    let (daemon, _consent) = daemon();
    let ran =
        daemon.home.run_with(&["login", "me", "--paste", "--timeout", "1m"], "http://127.0.0.1/?code=c\n");
    assert_eq!((ran.code, ran.stdout), (0, format!("{URL}\n")));
    assert!(ran.stderr.ends_with("Signed in as alice.\n"));

    daemon.asked_for("ListAccounts");
    let (first, _, login) = daemon.asked();
    let (second, method, answer) = daemon.asked();
    assert_eq!(login, json!({ "account": "me", "timeout_s": 60, "paste": true }));
    assert_eq!((method.as_str(), second != first), ("CompleteLogin", true));
    assert_eq!(answer, json!({ "login_id": "l1", "response": "http://127.0.0.1/?code=c" }));
}

#[test]
fn asks_for_the_pin_in_the_pin_flow() {
    let (daemon, _consent) = daemon();
    let ran = daemon.home.run_with(&["login", "--flow", "pin"], "1234\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(login_parameters(&daemon), json!({ "account": "me", "flow": "pin" }));
    assert_eq!(daemon.asked_for("CompleteLogin")["response"], "1234");
}

#[test]
fn does_not_ask_for_an_answer_at_a_loopback_callback() {
    let (daemon, consent) = daemon();
    consent.send(()).expect("a daemon");
    assert_eq!(daemon.home.run(&["login", "--no-browser", "--flow", "token"]).code, 0);
    assert_eq!(login_parameters(&daemon), json!({ "account": "me", "flow": "token" }));
}

#[test]
fn asks_for_the_answer_if_the_daemon_requires_it() {
    let daemon = FakeDaemon::start(|call| match call.method.as_str() {
        "ListAccounts" => call.reply(&json!({ "accounts": [account("me")] })),
        "Login" => {
            call.reply_more(&json!({ "login_id": "l1", "url": URL, "paste": true }));
            call.wait_for_hang_up();
        }
        _ => call.refuse("LoginFailed", &json!({ "reason": "the code was heard; log in again" })),
    });
    let ran = daemon.home.run_with(&["login", "--no-browser"], "code\n");
    assert_eq!(ran.code, 10, "{ran:?}");
    login_parameters(&daemon);
    assert_eq!(daemon.asked_for("CompleteLogin")["response"], "code");
}

#[test]
fn another_users_login_fails_without_a_terminal() {
    let daemon = FakeDaemon::start(|call| {
        if call.method == "ListAccounts" {
            call.reply(&json!({ "accounts": [account("me")] }));
        } else {
            call.reply_more(&opening());
            let reason = "bob signed in; run `imgurctl restore me` to change over";
            call.refuse("LoginFailed", &json!({ "reason": reason, "set_aside": "bob" }));
        }
    });
    let ran = daemon.home.run(&["login", "--no-browser"]);
    assert_eq!(ran.code, 10);
    assert!(
        ran.stderr.ends_with("imgurctl: bob signed in; run `imgurctl restore me` to change over\n"),
        "{ran:?}"
    );
}

#[test]
fn says_that_the_pasted_answer_is_missing() {
    let (daemon, _consent) = daemon();
    let ran = daemon.home.run(&["login", "--paste"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("imgurctl: standard input is empty"), "{ran:?}");
}

#[test]
fn prints_url_and_account_as_lines_of_json() {
    let (daemon, consent) = daemon();
    consent.send(()).expect("a daemon");
    let ran = daemon.home.run(&["login", "--no-browser", "--json"]);
    let lines: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines, [opening(), account("me")]);
    assert_eq!(ran.stderr, "");
}

#[test]
fn ends_when_the_login_ends_before_an_answer() {
    let daemon = FakeDaemon::start(|call| {
        if call.method == "ListAccounts" {
            call.reply(&json!({ "accounts": [account("me")] }));
        } else {
            call.reply_more(&opening());
            call.refuse("LoginFailed", &json!({ "reason": "nobody answered; log in again" }));
        }
    });
    // Its standard input stays open, without data.
    let child = daemon.home.command(&["login", "--paste"]).spawn();
    let mut child = child.expect("runs");
    let _silent = child.stdin.take();
    let ran = Ran::from(child.wait_with_output().expect("ends"));
    assert_eq!(ran.code, 10);
    assert!(ran.stderr.ends_with("imgurctl: nobody answered; log in again\n"), "{ran:?}");
}

#[test]
fn disconnects_when_it_is_killed() {
    let (gone, hung_up) = mpsc::channel();
    let gone = Mutex::new(gone);
    let daemon = FakeDaemon::start(move |call| {
        if call.method == "ListAccounts" {
            call.reply(&json!({ "accounts": [account("me")] }));
        } else {
            call.reply_more(&opening());
            call.wait_for_hang_up();
            gone.lock().expect("one login").send(()).expect("a test");
        }
    });
    let mut child = daemon.home.command(&["login", "--no-browser"]).spawn().expect("runs");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut line).expect("a line");
    child.kill().expect("killed");
    child.wait().expect("ends");
    hung_up.recv_timeout(PATIENCE).expect("the daemon notices the disconnection");
}

#[test]
fn prints_the_url_without_a_display() {
    let (daemon, consent) = daemon();
    consent.send(()).expect("a daemon");
    let mut command = daemon.home.command(&["login"]);
    command.env_remove("BROWSER").env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    let ran = Ran::from(command.output().expect("runs"));
    assert_eq!((ran.code, ran.stdout), (0, format!("{URL}\n")));
    assert!(ran.stderr.contains("no display") && ran.stderr.contains("use --paste"), "{}", ran.stderr);
}
