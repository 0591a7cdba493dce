//! Messages at a terminal during a long call, and their colours.

use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::daemon::{FakeDaemon, PATIENCE, account, account_with, token};
use crate::terminal::Terminal;

#[test]
fn prints_at_a_terminal_what_a_call_waits_for() {
    let (sender, go) = mpsc::channel();
    let go = Mutex::new(go);
    let daemon = FakeDaemon::start(move |call| {
        if call.method == "GetToken" {
            go.lock().expect("one caller").recv_timeout(PATIENCE).expect("the test lets the call continue");
            return call.reply(&token());
        }
        let changes = json!({ "state": "waiting", "reason": "The server is over capacity; just wait" });
        call.reply(&json!({ "accounts": [account_with("me", &changes)] }));
    });
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["token"]);
    assert!(terminal.see("just wait").ends_with("me: The server is over capacity; just wait"));
    sender.send(()).expect("a daemon");
    terminal.see("s3cret");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

/// Longer than imgurctl waits before its message.
const SLOW: Duration = Duration::from_millis(1_500);

/// A slow daemon. A client that prints a waiting message would also call `ListAccounts`.
#[expect(clippy::disallowed_methods, reason = "nothing is waited for: taking long is what this daemon does")]
fn slow() -> FakeDaemon {
    FakeDaemon::start(|call| {
        if call.method == "GetToken" {
            thread::sleep(SLOW);
            return call.reply(&token());
        }
        call.reply(&json!({ "accounts": [account("me")] }));
    })
}

#[test]
fn prints_no_waiting_message_without_a_terminal_or_with_quiet() {
    let daemon = slow();
    let ran = daemon.home.run(&["token"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "s3cret\n", ""));
    for option in ["--quiet", "--json"] {
        let mut terminal = Terminal::open();
        let mut child = terminal.run(&daemon, &["token", option]);
        let said = terminal.see("s3cret");
        assert!(option == "--json" || said == "s3cret", "{said}");
        assert_eq!(child.wait().expect("ends").code(), Some(0));
    }
    let asked: Vec<_> = (0..3).map(|_| daemon.asked().1).collect();
    assert_eq!(asked, ["GetToken"; 3], "imgurctl makes no other calls");
}

#[test]
fn login_prints_at_a_terminal_that_it_waits_for_consent() {
    let daemon = FakeDaemon::start(|call| match call.method.as_str() {
        "Login" => {
            call.reply_more(&json!({ "login_id": "l1", "url": "https://example.org/" }));
            call.reply(&json!({ "login_id": "l1", "account": account("me") }));
        }
        _ => call.reply(&json!({ "accounts": [account("me")] })),
    });
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["login", "--no-browser"]);
    terminal.see("Waiting for consent");
    terminal.see("Signed in as alice.");
    child.wait().expect("ends");
    let ran = daemon.home.run(&["login", "--no-browser"]);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("https://example.org/\n", "Signed in as alice.\n")
    );
}

#[test]
fn help_honours_color_never() {
    for (arguments, is_painted) in [
        (&["--help"][..], true),
        (&["--color", "never", "--help"], false),
        (&["--color=never", "--help"], false),
    ] {
        let daemon = slow();
        let mut terminal = Terminal::open();
        let mut child = terminal.command(&daemon, arguments).env("TERM", "xterm").spawn().expect("runs");
        let said = terminal.see("standard error that says what to do");
        assert_eq!(said.contains("\x1b["), is_painted, "{arguments:?}");
        drop(terminal);
        child.wait().expect("ends");
    }
}

/// Whether `status` uses colour on a terminal with these arguments and this environment.
fn is_painted(arguments: &[&str], environment: &[(&str, &str)]) -> bool {
    let daemon = FakeDaemon::answering("ListAccounts", json!({ "accounts": [account("me")] }));
    let mut terminal = Terminal::open();
    let mut command = terminal.command(&daemon, &[&["status"], arguments].concat());
    let mut child = command.envs(environment.iter().copied()).spawn().expect("runs");
    let said = terminal.see("2100-01-01");
    child.wait().expect("ends");
    said.contains("\x1b[")
}

#[test]
fn uses_colour_only_on_terminals_unless_told() {
    assert!(is_painted(&[], &[("TERM", "xterm")]));
    assert!(is_painted(&[], &[("NO_COLOR", "")]), "an empty NO_COLOR has no effect");
    assert!(!is_painted(&[], &[("NO_COLOR", "1")]));
    assert!(!is_painted(&[], &[("TERM", "dumb")]));
    assert!(!is_painted(&["--color", "never"], &[("TERM", "xterm")]));
    assert!(is_painted(&["--color", "always"], &[("NO_COLOR", "1")]), "--color overrides NO_COLOR");
}

#[test]
fn shows_times_in_the_local_time_zone() {
    let daemon = FakeDaemon::answering("ListAccounts", json!({ "accounts": [account("me")] }));
    for (zone, shown) in
        [("UTC", "2100-01-01 00:00"), ("HERE3", "2099-12-31 21:00"), ("THERE-2", "2100-01-01 02:00")]
    {
        let output = daemon.home.command(&["account", "show"]).env("TZ", zone).output().expect("runs");
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(said.contains(shown), "{zone}: {said}");
    }
}
