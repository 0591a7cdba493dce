//! Other users of the machine get no token, and an error that says so.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Daemon, Output, Scene, Testbed, binary, needs_root};
use imgurd_tests::wire::error_of;

use crate::commands::fails;

/// A user on every machine that owns no processes: Debian's `nobody`.
pub(crate) const NOBODY: &str = "65534:65534";

/// Runs a program as that user, who may not be able to open the program's directory.
pub(crate) const AS_NOBODY: [&str; 4] = [
    "sh",
    "-c",
    r#"exec 3<"$1"; shift; exec setpriv --reuid 65534 --regid 65534 --clear-groups /proc/self/fd/3 "$@""#,
    "sh",
];

pub(crate) fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Gives the directories of a testbed to that user.
pub(crate) fn give_to_nobody(bed: &Testbed) {
    let given = bed.command("chown").args(["-R", NOBODY]).arg(bed.root()).status().unwrap();
    assert!(given.success());
}

fn ctl_as_nobody(bed: &Testbed, arguments: &[&str]) -> Output {
    let mut command = bed.command(AS_NOBODY[0]);
    command.args(&AS_NOBODY[1..]).arg(binary("imgurctl")).args(arguments).current_dir("/");
    bed.start(command).finish()
}

/// A daemon that runs as that user, in that user's directories.
pub(crate) fn daemon_of_nobody(bed: &Testbed) -> Daemon {
    give_to_nobody(bed);
    bed.launch_by(AS_NOBODY);
    bed.daemon()
}

fn is_told_whose_they_are(run: impl Fn(&[&str]) -> Output) {
    for command in [&["token"][..], &["status"], &["status", "--watch"], &["unlock"]] {
        let error = fails(&run, command, 5, "AccessDenied");
        assert!(error["reason"].as_str().unwrap().contains("another user"), "{error}");
    }
}

#[test]
fn another_users_socket_is_exit_code_5() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let socket = scene.bed.socket();
    let at = ["--socket", socket.to_str().unwrap()];
    if is_root() {
        is_told_whose_they_are(|command| ctl_as_nobody(&scene.bed, &[&at, command].concat()));
    } else {
        // Without root there is no other user to test with. A socket that nobody can open gives the same error.
        fs::set_permissions(&socket, Permissions::from_mode(0o000)).unwrap();
        is_told_whose_they_are(|command| scene.ctl(command));
    }
}

#[test]
fn root_can_open_another_users_socket_but_gets_an_error() {
    if !needs_root("another user who can open the socket, as root alone can") {
        return;
    }
    let bed = Testbed::memory();
    let _daemon = daemon_of_nobody(&bed);
    is_told_whose_they_are(|command| bed.ctl(command));
    // The daemon answers before it reads a call.
    let mut silent = bed.wire();
    assert_eq!(error_of(&silent.answer()), "AccessDenied");
    silent.expect_hang_up();
}
