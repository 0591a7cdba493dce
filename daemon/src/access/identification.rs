//! Identifies the application that a process belongs to: its sandbox or its systemd unit. The name of its executable proves
//! nothing (`python3`).
//!
//! A process counts as sandboxed if its cgroup, its namespaces, its root directory or its ancestors indicate a sandbox, or
//! cannot be read. An unsandboxed program can enter a unit of any name, and so impersonate another unsandboxed program. A
//! sandboxed app cannot leave its cgroup, because it sees no writable cgroup file system.

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use imgurd_proto::Wire;
use imgurd_proto::text::printable_name;
use rustix::process::Pid;

use super::Application;
use super::ancestry::{self, Ancestry};
use super::peer::Peer;
use super::process::{Process, ProcessFile, Status};
use super::service::Service;
use super::{cgroup, sandbox};

/// Identifies the application that the process `pid` of `peer` belongs to, and the program that it runs. The peer called on `wire`
/// when the machine had been up for `since` (`CLOCK_BOOTTIME`).
///
/// The program is the file that the process executes, or the name that it gives itself if that file cannot be read. It
/// is only for display; no decision may depend on it.
pub(super) fn identify(pid: Option<i32>, wire: Wire, since: Duration, peer: &Peer) -> Identified {
    // The kernel says 0 for every process outside our PID namespace.
    let Some(pid) = pid.filter(|pid| *pid > 0).and_then(Pid::from_raw) else {
        return Identified { application: Application::Nameless, ..Identified::GONE };
    };
    examine(pid, wire, since, peer).unwrap_or(Identified::GONE)
}

/// The identity of a process.
pub(super) struct Identified {
    pub(super) application: Application,
    pub(super) program: Option<String>,
    /// The content of its `cgroup` file, which was read before everything else.
    pub(super) cgroups: Option<ProcessFile>,
}

impl Identified {
    /// A process that ended before it was examined.
    pub(super) const GONE: Self = Self { application: Application::Gone, program: None, cgroups: None };
}

/// Whether this kernel has security labels, such as AppArmor's. Without them a process cannot read even its
/// own.
static HAS_LABELS: LazyLock<bool> = LazyLock::new(|| fs::read("/proc/self/attr/current").is_ok());

static HOME_CGROUPS: LazyLock<String> =
    LazyLock::new(|| fs::read_to_string("/proc/self/cgroup").unwrap_or_default());

/// Reads everything about the process that has this PID now.
///
/// The kernel reuses PIDs, but an open directory or file always belongs to the same process. At the end it is clear whether that
/// process is the peer.
fn examine(pid: Pid, wire: Wire, since: Duration, peer: &Peer) -> Option<Identified> {
    let process = Process::of(pid).ok()?;
    let cgroup_file = process.open("cgroup").ok()?;
    let cgroups = String::from_utf8_lossy(&cgroup_file.text);
    // A snap without a scope of its own still has its AppArmor label.
    let label = HAS_LABELS.then(|| process.read("attr/current").ok()).flatten();
    let executable = process.link("exe");
    let status = process.status()?;
    let application = match cgroup::application(&cgroups, &HOME_CGROUPS) {
        sandboxed @ (Application::Sandbox(_) | Application::Nameless) => sandboxed,
        other => label.as_deref().and_then(cgroup::labelled).unwrap_or(other),
    };
    let ancestry = Ancestry::of(&process, pid);
    let service = Service { pid, ancestry: &ancestry, cgroups: &cgroups, home_cgroups: &HOME_CGROUPS };
    let application = judge(application, wire, &process, &status, &service);
    // If the daemon has its own user namespace, as the hardened service has, it cannot read the executables of others.
    let program = executable.unwrap_or(status.name);
    let program = printable_name(program.strip_suffix(" (deleted)").unwrap_or(&program));
    let found = Identified { application, program: Some(program), cgroups: Some(cgroup_file) };
    peer.is(&process, since).then_some(found)
}

/// Takes the other signs of a sandbox into account. An application that is sandboxed already stays so.
fn judge(
    application: Application,
    wire: Wire,
    process: &Process,
    status: &Status,
    service: &Service<'_>,
) -> Application {
    if application.is_sandboxed() {
        // Only a cgroup names a sandbox. A sandbox that can write the whole runtime directory could create
        // Flatpak's files there.
        return application;
    }
    // A sandboxed program connects to our socket itself. To a bus or a TCP port, a helper may do that for it, which runs outside, as
    // firejail's xdg-dbus-proxy does. Before Linux 6.14 that one has the name of a descriptor (`fexecve(3)`).
    let may_be_helper = !matches!(wire, Wire::Socket | Wire::Remote);
    let is_sandboxed = ancestry::is_maker(&status.name)
        || may_be_helper && service.ancestry.includes_maker()
        || sandbox::is_elsewhere(process, status, service);
    if is_sandboxed { Application::Nameless } else { application }
}

#[cfg(test)]
mod tests;
