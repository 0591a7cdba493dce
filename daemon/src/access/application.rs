//! Which application a process is, as far as the system vouches for it: the sandbox or the systemd unit in whose cgroup
//! it was put. The name of its executable vouches for nothing (`python3`), and is told apart as the program.
//!
//! A program of the same user outside a sandbox can have itself put into a unit of any name, and thereby be taken for
//! another such program. A sandboxed one cannot leave its cgroup: it sees no cgroup file system that it may write to.

use std::fs::{self, File};
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::process::{Process, Stat, content};

/// The longest name that is taken from a cgroup, in bytes: systemd has none longer (`systemd.unit(5)`).
const LONGEST: usize = 255;

/// An application, by a name that is the same whenever it runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Application {
    /// One in a sandbox: a Flatpak's application id, or `snap.` and a snap's name.
    Sandbox(String),
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
        matches!(self, Self::Sandbox(_) | Self::Gone)
    }

    /// What it is called, for people. Names of sandboxes and of units may be alike: permits are for the whole value.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Sandbox(name) | Self::Unit(name) => name,
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

    /// Who `pid` is, which was there already when the machine was up for `since` (`CLOCK_BOOTTIME`).
    pub(super) fn of(pid: Option<i32>, since: Duration) -> Arc<Self> {
        Look::at(pid).map_or_else(|| Arc::new(Self::gone()), |look| look.identity(since))
    }
}

/// What was seen of a process.
///
/// The kernel reuses numbers. `SO_PEERPIDFD` would name the process itself, but it needs Linux 6.5 and rustix has no word
/// for it; so what has this number is held while it is read, has to be there still afterwards, and must not have begun
/// after its call: whoever got the number of a caller that has ended is not taken for them.
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
    pub(super) fn at(pid: Option<i32>) -> Option<Self> {
        let pid = pid.filter(|pid| *pid > 0).and_then(Pid::from_raw)?;
        let process = Process::of(pid).ok()?;
        let cgroups = Watched::read(process.file("cgroup").ok()?).ok()?;
        let label = HAS_LABELS.then(|| process.file("attr/current").and_then(Watched::read).ok()).flatten();
        let executable = process.executable();
        let Stat { name, began } = process.stat()?;
        let application = match in_cgroups(&String::from_utf8_lossy(&cgroups.1)) {
            sandboxed @ Application::Sandbox(_) => sandboxed,
            other => label.as_ref().and_then(|label| labelled(&label.1)).unwrap_or(other),
        };
        // Where the daemon is in a user namespace of its own, as the hardened service is, executables of others are closed
        // to it.
        let program = executable.map_or(name, |path| match path.strip_suffix(" (deleted)") {
            Some(path) => path.to_owned(),
            None => path,
        });
        let identity = Arc::new(Identity { application, program: Some(printable(&program)) });
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

/// What `/proc/PID/cgroup` says: the line of the unified hierarchy, or, in a layout where systemd does not use that one,
/// of systemd's own (`cgroups(7)`).
fn in_cgroups(text: &str) -> Application {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("0::").or(line.split_once(":name=systemd:").map(|it| it.1)));
    let named = lines.map(in_path).filter(|application| *application != Application::Unknown);
    // A sandbox counts wherever it is named.
    let mut named: Vec<_> = named.collect();
    named.sort();
    named.into_iter().next().unwrap_or(Application::Unknown)
}

fn in_path(path: &str) -> Application {
    // What is below a unit's cgroup was made by those in it, so the outermost sandbox is the one that counts.
    if let Some(name) = path.split('/').find_map(sandbox) {
        return Application::Sandbox(name);
    }
    // A user's units are within the unit of their service manager.
    path.split('/').rev().find_map(unit).map_or(Application::Unknown, Application::Unit)
}

/// `app-flatpak-ORG.APP-INSTANCE.scope`, `snap.NAME.APP-UUID.scope` and `snap.NAME.APP.service`.
fn sandbox(unit: &str) -> Option<String> {
    if let Some(flatpak) = unit.strip_prefix("app-flatpak-") {
        let instance = flatpak.strip_suffix(".scope").or_else(|| flatpak.strip_suffix(".service"))?;
        let id = instance.rsplit_once('-').map_or(instance, |(id, _)| id);
        return Some(unescaped(id)).filter(|id| !id.is_empty());
    }
    unit.strip_suffix(".scope").or_else(|| unit.strip_suffix(".service")).and_then(snap)
}

/// The snap's name in `snap.NAME.APP…`, which is how its units and labels are called.
fn snap(name: &str) -> Option<String> {
    let (snap, _app) = name.strip_prefix("snap.")?.split_once('.')?;
    Some(format!("snap.{}", unescaped(snap))).filter(|_| !snap.is_empty())
}

/// What `/proc/PID/attr/current` says of a snap: `snap.NAME.APP (enforce)`.
fn labelled(label: &[u8]) -> Option<Application> {
    snap(std::str::from_utf8(label).ok()?).map(Application::Sandbox)
}

/// The unit of this name, without what is another each time: the number, or random text, at the end of a scope, and the
/// instance of an application's service (<https://systemd.io/DESKTOP_ENVIRONMENTS>).
fn unit(name: &str) -> Option<String> {
    let stable = if let Some(scope) = name.strip_suffix(".scope") {
        format!("{}.scope", unnumbered(scope))
    } else {
        let service = name.strip_suffix(".service").filter(|service| !service.is_empty())?;
        let instance = service.split_once('@').filter(|_| service.starts_with("app-"));
        format!("{}.service", instance.map_or(service, |(name, _)| name))
    };
    Some(unescaped(&stable)).filter(|stable| !stable.starts_with('.'))
}

/// Without the number, UUID or 32 hexadecimal digits behind its last `-`.
fn unnumbered(scope: &str) -> &str {
    let uuid = scope.len().checked_sub(36).and_then(|start| scope.split_at_checked(start));
    if let Some((name, id)) = uuid
        && id.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && id.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
    {
        return name.strip_suffix('-').unwrap_or(scope);
    }
    match scope.rsplit_once('-') {
        Some((name, id)) if is_random(id) => name,
        _ => scope,
    }
}

fn is_random(id: &str) -> bool {
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_number || (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The name whose `\xNN` stand for bytes (`systemd-escape(1)`), fit for a terminal.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(position) = rest.find("\\x") {
        let (before, escape) = rest.split_at(position);
        bytes.extend_from_slice(before.as_bytes());
        let code = escape.get(2..4).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let length = if code.is_some() { 4 } else { 2 };
        bytes.extend(code.map_or_else(|| b"\\x".to_vec(), |byte| vec![byte]));
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes.truncate(LONGEST);
    printable(&String::from_utf8_lossy(&bytes))
}

/// Text that others chose, without what a terminal would obey.
fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests;
