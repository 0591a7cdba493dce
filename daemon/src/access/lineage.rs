//! Who started a process, and who started that: a sandbox's program is a child of the one that made the sandbox.

use rustix::process::Pid;

use super::process::{Process, Stat};

/// More than there are between a program and the first process.
const LONGEST: usize = 64;

/// What makes sandboxes for unprivileged users, and what speaks for one on the bus, by the names that they have in
/// `/proc/PID/stat`, which has room for 15 characters.
const MAKERS: [&str; 4] = ["bwrap", "xdg-dbus-proxy", "firejail", "flatpak-bwrap"];

/// A process and its ancestors, the first of all last.
#[derive(Debug)]
pub(super) struct Lineage(Vec<(i32, Stat)>);

impl Lineage {
    /// Those of the process with this number, which is as `stat` says.
    pub(super) fn of(pid: Pid, stat: &Stat) -> Self {
        let mut all = vec![(pid.as_raw_nonzero().get(), stat.clone())];
        while let Some((_, last)) = all.last().filter(|_| all.len() < LONGEST) {
            let parent = Pid::from_raw(last.parent);
            let known =
                parent.and_then(|it| Some((it.as_raw_nonzero().get(), Process::of(it).ok()?.stat()?)));
            // Who got the number of a parent that has ended is none.
            let Some(parent) = known.filter(|(_, parent)| parent.began <= last.began) else { break };
            all.push(parent);
        }
        Self(all)
    }

    /// Whether one of them makes sandboxes, or speaks for one.
    pub(super) fn has_a_maker(&self) -> bool {
        self.0.iter().any(|(_, stat)| MAKERS.contains(&stat.name.as_str()))
    }

    /// Whether the process with this number is one of them.
    pub(super) fn has(&self, pid: i32) -> bool {
        self.0.iter().any(|(known, _)| *known == pid)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn one(pid: i32, name: &str, parent: i32) -> (i32, Stat) {
        (pid, Stat { name: name.to_owned(), parent, began: Duration::ZERO })
    }

    #[test]
    fn whoever_descends_from_a_maker_of_sandboxes_is_in_one() {
        let plain = Lineage(vec![one(9, "python3", 5), one(5, "bash", 1), one(1, "systemd", 0)]);
        assert!(!plain.has_a_maker());
        for maker in MAKERS {
            assert!(Lineage(vec![one(9, "python3", 5), one(5, maker, 1)]).has_a_maker());
        }
        assert!(Lineage(vec![one(9, "xdg-dbus-proxy", 1)]).has_a_maker());
        let ourselves = rustix::process::getpid();
        let lineage = Lineage::of(ourselves, &Process::of(ourselves).unwrap().stat().unwrap());
        assert!(lineage.0.len() > 1 && !lineage.has_a_maker(), "{lineage:?}");
    }
}
