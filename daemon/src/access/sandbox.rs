//! What speaks for a sandbox, whatever its cgroup is called: namespaces, another root directory, and who started it.
//!
//! All of it can be read by a daemon in a user namespace of its own, to which `/proc/PID/ns`, `root` and `exe` of other
//! processes are closed (`ptrace(2)`, access mode checking): `status`, `uid_map`, `mountinfo` and `stat` are open to
//! everybody. What cannot be read speaks for a sandbox.

use std::sync::LazyLock;

use rustix::process::{getpid, getppid};

use super::process::Process;

/// A file that Flatpak puts into the root directory of every sandbox.
const FLATPAK: &[u8] = b"/.flatpak-info";

/// Enough for a machine with a thousand containers; a sandbox could have a hundred thousand mounts.
const MOST_MOUNTS: usize = 4 << 20;

/// How the daemon itself is placed: who is placed likewise is at home, in a container too.
static HOME: LazyLock<Option<Place>> = LazyLock::new(|| {
    let ourselves = Process::of(getpid()).ok()?;
    let mut home = Place::of(&ourselves)?;
    // A hardened service has a user namespace of its own; its parent, the service manager, has everybody's.
    if let Some(parent) = getppid().and_then(|parent| Process::of(parent).ok()).and_then(|it| Place::of(&it))
    {
        home.users = parent.users;
    }
    Some(home)
});

/// Whether this process is placed otherwise than the daemon. `in_service` is one that systemd started as a service, which
/// may have a user namespace of its own as a restriction: `PrivateUsers=`, or since systemd 254 `PrivateTmp=` and others.
pub(super) fn is_elsewhere(process: &Process, in_service: bool) -> bool {
    match (HOME.as_ref(), Place::of(process)) {
        (Some(home), Some(place)) => place.differs(home, in_service) || has_flatpaks_file(process, home),
        _ => true,
    }
}

/// Where the daemon may look into the root directory, that says it too.
fn has_flatpaks_file(process: &Process, home: &Place) -> bool {
    !home.is_flatpak && process.has("root/.flatpak-info")
}

/// Where a process is, as the kernel tells everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// How many PID namespaces it is in, from the one of our `/proc` inwards.
    depth: usize,
    /// The users of its user namespace, as ours calls them.
    users: Vec<u8>,
    /// Its user namespace itself, where we may look at that.
    namespace: Option<String>,
    /// What its root directory is, by device and path; nothing where that is no mount, as after chroot(2).
    root: Option<Vec<u8>>,
    /// Whether Flatpak's file is mounted there.
    is_flatpak: bool,
}

impl Place {
    fn of(process: &Process) -> Option<Self> {
        let depth = depth(&process.content("status").ok()?)?;
        let users = process.content("uid_map").ok()?;
        let (root, is_flatpak) = mounts(&process.content_up_to("mountinfo", MOST_MOUNTS).ok()?);
        let namespace = process.link("ns/user").ok();
        Some(Self { depth, users, namespace, root, is_flatpak })
    }

    fn differs(&self, home: &Self, in_service: bool) -> bool {
        self.depth != home.depth
            || self.root != home.root
            || self.is_flatpak && !home.is_flatpak
            || !(self.has_users_of(home) || in_service)
    }

    /// Whether it is in the daemon's own user namespace, or in that of the daemon's parent. Two that are made alike have
    /// the same numbers, so those of our own prove nothing.
    fn has_users_of(&self, home: &Self) -> bool {
        self.users == home.users || self.namespace.is_some() && self.namespace == home.namespace
    }
}

/// How many numbers `NSpid:` has in `/proc/PID/status` (`proc_pid_status(5)`).
pub(super) fn depth(status: &[u8]) -> Option<usize> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"NSpid:"))?;
    let numbers = line.split(u8::is_ascii_whitespace).filter(|number| !number.is_empty());
    Some(numbers.count()).filter(|count| *count > 0)
}

/// What is mounted at the root directory, and whether Flatpak's file is mounted in it (`proc_pid_mountinfo(5)`). What is
/// said last lies on top.
pub(super) fn mounts(mountinfo: &[u8]) -> (Option<Vec<u8>>, bool) {
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
    use proptest::prelude::*;

    use super::*;

    const HOST: &[u8] =
        b"21 20 0:20 / /proc rw - proc proc rw\n1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n";

    fn place(status: &[u8], users: &str, mountinfo: &[u8]) -> Place {
        let (root, is_flatpak) = mounts(mountinfo);
        let users = users.as_bytes().to_vec();
        Place { depth: depth(status).unwrap(), users, namespace: None, root, is_flatpak }
    }

    const EVERYBODY: &str = "0 0 4294967295\n";
    const OUTSIDE: &[u8] = b"Name:\tsh\nNSpid:\t42\nSeccomp:\t0\n";

    #[test]
    fn who_is_placed_otherwise_than_the_daemon_is_in_a_sandbox() {
        let home = place(OUTSIDE, EVERYBODY, HOST);
        assert!(!home.differs(&home, false));
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
            assert!(other.differs(&home, false) && other.differs(&home, true), "{what}");
        }
        // What a service is withheld by systemd does not make it a stranger.
        let alike = |namespace: &str| Place {
            namespace: Some(namespace.to_owned()),
            ..place(OUTSIDE, "1000 1000 1\n", HOST)
        };
        let in_ours = Place { namespace: Some("user:[1]".to_owned()), ..home.clone() };
        assert!(alike("user:[2]").differs(&in_ours, false) && !alike("user:[1]").differs(&in_ours, false));
        let hardened = place(OUTSIDE, "1000 1000 1\n", &in_another(b"9 8 0:41 / /tmp rw - tmpfs tmpfs rw\n"));
        assert!(hardened.differs(&home, false) && !hardened.differs(&home, true));
    }

    #[test]
    fn this_test_is_at_home() {
        let ourselves = Process::of(getpid()).unwrap();
        assert!(!is_elsewhere(&ourselves, false));
    }

    #[test]
    fn a_status_that_says_nothing_is_none() {
        for status in [&b""[..], b"NSpid:\n", b"NSpid:\t \n", b"Name:\tNSpid:\t1\n"] {
            assert_eq!(depth(status), None);
        }
        assert_eq!(depth(b"Name:\tx\nNSpid:\t3\t2\t1\n"), Some(3));
    }

    proptest! {
        #[test]
        fn nothing_in_these_files_is_too_odd(text in any::<Vec<u8>>()) {
            let _ = (depth(&text), mounts(&text));
        }

        #[test]
        fn a_mount_more_never_brings_a_sandbox_home(lines in "([0-9]{1,3} [0-9] [0-9]:[0-9] /[a-z]{0,3} /[a-z]{1,4} rw\n){0,5}") {
            let inside = [b"9 8 0:40 /newroot / rw - tmpfs tmpfs rw\n", lines.as_bytes()].concat();
            prop_assert!(place(OUTSIDE, EVERYBODY, &inside).differs(&place(OUTSIDE, EVERYBODY, HOST), true));
        }
    }
}
