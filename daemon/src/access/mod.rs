//! Who is calling, and what they may do.

mod bus;

use std::io;

use imgurd_proto::Error;
use tokio::net::UnixStream;

pub use bus::{Admitted, BusCallers};

/// A caller, as the kernel identifies it on the local socket (`SO_PEERCRED`) and the bus on D-Bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its user.
    pub uid: u32,
    /// Its process, where the kernel says.
    pub pid: Option<i32>,
}

impl Caller {
    /// Who is at the other end of `stream`.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), pid: credentials.pid() })
    }

    /// Itself, if it runs as the user whose tokens are kept here. Nobody else is answered, root neither.
    pub fn admit(self) -> Result<Self, Error> {
        if self.uid == rustix::process::getuid().as_raw() {
            return Ok(self);
        }
        tracing::warn!(uid = self.uid, "refused another user");
        Err(Error::AccessDenied {
            reason: "These tokens are another user's, and nobody else gets them, root neither; call as that user, or run \
                     imgurd as the user who calls"
                .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_of_the_same_user_is_its_own() {
        let (here, _there) = UnixStream::pair().unwrap();
        let caller = Caller::of(&here).unwrap();
        assert_eq!(caller.admit(), Ok(caller));
        let another = Caller { uid: caller.uid + 1, ..caller };
        assert!(matches!(another.admit(), Err(Error::AccessDenied { .. })));
    }
}
