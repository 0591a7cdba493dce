//! Runs *Start* of README.md on a machine with a service manager, as a user who has only a clone.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use imgurd_tests::fake::{Behaviour, Fake};
use imgurd_tests::relay::{Manner, Relay};
use imgurd_tests::repository;
use imgurd_tests::testbed::{Machine, at_terminal};
use imgurd_tests::tls::Authority;

use crate::environment::{BROWSER, CARGO, Developer};
use crate::manual::service_examples;
use crate::readme::start_block;

const USER: &str = "alice";
/// The path of the certificate of the fake's authority on the machine.
const AUTHORITY: &str = "/etc/fake-authority.pem";

/// Adds a clone, and stand-ins for a compiler, a browser and Imgur.
fn equip(machine: &Machine) -> Fake {
    machine.add_user(USER);
    let clone = machine.file("/clone.tar");
    let mut tar = Command::new("tar");
    tar.args(["--exclude=./target", "--exclude=./.git", "-cf"])
        .arg(&clone)
        .arg("-C")
        .arg(repository())
        .arg(".");
    assert!(tar.status().unwrap().success());
    machine.run(USER, &["sh", "-c", "mkdir imgurd && tar -xf /clone.tar -C imgurd"]).success();
    for (name, text) in [("browser", BROWSER), ("cargo", CARGO)] {
        let file = format!("/usr/local/bin/{name}");
        machine.write("root", &file, &format!("#!/bin/sh\n{text}\n"));
        machine.run("root", &["chmod", "755", &file]).success();
    }
    machine
        .run(USER, &["sh", "-c", "mkdir -p imgurd/target && ln -s /opt/imgurd imgurd/target/debug"])
        .success();

    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path(), "trusted");
    machine.write("root", AUTHORITY, &fs::read_to_string(authority.certificate()).unwrap());
    machine.write("root", "/etc/hosts", "127.0.0.1 localhost api.imgur.com\n");
    let trust = format!("SSL_CERT_FILE={AUTHORITY}");
    machine.run(USER, &["systemctl", "--user", "set-environment", &trust]).success();
    let callback = Some(imgurd_proto::DEFAULT_REDIRECT_URI.to_owned());
    let tls = Manner::Tls(authority.server("api.imgur.com"));
    machine.inside(|| {
        let fake = Fake::start(Behaviour { callback, ..Behaviour::default() });
        Relay::start(TcpListener::bind("127.0.0.1:443").unwrap(), fake.address(), tls);
        fake
    })
}

/// Only root can boot such a machine. Without root, only `readme.rs` tries the block.
#[test]
fn installing_from_a_clone_gives_a_service_with_a_token() {
    let Some(machine) = Machine::boot() else { return };
    let fake = equip(&machine);
    // The desktop's keyring, which the password of the login unlocks.
    let mut keyring = machine.command(USER, "gnome-keyring-daemon");
    keyring.args(["--unlock", "--foreground", "--components=secrets"]);
    let mut keyring = machine.start(keyring);
    keyring.write("a password");
    keyring.close_input();
    let waits = ["gdbus", "wait", "--session", "--timeout=30", "org.freedesktop.secrets"];
    machine.run(USER, &waits).success();

    let mut command = machine.command(USER, "sh");
    command.env("SSL_CERT_FILE", AUTHORITY).env("BROWSER", "/usr/local/bin/browser");
    command.args([
        "-exc",
        &format!("export CARGO_TARGET_DIR=$HOME/imgurd/target\ncd imgurd\n{}", start_block().text),
    ]);
    let developer = Developer::of(&fake);
    let (status, seen) = at_terminal(command, |said| developer.answer(said));
    assert!(status.success(), "{seen}");

    let token = machine.run(USER, &[".local/bin/imgurctl", "token"]).success();
    assert!(fake.is_live(token.line()));
    for unit in ["imgurd.service", "imgurd.socket"] {
        assert_eq!(machine.run(USER, &["systemctl", "--user", "is-active", unit]).line(), "active", "{unit}");
        assert_eq!(
            machine.run(USER, &["systemctl", "--user", "is-enabled", unit]).line(),
            "enabled",
            "{unit}"
        );
    }

    // imgurd(1) says to run these in the user's session: without a user name, loginctl means the user of the session.
    machine.run("root", &["loginctl", "disable-linger", USER]).success();
    for example in service_examples() {
        machine.run("root", &["runuser", "--login", USER, "--command", &example]).success();
    }
    let lingers = machine.run("root", &["loginctl", "show-user", USER, "--property=Linger"]);
    assert_eq!(lingers.line(), "Linger=yes");
}
