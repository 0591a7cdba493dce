//! The service of a process, and whether systemd started that service in the process's user namespace.
//!
//! Sandboxes use user namespaces, but systemd also creates one for a whole service: with `PrivateUsers=`, and since systemd 254
//! with `PrivateTmp=` and others. Desktops start applications as services, too (<https://systemd.io/DESKTOP_ENVIRONMENTS>), and
//! these applications create sandboxes. The other processes of the service show which of the two it is. A process that cannot
//! be read counts as sandboxed.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::process::{Pid, getpid};

use super::ancestry::Ancestry;
use super::cgroup;
use super::process::Process;
use super::user_namespace::UserNamespace;

/// How many processes and cgroups of a service imgurd reads. In a larger service, a caller counts as
/// sandboxed.
const MOST: usize = 4096;

/// The length of the longest list of PIDs: a PID has at most seven digits (`proc_sys_kernel(5)`, `pid_max`)
/// and a line break.
const LONGEST: u64 = 8 * MOST as u64;

/// A caller and its cgroups.
pub(super) struct Service<'a> {
    pub(super) pid: Pid,
    pub(super) ancestry: &'a Ancestry<'a>,
    /// The text of `/proc/PID/cgroup` of the process, and of the daemon.
    pub(super) cgroups: &'a str,
    pub(super) home_cgroups: &'a str,
}

impl Service<'_> {
    /// Whether systemd started the caller's service in the user namespace `users`, which is not the one at
    /// `home`.
    pub(super) fn began_with(&self, users: &UserNamespace, home: &UserNamespace) -> bool {
        let Some(pids) = self.pids() else { return false };
        pids.into_iter().all(|pid| {
            let is_ancestor = self.ancestry.has(pid);
            users_of(pid).is_ok_and(|found| found.is_none_or(|its| fits(&its, is_ancestor, users, home)))
        })
    }

    fn pids(&self) -> Option<Vec<i32>> {
        let services = cgroup::services(self.cgroups, self.home_cgroups)?;
        let mountinfo = Process::of(getpid()).ok()?.read("mountinfo").ok()?;
        let mountinfo = String::from_utf8(mountinfo).ok()?;
        let mut pids = Vec::new();
        for (hierarchy, path) in services {
            // A mount may be hidden by another one, or show something else. Then the caller is not in its
            // list of processes.
            let in_it = directories(&mountinfo, hierarchy, path)
                .into_iter()
                .filter_map(|directory| all_in(directory).ok())
                .find(|found| found.contains(&self.pid.as_raw_nonzero().get()))?;
            pids.extend(in_it);
        }
        Some(pids)
    }
}

/// Whether a process in the user namespace `its` fits a service that systemd started in the caller's user
/// namespace. No process of such a service is in the namespace at home, and no ancestor of the caller in a
/// third one.
fn fits(its: &UserNamespace, is_ancestor: bool, caller: &UserNamespace, home: &UserNamespace) -> bool {
    !(its.is_at(home) || is_ancestor && its.differs_from(caller))
}

/// The user namespace of this process; `None` if it has ended.
fn users_of(pid: i32) -> io::Result<Option<UserNamespace>> {
    let process = match Process::of(Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        process => process?,
    };
    match UserNamespace::of(&process) {
        Err(_) if process.stat().is_none() => Ok(None),
        users => users.map(Some),
    }
}

/// The directories that may be the cgroup `path` of this hierarchy: one for each of its mounts in `mountinfo`
/// (`proc_pid_mountinfo(5)`). Version 2 has no name, and systemd's hierarchy of version 1 is `name=systemd`
/// (`cgroups(7)`).
pub(super) fn directories(mountinfo: &str, hierarchy: &str, path: &str) -> Vec<PathBuf> {
    mountinfo.lines().filter_map(|line| directory(line, hierarchy, path)).collect()
}

fn directory(line: &str, hierarchy: &str, path: &str) -> Option<PathBuf> {
    let (place, system) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?, place.next()?);
    let mut system = system.split(' ');
    let (kind, options) = (system.next()?, system.nth(1)?);
    let is_it = match hierarchy {
        "" => kind == "cgroup2",
        name => kind == "cgroup" && options.split(',').any(|option| option == name),
    };
    let below = Path::new(path).strip_prefix(root).ok().filter(|_| is_it)?;
    // A path outside our cgroup namespace begins with `/..`, and is below none of our mounts.
    let is_inside = !path.split('/').any(|directory| directory == "..");
    is_inside.then(|| Path::new(point).join(below))
}

fn all_in(top: PathBuf) -> io::Result<Vec<i32>> {
    let (mut pids, mut rest, mut seen) = (Vec::new(), vec![top], 0);
    while let Some(directory) = rest.pop() {
        let Some((found, below)) = unless_gone(in_one(&directory))? else { continue };
        pids.extend(found);
        rest.extend(below);
        seen += 1;
        if pids.len().max(seen + rest.len()) > MOST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    Ok(pids)
}

fn in_one(directory: &Path) -> io::Result<(Vec<i32>, Vec<PathBuf>)> {
    let mut below = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            below.push(entry.path());
        }
    }
    let mut text = String::new();
    match File::open(directory.join("cgroup.procs"))?.take(LONGEST + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > LONGEST => return Err(io::ErrorKind::FileTooLarge.into()),
        // The parent of a threaded cgroup lists its processes (`cgroups(7)`).
        Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => {}
        read => drop(read?),
    }
    let number = |line: &str| line.parse().map_err(|_| io::ErrorKind::InvalidData.into());
    Ok((text.lines().map(number).collect::<io::Result<_>>()?, below))
}

/// `None` if the cgroup was removed meanwhile. Only an empty cgroup can be removed.
fn unless_gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error)
            if [Errno::ENOENT, Errno::ENODEV].iter().any(|it| error.raw_os_error() == Some(*it as i32)) =>
        {
            Ok(None)
        }
        read => read.map(Some),
    }
}

#[cfg(test)]
mod tests;
