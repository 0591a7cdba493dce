//! The sockets for callers.

use std::env;

use imgurd_proto::{Wire, socket_path};
use listenfd::ListenFd;

use super::options::Options;
use crate::ipc::{self, LocalSocket};

/// The name of the socket that `imgurd-remote.socket` passes.
const REMOTE: &str = "remote";

/// The local socket, and the one for callers from other machines. The service also works without the latter.
pub(super) fn sockets(options: &Options, (local, remote): Passed) -> anyhow::Result<Vec<LocalSocket>> {
    let path = options.socket.clone().unwrap_or_else(socket_path);
    let local = local.map_or_else(|| LocalSocket::bind(&path, Wire::Socket), Ok)?;
    ipc::remove_former_remote(&path);
    let remote = remote.or_else(|| {
        let path = options.remote_socket.clone().or_else(|| ipc::remote_path(&path))?;
        LocalSocket::bind(&path, Wire::Remote)
            .inspect_err(|error| tracing::warn!(error = format!("{error:#}"), "cannot serve other machines"))
            .ok()
    });
    Ok([Some(local), remote].into_iter().flatten().collect())
}

/// The local socket and the one for other machines, as far as systemd passed them.
pub(super) type Passed = (Option<LocalSocket>, Option<LocalSocket>);

/// The sockets that systemd passed, by name (`FileDescriptorName=`, `sd_listen_fds_with_names(3)`): their order is not
/// guaranteed.
pub(super) fn passed() -> anyhow::Result<Passed> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<_> = names.split(':').collect();
    let mut passed = ListenFd::from_env();
    let (mut local, mut remote) = (None, None);
    for index in 0..passed.len() {
        let Some(listener) = passed.take_unix_listener(index)? else { continue };
        if names.get(index) == Some(&REMOTE) {
            remote.get_or_insert(LocalSocket::inherit(listener.into(), Wire::Remote)?);
        } else {
            local.get_or_insert(LocalSocket::inherit(listener.into(), Wire::Socket)?);
        }
    }
    Ok((local, remote))
}
