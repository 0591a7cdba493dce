//! Questions at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Child;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::json;

use crate::daemon::{FakeDaemon, account, token};

/// A terminal, and the person in front of it.
struct Terminal {
    person: File,
    program: File,
}

impl Terminal {
    fn open() -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&person).expect("granted");
        unlockpt(&person).expect("unlocked");
        let name = ptsname(&person, Vec::new()).expect("a name");
        let program = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("opens");
        Self { person: person.into(), program: program.into() }
    }

    fn run(&self, daemon: &FakeDaemon, args: &[&str]) -> Child {
        let end = || self.program.try_clone().expect("clones");
        daemon.home.command(args).stdin(end()).stdout(end()).stderr(end()).spawn().expect("runs")
    }

    /// Reads up to `word`, which the program says some time.
    fn see(&mut self, word: &str) -> String {
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !seen.ends_with(word.as_bytes()) {
            self.person.read_exact(&mut byte).expect("output");
            seen.push(byte[0]);
        }
        String::from_utf8(seen).expect("text")
    }

    fn press(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).expect("typed");
    }

    /// Whether the terminal shows what is typed and makes a signal of Ctrl-C.
    fn is_itself(&self) -> bool {
        let modes = tcgetattr(&self.program).expect("a terminal").local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }
}

#[test]
fn shows_nothing_of_a_secret_that_is_typed() {
    let daemon = FakeDaemon::answering("RejectToken", token());
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["reject"]);
    terminal.see("not shown): ");
    assert!(!terminal.is_itself());
    terminal.press("hush\x7fh\r");
    assert!(!terminal.see("s3cret").contains("hush"));
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    assert_eq!(daemon.asked_for("RejectToken")["access_token"], "hush");
    assert!(terminal.is_itself());
}

#[test]
fn leaves_the_terminal_as_it_was_when_cancelled() {
    let daemon = FakeDaemon::answering("RejectToken", token());
    let mut terminal = Terminal::open();
    let mut child = terminal.run(&daemon, &["reject"]);
    terminal.see("not shown): ");
    terminal.press("hu\x03");
    terminal.see("cancelled");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    assert!(terminal.is_itself());
}

#[test]
fn leaves_the_terminal_as_it_was_when_a_login_ends_first() {
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
    assert!(terminal.is_itself());
}

#[test]
fn walks_a_newcomer_through_registering_an_application() {
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
