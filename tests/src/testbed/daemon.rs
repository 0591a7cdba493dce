//! A running `imgurd`.

use std::fs::{self, File, Permissions};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use super::leaks::assert_none_in_process;
use super::process::{end_of, ends, first_readable};

/// How much of the log a failed test shows.
const TAIL: usize = 60;

/// A daemon, killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    notify: UnixDatagram,
    /// What it notified and nobody has waited for yet.
    pending: Vec<String>,
    log: PathBuf,
}

impl Daemon {
    pub(super) fn spawn(mut command: Command, root: &Path, number: usize) -> Self {
        let log = root.join(format!("daemon-{number}.log"));
        let notify = root.join(format!("notify-{number}"));
        let output = File::create(&log).unwrap();
        let socket = UnixDatagram::bind(&notify).unwrap();
        // For a daemon of another user as well; nobody else gets as far as to our directory.
        fs::set_permissions(&notify, Permissions::from_mode(0o777)).unwrap();
        let child = command
            .env("NOTIFY_SOCKET", notify)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self { child, notify: socket, pending: Vec::new(), log }
    }

    pub(super) fn ready(mut self) -> Self {
        self.wait_for("READY=1");
        self
    }

    /// Blocks until the daemon sends this line to the service manager (`sd_notify(3)`): `READY=1`, `STOPPING=1`.
    /// Fails if it ends instead.
    pub fn wait_for(&mut self, line: &str) {
        loop {
            if let Some(position) = self.pending.iter().position(|known| known == line) {
                self.pending.drain(..=position);
                return;
            }
            let end = end_of(&self.child);
            match first_readable(&[self.notify.as_fd(), end.as_fd()]) {
                Some(0) => self.receive(),
                Some(_) => panic!("imgurd ended ({}) before {line}", self.child.wait().unwrap()),
                None => panic!("imgurd did not say {line} in time"),
            }
        }
    }

    fn receive(&mut self) {
        let mut message = [0; 4096];
        let length = self.notify.recv(&mut message).unwrap();
        let text = String::from_utf8_lossy(&message[..length]);
        self.pending.extend(text.lines().map(ToOwned::to_owned));
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Lets it open no descriptor from this number on; `None` takes that back. Those that are open stay so.
    pub fn limit_descriptors(&self, limit: Option<u64>) {
        // It has inherited ours, and made the most of it.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: limit.or(maximum), maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    /// Has it read its configuration again, and returns when it has (`sd_notify(3)`, `RELOADING=1`).
    pub fn reload(&mut self) {
        self.signal(Signal::HUP);
        self.wait_for("RELOADING=1");
        self.wait_for("READY=1");
    }

    /// Stops it as the service manager does, and returns how it ended.
    pub fn terminate(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Ends it with no warning, as a crash does.
    pub fn kill(mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.wait()
    }

    /// Waits for it to end by itself.
    pub fn wait(mut self) -> ExitStatus {
        assert!(ends(&self.child), "imgurd did not end in time");
        self.child.wait().unwrap()
    }

    /// Waits for it to end by itself with this exit code, and returns all it wrote.
    pub fn log_when_ended(mut self, code: i32) -> String {
        assert!(ends(&self.child), "imgurd did not end in time");
        let status = self.child.wait().unwrap();
        let log = self.log();
        assert_eq!(status.code(), Some(code), "{log}");
        log
    }

    /// Fails if one of `secrets` is in its arguments or its environment.
    pub fn assert_no_secret_in_process(&self, secrets: &[String]) {
        assert_none_in_process(self.id(), secrets);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail where it has ended and been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL)..];
            eprintln!("--- the end of imgurd's log ---\n{}\n---", tail.join("\n"));
        }
    }
}
