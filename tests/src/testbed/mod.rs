//! The real daemon and the real client, in their own directories.
//!
//! ```no_run
//! use imgurd_tests::fake::{Behaviour, Fake};
//! use imgurd_tests::testbed::Testbed;
//!
//! let fake = Fake::start(Behaviour::default());
//! let bed = Testbed::file();
//! let daemon = bed.daemon();
//! bed.account(&fake, "mytoken");
//! bed.sign_in(&fake, "mytoken");
//! let token = bed.ctl(&["token"]).success().stdout;
//! assert!(fake.is_live(token.trim()));
//! assert!(daemon.terminate().success());
//! bed.assert_no_secret_in_sight(&fake.secrets(), &[]);
//! ```

mod account;
mod bus;
mod clock;
mod daemon;
mod disk;
mod display;
mod file;
mod flatpak;
pub mod gateway;
mod grant_file;
mod journal;
mod keyring;
mod leaks;
mod logind;
mod machine;
mod memory;
mod network;
mod port;
mod process;
mod program;
mod prompter;
mod remote_machine;
mod sandbox;
mod scene;
mod strace;
mod terminal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use imgurd_proto::Client;
use serde_json::json;
use tempfile::TempDir;

pub use account::account_arguments;
pub use bus::{Bus, in_time, next};
pub use daemon::Daemon;
pub use disk::Disk;
pub use display::{Display, Running, wait_for_owner};
pub use file::wait_for_content;
pub use flatpak::{Flatpak, OTHER_APPLICATION};
pub use grant_file::GrantFile;
pub use journal::Journal;
pub use keyring::Keyring;
pub use logind::Logind;
pub use machine::Machine;
pub use network::Network;
pub use port::{free_port, wait_until_free};
pub use process::{as_root, needs_root};
pub use program::{Output, Program};
pub use prompter::Answer;
pub use remote_machine::RemoteMachine;
pub use sandbox::{APPLICATION, Sandbox};
pub use scene::{ACCOUNT, Scene};
pub use strace::{Call, FILE_CALLS, Strace};
pub use terminal::at_terminal;

use crate::wire::Wire;

/// Private directories, and the outputs of all programs that ran in them.
#[derive(Debug)]
pub struct Testbed {
    root: TempDir,
    environment: Mutex<BTreeMap<OsString, OsString>>,
    /// The program that executes the daemon, with its arguments.
    launcher: Mutex<Vec<String>>,
    /// The clock of the daemons.
    clock: Mutex<Option<clock::WrongClock>>,
    outputs: Arc<Mutex<Vec<Output>>>,
    daemons: AtomicUsize,
}

impl Default for Testbed {
    fn default() -> Self {
        Self::new()
    }
}

impl Testbed {
    /// A testbed without a configuration.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("imgurd-").tempdir_in(room()).unwrap();
        let bed = Self {
            root,
            environment: Mutex::default(),
            launcher: Mutex::default(),
            clock: Mutex::default(),
            outputs: Arc::default(),
            daemons: AtomicUsize::new(0),
        };
        for directory in [bed.home(), bed.config_home(), bed.state_home(), bed.data_home(), bed.temporary()] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::create_dir(bed.runtime_dir()).unwrap();
        fs::set_permissions(bed.runtime_dir(), fs::Permissions::from_mode(0o700)).unwrap();
        bed
    }

    /// A testbed with the memory store.
    pub fn memory() -> Self {
        let bed = Self::new();
        bed.configure("store = \"memory\"\n");
        bed
    }

    /// A testbed with the file store.
    pub fn file() -> Self {
        let bed = Self::new();
        bed.ctl(&["init", "--store", "file"]).success();
        bed
    }

    /// Writes `config.toml`.
    pub fn configure(&self, text: &str) {
        let file = self.config_file();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Sets an environment variable for processes that start later.
    pub fn set_env(&self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.environment.lock().unwrap().insert(name.into(), value.into());
    }

    /// Launches daemons that start later with this program and these arguments. It must execute the daemon in its own
    /// process (`execve(2)`). An empty launcher restores the default.
    pub fn launch_by(&self, launcher: impl IntoIterator<Item = impl Into<String>>) {
        *self.launcher.lock().unwrap() = launcher.into_iter().map(Into::into).collect();
    }

    /// The directory with all others, in which a test can put its own files.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// `$HOME`.
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// `$XDG_CONFIG_HOME`.
    pub fn config_home(&self) -> PathBuf {
        self.root().join("config")
    }

    /// `$XDG_STATE_HOME`.
    pub fn state_home(&self) -> PathBuf {
        self.root().join("state")
    }

    /// `$XDG_DATA_HOME`.
    pub fn data_home(&self) -> PathBuf {
        self.root().join("data")
    }

    /// `$XDG_RUNTIME_DIR`.
    pub fn runtime_dir(&self) -> PathBuf {
        self.root().join("run")
    }

    fn temporary(&self) -> PathBuf {
        self.root().join("tmp")
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.config_home().join("imgurd/config.toml")
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.runtime_dir().join("imgurd/socket")
    }

    /// The daemon's socket for callers from other machines.
    pub fn remote_socket(&self) -> PathBuf {
        self.runtime_dir().join("imgurd-remote/socket")
    }

    /// A command with only the environment variables that it needs.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "1")
            .env("HOME", self.home())
            .env("TMPDIR", self.temporary())
            .env("XDG_CONFIG_HOME", self.config_home())
            .env("XDG_STATE_HOME", self.state_home())
            .env("XDG_DATA_HOME", self.data_home())
            .env("XDG_RUNTIME_DIR", self.runtime_dir())
            // Never the machine's own bus: the test would keep the machine awake.
            .env(bus::SYSTEM, format!("unix:path={}", self.system_bus_socket().display()))
            .envs(self.environment.lock().unwrap().iter())
            .current_dir(self.home());
        command
    }

    /// Starts the daemon and returns when it is ready. It uses the bus if [there is one](Self::bus).
    pub fn daemon(&self) -> Daemon {
        self.daemon_with(if self.bus_address().is_some() { &[] } else { &["--no-dbus"] })
    }

    /// Starts the daemon with exactly these arguments, and returns when it is ready.
    pub fn daemon_with(&self, arguments: &[&str]) -> Daemon {
        self.spawn_daemon(arguments).ready()
    }

    /// Starts the daemon without waiting for it, for a start that fails.
    pub fn spawn_daemon(&self, arguments: &[&str]) -> Daemon {
        let number = self.daemons.fetch_add(1, Ordering::Relaxed);
        let mut command = self.launched(binary("imgurd"));
        command.args(arguments);
        Daemon::spawn(command, self.root(), number)
    }

    fn launched(&self, program: PathBuf) -> Command {
        let launcher = [self.launcher.lock().unwrap().clone(), self.clock_launcher()].concat();
        let Some((first, rest)) = launcher.split_first() else {
            return self.command(program);
        };
        let mut command = self.command(first);
        command.args(rest).arg(program);
        command
    }

    /// Runs `imgurctl` to its end.
    pub fn ctl(&self, arguments: &[impl AsRef<str>]) -> Output {
        self.ctl_spawn(arguments).finish()
    }

    /// Runs `imgurctl` to its end, with this input.
    pub fn ctl_with(&self, arguments: &[impl AsRef<str>], input: &str) -> Output {
        let mut ctl = self.ctl_spawn(arguments);
        ctl.write(input);
        ctl.finish()
    }

    /// Starts `imgurctl`.
    pub fn ctl_spawn(&self, arguments: &[impl AsRef<str>]) -> Program {
        let mut command = self.command(binary("imgurctl"));
        command.args(arguments.iter().map(AsRef::as_ref));
        self.start(command)
    }

    /// Starts a program. Its output is searched for secrets.
    pub fn start(&self, command: Command) -> Program {
        Program::spawn(command, Arc::clone(&self.outputs))
    }

    /// A connection to the daemon.
    pub fn client(&self) -> Client {
        Client::connect_to(&self.socket()).unwrap()
    }

    /// A connection for raw messages to the daemon.
    pub fn wire(&self) -> Wire {
        Wire::connect(&self.socket())
    }

    /// Connections that use up all that the daemon allows.
    pub fn take_all_places(&self) -> Vec<Wire> {
        let (mut held, mut refused) = (Vec::new(), 0);
        // The daemon frees a place a moment after its caller has left, so a single refusal proves nothing.
        while refused < 50 {
            let mut caller = self.wire();
            // A call in progress, because the daemon would close an idle connection for a new one.
            caller.stream("Watch", &json!({}));
            if caller.answer()["error"].is_null() {
                held.push(caller);
                refused = 0;
            } else {
                refused += 1;
            }
        }
        held
    }

    /// Fails if one of `secrets` is in the arguments or environment of this process or its children.
    pub fn assert_no_secret_in_process(&self, id: u32, secrets: &[String]) {
        leaks::assert_none_in_process(id, secrets);
    }

    /// Fails if one of `secrets` is in the log of a daemon, in a file, or in the output of a program that must not
    /// print it. The files in `allowed` may contain secrets.
    pub fn assert_no_secret_in_sight(&self, secrets: &[String], allowed: &[&Path]) {
        let outputs = self.outputs.lock().unwrap().clone();
        leaks::assert_none(self.root(), &outputs, secrets, allowed);
    }
}

/// A directory in memory if possible: the file store syncs each write, and a build beside the tests can keep a disk
/// busy for longer than the daemon waits.
fn room() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let is_ours = tempfile::tempfile_in(&memory).is_ok();
    if is_ours { memory } else { std::env::temp_dir() }
}

/// A program of this workspace, which is in the directory of the running test or a parent of it.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors()
        .skip(1)
        .take(3)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!("{name} does not exist; build it first: cargo build --workspace --all-targets")
        })
}
