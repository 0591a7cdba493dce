//! A caller: its user, its process and its application.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use imgurd_proto::{Error, Wire};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::UnixStream;

use super::Application;
use super::identification::{Identified, identify};
use super::peer::Peer;
use super::process::ProcessFile;
use crate::config::Class;

/// The name in permits and rules of all programs on other machines.
pub(super) const REMOTE: &str = "remote";

/// The prefix of gateway clients' names in permits.
const GATEWAY: &str = "gateway:";

/// A sandboxed program that nothing identifies.
pub(super) const NAMELESS: &str = "A sandboxed app";

/// A caller, as the kernel (`SO_PEERCRED`) or the bus identifies it.
///
/// imgurd identifies it when it connects, because its process may later move to another unit.
#[derive(Debug)]
pub struct Caller {
    /// Its user ID.
    pub uid: u32,
    /// Its PID, if the kernel gives one.
    pub pid: Option<i32>,
    /// How it calls.
    pub wire: Wire,
    /// The application. Limits apply to it, because all its processes share it.
    pub application: Application,
    /// The name of the program, only for display.
    pub program: Option<String>,
}

impl Caller {
    /// The gateway client `name`, which its request has proved to be.
    pub(crate) fn gateway_client(name: &str) -> Self {
        Self {
            uid: rustix::process::getuid().as_raw(),
            pid: None,
            wire: Wire::Gateway,
            application: Application::GatewayClient(name.to_owned()),
            program: None,
        }
    }

    /// Identifies the process at the other end of `stream`, a connection on `wire`.
    ///
    /// # Errors
    /// If the kernel does not identify it.
    pub fn of(stream: &UnixStream, wire: Wire) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self::identify(credentials.uid(), credentials.pid(), wire, uptime(), &Peer::of(stream)).0)
    }

    /// Identifies the process `pid` of `peer`, which called when the machine had been up for `since`. Also
    /// returns its `cgroup` file.
    pub(super) fn identify(
        uid: u32,
        pid: Option<i32>,
        wire: Wire,
        since: Duration,
        peer: &Peer,
    ) -> (Self, Option<ProcessFile>) {
        let Identified { application, program, cgroups } = identify(pid, wire, since, peer);
        (Self { uid, pid, wire, application, program }, cgroups)
    }

    /// The process that has this PID now.
    #[cfg(test)]
    pub(crate) fn new(uid: u32, pid: Option<i32>, wire: Wire) -> Self {
        Self::identify(uid, pid, wire, uptime(), &Peer::Unheld).0
    }

    /// Fails unless the caller runs as the user who owns these tokens. Nobody else gets an answer, not even root.
    pub fn admit(&self) -> Result<(), Error> {
        if self.uid == rustix::process::getuid().as_raw() {
            return Ok(());
        }
        tracing::debug!(uid = self.uid, "refused another user");
        Err(Error::AccessDenied {
            reason: "These tokens belong to another user, and imgurd serves nobody else, not even root; call as that \
                     user, or run your own imgurd"
                .to_owned(),
        })
    }

    /// Its class in rules. A sandboxed program stays one on whichever socket it calls.
    #[must_use]
    pub fn class(&self) -> Class {
        if self.application.is_sandboxed() {
            Class::Sandboxed
        } else if self.wire == Wire::Remote {
            Class::Remote
        } else if self.wire == Wire::Gateway {
            Class::Gateway
        } else {
            Class::Unsandboxed
        }
    }

    /// Its name in permits and rules; nothing if no permit can be given to it.
    pub(super) fn title(&self) -> Option<Cow<'_, str>> {
        if self.class() == Class::Remote {
            // The kernel identifies sshd, which runs as the user.
            return Some(REMOTE.into());
        }
        match &self.application {
            // Such names could be mistaken for a unit or for one of the words here.
            Application::Sandbox(name) if is_like_a_unit(name) => Some(format!("sandbox:{name}").into()),
            Application::Gone | Application::Nameless => None,
            Application::GatewayClient(name) => Some(gateway_title(name).into()),
            other => Some(other.name().into()),
        }
    }

    /// Its name in permits and rules, or else what it is.
    pub(super) fn name(&self) -> Cow<'_, str> {
        self.title().unwrap_or_else(|| self.application.name().into())
    }

    pub(super) fn display_name(&self) -> Option<Cow<'_, str>> {
        match &self.application {
            Application::Nameless => Some(NAMELESS.into()),
            Application::Unknown => Some("An unidentified program".into()),
            _ => self.title(),
        }
    }
}

/// How long the machine has been up, suspend included. The kernel gives the start time of a process on the
/// same clock.
pub(super) fn uptime() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

/// The name of a gateway client in permits and rules.
pub(crate) fn gateway_title(name: &str) -> String {
    format!("{GATEWAY}{name}")
}

/// Whether a program can have this name in permits and rules, if it is not a gateway client. Units, and the names of
/// most sandboxes, have a dot.
pub(crate) fn may_be_title(name: &str) -> bool {
    let may_be = |name: &str| match name.strip_prefix("sandbox:") {
        Some(name) => !name.is_empty(),
        None => [REMOTE, Application::Unknown.name()].contains(&name) || name.contains('.'),
    };
    name.trim() == name && may_be(name)
}

fn is_like_a_unit(name: &str) -> bool {
    name.starts_with(GATEWAY)
        || !name.contains('.')
        || [".service", ".scope"].iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn admits_the_same_user_and_denies_others() {
        let (here, _there) = UnixStream::pair().unwrap();
        let caller = Caller::of(&here, Wire::Socket).unwrap();
        assert_eq!(caller.pid, std::process::id().try_into().ok());
        assert_eq!(caller.admit(), Ok(()));
        assert!(!caller.application.is_sandboxed());
        let another = Caller::new(caller.uid + 1, caller.pid, Wire::Socket);
        assert!(matches!(another.admit(), Err(Error::AccessDenied { .. })));
    }
}
