//! Whether a sandboxed program made a loopback connection. The kernel names the user and the cgroup of a TCP socket, but not its
//! process.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use imgurd_proto::Wire;
use rustix::process::{Pid, getpid, getuid};

use super::Application;
use super::caller::uptime;
use super::identification::identify;
use super::peer::Peer;
use super::process::Process;
use super::service::directories;
use crate::loopback::{Ends, FarEnd};

/// Whether a sandboxed program may have made this connection of our own user. imgurd examines all processes.
/// If the daemon has its own user namespace, it cannot see which files another process has open
/// (`ptrace(2)`); then every process in the cgroup and the network namespace of the connection counts. True
/// if the connection is closed.
pub(crate) fn may_be_sandboxed(ends: Ends) -> bool {
    let Some(end) = FarEnd::of(ends) else { return true };
    let Ok(entries) = fs::read_dir("/proc") else { return true };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mountinfo = own_mountinfo();
    let mut is_anothers = false;
    for pid in pids.filter(|pid| may_have(*pid, &end, mountinfo.as_deref())) {
        match identify(Some(pid), Wire::Gateway, uptime(), &Peer::Unheld).application {
            // A process that ended does not have the connection any more.
            Application::Gone => {}
            application if application.is_sandboxed() => return true,
            _ => is_anothers = true,
        }
    }
    // A program that ended meanwhile was not examined.
    !is_anothers || FarEnd::of(ends).is_none_or(|now| now.inode != end.inode)
}

fn own_mountinfo() -> Option<String> {
    String::from_utf8(Process::of(getpid()).ok()?.read("mountinfo").ok()?).ok()
}

fn may_have(pid: i32, end: &FarEnd, mountinfo: Option<&str>) -> bool {
    let Some(process) = Pid::from_raw(pid).and_then(|pid| Process::of(pid).ok()) else { return false };
    // The table of a network can be long, so it is read last.
    is_own(&process)
        && end.cgroup.is_none_or(|cgroup| may_be_in(&process, cgroup, mountinfo))
        && may_have_open(pid, end.inode)
        && end.is_in_network_of(pid)
}

/// Whether one of its user IDs is ours.
fn is_own(process: &Process) -> bool {
    let status = process.read("status").unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let own = getuid().as_raw().to_string();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.is_some_and(|ids| ids.split_whitespace().any(|id| id == own))
}

/// Whether it may be in this cgroup, which is the inode of the cgroup's directory.
fn may_be_in(process: &Process, cgroup: u64, mountinfo: Option<&str>) -> bool {
    let cgroups = process.read("cgroup").unwrap_or_default();
    let cgroups = String::from_utf8_lossy(&cgroups);
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"));
    let (Some(path), Some(mountinfo)) = (path, mountinfo) else { return true };
    let numbers = directories(mountinfo, "", path);
    let mut numbers = numbers.iter().filter_map(|directory| fs::metadata(directory).ok()).peekable();
    numbers.peek().is_none() || numbers.any(|directory| directory.ino() == cgroup)
}

/// Whether the process has this socket open. True if imgurd cannot read its directory of descriptors, or
/// where a descriptor leads.
fn may_have_open(pid: i32, inode: u64) -> bool {
    let socket = format!("socket:[{inode}]");
    let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(mut files) => files.any(|file| match file.and_then(|file| fs::read_link(file.path())) {
            Ok(leads_to) => leads_to.as_os_str() == socket.as_str(),
            Err(error) => is_denied(&error),
        }),
        Err(error) => is_denied(&error),
    }
}
