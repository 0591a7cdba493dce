//! The user's runtime directory, and the daemon's socket in it.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use rustix::process::getuid;

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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

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
