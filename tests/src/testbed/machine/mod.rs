//! A whole machine: a systemd as process 1 of its own namespaces, with its own journal, logind, users, service
//! managers, session buses and loopback network.
//!
//! ```no_run
//! use imgurd_tests::fake::{Behaviour, Fake};
//! use imgurd_tests::testbed::Machine;
//!
//! let Some(machine) = Machine::boot() else { return };
//! machine.add_user("alice");
//! let fake = machine.inside(|| Fake::start(Behaviour::default()));
//! machine.run("alice", &["systemd-run", "--user", "--unit=imgurd", "imgurd"]).success();
//! machine.run("root", &["journalctl", "--unit=user@*"]).success();
//! ```

#[cfg(test)]
mod tests;
mod user;

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use super::process::{end_of, first_readable};
use super::{Output, binary, leaks, needs_root};
use crate::fake::PATIENCE;

/// Enters the cgroup that becomes the machine's root cgroup, and leaves the caller's namespaces.
const LEAVE: &str = r#"echo 0 >"$1/system/cgroup.procs" && shift &&
exec unshare --mount --propagation private --cgroup --uts --ipc --net sh -c "$0" sh "$@""#;

const BOOT: &str = include_str!("boot.sh");

/// The directory of our programs on the machine, which is the first in `PATH`.
const BINARIES: &str = "/opt/imgurd";

/// A machine. Dropping it ends all its processes and deletes its files.
///
/// Its files are an overlay over those of the test's machine. `/tmp`, `/run`, `/dev` and other mounts are its own,
/// and empty.
#[derive(Debug)]
pub struct Machine {
    /// The ID of its process 1 outside.
    first: u32,
    cgroups: Cgroups,
    outputs: Arc<Mutex<Vec<Output>>>,
    _outside: TempDir,
}

impl Machine {
    /// Boots a machine, which takes some seconds. `None` if the test [does not run as root](needs_root).
    pub fn boot() -> Option<Self> {
        needs_root("a machine of its own").then(|| Self::boot_from(Path::new("/")))
    }

    /// Boots a machine with the files of the Debian 13 that `tests/debian-13` installs.
    ///
    /// # Panics
    /// If it is not installed.
    pub fn boot_debian_13() -> Option<Self> {
        needs_root("a machine of its own").then(|| {
            let test = std::env::current_exe().unwrap();
            let root =
                test.ancestors().map(|directory| directory.join("debian-13")).find(|root| root.is_dir());
            Self::boot_from(&root.expect("Debian 13 is not installed; run `make test` or tests/debian-13"))
        })
    }

    fn boot_from(root: &Path) -> Self {
        let outside = tempfile::Builder::new().prefix("imgurd-machine-").tempdir().unwrap();
        let notify = UnixDatagram::bind(outside.path().join("notify")).unwrap();
        let log = outside.path().join("boot.log");
        let mut cgroups = Cgroups::new();
        let mut command = Command::new("setpriv");
        // Kill the machine when the test's process ends for any reason.
        command.args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            LEAVE,
        ]);
        command
            .arg(BOOT)
            .arg(&cgroups.path)
            .arg(binary("imgurd").parent().unwrap())
            .arg(outside.path())
            .arg(root);
        let errors = File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(errors.try_clone().unwrap()).stderr(errors).spawn();
        let child = cgroups.child.insert(child.expect("setpriv is installed (Debian: util-linux)"));
        let is_up = is_up(&notify, child);
        assert!(is_up, "the machine did not boot: {}", fs::read_to_string(log).unwrap_or_default());
        fs::create_dir(cgroups.entrance()).unwrap();
        let first = cgroups.first();
        Self { first, cgroups, outputs: Arc::default(), _outside: outside }
    }

    /// The path outside of a file of the machine. Absolute links in it do not work.
    pub fn file(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        PathBuf::from(format!("/proc/{}/root", self.first)).join(path.strip_prefix("/").unwrap())
    }

    /// Runs `act` in the machine's network: sockets that listen or connect in it belong to that network.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.first)).unwrap();
        let enter_and_act = || {
            // This moves only this thread and the threads that it starts (setns(2)).
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            act()
        };
        let outcome = thread::scope(|scope| scope.spawn(enter_and_act).join());
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Fails if one of `secrets` is in the arguments or environment of a process of the machine.
    pub fn assert_no_secret_in_processes(&self, secrets: &[String]) {
        for process in self.cgroups.processes() {
            leaks::assert_none_in_process(process, secrets);
        }
    }

    /// Fails if one of `secrets` is in the output of a program that must not print it, or in a file in these
    /// directories of the machine. The files in `allowed` may contain secrets.
    pub fn assert_no_secret_in_sight(&self, secrets: &[String], directories: &[&str], allowed: &[&str]) {
        let outputs = self.outputs.lock().unwrap().clone();
        let allowed: Vec<_> = allowed.iter().map(|path| self.file(path)).collect();
        let allowed: Vec<_> = allowed.iter().map(PathBuf::as_path).collect();
        for directory in directories {
            leaks::assert_none(&self.file(directory), &outputs, secrets, &allowed);
        }
    }
}

/// Waits until systemd reports that it has started (`sd_notify(3)`).
fn is_up(notify: &UnixDatagram, child: &Child) -> bool {
    let mut message = [0; 4096];
    while first_readable(&[notify.as_fd(), end_of(child).as_fd()]) == Some(0) {
        let length = notify.recv(&mut message).unwrap();
        if String::from_utf8_lossy(&message[..length]).lines().any(|line| line == "READY=1") {
            return true;
        }
    }
    false
}

/// The machine's cgroups with all its processes. Dropping it removes them.
#[derive(Debug)]
struct Cgroups {
    path: PathBuf,
    /// The process that started the machine.
    child: Option<Child>,
}

impl Cgroups {
    fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let unified = Path::new("/sys/fs/cgroup/unified");
        let all = if unified.exists() { unified } else { Path::new("/sys/fs/cgroup") };
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = all.join(format!("imgurd-machine-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("system")).expect("root can create cgroups (version 2)");
        Self { path, child: None }
    }

    /// The cgroup for commands of the test. systemd moves processes only between cgroups that it can see.
    fn entrance(&self) -> PathBuf {
        self.path.join("system/entrance")
    }

    /// Process 1. systemd puts it into a unit of its own.
    fn first(&self) -> u32 {
        let processes = fs::read_to_string(self.path.join("system/init.scope/cgroup.procs")).unwrap();
        let is_first = |id: &&str| {
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1"))
        };
        processes.lines().find(is_first).expect("process 1").parse().unwrap()
    }

    /// The IDs outside of all processes.
    fn processes(&self) -> Vec<u32> {
        let mut cgroups = vec![self.path.clone()];
        let mut processes = Vec::new();
        while let Some(cgroup) = cgroups.pop() {
            // The cgroup may have been removed meanwhile.
            let inside = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
            processes.extend(inside.lines().map(|id| id.parse::<u32>().unwrap()));
            let below = fs::read_dir(&cgroup).into_iter().flatten().map_while(Result::ok);
            cgroups.extend(
                below.filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir())).map(|it| it.path()),
            );
        }
        processes
    }

    /// Waits until no running process is left.
    fn wait_until_empty(&self) -> io::Result<()> {
        let events = File::open(self.path.join("cgroup.events"))?;
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let mut text = [0; 256];
        loop {
            let length = events.read_at(&mut text, 0)?;
            if String::from_utf8_lossy(&text[..length]).contains("populated 0") {
                return Ok(());
            }
            // A change of this file counts as exceptional condition (cgroups(7)).
            if poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&patience))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")?;
        self.wait_until_empty()?;
        if let Some(child) = &mut self.child {
            child.wait()?;
        }
        remove(&self.path)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{} is left behind: {error}", self.path.display());
        }
    }
}

/// Removes a cgroup and its children.
fn remove(cgroup: &Path) -> io::Result<()> {
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup)
}
