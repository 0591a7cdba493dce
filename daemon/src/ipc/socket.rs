//! The local socket: where it is, who may connect, and how imgurd keeps accepting after errors.
//!
//! imgurd answers a caller that it refuses, and then waits until the caller has read the answer: if imgurd closed the connection
//! at once, the caller could not read it.

use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, bail};
use imgurd_proto::varlink::frame;
use imgurd_proto::{Error, Wire};
use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use interprocess::os::unix::uds_local_socket::tokio::Listener as UnixListener;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, send, shutdown,
    socket_with,
};
use rustix::process::{Resource, getrlimit};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::Refusal;
use crate::access::{Caller, Callers, Journal, Quota, QuotaExceeded, Slot};
use crate::ownership::{OF_OTHERS, own_directory};

const SETTINGS: &str = "XDG_RUNTIME_DIR, IMGURD_SOCKET and --socket";
/// How many callers are served at a time, if there are enough file descriptors.
const CONNECTIONS: usize = 1024;
/// The file descriptors that are reserved for the store, the server, the bus, logins and refused callers.
const DESCRIPTORS_LEFT: usize = 128;
/// The share of callers from other machines, if there are not enough descriptors for all.
const REMOTE_SHARE: usize = 8;
/// How many refused callers may stay until they have read the answer. imgurd answers any more and disconnects them
/// immediately.
const LEAVING: usize = 64;
/// How long they may stay. A caller that sends its call and then reads needs much less.
const LEAVING_PATIENCE: Duration = Duration::from_secs(2);
/// How many connections may wait to be accepted. Each is examined before the next, so a long queue would keep callers
/// waiting. Beyond it `connect(2)` waits, or fails with `EAGAIN` if it may not.
const BACKLOG: i32 = 256;
/// The pauses after a failed accept, for example while there are no free descriptors. Each is twice the previous one.
const ACCEPT_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The socket for callers from other machines. It has its own directory, because sandboxes may have access to that of
/// the local socket. `None` if `local` is not at its usual place: imgurd cannot know what is shared there.
#[must_use]
pub fn remote_path(local: &Path) -> Option<PathBuf> {
    let base = local.parent().filter(|_| local.ends_with("imgurd/socket"))?.parent()?;
    Some(base.join("imgurd-remote/socket"))
}

/// Removes the socket for other machines from its place before version 0.2, next to the local one.
pub fn remove_former_remote(local: &Path) {
    let former = local.with_file_name("remote");
    let is_socket = fs::symlink_metadata(&former).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && local.ends_with("imgurd/socket") {
        match fs::remove_file(&former) {
            Ok(()) => tracing::warn!(
                path = %former.display(),
                "the socket for other machines has moved to imgurd-remote/socket; use that path in RemoteForward"
            ),
            Err(error) => {
                tracing::warn!(path = %former.display(), %error, "remove this former socket for other machines");
            }
        }
    }
}

/// A listening socket that only our user can reach.
#[derive(Debug)]
pub struct LocalSocket {
    wire: Wire,
    listener: Listener,
    quota: Quota,
    leaving: Arc<Semaphore>,
    callers: Callers,
}

impl LocalSocket {
    /// Listens at `path`. Replaces the socket of a program that ended.
    pub fn bind(path: &Path, wire: Wire) -> anyhow::Result<Self> {
        // A program that can replace the socket would be called in our place and receive secrets. That holds for
        // every path.
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        own_directory(directory.unwrap_or(Path::new(".")), OF_OTHERS)
            .with_context(|| format!("there is no safe directory for the socket; check {SETTINGS}"))?;
        // imgurd removes an old socket, but no other file at a path that was given by mistake.
        if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
            bail!("{} exists and is not a socket; remove it, or check {SETTINGS}", path.display());
        }
        if is_served(path) {
            bail!(
                "a program already answers at {}, probably another imgurd; use that one, or end it with `systemctl --user \
                 stop imgurd.socket imgurd`",
                path.display()
            );
        }
        let name = path.to_fs_name::<GenericFilePath>()?;
        let listener = ListenerOptions::new()
            .name(name)
            .mode(0o600)
            .try_overwrite(true)
            .create_tokio()
            .with_context(|| format!("cannot listen on {}; check {SETTINGS}", path.display()))?;
        Ok(Self::new(listener, wire))
    }

    /// Takes over the socket that systemd passed.
    ///
    /// # Errors
    /// If the descriptor is not a listening socket.
    pub fn inherit(descriptor: OwnedFd, wire: Wire) -> io::Result<Self> {
        UnixListener::try_from(descriptor).map(|listener| Self::new(listener.into(), wire))
    }

    fn new(listener: Listener, wire: Wire) -> Self {
        // It listens already, with a longer queue. That is good enough if the kernel refuses this one.
        let Listener::UdSocket(socket) = &listener;
        let _ = rustix::net::listen(socket, BACKLOG);
        let (quota, leaving) = (Quota::new(connections(wire)), Arc::new(Semaphore::new(LEAVING)));
        Self { wire, listener, quota, leaving, callers: Callers::default() }
    }

    /// The next caller of our own user, and its slot, which is free again when it is dropped. `journal` records other
    /// users.
    pub(super) async fn accept(&self, journal: &Journal) -> (UnixStream, Caller, Slot) {
        let (mut pause, longest) = ACCEPT_PAUSES;
        loop {
            match self.listener.accept().await {
                Ok(Stream::UdSocket(stream)) => {
                    let stream = UnixStream::from(stream);
                    match self.admit(&stream, journal) {
                        Ok((caller, slot)) => return (stream, caller, slot),
                        Err(error) => self.refuse(stream, &error),
                    }
                    // Callers with a slot wait for their turn. Without this, many callers without one would delay
                    // them.
                    yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept callers at the moment");
                    sleep(pause).await;
                    pause = longest.min(pause * 2);
                }
            }
        }
    }

    /// Answers every caller with the refusal, as long as it is polled.
    pub async fn refuse_all(&self, refusal: &Refusal) {
        loop {
            let Ok(Stream::UdSocket(stream)) = self.listener.accept().await else {
                sleep(ACCEPT_PAUSES.1).await;
                continue;
            };
            let stream = UnixStream::from(stream);
            if let Ok(caller) = Caller::of(&stream, self.wire) {
                self.refuse(stream, &refusal.visible_to(&caller));
            }
            yield_now().await;
        }
    }

    fn admit(&self, stream: &UnixStream, journal: &Journal) -> Result<(Caller, Slot), Error> {
        let caller = self.callers.identify(stream, self.wire).map_err(|error| {
            tracing::warn!(%error, "refused a caller that the kernel did not identify");
            Error::AccessDenied { reason: "The system did not identify the caller; try again".to_owned() }
        })?;
        caller.admit().inspect_err(|error| journal.denied(&caller, None, None, error))?;
        let slot = self.quota.acquire(&caller.application).map_err(full)?;
        Ok((caller, slot))
    }

    /// Sends the error and closes our side, without reading. The socket stays open until the caller has left, because
    /// a caller that still writes to a closed socket would never read the error.
    fn refuse(&self, stream: UnixStream, error: &Error) {
        tracing::debug!(%error, "refused a caller");
        // A new socket has room for it, so this does not wait.
        let told = frame(error).is_ok_and(|message| send(&stream, &message, SendFlags::NOSIGNAL).is_ok());
        if let Ok(seat) = self.leaving.clone().try_acquire_owned()
            && told
            && shutdown(&stream, Shutdown::Write).is_ok()
        {
            tokio::spawn(async move {
                // This becomes ready when the other side has closed the socket, and not earlier.
                let _ = timeout(LEAVING_PATIENCE, stream.ready(Interest::PRIORITY)).await;
                drop(seat);
            });
        }
    }
}

/// Whether a program listens at `path`, for example an imgurd with other directories for its state.
fn is_served(path: &Path) -> bool {
    let connected = || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)
    };
    // The queue of a busy program is full.
    matches!(connected(), Ok(()) | Err(Errno::AGAIN))
}

fn full(QuotaExceeded { size }: QuotaExceeded) -> Error {
    let reason = format!(
        "imgurd serves at most {size} connections at a time from this kind of caller, and all are busy; close some, \
         or try again in a moment"
    );
    Error::unavailable(reason)
}

/// The number of connections for which there are file descriptors. Callers never use up all descriptors, and callers
/// from other machines never use up the connections of local callers.
fn connections(wire: Wire) -> usize {
    let descriptors = getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let all = descriptors.saturating_sub(DESCRIPTORS_LEFT);
    let remote = all / REMOTE_SHARE;
    let own = if wire == Wire::Remote { remote } else { all - remote };
    own.clamp(1, CONNECTIONS)
}
