use std::fs;
use std::path::{Path, PathBuf};

use super::Machine;

/// The cgroups of this process's machines.
fn cgroups(machine: &Machine) -> PathBuf {
    machine.cgroups.path.clone()
}

#[test]
fn machines_are_isolated_and_leave_nothing_behind() {
    let (Some(first), Some(second)) = (Machine::boot(), Machine::boot()) else { return };
    first.add_user("alice");
    first.write("alice", "/home/alice/a/note", "mine");
    assert_eq!(fs::read_to_string(first.file("/home/alice/a/note")).unwrap(), "mine");
    second.run("root", &["id", "alice"]).exits(1);
    assert!(!Path::new("/home/alice/a/note").exists(), "the file is not on the machine that runs the test");

    let state = first.run("root", &["systemctl", "is-system-running"]);
    assert_eq!(state.line(), "running", "{}", first.run("root", &["systemctl", "--failed"]).stdout);
    let listening = first.inside(|| std::net::TcpListener::bind("127.0.0.1:7").unwrap());
    second.inside(|| std::net::TcpListener::bind("127.0.0.1:7").unwrap());
    drop(listening);

    let gone = cgroups(&first);
    drop(first);
    assert!(!gone.exists() && cgroups(&second).exists());
    assert_eq!(second.run("root", &["systemctl", "is-system-running"]).line(), "running");
    let gone = cgroups(&second);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _second = second;
        panic!("as a test that fails");
    }));
    assert!(panicked.is_err() && !gone.exists());
}

#[test]
fn each_user_has_a_service_manager_a_bus_and_a_journal() {
    let Some(machine) = Machine::boot() else { return };
    machine.add_user("alice");
    let id = machine.user_id("alice");
    let whoami = machine.run("alice", &["sh", "-c", "id -u; pwd; echo $XDG_RUNTIME_DIR; command -v imgurd"]);
    let expected = format!("{id}\n/home/alice\n/run/user/{id}\n/opt/imgurd/imgurd\n");
    assert_eq!(whoami.success().stdout, expected);
    machine.run("alice", &["busctl", "--user", "status"]).success();
    let unit = ["systemd-run", "--user", "--quiet", "--wait", "--unit=note", "echo", "a note"];
    machine.run("alice", &unit).success();
    let scope =
        ["systemd-run", "--user", "--quiet", "--scope", "--unit=app-x-1.scope", "cat", "/proc/self/cgroup"];
    let cgroup = machine.run("alice", &scope).success().stdout;
    assert!(cgroup.trim_end().ends_with("/app.slice/app-x-1.scope"), "{cgroup}");
    machine.run("root", &["journalctl", "--sync"]).success();
    // Do not filter by unit: the journal does not know the unit of a process that has ended before it looks.
    let entries = machine.run("alice", &["journalctl", "--user", "--output=cat"]).success().stdout;
    assert!(entries.lines().any(|line| line == "a note"), "{entries}");
}
