//! Who is calling, and what they may do.

mod bus;

use std::io;

use tokio::net::UnixStream;

pub use bus::BusCallers;

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

    /// Whether it runs as the user whose tokens are kept here. Nobody else is answered, root neither.
    #[must_use]
    pub fn is_own(self) -> bool {
        self.uid == rustix::process::getuid().as_raw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_of_the_same_user_is_its_own() {
        let (here, _there) = UnixStream::pair().unwrap();
        let caller = Caller::of(&here).unwrap();
        assert!(caller.is_own());
        assert!(!Caller { uid: caller.uid + 1, ..caller }.is_own());
    }
}
