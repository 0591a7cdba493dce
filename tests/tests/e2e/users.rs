//! Other users of the machine get nothing, and an error that says so.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Daemon, Output, Scene, Testbed, binary, needs_root};
use imgurd_tests::wire::error_of;

use crate::commands::fails;

/// A user that exists on every machine and owns no processes: Debian's `nobody`.
pub(crate) const NOBODY: &str = "65534:65534";

/// Runs a program as that user, who may not even look at where it lies.
pub(crate) const AS_NOBODY: [&str; 4] = [
    "sh",
    "-c",
    r#"exec 3<"$1"; shift; exec setpriv --reuid 65534 --regid 65534 --clear-groups /proc/self/fd/3 "$@""#,
    "sh",
];

pub(crate) fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Lets that user have the directories of a testbed.
pub(crate) fn give_to_nobody(bed: &Testbed) {
    let given = bed.command("chown").args(["-R", NOBODY]).arg(bed.root()).status().unwrap();
    assert!(given.success());
}

fn ctl_as_nobody(bed: &Testbed, arguments: &[&str]) -> Output {
    let mut command = bed.command(AS_NOBODY[0]);
    command.args(&AS_NOBODY[1..]).arg(binary("imgurctl")).args(arguments).current_dir("/");
    bed.start(command).finish()
}

/// A daemon that runs as that user, in directories of theirs.
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
fn another_users_tokens_are_exit_code_5() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let socket = scene.bed.socket();
    let at = ["--socket", socket.to_str().unwrap()];
    if is_root() {
        is_told_whose_they_are(|command| ctl_as_nobody(&scene.bed, &[&at, command].concat()));
    } else {
        // Who is not root cannot be another user; but a socket that nobody may open is not even its own user's.
        fs::set_permissions(&socket, Permissions::from_mode(0o000)).unwrap();
        is_told_whose_they_are(|command| scene.ctl(command));
    }
}

#[test]
fn root_may_open_the_socket_and_is_told_that_the_tokens_are_anothers() {
    if !needs_root("another user who can open the socket, as root alone can") {
        return;
    }
    let bed = Testbed::memory();
    let _daemon = daemon_of_nobody(&bed);
    is_told_whose_they_are(|command| bed.ctl(command));
    // Nobody listens to what they say: the answer is there before a question.
    let mut silent = bed.wire();
    assert_eq!(error_of(&silent.answer()), "AccessDenied");
    silent.expect_hang_up();
}
