//! The process at the other end of a connection, as a descriptor that always means the same process (`SO_PEERPIDFD`, since
//! Linux 6.5).

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerPidfd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::process::Process;

/// The descriptor that the kernel or the bus gives.
#[derive(Debug)]
pub(super) enum Peer {
    Process(OwnedFd),
    /// None: the kernel or the bus is too old for it. The PID has to be enough.
    Unheld,
    /// The process has ended already, for example while its call waited for the daemon to start.
    Ended,
}

impl Peer {
    pub(super) fn of(stream: &impl AsFd) -> Self {
        match getsockopt(stream, PeerPidfd) {
            Ok(process) => Self::Process(process),
            Err(Errno::ENOPROTOOPT) => Self::Unheld,
            // Before Linux 6.16 the kernel gives no descriptor of a process that has ended.
            Err(error) => {
                tracing::debug!(%error, "the kernel has no descriptor of a caller's process");
                Self::Ended
            }
        }
    }

    /// The process as the bus reports it (`ProcessFD`, since dbus 1.15.8).
    pub(super) fn named_by_the_bus(process: Option<OwnedFd>) -> Self {
        process.map_or(Self::Unheld, Self::Process)
    }

    /// Whether it has ended. Until then, no other process gets its PID.
    pub(super) fn has_ended(&self) -> bool {
        match self {
            // It is readable when the process has ended, also as a zombie (pidfd_open(2)).
            Self::Process(process) => {
                let mut processes = [PollFd::new(process, PollFlags::IN)];
                poll(&mut processes, Some(&Timespec::default())) != Ok(0)
            }
            Self::Unheld => false,
            Self::Ended => true,
        }
    }

    /// Whether the peer is this process, which had its PID after the peer called. Without a descriptor, it must have started before
    /// the machine was up for `since` (`CLOCK_BOOTTIME`), the time of the call.
    pub(super) fn is(&self, process: &Process, since: Duration) -> bool {
        match self {
            Self::Unheld => process.stat().is_some_and(|stat| stat.began <= since),
            held => !held.has_ended(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_peer_descriptor_shows_when_its_process_ends() {
        let (here, _there) = UnixStream::pair().unwrap();
        if matches!(Peer::of(&here), Peer::Unheld) {
            eprintln!("left out: this kernel has no SO_PEERPIDFD");
            return;
        }
        assert!(!Peer::of(&here).has_ended());
        // A process that ended while its connection was still in the queue.
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let script =
            "import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(); input()";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (stream, _) = listener.accept().unwrap();
        let held = Peer::of(&stream);
        assert!(!held.has_ended());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(held.has_ended() && Peer::of(&stream).has_ended());
    }
}
