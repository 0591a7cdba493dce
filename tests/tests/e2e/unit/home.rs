//! A user's home directory, with imgurd installed, on a machine for the test.

use std::fs;
use std::process::Command;

use imgurd_tests::fake::{Behaviour, Fake};
use imgurd_tests::testbed::{Machine, Output, Program, account_arguments};

use super::repository;

/// The user of the home directory.
pub(crate) const USER: &str = "alice";

/// The machine's copy of what `make install` reads.
const SOURCES: &str = "/opt/imgurd-sources";

pub(crate) const UNITS: [&str; 3] = ["imgurd.service", "imgurd.socket", "imgurd-remote.socket"];

pub(crate) struct Home {
    pub(crate) machine: Machine,
    /// The user who runs the programs.
    pub(crate) user: &'static str,
}

impl Home {
    /// A home without imgurd. `None` if the test cannot start machines.
    pub(crate) fn new() -> Option<Self> {
        Machine::boot().map(Self::on)
    }

    /// A home without imgurd on this machine.
    fn on(machine: Machine) -> Self {
        let sources = machine.file(SOURCES);
        fs::create_dir(&sources).unwrap();
        let mut copy = Command::new("cp");
        copy.args(["--recursive", "--parents", "systemd", "proto/src", "proto/README.md", "Makefile"]);
        copy.args(["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-MIT", "LICENSE-APACHE"]);
        assert!(copy.arg(&sources).current_dir(repository()).status().unwrap().success());
        machine.add_user(USER);
        Self { machine, user: USER }
    }

    /// A home after `make install`.
    pub(crate) fn installed() -> Option<Self> {
        Self::new().inspect(Self::install)
    }

    /// A home on Debian 13, after `make install`.
    pub(crate) fn installed_on_debian_13() -> Option<Self> {
        Machine::boot_debian_13().map(Self::on).inspect(Self::install)
    }

    fn install(&self) {
        self.make("install");
    }

    /// Runs `make` in the sources as the user.
    pub(crate) fn make(&self, target: &str) -> Output {
        self.run(&["make", "--silent", "-C", SOURCES, "CARGO=true", "STATIC=", "BUILT=/opt/imgurd", target])
            .success()
    }

    pub(crate) fn run(&self, command: &[&str]) -> Output {
        self.machine.run(self.user, command)
    }

    pub(crate) fn start(&self, command: &[&str]) -> Program {
        let mut program = self.machine.command(self.user, command[0]);
        program.args(&command[1..]);
        self.machine.start(program)
    }

    pub(crate) fn sh(&self, script: &str) -> Output {
        self.run(&["sh", "-c", script])
    }

    pub(crate) fn ctl(&self, arguments: &[&str]) -> Output {
        self.run(&[&["imgurctl"], arguments].concat())
    }

    pub(crate) fn systemctl(&self, arguments: &[&str]) -> Output {
        self.run(&[&["systemctl", "--user", "--quiet"], arguments].concat())
    }

    /// What `systemctl` answers for each unit, such as `active` for `is-active`.
    pub(crate) fn each_unit(&self, question: &str) -> Vec<String> {
        let answers = self.run(&[&["systemctl", "--user", question], &UNITS[..]].concat()).stdout;
        answers.lines().map(ToOwned::to_owned).collect()
    }

    /// A property of the service.
    pub(crate) fn property(&self, name: &str) -> String {
        let output = self.run(&["systemctl", "--user", "show", "--value", "--property", name, UNITS[0]]);
        output.success().line().to_owned()
    }

    /// A path in the user's runtime directory.
    pub(crate) fn runtime(&self, file: &str) -> String {
        format!("/run/user/{}/{file}", self.machine.user_id(self.user))
    }

    /// A server on this machine, and an account at it.
    pub(crate) fn account(&self, behaviour: Behaviour) -> Fake {
        let fake = self.machine.inside(|| Fake::start(behaviour));
        let arguments = account_arguments(&fake, "me");
        let mut command = vec!["imgurctl"];
        command.extend(arguments.iter().map(String::as_str));
        self.machine.run_with(self.user, &command, &fake.behaviour().client_secret).success();
        fake
    }

    /// Presses *Allow* on the page at `url` as the user, because the callback answers no one else. Returns the URL
    /// where the browser ended up, which it may not have reached.
    pub(crate) fn allow(&self, url: &str) -> String {
        let form = format!("username={USER}&decision=allow");
        let browser = ["curl", "-sL", "-o", "/dev/null", "-w", "%{url_effective}", "-d", &form, url];
        self.machine.run(self.user, &browser).stdout
    }

    pub(crate) fn sign_in(&self) {
        let mut login = self.start(&["imgurctl", "login", "--no-browser"]);
        self.allow(&login.line().expect("the URL is the first line"));
        login.finish().success();
    }

    pub(crate) fn token(&self) -> String {
        self.ctl(&["token"]).success().line().to_owned()
    }
}
