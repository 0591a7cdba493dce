//! The daemon's socket: its path, and the check that the program behind it belongs to this user.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect as connect_socket, socket_with,
};
use rustix::process::getuid;

use crate::{ClientError, Error};

/// The time in addition to the daemon's own limits after which the client considers it hung: more than a busy machine
/// needs.
pub(crate) const MARGIN: Duration = Duration::from_secs(5);

/// The path of the daemon's socket: `$IMGURD_SOCKET`, or else `$XDG_RUNTIME_DIR/imgurd/socket`, or else below
/// `/run/user/UID`.
#[must_use]
pub fn socket_path() -> PathBuf {
    socket_path_in(|name| env::var_os(name))
}

fn socket_path_in(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = variable("IMGURD_SOCKET").filter(|value| !value.is_empty()).map(PathBuf::from);
    set.unwrap_or_else(|| runtime_directory_in(variable).join("imgurd/socket"))
}

/// `$XDG_RUNTIME_DIR`, or else `/run/user/UID`.
#[must_use]
pub fn runtime_directory() -> PathBuf {
    runtime_directory_in(|name| env::var_os(name))
}

fn runtime_directory_in(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    // The specification requires to ignore a relative path, which would mean another directory in each program.
    let set = variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    set.unwrap_or_else(|| format!("/run/user/{}", getuid().as_raw()).into())
}

/// Connects to the daemon at `path`, if it belongs to this user.
pub(crate) fn connect(path: &Path) -> Result<UnixStream, ClientError> {
    let stream = dial(path).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => ClientError::Silent { after: MARGIN },
        io::ErrorKind::PermissionDenied => not_ours(path).into(),
        _ => ClientError::Unreachable { path: path.to_owned(), source },
    })?;
    // Another user's program that listens there would receive secrets.
    let user = peer_user(&stream)?;
    if is_nobody_in(user, || fs::read_to_string("/proc/self/uid_map")) {
        return Err(unmapped(path).into());
    }
    if user != getuid().as_raw() {
        return Err(not_ours(path).into());
    }
    Ok(stream)
}

/// Connects with a time limit: a daemon that accepts no connections may have a full queue.
fn dial(path: &Path) -> io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // This limits connecting too (socket(7)). The standard library has no limit for that.
    set_socket_timeout(&socket, Timeout::Send, Some(MARGIN))?;
    connect_socket(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

/// The user at the other end (`SO_PEERCRED`, unix(7)). Its PID is not usable here: it is 0 for a process outside our
/// PID namespace, which the daemon is for a client in a container.
fn peer_user(stream: &UnixStream) -> io::Result<u32> {
    Ok(getsockopt(stream, PeerCredentials)?.uid())
}

/// The user ID that the kernel shows for every user that the reader's user namespace does not map
/// (user_namespaces(7)).
const OVERFLOW: u32 = 65534;

/// Whether `user` stands for all users that this user namespace does not map, according to its `uid_map`. Outside of
/// user namespaces every ID is mapped, and 65534 is an ordinary user.
fn is_nobody_in(user: u32, uid_map: impl FnOnce() -> io::Result<String>) -> bool {
    let maps = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map_while(|number| number.parse::<u64>().ok());
        let (first, count) = (numbers.next()?, numbers.nth(1)?);
        Some((first..first.saturating_add(count)).contains(&u64::from(OVERFLOW)))
    };
    user == OVERFLOW && !uid_map().is_ok_and(|map| map.lines().any(|line| maps(line) == Some(true)))
}

fn unmapped(path: &Path) -> Error {
    let reason = format!(
        "this program runs in a user namespace that does not map your user ID, so the owner of {} is unknown; map it \
         (`unshare --map-current-user`, `podman run --userns=keep-id`), or call from outside",
        path.display()
    );
    Error::AccessDenied { reason }
}

fn not_ours(path: &Path) -> Error {
    let own = format!("/run/user/{}/imgurd/socket", getuid().as_raw());
    let reason = format!(
        "{} belongs to another user, and so do its tokens; call as that user, or set IMGURD_SOCKET to the socket of \
         your own imgurd, which is {own} by default",
        path.display()
    );
    Error::AccessDenied { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_a_user_outside_the_user_namespace() {
        let everybody = "         0          0 4294967295\n";
        for (user, map, expected) in [
            (1000, "", false),
            (65534, everybody, false),
            (65534, "1000 1000 1\n", true),
            (65534, "0 1000 1\n1 100000 65536\n", false),
            (65534, "0 1000 1\n1 100000 65533\n", true),
            (65534, "", true),
            (65534, "nonsense", true),
        ] {
            assert_eq!(is_nobody_in(user, || Ok(map.to_owned())), expected, "{user} {map:?}");
        }
        assert!(
            is_nobody_in(65534, || Err(io::ErrorKind::NotFound.into())),
            "without a readable map, the user counts as unknown"
        );
    }

    #[test]
    fn says_that_an_inaccessible_socket_is_another_users() {
        let reason = not_ours(Path::new("/run/user/1/imgurd/socket")).to_string();
        assert!(reason.contains("another user") && reason.contains("IMGURD_SOCKET"), "{reason}");
    }

    #[test]
    fn ignores_a_relative_runtime_directory() {
        let path = |socket: &'static str, runtime: &'static str| {
            socket_path_in(|name| Some(if name == "IMGURD_SOCKET" { socket } else { runtime }.into()))
        };
        assert_eq!(path("", "/run/me"), Path::new("/run/me/imgurd/socket"));
        assert_eq!(path("here", "/run/me"), Path::new("here"), "a relative IMGURD_SOCKET is used");
        for runtime in ["", "run", "../run"] {
            assert!(path("", runtime).starts_with("/run/user"), "{runtime}");
        }
    }
}
