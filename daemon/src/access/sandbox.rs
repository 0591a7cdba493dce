//! Detects a sandbox independently of its cgroup's name: by namespaces and by another root directory.
//!
//! If the daemon has its own user namespace, it cannot read `/proc/PID/ns`, `root` and `exe` of other processes (`ptrace(2)`,
//! access mode checking), but it can read `status`, `uid_map` and `mountinfo`. A process that cannot be read counts as sandboxed.

use std::sync::LazyLock;

use rustix::process::{Pid, getpid, getppid};

use super::process::{Process, ProcessFile, Status};
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

/// The first lines of `mountinfo` of the daemon and of its parent, the service manager, if that has the same root directory.
/// Their open files keep the two mount namespaces alive, so that no other mount gets the ID of one of theirs.
static KNOWN: LazyLock<Vec<(Vec<u8>, ProcessFile)>> = LazyLock::new(|| {
    let read = |pid: Pid| Process::of(pid).ok()?.open("mountinfo").ok();
    let Some(ours) = read(getpid()) else { return Vec::new() };
    let parents = getppid().and_then(read).filter(|its| Mounts::read(&its.text) == Mounts::read(&ours.text));
    let all = [Some(ours), parents].into_iter().flatten();
    all.filter_map(|file| Some((first_line(&file.text)?.to_vec(), file))).collect()
});

/// Whether a sandbox separates this process from the daemon: by namespaces, or by another root directory. A user namespace that
/// systemd created for a whole service does not count.
pub(super) fn is_elsewhere(process: &Process, status: &Status, service: &Service<'_>) -> bool {
    HOME.as_ref().is_none_or(|home| {
        status.depth != home.depth
            || !home.has_mounts_of(process, service)
            || !home.has_users_of(process, service)
    })
}

/// The place of a process, from facts that the kernel shows to every process.
struct Place {
    depth: usize,
    users: UserNamespace,
    mounts: Mounts,
}

impl Place {
    fn of(process: &Process) -> Option<Self> {
        let users = UserNamespace::of(process).ok()?;
        Some(Self { depth: process.status()?.depth, users, mounts: Mounts::of(process)? })
    }

    fn has_users_of(&self, process: &Process, service: &Service<'_>) -> bool {
        let fits = |users: UserNamespace| users.is_at(&self.users) || service.began_with(&users, &self.users);
        self.users.is_that_of(process) || UserNamespace::of(process).is_ok_and(fits)
    }

    /// Whether the root directory is the same. A program in a sandbox of a [maker](super::ancestry) is in a mount namespace that the
    /// maker created, so in a known one its ancestors are not read.
    fn has_mounts_of(&self, process: &Process, service: &Service<'_>) -> bool {
        // The daemon may not be able to see Flatpak's file.
        let has_flatpaks_file = || !self.mounts.are_flatpaks && process.has("root/.flatpak-info");
        let fit = |mounts: Mounts| !(mounts.differ(&self.mounts) || has_flatpaks_file());
        process.beginning("mountinfo").is_ok_and(|beginning| is_known(&beginning))
            || Mounts::of(process).is_some_and(fit) && !service.ancestry.includes_maker()
    }
}

/// Whether a `mountinfo` that begins so is one of the known ones. The ID of a mount, the first field, exists in one mount namespace
/// only, and its mount point is relative to the root directory of the process (`proc_pid_mountinfo(5)`). So if both are the same,
/// the namespace and the root directory are the same, too. A machine with many mounts takes long to list all of them.
fn is_known(beginning: &[u8]) -> bool {
    first_line(beginning).is_some_and(|line| KNOWN.iter().any(|(known, _)| known == line))
}

/// The first line, with its end.
fn first_line(mountinfo: &[u8]) -> Option<&[u8]> {
    mountinfo.split_inclusive(|byte| *byte == b'\n').next().filter(|line| line.ends_with(b"\n"))
}

/// What `mountinfo` shows of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mounts {
    /// The root directory, by device and path; `None` if that is not a mount, as after chroot(2).
    root: Option<Vec<u8>>,
    /// Whether Flatpak's file is mounted there.
    are_flatpaks: bool,
}

impl Mounts {
    fn of(process: &Process) -> Option<Self> {
        Some(Self::read(&process.read("mountinfo").ok()?))
    }

    /// Reads the text of `mountinfo` (`proc_pid_mountinfo(5)`). The last mount hides earlier ones.
    pub(crate) fn read(mountinfo: &[u8]) -> Self {
        let mut mounts = Self { root: None, are_flatpaks: false };
        for line in mountinfo.split(|byte| *byte == b'\n') {
            let mut fields = line.split(|byte| *byte == b' ').skip(2);
            let (Some(device), Some(path), Some(point)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if point == b"/" {
                mounts.root = Some([device, path].join(&b' '));
            }
            mounts.are_flatpaks |= point == FLATPAK;
        }
        mounts
    }

    /// Whether they belong to another place than `home`.
    fn differ(&self, home: &Self) -> bool {
        self.root != home.root || self.are_flatpaks && !home.are_flatpaks
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::super::ancestry::Ancestry;
    use super::*;

    const HOST: &[u8] =
        b"21 20 0:20 / /proc rw - proc proc rw\n1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n";

    #[test]
    fn another_root_indicates_a_sandbox() {
        let home = Mounts::read(HOST);
        assert!(!home.differ(&home));
        let in_another = |mounts: &[u8]| [HOST, mounts].concat();
        for (what, other) in [
            ("another root", b"9 8 0:40 /newroot / rw - tmpfs tmpfs rw\n".to_vec()),
            ("another root on the same disk", b"9 8 8:1 /box / rw - ext4 /dev/sda1 rw\n".to_vec()),
            ("chroot", b"9 8 8:1 /x /y rw - ext4 /dev/sda1 rw\n".to_vec()),
            ("a root on top", in_another(b"9 8 0:40 / / rw - tmpfs tmpfs rw\n")),
            ("Flatpak", in_another(b"9 8 0:40 /x /.flatpak-info ro - tmpfs tmpfs ro\n")),
        ] {
            assert!(Mounts::read(&other).differ(&home), "{what}");
        }
        // Mounts in other places than the root do not matter.
        let hardened = Mounts::read(&in_another(b"9 8 0:41 / /tmp rw - tmpfs tmpfs rw\n"));
        assert!(!hardened.differ(&home));
    }

    const EVERYBODY: &str = "0 0 4294967295\n";

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
        let ancestry = Ancestry::of(&ourselves, getpid());
        let nowhere = Service { pid: getpid(), ancestry: &ancestry, cgroups: "", home_cgroups: "" };
        assert!(!is_elsewhere(&ourselves, &ourselves.status().unwrap(), &nowhere));
    }

    #[test]
    fn recognises_only_the_mounts_of_its_own_namespace() {
        let beginning = |process: &Process| process.beginning("mountinfo").unwrap();
        let ourselves = Process::of(getpid()).unwrap();
        let whole = ourselves.read("mountinfo").unwrap();
        assert!(is_known(&beginning(&ourselves)));
        let mut elsewhere = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", "echo; exec sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        elsewhere.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let other = Process::of(Pid::from_child(&elsewhere)).unwrap();
        assert_eq!(Mounts::read(&other.read("mountinfo").unwrap()), Mounts::read(&whole));
        assert!(!is_known(&beginning(&other)), "the mounts are the same, but in another namespace");
        elsewhere.kill().unwrap();
        elsewhere.wait().unwrap();
    }

    #[test]
    fn does_not_recognise_mounts_by_an_incomplete_line() {
        let whole = Process::of(getpid()).unwrap().read("mountinfo").unwrap();
        let end = whole.iter().position(|byte| *byte == b'\n').unwrap();
        assert!(is_known(&whole[..=end]));
        for other in [&b""[..], b"\n", &whole[..end], &whole[end + 1..]] {
            assert!(!is_known(other));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_proc_files_cause_no_panic(text in any::<Vec<u8>>()) {
            let _ = (Status::read(&text), Mounts::read(&text));
        }

        #[test]
        fn additional_mounts_do_not_hide_a_sandbox(lines in "([0-9]{1,3} [0-9] [0-9]:[0-9] /[a-z]{0,3} /[a-z]{1,4} rw\n){0,5}") {
            let inside = [b"9 8 0:40 /newroot / rw - tmpfs tmpfs rw\n", lines.as_bytes()].concat();
            prop_assert!(Mounts::read(&inside).differ(&Mounts::read(HOST)));
        }
    }
}
