//! Identifies callers on the local socket. Examining a process takes a third of a millisecond, so imgurd examines a program
//! that connects for each call once a second, not each time.
//!
//! An open file of `/proc/PID` belongs to one process and becomes unreadable when the process ends. As long as it is readable,
//! the PID belongs to that process. Connections are accepted in the order in which they were made. So if imgurd accepts a
//! connection after it examined a process, the PID already belonged to that process when the connection was made.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use imgurd_proto::Wire;
use tokio::net::UnixStream;

use super::Application;
use super::caller::{Caller, uptime};
use super::peer::Peer;
use super::process::ProcessFile;
use crate::mutex::lock;

/// How long the result of an examination is used. The process may execute another program meanwhile
/// (`execve(2)`).
const HOLDS: Duration = Duration::from_secs(1);

/// How many processes are remembered, with two descriptors each.
const KNOWN: usize = 8;

/// The processes that were examined on one socket in the last second.
#[derive(Debug, Default)]
pub struct Callers(Mutex<Vec<Known>>);

#[derive(Debug)]
struct Known {
    pid: i32,
    /// If its content changes, even during the examination, imgurd examines the process again.
    cgroups: ProcessFile,
    peer: Peer,
    examined: Instant,
    application: Application,
    program: Option<String>,
}

impl Callers {
    /// Identifies the process at the other end of `stream`, a connection on `wire`.
    ///
    /// # Errors
    /// If the kernel does not identify it.
    pub fn identify(&self, stream: &UnixStream, wire: Wire) -> io::Result<Caller> {
        let credentials = stream.peer_cred()?;
        let (uid, pid) = (credentials.uid(), credentials.pid());
        let mut known = lock(&self.0);
        let same = known.iter().find(|known| Some(known.pid) == pid && known.is_current());
        if let Some(same) = same {
            let (application, program) = (same.application.clone(), same.program.clone());
            return Ok(Caller { uid, pid, wire, application, program });
        }
        let peer = Peer::of(stream);
        let (caller, cgroups) = Caller::identify(uid, pid, wire, uptime(), &peer);
        known.retain(|known| Some(known.pid) != pid && known.examined.elapsed() < HOLDS);
        known.truncate(KNOWN - 1);
        if let (Some(pid), Some(cgroups)) = (pid, cgroups) {
            let (application, program) = (caller.application.clone(), caller.program.clone());
            let examined = Instant::now();
            known.insert(0, Known { pid, cgroups, peer, examined, application, program });
        }
        Ok(caller)
    }
}

impl Known {
    fn is_current(&self) -> bool {
        // The files of a zombie process are still readable.
        let is_there = self.examined.elapsed() < HOLDS && !self.peer.has_ended();
        is_there && self.cgroups.read_again().is_some_and(|it| it == self.cgroups.text)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::process::{Child, Command, Stdio};

    use super::*;

    const CONNECT: &str =
        "import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(); input()";

    fn connected(listener: &UnixListener) -> (Child, UnixStream) {
        let address = listener.local_addr().unwrap();
        let program = Command::new("python3")
            .args(["-c", CONNECT])
            .arg(address.as_pathname().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (program, UnixStream::from_std(stream).unwrap())
    }

    #[tokio::test]
    async fn a_caller_that_ended_loses_its_cached_identity() {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let (callers, (mut program, stream)) = (Callers::default(), connected(&listener));
        let first = callers.identify(&stream, Wire::Socket).unwrap();
        assert_ne!(first.application, Application::Gone);
        assert_eq!(callers.identify(&stream, Wire::Socket).unwrap().application, first.application);
        program.kill().unwrap();
        // `waitid` with `WNOWAIT` waits until the process is a zombie, and leaves it one.
        let id = rustix::process::WaitId::Pid(rustix::process::Pid::from_child(&program));
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(id, options).unwrap();
        if !matches!(Peer::of(&stream), Peer::Unheld) {
            assert_eq!(callers.identify(&stream, Wire::Socket).unwrap().application, Application::Gone);
        }
        program.wait().unwrap();
        assert_eq!(callers.identify(&stream, Wire::Socket).unwrap().application, Application::Gone);
    }

    #[tokio::test]
    async fn limits_the_number_of_cached_callers() {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let callers = Callers::default();
        let mut all: Vec<_> = (0..KNOWN + 2).map(|_| connected(&listener)).collect();
        for (_, stream) in &all {
            callers.identify(stream, Wire::Socket).unwrap();
        }
        assert!(callers.0.lock().unwrap().len() <= KNOWN);
        for (program, _) in &mut all {
            program.kill().unwrap();
            program.wait().unwrap();
        }
    }
}
