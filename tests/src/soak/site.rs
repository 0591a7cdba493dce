//! A store, a server, accounts, and the daemon.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgurd_proto::Secret;
use tempfile::TempDir;

use crate::fake::{Behaviour, Fake, Rotation};
use crate::testbed::{self, Bus, Daemon, Keyring, Testbed};

/// An account without a grant, which always needs a sign-in.
const WANTING: &str = "wanting";

/// The size of the disk in pages: what the daemon needs before the disk is filled.
const PAGES: u64 = 256;

/// The store of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// The encrypted file.
    File,
    /// The desktop's keyring.
    Keyring,
}

/// Where the store's files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// In the testbed, which is in memory if the system allows it.
    Testbed,
    /// On the disk of the build directory.
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

/// The daemon and what it needs.
pub(super) struct Site {
    // Fields drop in order: the daemon ends before its keyring, its bus and its directories.
    daemon: Option<Daemon>,
    pub(super) bed: Testbed,
    _keyring: Option<Keyring>,
    bus: Option<Bus>,
    disk: Option<TempDir>,
    pub(super) fake: Arc<Fake>,
    pub(super) accounts: Vec<Account>,
}

/// An account at the fake Imgur, with its own user there.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    /// The first refresh token of its grant, which identifies the grant at the fake Imgur.
    pub(super) first: String,
}

impl Site {
    /// A running daemon with this many accounts, each with a grant.
    pub(super) fn new(store: Store, ground: Ground, behaviour: Behaviour, accounts: usize) -> Self {
        let bed = if store == Store::File { Testbed::file() } else { Testbed::new() };
        let disk = (ground == Ground::Disk).then(disk);
        if let Some(disk) = &disk {
            bed.set_env("XDG_STATE_HOME", disk.path());
            bed.set_env("XDG_DATA_HOME", disk.path());
        }
        // Logging at `trace` would affect the measurement.
        bed.set_env("RUST_LOG", "info");
        let bus = (store == Store::Keyring).then(|| bed.bus());
        let keyring = bus.is_some().then(|| bed.keyring()).map(|mut keyring| {
            keyring.start(&bed);
            keyring
        });
        Self::with(bed, bus, keyring, disk, behaviour, accounts)
    }

    /// The same with stalled outputs: nobody reads standard error, which gets every log line; the disk of the state
    /// is full; and the bus has no notification server for the account without a grant.
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
        // As in the service's unit.
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

    /// Replaces the account's revoked grant.
    pub(super) fn replace(&mut self, index: usize) {
        let name = self.accounts[index].name.clone();
        self.bed.ctl(&["logout", &name]).success();
        self.accounts[index].first = self.import(&name);
    }

    /// Imports a new grant, and returns its first refresh token.
    fn import(&self, name: &str) -> String {
        let (refresh_token, _) = self.fake.issue_grant(name);
        loop {
            // Exit code 6: the old grant's refresh is still in progress.
            match self.bed.ctl_with(&["import", name], &refresh_token) {
                output if output.code == Some(6) => {}
                output => {
                    output.success();
                    return refresh_token;
                }
            }
        }
    }

    /// The parent of the directory with the store's files.
    pub(super) fn directory(&self) -> PathBuf {
        self.disk.as_ref().map_or_else(|| self.bed.root(), TempDir::path).to_owned()
    }

    /// The type of that directory's file system.
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
        assert!(self.daemon.is_none(), "a daemon is already running");
        let arguments: &[&str] = if self.bus.is_some() { &[] } else { &["--no-dbus"] };
        self.daemon = Some(self.bed.spawn_daemon(arguments));
    }

    pub(super) fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("the daemon runs")
    }

    /// Stops the daemon with SIGTERM.
    pub(super) fn stop(&mut self) {
        let daemon = self.daemon.take().expect("the daemon runs");
        assert!(daemon.terminate().success(), "a clean end");
    }

    /// Kills the daemon, and returns the time of the kill.
    pub(super) fn kill(&mut self) -> Instant {
        let daemon = self.daemon.take().expect("the daemon runs");
        let killed = Instant::now();
        daemon.kill();
        killed
    }

    /// The account's access token, without waiting for a new one.
    pub(super) fn token(&self, name: &str) -> Option<Secret> {
        let call =
            imgurd_proto::GetToken { account: Some(name.to_owned()), min_valid_s: None, wait_ms: Some(0) };
        self.bed.client().call(&call).ok().map(|reply| reply.token.access_token)
    }
}

/// A server whose tokens have this lifetime.
pub(super) fn server(rotation: Rotation, lifetime: Duration) -> Behaviour {
    Behaviour { lifetime, rotation, ..Behaviour::default() }
}

/// A temporary directory beside the built programs, which is rarely in memory.
fn disk() -> TempDir {
    let programs = std::env::current_exe().unwrap();
    let directory: PathBuf = programs.parent().unwrap().to_owned();
    tempfile::Builder::new().prefix("imgurd-soak-").tempdir_in(directory).unwrap()
}
