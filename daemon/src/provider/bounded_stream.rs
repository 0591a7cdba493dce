//! A connection to a server, of which only so many bytes are read.
//!
//! What a server may send is bounded neither by HTTP (status 103 again and again, extensions of chunks, trailers) nor by
//! TLS (session tickets), and `reqwest` lets nobody look below it. But it takes a Unix socket in the place of a
//! connection, so that is what it gets: the other end is here, where bytes are passed on and counted.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, copy, split};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;

use crate::random;

/// A connection to a server, which ends when dropped.
pub(super) struct BoundedStream {
    /// The near end: a name in Linux' abstract namespace (`unix(7)`), which leaves nothing on a disk.
    pub(super) name: String,
    is_overrun: Arc<AtomicBool>,
    carrying: AbortHandle,
}

impl BoundedStream {
    /// Prolongs `server` to this end, for one connection and up to `most` bytes of what it says.
    pub(super) fn to<S>(server: S, most: u64) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let name = format!("imgurd-{:032x}", u128::from_ne_bytes(random::bytes()));
        let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let is_overrun = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&is_overrun);
        let carrying = tokio::spawn(async move {
            if let Ok(client) = own(listener).await {
                carry(client, server, most, &noted).await;
            }
        });
        Ok(Self { name: format!("\0{name}"), is_overrun, carrying: carrying.abort_handle() })
    }

    pub(super) fn is_overrun(&self) -> bool {
        self.is_overrun.load(Ordering::Relaxed)
    }
}

impl Drop for BoundedStream {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

/// This process's own connection. An abstract socket has no owner: whoever has found its name may connect.
async fn own(listener: UnixListener) -> io::Result<UnixStream> {
    loop {
        let (client, _) = listener.accept().await?;
        let process = client.peer_cred()?.pid();
        if process.and_then(|id| u32::try_from(id).ok()) == Some(process::id()) {
            return Ok(client);
        }
    }
}

/// Passes on what either says, until the client hangs up, the server does, or it has said too much. A server that reads
/// no more may have an answer on its way yet.
async fn carry<S: AsyncRead + AsyncWrite>(client: UnixStream, server: S, most: u64, is_overrun: &AtomicBool) {
    let (mut asked, mut answered) = client.into_split();
    let (from_server, mut to_server) = split(server);
    let mut from_server = from_server.take(most);
    tokio::select! {
        Ok(_) = copy(&mut asked, &mut to_server) => {}
        _ = copy(&mut from_server, &mut answered) => {
            is_overrun.store(from_server.limit() == 0, Ordering::Relaxed);
        }
    }
}
