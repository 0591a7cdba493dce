//! Detects a sandbox independently of its cgroup's name: by namespaces and by another root directory.
//!
//! If the daemon has its own user namespace, it cannot read `/proc/PID/ns`, `root` and `exe` of other processes (`ptrace(2)`,
//! access mode checking), but it can read `status`, `uid_map` and `mountinfo`. A process that cannot be read counts as sandboxed.

use std::sync::LazyLock;

use rustix::process::{getpid, getppid};

use super::process::{Process, ProcessFile};
use super::service::Service;
use super::user_namespace::UserNamespace;

/// A file that Flatpak puts into the root directory of every sandbox.
const FLATPAK: &[u8] = b"/.flatpak-info";

/// The place of the daemon. A process in the same place is not sandboxed, even in a container.
static HOME: LazyLock<Option<Place>> = LazyLock::new(|| {
    let ourselves = Process::of(getpid()).ok()?;
    let mut home = Place::of(&ourselves)?;
    let parent = getppid().and_then(|parent| UserNamespace::of(&Process::of(parent).ok()?).ok());
    if let Some(parent) = parent {
        home.users = home.users.with_map_of(parent);
    }
    Some(home)
});

/// The mounts of the daemon and of its parent, the service manager. Their open files keep the two mount namespaces alive, so
/// that no other mount gets the ID of one of theirs.
static KNOWN: LazyLock<Vec<ProcessFile>> = LazyLock::new(|| {
    let pids = [Some(getpid()), getppid()].into_iter().flatten();
    pids.filter_map(|pid| Process::of(pid).ok()?.open("mountinfo").ok()).collect()
});

/// Whether this process has other namespaces or another root directory than the daemon. A user namespace that
/// systemd created for a whole service does not count.
pub(super) fn is_elsewhere(process: &Process, service: &Service<'_>) -> bool {
    let (Some(home), Some(place)) = (HOME.as_ref(), Place::of(process)) else { return true };
    place.differs(home)
        || has_flatpaks_file(process, home)
        || !(place.users.is_at(&home.users) || service.began_with(&place.users, &home.users))
}

/// Looks for Flatpak's file in the root directory, if the daemon may read that.
fn has_flatpaks_file(process: &Process, home: &Place) -> bool {
    !home.is_flatpak && process.has("root/.flatpak-info")
}

/// The place of a process, from facts that the kernel shows to every process.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// How many PID namespaces it is in, counted from the one of our `/proc`.
    depth: usize,
    users: UserNamespace,
    /// Its root directory, by device and path; `None` if that is not a mount, as after chroot(2).
    root: Option<Vec<u8>>,
    is_flatpak: bool,
}

impl Place {
    fn of(process: &Process) -> Option<Self> {
        let depth = depth(&process.read("status").ok()?)?;
        let users = UserNamespace::of(process).ok()?;
        let known = process.beginning("mountinfo").ok().and_then(|beginning| known_mounts(&beginning));
        let (root, is_flatpak) = match known {
            Some(known) => mounts(known),
            None => mounts(&process.read("mountinfo").ok()?),
        };
        Some(Self { depth, users, root, is_flatpak })
    }

    /// Whether the place is another one, apart from the user namespace.
    fn differs(&self, home: &Self) -> bool {
        self.depth != home.depth || self.root != home.root || self.is_flatpak && !home.is_flatpak
    }
}

/// The whole of the known `mountinfo` that has the same first line, because a machine with many mounts takes long to list them.
/// The ID of a mount, the first field, exists in one mount namespace only, and its mount point is relative to the root directory
/// of the process (`proc_pid_mountinfo(5)`). So if both are the same, the namespace and the root directory are the same, too.
fn known_mounts(beginning: &[u8]) -> Option<&'static [u8]> {
    let end = beginning.iter().position(|byte| *byte == b'\n')?;
    KNOWN.iter().map(|known| &*known.text).find(|known| known.starts_with(&beginning[..=end]))
}

/// How many PIDs `NSpid:` in `/proc/PID/status` has (`proc_pid_status(5)`).
pub(crate) fn depth(status: &[u8]) -> Option<usize> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"NSpid:"))?;
    let numbers = line.split(u8::is_ascii_whitespace).filter(|number| !number.is_empty());
    Some(numbers.count()).filter(|count| *count > 0)
}

/// What is mounted at the root directory, and whether Flatpak's file is mounted there
/// (`proc_pid_mountinfo(5)`). The last mount hides earlier ones.
pub(crate) fn mounts(mountinfo: &[u8]) -> (Option<Vec<u8>>, bool) {
    let (mut root, mut is_flatpak) = (None, false);
    for line in mountinfo.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        let (Some(device), Some(path), Some(point)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        if point == b"/" {
            root = Some([device, path].join(&b' '));
        }
        is_flatpak |= point == FLATPAK;
    }
    (root, is_flatpak)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;
    use rustix::process::Pid;

    use super::super::ancestry::Ancestry;
    use super::*;

    const HOST: &[u8] =
        b"21 20 0:20 / /proc rw - proc proc rw\n1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n";

    fn place(status: &[u8], users: &str, mountinfo: &[u8]) -> Place {
        let (root, is_flatpak) = mounts(mountinfo);
        Place { depth: depth(status).unwrap(), users: UserNamespace::new(users, None), root, is_flatpak }
    }

    const EVERYBODY: &str = "0 0 4294967295\n";
    const OUTSIDE: &[u8] = b"Name:\tsh\nNSpid:\t42\nSeccomp:\t0\n";

    #[test]
    fn another_pid_namespace_or_root_indicates_a_sandbox() {
        let home = place(OUTSIDE, EVERYBODY, HOST);
        assert!(!home.differs(&home));
        let in_another = |mounts: &[u8]| [HOST, mounts].concat();
        for (what, other) in [
            ("a PID namespace", place(b"NSpid:\t42\t1\n", EVERYBODY, HOST)),
            ("another root", place(OUTSIDE, EVERYBODY, b"9 8 0:40 /newroot / rw - tmpfs tmpfs rw\n")),
            (
                "another root on the same disk",
                place(OUTSIDE, EVERYBODY, b"9 8 8:1 /box / rw - ext4 /dev/sda1 rw\n"),
            ),
            ("chroot", place(OUTSIDE, EVERYBODY, b"9 8 8:1 /x /y rw - ext4 /dev/sda1 rw\n")),
            ("a root on top", place(OUTSIDE, EVERYBODY, &in_another(b"9 8 0:40 / / rw - tmpfs tmpfs rw\n"))),
            (
                "Flatpak",
                place(OUTSIDE, EVERYBODY, &in_another(b"9 8 0:40 /x /.flatpak-info ro - tmpfs tmpfs ro\n")),
            ),
        ] {
            assert!(other.differs(&home), "{what}");
        }
        // Mounts in other places than the root do not matter.
        let hardened = place(OUTSIDE, EVERYBODY, &in_another(b"9 8 0:41 / /tmp rw - tmpfs tmpfs rw\n"));
        assert!(!hardened.differs(&home));
    }

    #[test]
    fn another_user_namespace_indicates_a_sandbox() {
        let home = UserNamespace::new(EVERYBODY, Some("user:[1]"));
        for (users, is_at_home) in [
            (UserNamespace::new(EVERYBODY, None), true),
            (UserNamespace::new(EVERYBODY, Some("user:[2]")), true),
            (UserNamespace::new("1000 1000 1\n", Some("user:[1]")), true),
            (UserNamespace::new("1000 1000 1\n", Some("user:[2]")), false),
            (UserNamespace::new("1000 1000 1\n", None), false),
            (UserNamespace::new("", None), false),
        ] {
            assert_eq!(users.is_at(&home), is_at_home, "{users:?}");
        }
    }

    #[test]
    fn the_test_process_is_not_sandboxed() {
        let ourselves = Process::of(getpid()).unwrap();
        let ancestry = Ancestry::of(getpid(), ourselves.stat().unwrap());
        let nowhere = Service { pid: getpid(), ancestry: &ancestry, cgroups: "", home_cgroups: "" };
        assert!(!is_elsewhere(&ourselves, &nowhere));
    }

    #[test]
    fn recognises_only_the_mounts_of_its_own_namespace() {
        let beginning = |process: &Process| process.beginning("mountinfo").unwrap();
        let ourselves = Process::of(getpid()).unwrap();
        let whole = ourselves.read("mountinfo").unwrap();
        assert!(known_mounts(&beginning(&ourselves)).is_some_and(|known| known == whole));
        let mut elsewhere = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", "echo; exec sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        elsewhere.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let other = Process::of(Pid::from_child(&elsewhere)).unwrap();
        assert_eq!(mounts(&other.read("mountinfo").unwrap()), mounts(&whole));
        assert_eq!(
            known_mounts(&beginning(&other)),
            None,
            "the mounts are the same, but in another namespace"
        );
        elsewhere.kill().unwrap();
        elsewhere.wait().unwrap();
    }

    #[test]
    fn does_not_recognise_mounts_by_an_incomplete_line() {
        let whole = Process::of(getpid()).unwrap().read("mountinfo").unwrap();
        let end = whole.iter().position(|byte| *byte == b'\n').unwrap();
        assert!(known_mounts(&whole[..=end]).is_some());
        for other in [&b""[..], b"\n", &whole[..end], &whole[end + 1..]] {
            assert_eq!(known_mounts(other), None);
        }
    }

    #[test]
    fn a_status_without_nspid_has_no_depth() {
        for status in [&b""[..], b"NSpid:\n", b"NSpid:\t \n", b"Name:\tNSpid:\t1\n"] {
            assert_eq!(depth(status), None);
        }
        assert_eq!(depth(b"Name:\tx\nNSpid:\t3\t2\t1\n"), Some(3));
    }

    proptest! {
        #[test]
        fn arbitrary_proc_files_cause_no_panic(text in any::<Vec<u8>>()) {
            let _ = (depth(&text), mounts(&text));
        }

        #[test]
        fn additional_mounts_do_not_hide_a_sandbox(lines in "([0-9]{1,3} [0-9] [0-9]:[0-9] /[a-z]{0,3} /[a-z]{1,4} rw\n){0,5}") {
            let inside = [b"9 8 0:40 /newroot / rw - tmpfs tmpfs rw\n", lines.as_bytes()].concat();
            prop_assert!(place(OUTSIDE, EVERYBODY, &inside).differs(&place(OUTSIDE, EVERYBODY, HOST)));
        }
    }
}
