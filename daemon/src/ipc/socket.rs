//! The local socket: where it is, who may reach it, and accepting without ever giving up.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use interprocess::os::unix::uds_local_socket::tokio::Listener as UnixListener;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::access::Caller;

/// How many callers are served at a time.
const CONNECTIONS: usize = 1024;
/// The pause after an accept that failed, as it does while descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where callers of this user look for the daemon.
#[must_use]
pub fn socket_path() -> PathBuf {
    imgurd_proto::socket_path()
}

/// The listening socket, ours alone.
#[derive(Debug)]
pub struct LocalSocket {
    listener: Listener,
    places: Arc<Semaphore>,
}

impl LocalSocket {
    /// Listens at `path`. Call it only while holding the instance lock: a socket left behind by a dead daemon is
    /// replaced.
    pub fn bind(path: &Path) -> anyhow::Result<Self> {
        if let Some(directory) = path.parent() {
            own_directory(directory)?;
        }
        let name = path.to_fs_name::<GenericFilePath>()?;
        let listener = ListenerOptions::new()
            .name(name)
            .mode(0o600)
            .try_overwrite(true)
            .create_tokio()
            .with_context(|| format!("cannot listen at {}", path.display()))?;
        Ok(Self::new(listener))
    }

    /// Takes over the socket that systemd passed.
    ///
    /// # Errors
    /// Where the descriptor is no listening socket.
    pub fn inherit(descriptor: OwnedFd) -> io::Result<Self> {
        UnixListener::try_from(descriptor).map(|listener| Self::new(listener.into()))
    }

    fn new(listener: Listener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    /// The next caller of our own user, and their place, which is free again when it is dropped.
    pub(super) async fn accept(&self) -> (UnixStream, OwnedSemaphorePermit) {
        loop {
            let place = self.places.clone().acquire_owned().await;
            match (self.listener.accept().await, place) {
                (Ok(Stream::UdSocket(stream)), Ok(place)) => {
                    let stream = UnixStream::from(stream);
                    match Caller::of(&stream) {
                        Ok(caller) if caller.is_own() => return (stream, place),
                        Ok(caller) => tracing::warn!(uid = caller.uid, "refused another user"),
                        Err(error) => {
                            tracing::warn!(%error, "refused a caller whom the kernel does not name");
                        }
                    }
                }
                (Err(error), _) => {
                    tracing::warn!(%error, "cannot accept callers just now");
                    sleep(ACCEPT_PAUSE).await;
                }
                (Ok(_), Err(_)) => {}
            }
        }
    }
}

/// Makes `directory` if it is missing, for ourselves alone; somebody else's is refused.
fn own_directory(directory: &Path) -> anyhow::Result<()> {
    let shown = directory.display();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("cannot make {shown}; set XDG_RUNTIME_DIR to a directory of your own"))?;
    let metadata = fs::metadata(directory).with_context(|| format!("cannot look at {shown}"))?;
    let is_own = metadata.uid() == rustix::process::getuid().as_raw();
    let is_default = env::var_os("IMGURD_SOCKET").is_none() && directory.ends_with("imgurd");
    if is_default && (!is_own || metadata.mode() & 0o077 != 0) {
        bail!("{shown} is open to others; run `chmod 700 {shown}`, or remove it if it is not yours");
    }
    Ok(())
}
