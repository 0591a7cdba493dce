//! A running `imgurd`.

use std::fs::{self, File, Permissions};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use super::leaks::assert_none_in_process;
use super::process::{end_of, ends, first_readable};
use crate::fake::PATIENCE;

/// The number of log lines that a failed test shows.
const TAIL: usize = 60;

/// A running daemon. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// Its notifications that no test has waited for yet. The channel closes when the daemon ends.
    notified: Mutex<Receiver<String>>,
    log: PathBuf,
}

impl Daemon {
    pub(super) fn spawn(mut command: Command, root: &Path, number: usize) -> Self {
        let log = root.join(format!("daemon-{number}.log"));
        let notify = root.join(format!("notify-{number}"));
        let output = File::create(&log).unwrap();
        let socket = UnixDatagram::bind(&notify).unwrap();
        // A daemon of another user has to reach it. Other users cannot enter the parent directory.
        fs::set_permissions(&notify, Permissions::from_mode(0o777)).unwrap();
        let child = command
            .env("NOTIFY_SOCKET", notify)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let (sender, notified) = channel();
        let end = end_of(&child);
        // Read notifications at once: a socket holds only a few (`net.unix.max_dgram_qlen`), and then the daemon
        // would block.
        std::thread::spawn(move || listen(&socket, &end, &sender));
        Self { child, notified: Mutex::new(notified), log }
    }

    pub(super) fn ready(mut self) -> Self {
        self.wait_for("READY=1");
        self
    }

    /// Waits until the daemon sends this line to the service manager (`sd_notify(3)`), such as `READY=1`. Fails if
    /// the daemon ends instead.
    pub fn wait_for(&mut self, line: &str) {
        let deadline = Instant::now() + PATIENCE;
        let notified = self.notified.get_mut().unwrap();
        loop {
            match notified.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(notified) if notified == line => return,
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("imgurd ended ({}) before {line}", self.child.wait().unwrap())
                }
                Err(RecvTimeoutError::Timeout) => panic!("imgurd did not send {line} in time"),
            }
        }
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor time of all its threads.
    pub fn processor_time(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let (_, fields) = text.rsplit_once(") ").expect("the format is that of proc_pid_stat(5)");
        let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        // A tick is 10 ms on Linux (`USER_HZ`, time(7)).
        Duration::from_millis(ticks * 10)
    }

    /// Its whole log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Lets it open no file descriptor with this number or higher; `None` removes the limit. Open ones stay open.
    pub fn limit_descriptors(&self, limit: Option<u64>) {
        // The daemon has raised its limit to the maximum that it inherited.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: limit.or(maximum), maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    /// Reloads its configuration, and returns when that is done (`sd_notify(3)`, `RELOADING=1`).
    pub fn reload(&mut self) {
        self.signal(Signal::HUP);
        self.wait_for("RELOADING=1");
        self.wait_for("READY=1");
    }

    /// Stops it with SIGTERM, and returns its exit status.
    pub fn terminate(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Kills it, like a crash.
    pub fn kill(mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.wait()
    }

    /// Waits until it ends.
    pub fn wait(mut self) -> ExitStatus {
        assert!(ends(&self.child), "imgurd did not end in time");
        self.child.wait().unwrap()
    }

    /// Waits until it ends with this exit code, and returns its log.
    pub fn log_when_ended(mut self, code: i32) -> String {
        assert!(ends(&self.child), "imgurd did not end in time");
        let status = self.child.wait().unwrap();
        let log = self.log();
        assert_eq!(status.code(), Some(code), "{log}");
        log
    }

    /// Fails if one of `secrets` is in its arguments or environment.
    pub fn assert_no_secret_in_process(&self, secrets: &[String]) {
        assert_none_in_process(self.id(), secrets);
    }
}

/// Sends each line to the channel until the process has ended.
fn listen(socket: &UnixDatagram, end: &OwnedFd, lines: &Sender<String>) {
    let mut message = [0; 4096];
    loop {
        match first_readable(&[socket.as_fd(), end.as_fd()]) {
            // Read its last messages before its end counts.
            Some(0) => {
                let length = socket.recv(&mut message).unwrap();
                for line in String::from_utf8_lossy(&message[..length]).lines() {
                    let _ = lines.send(line.to_owned());
                }
            }
            Some(_) => return,
            None => {} // no notification for a long time
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail if it has ended and its status was collected.
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
