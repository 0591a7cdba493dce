//! A store, a server, accounts, and a daemon that starts and stops.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgurd_proto::Secret;
use tempfile::TempDir;

use crate::fake::{Behaviour, Fake, Rotation};
use crate::testbed::{self, Bus, Daemon, Keyring, Testbed};

/// An account that wants a sign-in all the time.
const WANTING: &str = "wanting";

/// As many as the daemon needs before they are filled up.
const PAGES: u64 = 256;

/// Where grants rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// The encrypted file.
    File,
    /// The desktop's keyring.
    Keyring,
}

/// Which directories the store's files are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// The testbed's own: memory, where the system has it.
    Testbed,
    /// Those beside the programs that were built.
    Disk,
}

impl fmt::Display for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::File => "file store",
            Self::Keyring => "GNOME Keyring",
        })
    }
}

/// All of it.
pub(super) struct Site {
    // In this order, so that the daemon ends before its keyring, its bus and its directories go.
    daemon: Option<Daemon>,
    pub(super) bed: Testbed,
    _keyring: Option<Keyring>,
    bus: Option<Bus>,
    disk: Option<TempDir>,
    pub(super) fake: Arc<Fake>,
    pub(super) accounts: Vec<Account>,
}

/// An account at the fake, with a user of its own there.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    /// The refresh token that its grant began with, which stands for the grant at the fake.
    pub(super) first: String,
}

impl Site {
    /// A running daemon with so many accounts, a grant in each.
    pub(super) fn new(store: Store, ground: Ground, behaviour: Behaviour, accounts: usize) -> Self {
        let bed = if store == Store::File { Testbed::file() } else { Testbed::new() };
        let disk = (ground == Ground::Disk).then(disk);
        if let Some(disk) = &disk {
            bed.set_env("XDG_STATE_HOME", disk.path());
            bed.set_env("XDG_DATA_HOME", disk.path());
        }
        // What is written at `trace` would be measured with the rest.
        bed.set_env("RUST_LOG", "info");
        let bus = (store == Store::Keyring).then(|| bed.bus());
        let keyring = bus.is_some().then(|| bed.keyring()).map(|mut keyring| {
            keyring.start(&bed);
            keyring
        });
        Self::with(bed, bus, keyring, disk, behaviour, accounts)
    }

    /// The same with everything that may stall: standard error has no reader and gets every log line, the disk of the daemon's
    /// state is full, and its bus has no notification server for the account without a grant.
    pub(super) fn stalled(behaviour: Behaviour, accounts: usize) -> (Self, testbed::Disk) {
        let bed = Testbed::file();
        let bus = bed.bus();
        let fifo = bed.root().join("stderr").display().to_string();
        let script = "[ -p \"$0\" ] || mkfifo \"$0\"; exec \"$@\" 2<>\"$0\"";
        let disk = bed.disk(PAGES);
        let launcher = disk.entrance().into_iter().chain(["sh", "-c", script, &fifo].map(str::to_owned));
        bed.launch_by(launcher);
        bed.set_env("RUST_LOG", "trace");
        let site = Self::with(bed, Some(bus), None, None, behaviour, accounts);
        site.bed.account(&site.fake, WANTING);
        site.bed.ctl(&["token", WANTING]).exits(4);
        disk.fill_but(0);
        (site, disk)
    }

    fn with(
        bed: Testbed,
        bus: Option<Bus>,
        keyring: Option<Keyring>,
        disk: Option<TempDir>,
        behaviour: Behaviour,
        accounts: usize,
    ) -> Self {
        // As the service's unit has it.
        bed.set_env("MALLOC_ARENA_MAX", "1");
        let fake = Arc::new(Fake::start(behaviour));
        let mut site = Self { daemon: None, bed, _keyring: keyring, bus, disk, fake, accounts: Vec::new() };
        site.start();
        for number in 1..=accounts {
            site.add(format!("account-{number}"));
        }
        site
    }

    fn add(&mut self, name: String) {
        self.bed.account(&self.fake, &name);
        if self.fake.behaviour().rotation == Rotation::ReuseDetection {
            self.bed.ctl(&["account", "set", &name, "--refresh-reuse", "revokes"]).success();
        }
        let first = self.import(&name);
        self.accounts.push(Account { name, first });
    }

    /// Gives the account another grant instead of a lost one.
    pub(super) fn replace(&mut self, index: usize) {
        let name = self.accounts[index].name.clone();
        self.bed.ctl(&["logout", &name]).success();
        self.accounts[index].first = self.import(&name);
    }

    /// Imports a new grant, and returns the refresh token it began with.
    fn import(&self, name: &str) -> String {
        let (refresh_token, _) = self.fake.issue_grant(name);
        loop {
            // 6: the lost grant's token is still before the server.
            match self.bed.ctl_with(&["import", name], &refresh_token) {
                output if output.code == Some(6) => {}
                output => {
                    output.success();
                    return refresh_token;
                }
            }
        }
    }

    /// The directory above the store's files.
    pub(super) fn directory(&self) -> PathBuf {
        self.disk.as_ref().map_or_else(|| self.bed.root(), TempDir::path).to_owned()
    }

    /// What kind of file system that is on.
    pub(super) fn file_system(&self) -> String {
        let stat = Command::new("stat").args(["--file-system", "--format=%T"]).arg(self.directory()).output();
        String::from_utf8(stat.unwrap().stdout).unwrap().trim().to_owned()
    }

    /// Starts the daemon, and returns when it is ready.
    pub(super) fn start(&mut self) {
        self.spawn();
        self.daemon().wait_for("READY=1");
    }

    /// Starts the daemon.
    pub(super) fn spawn(&mut self) {
        assert!(self.daemon.is_none(), "a daemon runs already");
        let arguments: &[&str] = if self.bus.is_some() { &[] } else { &["--no-dbus"] };
        self.daemon = Some(self.bed.spawn_daemon(arguments));
    }

    pub(super) fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("the daemon runs")
    }

    /// Stops the daemon as the service manager does.
    pub(super) fn stop(&mut self) {
        let daemon = self.daemon.take().expect("the daemon runs");
        assert!(daemon.terminate().success(), "a clean end");
    }

    /// Kills the daemon, and returns when that was.
    pub(super) fn kill(&mut self) -> Instant {
        let daemon = self.daemon.take().expect("the daemon runs");
        let killed = Instant::now();
        daemon.kill();
        killed
    }

    /// The access token of an account, without waiting for another.
    pub(super) fn token(&self, name: &str) -> Option<Secret> {
        let call =
            imgurd_proto::GetToken { account: Some(name.to_owned()), min_valid_s: None, wait_ms: Some(0) };
        self.bed.client().call(&call).ok().map(|reply| reply.token.access_token)
    }
}

/// A server whose tokens live for so long.
pub(super) fn server(rotation: Rotation, lifetime: Duration) -> Behaviour {
    Behaviour { lifetime, rotation, ..Behaviour::default() }
}

/// A directory where what was built is, which is seldom memory.
fn disk() -> TempDir {
    let programs = std::env::current_exe().unwrap();
    let directory: PathBuf = programs.parent().unwrap().to_owned();
    tempfile::Builder::new().prefix("imgurd-soak-").tempdir_in(directory).unwrap()
}
