//! Tests of the testbed, with a shell instead of the real programs.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Daemon, Flatpak, Output, Program, Testbed};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn program(script: &str, outputs: &Arc<Mutex<Vec<Output>>>) -> Program {
    Program::spawn(shell(script), Arc::clone(outputs))
}

fn daemon(script: &str) -> (TempDir, Daemon) {
    let root = TempDir::new().unwrap();
    let daemon = Daemon::spawn(shell(script), root.path(), 0);
    (root, daemon)
}

/// The message of a panic.
fn complaint(action: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(action)).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn lines_arrive_as_the_program_writes_them() {
    let outputs = Arc::default();
    let mut program =
        self::program("echo ready; read answer; echo \"got $answer\"; echo bad >&2; exit 3", &outputs);
    assert_eq!(program.line().as_deref(), Some("ready"));
    program.write("yes\n");
    assert_eq!(program.line().as_deref(), Some("got yes"));
    assert_eq!(program.line(), None);
    let output = program.finish().exits(3);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("ready\ngot yes\n", "bad\n"));
}

#[test]
fn the_output_of_a_dropped_program_is_searched_for_secrets() {
    let outputs = Arc::default();
    let mut forgotten = program("echo s3cret; exec sleep 1000", &outputs);
    forgotten.line();
    drop(forgotten);
    assert_eq!(outputs.lock().unwrap()[0].stdout, "s3cret\n");
}

#[test]
fn wait_for_reads_the_messages_for_the_service_manager() {
    let (root, mut daemon) = daemon("exec sleep 1000");
    let manager = UnixDatagram::unbound().unwrap();
    manager.send_to(b"STATUS=x\nREADY=1", root.path().join("notify-0")).unwrap();
    daemon.wait_for("READY=1");
    assert_eq!(daemon.kill().code(), None);
}

#[test]
fn wait_for_fails_at_once_if_the_daemon_ends() {
    let (_root, mut daemon) = daemon("exit 7");
    let complaint = complaint(|| daemon.wait_for("READY=1"));
    assert!(complaint.contains("exit status: 7"), "{complaint}");
}

#[test]
fn wait_returns_the_exit_status_of_the_daemon() {
    let (_root, daemon) = daemon("trap 'exit 0' TERM; kill -TERM $$");
    assert!(daemon.wait().success());
    let (_root, daemon) = self::daemon("exec sleep 1000");
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.wait().code(), None);
}

#[test]
fn finds_secrets_in_files_and_in_unasked_output() {
    let secrets = ["s3cret".to_owned()];
    let bed = Testbed::new();
    bed.assert_no_secret_in_sight(&secrets, &[]);

    let file = bed.state_home().join("journal");
    fs::write(&file, "a s3cret slipped").unwrap();
    assert!(complaint(|| bed.assert_no_secret_in_sight(&secrets, &[])).contains("journal"));
    bed.assert_no_secret_in_sight(&secrets, &[&file]);

    program("echo s3cret", &bed.outputs).finish();
    let complaint = complaint(|| bed.assert_no_secret_in_sight(&secrets, &[&file]));
    assert!(complaint.contains("stdout of `sh -c "), "{complaint}");
}

#[test]
fn a_command_has_only_the_environment_that_it_needs() {
    let bed = Testbed::new();
    bed.set_env("EXTRA", "1");
    let output = bed.command("env").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<_> = text.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    let known = [
        "DBUS_SYSTEM_BUS_ADDRESS",
        "EXTRA",
        "HOME",
        "PATH",
        "RUST_BACKTRACE",
        "RUST_LOG",
        "TMPDIR",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
    ];
    assert_eq!(names, known);
}

#[test]
fn a_flatpak_program_sees_its_directory_and_the_filtered_bus() {
    let bed = Testbed::new();
    let _bus = bed.bus();
    let Some(flatpak) = Flatpak::new(&["--filesystem=xdg-run/imgurd"]) else { return };
    fs::create_dir(bed.socket().parent().unwrap()).unwrap();
    fs::write(bed.socket(), "").unwrap();
    let look = "test -e \"$XDG_RUNTIME_DIR/imgurd/socket\"; echo $?
        while read -r line; do case $line in name=*) echo \"$line\"; esac; done </.flatpak-info
        python3 -c 'import dbus; print(*dbus.SessionBus().list_names(), len(dbus.SessionBus().list_names()))'";
    let inside = |flatpak: &Flatpak| bed.start(flatpak.command(&bed, "sh", &["-c", look])).finish().success();
    let seen = inside(&flatpak).stdout;
    assert!(seen.starts_with("0\nname=org.example.App\norg.freedesktop.DBus :"), "{seen}");
    assert!(seen.ends_with(" 2\n"), "the program sees only the bus and itself: {seen}");
    let seen = inside(&Flatpak::new(&[]).unwrap().other()).stdout;
    assert!(seen.starts_with("1\nname=org.example.Other\n"), "{seen}");
}
