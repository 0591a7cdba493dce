//! What `/proc` says of a caller, as fuzzers see it.

use super::application::Application;
use super::process::Stat;
use super::{cgroup, sandbox};

/// Which application `/proc/PID/cgroup` names, for a daemon in the cgroup `home`.
#[must_use]
pub fn application(cgroups: &str, home: &str) -> Application {
    let _ = cgroup::services(cgroups, home);
    cgroup::application(cgroups, home)
}

/// Reads the other files of a process: `stat`, `status`, `mountinfo` and `attr/current`.
pub fn read(text: &[u8]) {
    let _ = (sandbox::depth(text), sandbox::mounts(text), cgroup::labelled(text));
    if let Ok(text) = str::from_utf8(text) {
        let _ = Stat::read(text);
    }
}
