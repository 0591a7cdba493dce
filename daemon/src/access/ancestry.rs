//! The ancestors of a process. A sandboxed program descends from the one that made the sandbox.

use rustix::process::Pid;

use super::process::Stat;

/// More ancestors than any program has.
const LONGEST: usize = 64;

/// Programs that make sandboxes or speak for one on the bus, by their names in `/proc/PID/stat` (at most 15 characters).
const MAKERS: [&str; 4] = ["bwrap", "xdg-dbus-proxy", "firejail", "flatpak-bwrap"];

/// A process and its ancestors, the first of all last.
#[derive(Debug)]
pub(super) struct Ancestry(Vec<(i32, Stat)>);

impl Ancestry {
    /// Those of the process with this number, which is as `stat` says.
    pub(super) fn of(pid: Pid, stat: Stat) -> Self {
        let mut all = vec![(pid.as_raw_nonzero().get(), stat)];
        while let Some((_, last)) = all.last().filter(|_| all.len() < LONGEST) {
            let number = last.parent;
            // A process that got the number of a parent that has ended began later, and is no ancestor.
            let Some(parent) = Stat::of(number).filter(|parent| parent.began <= last.began) else { break };
            all.push((number, parent));
        }
        Self(all)
    }

    /// Whether one of them makes sandboxes, or speaks for one.
    pub(super) fn includes_sandbox_maker(&self) -> bool {
        self.0.iter().any(|(_, stat)| MAKERS.contains(&stat.name.as_str()))
    }

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
        let plain = Ancestry(vec![one(9, "python3", 5), one(5, "bash", 1), one(1, "systemd", 0)]);
        assert!(!plain.includes_sandbox_maker());
        for maker in MAKERS {
            assert!(Ancestry(vec![one(9, "python3", 5), one(5, maker, 1)]).includes_sandbox_maker());
        }
        assert!(Ancestry(vec![one(9, "xdg-dbus-proxy", 1)]).includes_sandbox_maker());
        let ourselves = rustix::process::getpid();
        let ancestry = Ancestry::of(ourselves, Stat::of(ourselves.as_raw_nonzero().get()).unwrap());
        assert!(ancestry.0.len() > 1 && !ancestry.includes_sandbox_maker(), "{ancestry:?}");
    }
}
