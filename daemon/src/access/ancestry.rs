//! The ancestors of a process. A sandboxed app descends from the program that created the sandbox.

use std::cell::OnceCell;
use std::sync::LazyLock;

use rustix::process::{Pid, getpid};

use super::process::{Process, Stat};

/// A limit that no real program reaches.
const LONGEST: usize = 64;

/// Programs that create sandboxes, or forward D-Bus calls of one, by their names in `/proc/PID/stat` (at most
/// 15 characters).
const MAKERS: [&str; 4] = ["bwrap", "xdg-dbus-proxy", "firejail", "flatpak-bwrap"];

/// The daemon and its ancestors.
static OURS: LazyLock<Vec<(i32, Stat)>> = LazyLock::new(|| {
    let ourselves = getpid().as_raw_nonzero().get();
    Stat::of(ourselves).map_or_else(Vec::new, |stat| lineage(ourselves, stat, &[]))
});

/// Whether a process of this name creates sandboxes, or forwards D-Bus calls of one.
pub(super) fn is_maker(name: &str) -> bool {
    MAKERS.contains(&name)
}

/// A process and its ancestors, up to the first one that the daemon also descends from. If this process made
/// a sandbox for the daemon itself, that sandbox does not count. They are read when they are needed.
pub(super) struct Ancestry<'a> {
    process: &'a Process,
    pid: Pid,
    all: OnceCell<Vec<(i32, Stat)>>,
}

impl<'a> Ancestry<'a> {
    /// The ancestry of the process that has this PID.
    pub(super) fn of(process: &'a Process, pid: Pid) -> Self {
        Self { process, pid, all: OnceCell::new() }
    }

    /// Whether the process or an ancestor creates sandboxes, or forwards D-Bus calls of one. Unknown ancestors may do so.
    pub(super) fn includes_maker(&self) -> bool {
        self.is_unknown() || self.all().iter().any(|(_, stat)| is_maker(&stat.name))
    }

    /// Whether this is an ancestor of the process. An unknown one may be.
    pub(super) fn has(&self, pid: i32) -> bool {
        self.is_unknown() || self.all().iter().chain(OURS.iter()).any(|(known, _)| *known == pid)
    }

    /// Whether the process could not be read. Otherwise it is the first of its ancestry.
    fn is_unknown(&self) -> bool {
        self.all().is_empty()
    }

    fn all(&self) -> &[(i32, Stat)] {
        let read = |stat| lineage(self.pid.as_raw_nonzero().get(), stat, &OURS);
        self.all.get_or_init(|| self.process.stat().map_or_else(Vec::new, read))
    }
}

/// The process `pid` and its ancestors, the nearest first, up to the first one in `known`.
fn lineage(pid: i32, stat: Stat, known: &[(i32, Stat)]) -> Vec<(i32, Stat)> {
    let is_known =
        |pid, stat: &Stat| known.iter().any(|(its, known)| *its == pid && known.began == stat.began);
    let mut all = vec![(pid, stat)];
    while let Some((_, last)) = all.last().filter(|_| all.len() < LONGEST) {
        let number = last.parent;
        // A parent that began later than its child is a new process that reuses the PID of the real parent.
        let parent =
            (number > 0).then(|| Stat::of(number)).flatten().filter(|parent| parent.began <= last.began);
        let Some(parent) = parent.filter(|parent| !is_known(number, parent)) else { break };
        all.push((number, parent));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    fn one(pid: i32, name: &str, parent: i32) -> (i32, Stat) {
        (pid, Stat { name: name.to_owned(), parent, began: Duration::ZERO })
    }

    #[test]
    fn a_process_with_a_sandbox_program_as_ancestor_is_sandboxed() {
        let ourselves = Process::of(getpid()).unwrap();
        let known = |all: Vec<_>| Ancestry { process: &ourselves, pid: getpid(), all: all.into() };
        let plain = known(vec![one(9, "python3", 5), one(5, "bash", 1), one(1, "systemd", 0)]);
        assert!(!plain.includes_maker());
        for maker in MAKERS {
            assert!(known(vec![one(9, "python3", 5), one(5, maker, 1)]).includes_maker());
        }
        assert!(known(vec![one(9, "xdg-dbus-proxy", 1)]).includes_maker());
        let unknown = known(Vec::new());
        assert!(unknown.includes_maker() && unknown.has(1));
    }

    #[test]
    fn reads_ancestors_up_to_the_first_common_one() {
        assert!(OURS.len() > 1, "this test has a parent: {:?}", *OURS);
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        let process = Process::of(pid).unwrap();
        let found = Ancestry::of(&process, pid);
        let numbers: Vec<_> = found.all().iter().map(|(pid, _)| *pid).collect();
        assert_eq!(numbers, [pid.as_raw_nonzero().get(), shell.id().try_into().unwrap()]);
        assert!(found.has(getpid().as_raw_nonzero().get()) && !found.includes_maker());
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        shell.wait().unwrap();
    }
}
