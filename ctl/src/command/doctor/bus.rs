//! The session bus, which is checked here if there is no daemon to ask.

use std::env;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use imgurd_proto::Finding;

/// `None` if the bus has no path to connect to.
pub(super) fn check() -> Option<Finding> {
    const CHECK: &str = "bus";
    let path = path()?;
    Some(match UnixStream::connect(&path) {
        Ok(_) => Finding::ok(CHECK, format!("The session bus is at {}", path.display())),
        Err(error) => Finding::warn(
            CHECK,
            format!(
                "There is no session bus at {} ({error}), and so no keyring and no notifications",
                path.display()
            ),
            "start imgurd within your session, and see that DBUS_SESSION_BUS_ADDRESS is right",
        ),
    })
}

/// As in sd_bus_open_user(3).
fn path() -> Option<PathBuf> {
    let address = env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|address| !address.is_empty());
    match address {
        Some(address) => {
            let path = address.split(';').find_map(|address| address.strip_prefix("unix:path="))?;
            Some(path.split(',').next()?.into())
        }
        None => env::var_os("XDG_RUNTIME_DIR").map(|directory| PathBuf::from(directory).join("bus")),
    }
}
