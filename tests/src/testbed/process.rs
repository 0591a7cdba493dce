//! Waits for a child process or another event, with a time limit.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::fake::PATIENCE;

/// Runs a test as root. Without root, runs it again as root of a user namespace (`user_namespaces(7)`), who can
/// examine its own processes even if they have forbidden it. `name` is the full name of the test.
pub fn as_root(name: &str, test: impl FnOnce()) {
    if rustix::process::geteuid().is_root() {
        return test();
    }
    let mut again = Command::new("unshare");
    again.args(["--user", "--map-root-user"]).arg(std::env::current_exe().unwrap()).args(["--exact", name]);
    let status = again.status().expect("unshare is installed (Debian: util-linux)");
    assert!(status.success(), "{name} failed in a user namespace");
}

/// Whether the test runs as root, which it needs for other users or cgroups. Without root, prints what is left out;
/// the test then returns.
pub fn needs_root(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("Left out, since it takes root: {what}.");
    }
    is_root
}

/// A file descriptor that becomes readable when the child ends.
pub(super) fn end_of(child: &Child) -> OwnedFd {
    pidfd_open(Pid::from_child(child), PidfdFlags::empty()).unwrap()
}

/// The extra time for a daemon that stops (`TimeoutStopSec=` of its unit).
const TO_STOP: Duration = Duration::from_secs(10);

/// The first readable descriptor, by position. `None` after the time limit.
pub(super) fn first_readable(descriptors: &[BorrowedFd<'_>]) -> Option<usize> {
    let deadline = Instant::now() + PATIENCE + TO_STOP;
    let mut polled: Vec<_> =
        descriptors.iter().map(|descriptor| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN)).collect();
    loop {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).unwrap();
        match poll(&mut polled, Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            result => {
                result.unwrap();
                return polled.iter().position(|fd| !fd.revents().is_empty());
            }
        }
    }
}

/// Whether the child ended in time.
pub(super) fn ends(child: &Child) -> bool {
    first_readable(&[end_of(child).as_fd()]).is_some()
}
