//! Checks whether journald accepts a line at the moment. While journald has stopped, its full socket blocks every writer.

use std::os::unix::net::UnixDatagram;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Where journald listens (`systemd-journald.service(8)`).
const SOCKET: &str = "/run/systemd/journal/socket";

/// The kernel counts the queue of a connected socket's peer (`unix_dgram_poll`), so this uses its own connected socket.
/// A line is lost if there is no room for it.
pub(super) fn has_room() -> bool {
    let Ok(socket) = UnixDatagram::unbound() else { return false };
    if socket.connect(SOCKET).is_err() {
        return false;
    }
    let mut polled = [PollFd::new(&socket, PollFlags::OUT)];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}
