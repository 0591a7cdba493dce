//! Who started a process, and who started that: a sandbox's program is a child of the one that made the sandbox.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use super::cgroup::identifier;
use super::process::{Process, Stat};

/// More than there are between a program and the first process.
const LONGEST: usize = 64;

/// What makes sandboxes for unprivileged users, and what speaks for one on the bus, by the names that they have in
/// `/proc/PID/stat`, which has room for 15 characters.
const MAKERS: [&str; 4] = ["bwrap", "xdg-dbus-proxy", "firejail", "flatpak-bwrap"];

/// The longest file that Flatpak writes of an instance, in bytes.
const LONGEST_INFO: u64 = 64 * 1024;

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

    /// The Flatpak that one of them is, the outermost where there are several.
    ///
    /// Flatpak notes its instances outside of their sandboxes, where none of them can write: the process that made the
    /// sandbox and the application's id. `/.flatpak-info` says the same, and could have been put there by whoever can
    /// make a sandbox within theirs.
    pub(super) fn flatpak(&self) -> Option<String> {
        let instances = PathBuf::from(env::var_os("XDG_RUNTIME_DIR")?).join(".flatpak");
        self.flatpak_in(&instances)
    }

    fn flatpak_in(&self, instances: &Path) -> Option<String> {
        let made = fs::read_dir(instances).ok()?.flatten().filter_map(|instance| {
            let pid: i32 = read(&instance.path().join("pid"))?.trim().parse().ok()?;
            let generation = self.0.iter().position(|(it, stat)| *it == pid && stat.name == "bwrap")?;
            Some((generation, instance.path()))
        });
        let (_, outermost) = made.max_by_key(|(generation, _)| *generation)?;
        application_id(&read(&outermost.join("info"))?)
    }
}

fn read(path: &Path) -> Option<String> {
    let is_small = fs::metadata(path).ok()?.len() <= LONGEST_INFO;
    is_small.then(|| fs::read_to_string(path).ok()).flatten()
}

/// The application's id in the key file `info` (`flatpak-metadata(5)`).
pub(super) fn application_id(info: &str) -> Option<String> {
    let mut lines = info.lines().skip_while(|line| line.trim() != "[Application]").skip(1);
    let name = lines.find_map(|line| line.strip_prefix("name=").or(line.starts_with('[').then_some("")))?;
    identifier(name.trim())
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

    #[test]
    fn a_flatpak_is_what_was_noted_outside_of_it() {
        let instances = tempfile::tempdir().unwrap();
        let note = |instance: &str, pid: &str, info: &str| {
            let directory = instances.path().join(instance);
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("pid"), pid).unwrap();
            fs::write(directory.join("info"), info).unwrap();
        };
        let info = |id: &str| format!("[Instance]\nname=no\n[Application]\nname={id}\nruntime=x\n");
        note("1", "5", &info("org.example.Inner"));
        note("2", "3\n", &info("org.example.App"));
        note("3", "77", &info("org.example.Other"));
        note("4", "nonsense", "");
        let from = |chain: &[(i32, Stat)]| Lineage(chain.to_vec()).flatpak_in(instances.path());
        let chain = [one(9, "sh", 5), one(5, "bwrap", 3), one(3, "bwrap", 1), one(1, "systemd", 0)];
        assert_eq!(from(&chain).as_deref(), Some("org.example.App"), "the outermost");
        assert_eq!(from(&[one(9, "sh", 3), one(3, "bash", 1)]), None, "another process has its number");
        assert_eq!(from(&[one(9, "sh", 1)]), None);
        for odd in
            ["", "[Application]\n[Instance]\nname=x\n", "[Application]\nname=a b\n", "[Application]\nname=\n"]
        {
            assert_eq!(application_id(odd), None, "{odd:?}");
        }
    }
}
