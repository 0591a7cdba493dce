//! Waiting for a child process, or for something else first, with a bound.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::fake::PATIENCE;

/// A descriptor that becomes readable when the child ends.
pub(super) fn end_of(child: &Child) -> OwnedFd {
    pidfd_open(Pid::from_child(child), PidfdFlags::empty()).unwrap()
}

/// Which of the descriptors is readable, the earlier ones first; none once [`PATIENCE`] is exhausted.
pub(super) fn first_readable(descriptors: &[BorrowedFd<'_>]) -> Option<usize> {
    let deadline = Instant::now() + PATIENCE;
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
