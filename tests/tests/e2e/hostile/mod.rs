//! Hostile users and programs on a machine with systemd: another user, and programs in scopes of the service manager.

mod environment;
mod flood;
mod scopes;
mod users;

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use imgurd_proto::JournalEntry;
use imgurd_tests::fake::{Behaviour, Fake};
use imgurd_tests::testbed::{ACCOUNT, Machine, Output, account_arguments};
use serde_json::Value;

/// The user whose tokens imgurd keeps.
const ALICE: &str = "alice";
/// The attacker.
const MALLORY: &str = "mallory";

/// Opens Alice's bus to every user, as a user can configure it (`dbus-daemon(1)`, `<allow user=…>`).
const OPEN_BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><policy context="mandatory"><allow user="*"/></policy></busconfig>
"#;

/// A machine with the users Alice and Mallory, and Alice's daemon.
struct House {
    machine: Machine,
    fake: Fake,
}

impl House {
    /// The daemon logs at this level. `None` if the test does not run as root.
    fn open(log: &str) -> Option<Self> {
        let machine = Machine::boot()?;
        machine.add_user(MALLORY);
        machine.write("root", "/etc/dbus-1/session-local.conf", OPEN_BUS);
        machine.add_user(ALICE);
        let fake = machine.inside(|| Fake::start(Behaviour::default()));
        let house = Self { machine, fake };
        house.ctl(&["init", "--store", "file"]).success();
        house.start(log);
        let account = account_arguments(&house.fake, ACCOUNT);
        let account: Vec<_> = ["imgurctl"].into_iter().chain(account.iter().map(String::as_str)).collect();
        house.machine.run_with(ALICE, &account, &house.fake.behaviour().client_secret).success();
        let (refresh_token, _) = house.fake.issue_grant("alice");
        house.machine.run_with(ALICE, &["imgurctl", "import"], &refresh_token).success();
        house.serves_alice();
        Some(house)
    }

    /// Starts Alice's daemon as a unit, and returns when it is ready.
    fn start(&self, log: &str) {
        let level = format!("--setenv=RUST_LOG={log}");
        let daemon = ["/opt/imgurd/imgurd", "--log-format", "journald"];
        let unit = ["systemd-run", "--user", "--quiet", "--unit=imgurd", "--property=Type=notify", &level];
        self.machine.run(ALICE, &[&unit[..], &daemon].concat()).success();
    }

    /// Runs `imgurctl` as Alice.
    fn ctl(&self, arguments: &[&str]) -> Output {
        self.machine.run(ALICE, &[&["imgurctl"], arguments].concat())
    }

    /// Fails unless Alice gets a valid token.
    fn serves_alice(&self) {
        let token = self.ctl(&["token"]).success();
        assert!(self.fake.is_live(token.line()));
    }

    /// The path of the daemon's socket.
    fn socket(&self) -> String {
        format!("/run/user/{}/imgurd/socket", self.machine.user_id(ALICE))
    }

    /// The option with which other users connect to Alice's bus.
    fn bus(&self) -> String {
        format!("--address=unix:path=/run/user/{}/bus", self.machine.user_id(ALICE))
    }

    /// A command of Alice's in a scope of this name. A unique number replaces `#`.
    fn in_scope(&self, scope: &str, arguments: &[&str]) -> Command {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let number = format!("{:012}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let unit = format!("--unit={}", scope.replace('#', &number));
        let mut command = self.machine.command(ALICE, "systemd-run");
        command.args(["--user", "--quiet", "--scope", "--collect", &unit, "--"]).args(arguments);
        command
    }

    /// The entries of `imgurctl journal`.
    fn journal(&self) -> Vec<JournalEntry> {
        let output = self.ctl(&["journal", "--json"]).success();
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The daemon's lines in the system's journal.
    fn logged(&self) -> Vec<Value> {
        self.machine.run("root", &["journalctl", "--sync"]).success();
        let all = ["journalctl", "--user", "--user-unit=imgurd", "--output=json", "--all"];
        let output = self.machine.run(ALICE, &all).success();
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
