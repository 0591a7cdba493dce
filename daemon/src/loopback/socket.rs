//! A TCP socket, as the kernel reports it.

use std::fs;
use std::net::SocketAddr;

use rustix::process::getuid;

/// The user ID that the kernel shows for users outside our user namespace (`user_namespaces(7)`).
pub(super) const OVERFLOW_UID: u32 = 65534;

/// A TCP socket, as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    /// A state of `net/tcp_states.h`.
    pub(super) state: u8,
    pub(super) uid: u32,
    /// Its inode; 0 if no process has it open any more.
    pub(super) inode: u64,
    /// The ID of the cgroup (version 2) in which it was created, if the kernel reports it.
    pub(super) cgroup: Option<u64>,
}

impl Socket {
    pub(super) const ESTABLISHED: u8 = 1;
    pub(super) const LISTEN: u8 = 10;
    /// `ESTABLISHED`, `FIN_WAIT1`, `FIN_WAIT2`, `CLOSE_WAIT`, `LAST_ACK` and `CLOSING`. A socket in any other state
    /// is not connected, and the kernel shows user 0 for it.
    pub(super) const CONNECTED: [u8; 6] = [Self::ESTABLISHED, 4, 5, 8, 9, 11];

    /// Whether it is connected and a process has it open.
    pub(super) fn is_connected(self) -> bool {
        Self::CONNECTED.contains(&self.state) && self.inode != 0
    }

    pub(super) fn is_own(self) -> bool {
        self.uid == getuid().as_raw() && (self.uid != OVERFLOW_UID || knows_all_users())
    }
}

/// Maps the IPv4 connection of an IPv6 socket (`::ffff:127.0.0.1`) to IPv4.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether every user has their own ID in our user namespace.
fn knows_all_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}
