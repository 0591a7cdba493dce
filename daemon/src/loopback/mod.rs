//! The user at the other end of a loopback connection. Every user of the machine can connect to 127.0.0.1 and ::1.

mod diag;
pub(crate) mod headers;
pub(crate) mod http;
mod socket;
mod table;
pub(crate) mod visitors;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use rustix::fs::fstat;
use tokio::net::TcpStream;

use self::socket::{OVERFLOW_UID, Socket, canonical};

/// Whether a process of our own user is at the other end of `stream`. False in doubt, for example if the other end is
/// closed.
pub(crate) fn is_own(stream: &TcpStream) -> bool {
    let (Ok(here), Ok(there)) = (stream.local_addr(), stream.peer_addr()) else { return false };
    let Ok(inode) = fstat(stream.as_fd()).map(|stat| stat.st_ino) else { return false };
    let theirs = find(there, here);
    // The order matters: if our end is still open after we looked at theirs, then theirs is the end that connected. A
    // reset also closes our end, and another user's process could have connected from the same port since.
    let ours = find(here, there);
    theirs.is_some_and(|socket| socket.is_connected() && socket.is_own())
        && ours.is_some_and(|socket| socket.is_connected() && socket.inode == inode)
}

/// The addresses of a connection's two ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    here: SocketAddr,
    there: SocketAddr,
}

impl Ends {
    pub(crate) fn of(stream: &TcpStream) -> Option<Self> {
        Some(Self { here: stream.local_addr().ok()?, there: stream.peer_addr().ok()? })
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FarEnd {
    ends: Ends,
    /// The inode of its socket.
    pub(crate) inode: u64,
    /// The ID of the cgroup (version 2) in which its socket was created, if the kernel reports it.
    pub(crate) cgroup: Option<u64>,
}

impl FarEnd {
    /// The other end, unless it is closed.
    pub(crate) fn of(ends: Ends) -> Option<Self> {
        let socket = find(ends.there, ends.here).filter(|socket| socket.is_connected())?;
        Some(Self { ends, inode: socket.inode, cgroup: socket.cgroup })
    }

    /// Whether this process is in the network namespace of the connection. True if imgurd cannot read that.
    pub(crate) fn is_in_network_of(&self, pid: i32) -> bool {
        let files = ["tcp", "tcp6"].map(|name| format!("/proc/{pid}/net/{name}"));
        table::read(&files).is_none_or(|lines| {
            table::find_in(lines, canonical(self.ends.there), canonical(self.ends.here))
                .is_some_and(|socket| socket.inode == self.inode)
        })
    }
}

/// The owner of a listening port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A program of our own user.
    Own,
    /// Another user, described in a few words such as "user alice".
    Other(String),
}

/// The owner of the socket that listens at `address` or at a wildcard address; `None` if there is none.
pub(crate) fn holder(address: SocketAddr) -> Option<Holder> {
    let anybody = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = find(address, anybody.parse().ok()?).filter(|socket| socket.state == Socket::LISTEN)?;
    Some(if socket.is_own() { Holder::Own } else { Holder::Other(description(socket.uid)) })
}

fn find(local: SocketAddr, remote: SocketAddr) -> Option<Socket> {
    static HAS_DIAG: OnceLock<bool> = OnceLock::new();
    let (local, remote) = (canonical(local), canonical(remote));
    if *HAS_DIAG.get_or_init(diag_works) {
        diag::find(local, remote).ok().flatten()
    } else {
        table::find(local, remote)
    }
}

/// Whether the kernel supports `tcp_diag`. Without it, the kernel gives the same answer as for a missing socket.
fn diag_works() -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").or_else(|_| TcpListener::bind("[::1]:0"));
    let Ok(address) = listener.as_ref().map_or_else(|_| Err(()), |it| it.local_addr().map_err(drop)) else {
        return false;
    };
    let mut anybody = address;
    anybody.set_port(0);
    let works = matches!(diag::find(address, anybody), Ok(Some(_)));
    if !works {
        tracing::debug!(
            "the kernel has no tcp_diag; imgurd reads the owners of connections from /proc/net/tcp"
        );
    }
    works
}

fn description(uid: u32) -> String {
    if uid == OVERFLOW_UID {
        return "another user".to_owned();
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    name.map_or_else(|| format!("user id {uid}"), |name| format!("user {name}"))
}

#[cfg(test)]
mod tests;
