//! Who is calling, and what they may do.

mod application;
mod asking;
mod bus;
mod cgroup;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
pub mod journal;
mod lineage;
mod peer;
mod permits;
mod places;
mod policy;
mod process;
mod recent;
mod rejections;
mod sandbox;
mod service;
mod users;

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use imgurd_proto::{Error, Wire};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::UnixStream;

pub use application::{Application, Identity};
pub use asking::{Answer, Asking, Question, Questions};
pub use bus::{Admitted, BusCallers, bus_caller};
pub use gate::{Asked, Gate, Pass};
pub use journal::Journal;
pub use permits::Permits;
pub use places::{Full, Place, Places};
pub use policy::{Needs, needs};
pub use recent::Recent;
pub use rejections::Rejections;

use peer::Peer;

/// A caller, as the kernel identifies it on the local socket (`SO_PEERCRED`) and the bus on D-Bus.
#[derive(Debug)]
pub struct Caller {
    /// Its user.
    pub uid: u32,
    /// Its process, where the kernel says.
    pub pid: Option<i32>,
    /// How it calls.
    pub wire: Wire,
    /// How long the machine was up when it was first seen.
    since: Duration,
    identity: OnceLock<Arc<Identity>>,
}

impl Caller {
    /// One who is seen for the first time now.
    #[must_use]
    pub fn new(uid: u32, pid: Option<i32>, wire: Wire) -> Self {
        Self::since(uptime(), uid, pid, wire)
    }

    /// One who was there already when the machine was up for `since`.
    fn since(since: Duration, uid: u32, pid: Option<i32>, wire: Wire) -> Self {
        Self { uid, pid, wire, since, identity: OnceLock::new() }
    }

    /// Who is at the other end of `stream`, a connection on `wire`, and may be one of the `recent` ones.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub fn of(stream: &UnixStream, wire: Wire, recent: &Recent) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let caller = Self::new(credentials.uid(), credentials.pid(), wire);
        let peer = Peer::of(stream);
        Ok(caller.known_as(&peer, |caller| recent.identity(caller.pid, caller.since)))
    }

    /// With the identity that a look at its number gives, if that is the number of `peer`, who has not ended since.
    fn known_as(self, peer: &Peer, look: impl FnOnce(&Self) -> Arc<Identity>) -> Self {
        let identity = look(&self);
        let identity = if peer.has_ended() { Arc::new(Identity::gone()) } else { identity };
        Self { identity: identity.into(), ..self }
    }

    /// Fails unless it runs as the user whose tokens are kept here. Nobody else is answered, root neither.
    pub fn admit(&self) -> Result<(), Error> {
        if self.uid == rustix::process::getuid().as_raw() {
            return Ok(());
        }
        tracing::debug!(uid = self.uid, "refused another user");
        Err(Error::AccessDenied {
            reason: "These tokens are another user's, and nobody else gets them, root neither; call as that user, or run \
                     imgurd as the user who calls"
                .to_owned(),
        })
    }

    /// Who it is: looked up when it connects, and believed for as long as its connection lasts, since a process may be
    /// moved between units.
    pub fn identity(&self) -> &Identity {
        self.identity.get_or_init(|| Identity::of(self.pid, self.since))
    }

    /// Which application it is: the same for all its processes, so limits may go by it.
    pub fn application(&self) -> &Application {
        &self.identity().application
    }
}

/// How long the machine has been up, time asleep included: what the kernel says of when a process began.
fn uptime() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_of_the_same_user_is_its_own() {
        let (here, _there) = UnixStream::pair().unwrap();
        let caller = Caller::of(&here, Wire::Socket, &Recent::default()).unwrap();
        assert_eq!(caller.pid, std::process::id().try_into().ok());
        assert_eq!(caller.admit(), Ok(()));
        let another = Caller::new(caller.uid + 1, caller.pid, Wire::Socket);
        assert!(matches!(another.admit(), Err(Error::AccessDenied { .. })));
    }

    #[test]
    fn who_calls_is_looked_up_once() {
        let caller = Caller::new(0, std::process::id().try_into().ok(), Wire::Bus);
        let first: *const _ = caller.identity();
        assert_eq!(first, std::ptr::from_ref(caller.identity()));
        assert!(!caller.application().is_sandboxed());
    }
}
