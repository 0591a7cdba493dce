//! A connection to a server that limits the number of bytes read.
//!
//! Neither HTTP (repeated status 103, chunk extensions, trailers) nor TLS (session tickets) limits what a server may send, and
//! `reqwest` gives no access to its connection. But `reqwest` accepts a Unix socket instead of a connection. imgurd holds the other
//! end of that socket, where it forwards and counts the bytes.

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
    /// Connects `server` to this end, for one connection and up to `most` bytes from the server.
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

/// This process's own connection. An abstract socket has no owner: any process that finds its name may connect.
async fn own(listener: UnixListener) -> io::Result<UnixStream> {
    loop {
        let (client, _) = listener.accept().await?;
        let process = client.peer_cred()?.pid();
        if process.and_then(|id| u32::try_from(id).ok()) == Some(process::id()) {
            return Ok(client);
        }
    }
}

/// Forwards data in both directions until the client or the server closes, or the server has sent too much. A server
/// that does not read any more may still be sending an answer.
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
