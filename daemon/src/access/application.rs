//! Which application a process is, as far as the system vouches for it: the sandbox or the systemd unit that it was put
//! into. The name of its executable vouches for nothing (`python3`), and is told apart as the program.
//!
//! In doubt a process is in a sandbox: its cgroup, its namespaces, its root directory or its ancestors say so, or cannot be
//! read. A program of the same user outside a sandbox can have itself put into a unit of any name, and thereby be taken for
//! another such program. A sandboxed one cannot leave its cgroup: it sees no cgroup file system that it may write to.

use std::fs::{self, File};
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use imgurd_proto::text::printable_name;

use super::lineage::Lineage;
use super::process::{Process, Stat, content};
use super::service::Service;
use super::{cgroup, sandbox};

/// An application, by a name that is the same whenever it runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Application {
    /// One in a sandbox: a Flatpak's application id, or `snap.` and a snap's name.
    Sandbox(String),
    /// One in a sandbox or container that nothing trustworthy names. Nothing can be given to it for good.
    Nameless,
    /// One in a systemd unit, without the part of its name that is another each time.
    Unit(String),
    /// A process that nothing vouches for: no unit has it, as where there is no systemd.
    Unknown,
    /// The process that called ended before it was looked at, so that nothing can be said of who has its connection now.
    /// As a sandboxed program can see to that, no more is allowed to it than to one.
    Gone,
}

impl Application {
    /// Whether it may do no more than it has a permit for, unless its user says otherwise.
    #[must_use]
    pub fn is_sandboxed(&self) -> bool {
        matches!(self, Self::Sandbox(_) | Self::Nameless | Self::Gone)
    }

    /// What it is called, for people. Names of sandboxes and of units may be alike: permits are for the whole value.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Sandbox(name) | Self::Unit(name) => name,
            Self::Nameless => "sandboxed",
            Self::Unknown => "unknown",
            Self::Gone => "gone",
        }
    }
}

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What permits are given to.
    pub application: Application,
    /// The file that it executes, or what it calls itself where that may not be read; for people to read, and to be
    /// believed by nobody.
    pub program: Option<String>,
}

impl Identity {
    /// Nobody who could be looked at.
    pub(super) fn gone() -> Self {
        Self { application: Application::Gone, program: None }
    }

    /// Somebody outside our PID namespace, whom the kernel gives no number, or whom the bus gives none.
    pub(super) fn nameless() -> Self {
        Self { application: Application::Nameless, program: None }
    }

    /// Who `pid` is, which was there already when the machine was up for `since` (`CLOCK_BOOTTIME`).
    pub(super) fn of(pid: Option<i32>, since: Duration) -> Arc<Self> {
        let Some(pid) = number(pid) else { return Arc::new(Self::nameless()) };
        Look::at(pid).map_or_else(|| Arc::new(Self::gone()), |look| look.identity(since))
    }
}

/// The number of a process, where `pid` is one. 0 stands for all that are outside our PID namespace.
pub(super) fn number(pid: Option<i32>) -> Option<Pid> {
    pid.filter(|pid| *pid > 0).and_then(Pid::from_raw)
}

/// What was seen of a process.
///
/// The kernel reuses numbers; so what has this number is held while it is read, has to be there still afterwards, and must
/// not have begun after its call: whoever got the number of a caller that has ended is not taken for them. Where the kernel
/// has `SO_PEERPIDFD`, [`super::peer`] makes sure of that.
#[derive(Debug)]
pub(super) struct Look {
    cgroups: Watched,
    /// AppArmor's name for what it may do. A snap without a scope of its own still has that.
    label: Option<Watched>,
    began: Duration,
    identity: Arc<Identity>,
}

/// Whether there are such names: where the kernel has no AppArmor, nor anything like it, there is none to be read, not even
/// one's own.
static HAS_LABELS: LazyLock<bool> = LazyLock::new(|| fs::read("/proc/self/attr/current").is_ok());

/// The daemon's own cgroups.
static HOME_CGROUPS: LazyLock<String> =
    LazyLock::new(|| fs::read_to_string("/proc/self/cgroup").unwrap_or_default());

/// A file of `/proc`, and what was in it.
#[derive(Debug)]
struct Watched(File, Vec<u8>);

impl Watched {
    fn read(file: File) -> io::Result<Self> {
        let text = content(&file)?;
        Ok(Self(file, text))
    }

    /// Whether the same is in it, and the process is still there.
    fn is_unchanged(&self) -> bool {
        content(&self.0).is_ok_and(|text| text == self.1)
    }
}

impl Look {
    /// Looks at the process that has this number now.
    pub(super) fn at(pid: Pid) -> Option<Self> {
        let process = Process::of(pid).ok()?;
        let cgroups = Watched::read(process.file("cgroup").ok()?).ok()?;
        let label = HAS_LABELS.then(|| process.file("attr/current").and_then(Watched::read).ok()).flatten();
        let executable = process.executable();
        let text = String::from_utf8_lossy(&cgroups.1);
        let in_unit = cgroup::application(&text, &HOME_CGROUPS);
        let stat = process.stat()?;
        let lineage = Lineage::of(pid, &stat);
        let application = match in_unit {
            sandboxed @ (Application::Sandbox(_) | Application::Nameless) => sandboxed,
            other => label.as_ref().and_then(|label| cgroup::labelled(&label.1)).unwrap_or(other),
        };
        let service = Service { pid, lineage: &lineage, cgroups: &text, home_cgroups: &HOME_CGROUPS };
        let application = judged(application, &service, &process);
        // It is still the one that was read.
        let Stat { name, began, .. } = process.stat()?;
        // Where the daemon is in a user namespace of its own, as the hardened service is, executables of others are closed
        // to it.
        let program = executable.map_or(name, |path| match path.strip_suffix(" (deleted)") {
            Some(path) => path.to_owned(),
            None => path,
        });
        let identity = Arc::new(Identity { application, program: Some(printable_name(&program)) });
        Some(Self { cgroups, label, began, identity })
    }

    /// Who it is, if it was there already when the machine was up for `since`.
    pub(super) fn identity(&self, since: Duration) -> Arc<Identity> {
        if self.began <= since { Arc::clone(&self.identity) } else { Arc::new(Identity::gone()) }
    }

    /// Who it still is; nothing where it has ended since or was put elsewhere.
    pub(super) fn again(&self, since: Duration) -> Option<Arc<Identity>> {
        let is_the_same =
            self.cgroups.is_unchanged() && self.label.as_ref().is_none_or(Watched::is_unchanged);
        is_the_same.then(|| self.identity(since))
    }
}

/// What remains of this once all that speaks for a sandbox has been heard: it is never less of one than before.
fn judged(application: Application, service: &Service<'_>, process: &Process) -> Application {
    let is_sandboxed = application.is_sandboxed();
    if is_sandboxed || service.lineage.has_a_maker() || sandbox::is_elsewhere(process, service) {
        return match application {
            // Only a cgroup gives a name. Flatpak's files in the runtime directory could be written by a sandbox that has
            // the whole of it.
            named @ Application::Sandbox(_) => named,
            _ => Application::Nameless,
        };
    }
    application
}

#[cfg(test)]
mod tests;
