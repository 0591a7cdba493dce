//! Questions at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::json;

use crate::daemon::{FakeDaemon, account, account_with, token};

/// A terminal and its user.
pub(crate) struct Terminal {
    user: File,
    program: File,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&user).expect("granted");
        unlockpt(&user).expect("unlocked");
        let name = ptsname(&user, Vec::new()).expect("a name");
        let program = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("opens");
        Self { user: user.into(), program: program.into() }
    }

    /// A command with this terminal as its three streams.
    pub(crate) fn command(&self, daemon: &FakeDaemon, args: &[&str]) -> Command {
        let end = || self.program.try_clone().expect("clones");
        let mut command = daemon.home.command(args);
        command.stdin(end()).stdout(end()).stderr(end());
        command
    }

    pub(crate) fn run(&self, daemon: &FakeDaemon, args: &[&str]) -> Child {
        self.command(daemon, args).spawn().expect("runs")
    }

    /// Reads the output up to `word`.
    pub(crate) fn see(&mut self, word: &str) -> String {
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !seen.ends_with(word.as_bytes()) {
            self.user.read_exact(&mut byte).expect("output");
            seen.push(byte[0]);
        }
        String::from_utf8(seen).expect("text")
    }

    fn press(&mut self, keys: &str) {
        self.user.write_all(keys.as_bytes()).expect("typed");
    }

    /// Whether the terminal echoes input and makes a signal of Ctrl-C.
    fn is_in_normal_mode(&self) -> bool {
        let modes = tcgetattr(&self.program).expect("a terminal").local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }
}

#[test]
fn does_not_show_a_typed_secret() {
    let daemon = FakeDaemon::answering("RejectToken", token());
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["reject"]);
    terminal.see("not shown): ");
    assert!(!terminal.is_in_normal_mode());
    terminal.press("hush\x7fh\r");
    assert!(!terminal.see("s3cret").contains("hush"));
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    assert_eq!(daemon.asked_for("RejectToken")["access_token"], "hush");
    assert!(terminal.is_in_normal_mode());
}

#[test]
fn restores_the_terminal_when_cancelled() {
    let daemon = FakeDaemon::answering("RejectToken", token());
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["reject"]);
    terminal.see("not shown): ");
    terminal.press("hu\x03");
    terminal.see("cancelled");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    assert!(terminal.is_in_normal_mode());
}

#[test]
fn restores_the_terminal_when_a_signal_ends_the_question() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let daemon = FakeDaemon::answering("RejectToken", token());
        let mut terminal = Terminal::open();
        let mut child = terminal.run(&daemon, &["reject"]);
        terminal.see("not shown): ");
        kill_process(Pid::from_child(&child), signal).expect("sent");
        assert_eq!(child.wait().expect("ends").signal(), Some(signal.as_raw()));
        assert!(terminal.is_in_normal_mode(), "{signal:?}");
    }
}

#[test]
fn restores_the_terminal_when_the_login_ends_first() {
    let daemon = FakeDaemon::start(|call| {
        if call.method == "ListAccounts" {
            call.reply(&json!({ "accounts": [account("me")] }));
        } else {
            call.reply_more(&json!({ "login_id": "l1", "url": "https://example.org/" }));
            call.refuse("LoginFailed", &json!({ "reason": "nobody answered; log in again" }));
        }
    });
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["login", "--paste"]);
    terminal.see("nobody answered");
    assert_eq!(child.wait().expect("ends").code(), Some(10));
    assert!(terminal.is_in_normal_mode());
}

#[test]
fn guides_through_the_registration_of_an_application() {
    let daemon = FakeDaemon::answering("AddAccount", json!({ "account": account("me") }));
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["account", "add", "me"]);
    let guide = terminal.see("Client ID: ");
    assert!(guide.contains("https://api.imgur.com/oauth2/addclient"), "{guide}");
    terminal.press("abc\r");
    terminal.see("--client-secret-stdin`): ");
    terminal.press("hush\r");
    terminal.see("Added me");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    assert_eq!(
        daemon.asked_for("AddAccount"),
        json!({ "account": "me", "settings": { "client_id": "abc" }, "client_secret": "hush" })
    );
}

/// Bob signs in to the account that has alice's grant, and the user answers the question like this.
fn somebody_else_signs_in(answer: &str) -> (FakeDaemon, String, Option<i32>) {
    let daemon = FakeDaemon::start(|call| match call.method.as_str() {
        "ListAccounts" => call.reply(&json!({ "accounts": [account("me")] })),
        "Login" => {
            call.reply_more(&json!({ "login_id": "l1", "url": "https://example.org/" }));
            call.refuse("LoginFailed", &json!({ "reason": "alice's grant stays", "set_aside": "bob\u{1b}" }));
        }
        _ => call.reply(&json!({ "account": account_with("me", &json!({ "username": "bob" })) })),
    });
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["login", "--no-browser"]);
    let question = terminal.see("[y/N] ");
    terminal.press(answer);
    let end = if answer == "y\r" { "signed in as bob." } else { "alice's grant stays" };
    terminal.see(end);
    let code = child.wait().expect("ends").code();
    daemon.asked_for("ListAccounts");
    daemon.asked_for("Login");
    (daemon, question, code)
}

#[test]
fn asks_before_it_uses_another_users_grant() {
    let (daemon, question, code) = somebody_else_signs_in("y\r");
    let asked = "You signed in as bob, but me has the grant of alice. Use the grant of bob instead? [y/N] ";
    assert!(question.ends_with(asked), "{question:?}");
    assert_eq!(daemon.asked_for("RestoreGrant"), json!({ "account": "me" }));
    assert_eq!(code, Some(0));
}

#[test]
fn keeps_the_grant_unless_the_answer_is_yes() {
    for answer in ["\r", "n\r", "maybe\r"] {
        let (_daemon, _question, code) = somebody_else_signs_in(answer);
        assert_eq!(code, Some(10), "{answer:?}");
    }
}

#[test]
fn asks_for_a_new_passphrase_until_both_entries_match() {
    let export = json!({ "account": "me", "settings": {}, "refresh_token": "s3cret" });
    let daemon = FakeDaemon::start(move |call| match call.method.as_str() {
        "ListAccounts" => call.reply(&json!({ "accounts": [account("me")] })),
        _ => call.reply(&json!({ "export": export })),
    });
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["export", "me"]);
    for (question, answer) in [
        ("for the export", "short"),
        ("for the export", "correct horse"),
        ("Repeat the passphrase", "correct house"),
        ("for the export", "correct horse"),
        ("Repeat the passphrase", "correct horse"),
    ] {
        assert!(!terminal.see(question).contains("horse"));
        terminal.see(": ");
        terminal.press(&format!("{answer}\r"));
    }
    let shown = terminal.see("END IMGURD EXPORT");
    assert!(!shown.contains("horse") && !shown.contains("s3cret"), "{shown}");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    assert!(terminal.is_in_normal_mode());
}

#[test]
fn sends_all_pasted_lines_and_asks_again_after_a_long_paste() {
    let daemon = FakeDaemon::start(|call| match call.method.as_str() {
        "ListAccounts" => call.reply(&json!({ "accounts": [account("me")] })),
        "Login" => {
            call.reply_more(&json!({ "login_id": "l1", "url": "https://as.example/", "paste": true }));
            call.wait_for_hang_up();
        }
        _ => call.refuse("InvalidArgument", &json!({ "field": "response", "reason": "paste one alone" })),
    });
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["login", "--paste"]);
    terminal.see("not shown): ");
    terminal.press(&format!("{}\r", "x".repeat(66_000)));
    terminal.see("64 KiB");
    terminal.see("not shown): ");
    terminal.press("one\rtwo\r");
    terminal.see("paste one alone");
    daemon.asked_for("ListAccounts");
    daemon.asked_for("Login");
    assert_eq!(daemon.asked_for("CompleteLogin")["response"], "one\ntwo");
    terminal.see("not shown): ");
    terminal.press("\x03");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
}

#[test]
fn logout_asks_at_a_terminal_and_accepts_no() {
    for (settings, cost) in [
        (json!({}), "Imgur has often refused new sign-ins since 2025"),
        (json!({ "token_url": "https://as.example/token" }), "until you sign in again"),
    ] {
        for (typed, code) in [("\n", 130), ("n\n", 130), ("y\n", 0)] {
            let account = account_with("me", &json!({ "settings": settings }));
            let daemon = FakeDaemon::start(move |call| match call.method.as_str() {
                "ListAccounts" => call.reply(&json!({ "accounts": [account] })),
                _ => call.reply(&json!({})),
            });
            let mut terminal = Terminal::open();
            let mut logout = terminal.run(&daemon, &["logout"]);
            assert!(terminal.see("Sign alice out of me and delete its grants? [y/N] ").contains(cost));
            terminal.press(typed);
            assert_eq!(logout.wait().expect("ends").code(), Some(code), "{typed:?}");
            daemon.asked_for("ListAccounts");
            if code == 0 {
                daemon.asked_for("Logout");
            }
        }
    }
}
