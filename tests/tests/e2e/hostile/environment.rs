//! Hostile environment variables: the programs report them clearly, and a running daemon is not affected.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Output, Scene, Testbed, binary, needs_root};
use serde_json::Value;

use crate::users::NOBODY;

/// A path below `directory` that is longer than a socket's path may be (`unix(7)`, `sun_path`).
fn too_long(directory: &Path) -> String {
    directory.join("long".repeat(40)).join("socket").display().to_string()
}

/// Runs `imgurctl token` with these arguments and this environment variable.
fn token_with(bed: &Testbed, name: &str, value: &str, arguments: &[&str]) -> Output {
    let mut command = bed.command(binary("imgurctl"));
    command.arg("token").args(arguments).env(name, value);
    bed.start(command).finish()
}

#[test]
fn a_client_with_a_wrong_socket_fails_with_a_one_line_error() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let bed = &scene.bed;
    let (odd, looped) = (bed.root().join("line\nbreak"), bed.root().join("loop"));
    fs::create_dir(&odd).unwrap();
    symlink(&looped, &looped).unwrap();
    let (odd, looped) = (odd.to_str().unwrap(), looped.to_str().unwrap());
    for (name, value) in [
        ("IMGURD_SOCKET", too_long(bed.root()).as_str()),
        ("IMGURD_SOCKET", "relative/socket"),
        ("IMGURD_SOCKET", odd),
        ("IMGURD_SOCKET", "/dev/null"),
        ("IMGURD_SOCKET", "/"),
        ("IMGURD_SOCKET", looped),
        ("XDG_RUNTIME_DIR", too_long(bed.root()).as_str()),
        ("XDG_RUNTIME_DIR", "/proc"),
        ("XDG_RUNTIME_DIR", "/dev/null"),
        ("XDG_RUNTIME_DIR", odd),
    ] {
        let output = token_with(bed, name, value, &["--json"]).exits(8);
        let error: Value = serde_json::from_str(output.complaint()).expect("the error is one line of JSON");
        let reason = error["reason"].as_str().unwrap();
        assert!(reason.starts_with(&format!("imgurd does not answer at {value}")), "{reason}");
        token_with(bed, name, value, &[]).exits(8).complaint();
    }
    // An empty variable counts as not set.
    token_with(bed, "IMGURD_SOCKET", "", &[]).success();
    assert!(scene.fake.is_live(&scene.token()));
}

/// The log of a daemon that fails to listen at this path.
fn refusal(bed: &Testbed, socket: &str) -> String {
    bed.set_env("IMGURD_SOCKET", socket);
    let log = bed.spawn_daemon(&["--no-dbus"]).log_when_ended(1);
    assert!(log.contains("Error: ") && !log.contains("panicked"), "{log}");
    log
}

#[test]
fn a_daemon_with_an_unusable_socket_path_fails_and_removes_nothing() {
    let bed = Testbed::memory();
    // Every user can put a socket there, as in /tmp.
    let shared = bed.root().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    let shared = shared.join("socket");
    let shared = shared.to_str().unwrap();
    for value in [&too_long(bed.root()), "/dev/null", "/dev/null/socket", "/", "/proc/socket", shared] {
        let log = refusal(&bed, value);
        assert!(log.contains("IMGURD_SOCKET"), "{value}: {log}");
    }
    let own = bed.root().join("own");
    fs::create_dir(&own).unwrap();
    fs::set_permissions(&own, Permissions::from_mode(0o700)).unwrap();
    let file = own.join("precious");
    fs::write(&file, "a key").unwrap();
    let link = own.join("link");
    symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let log = refusal(&bed, path.to_str().unwrap());
        assert!(log.contains("exists and is not a socket"), "{log}");
        assert_eq!(fs::read_to_string(path).unwrap(), "a key");
    }
    // A line break in the name of a directory does no harm.
    bed.set_env("IMGURD_SOCKET", own.join("line\nbreak/socket"));
    let _daemon = bed.daemon();
    bed.ctl(&["status"]).success();
}

#[test]
fn a_directory_of_another_user_is_not_used() {
    if !needs_root("what another user has made in the daemon's place") {
        return;
    }
    for (name, file) in [("IMGURD_SOCKET", "/socket"), ("XDG_RUNTIME_DIR", ""), ("XDG_STATE_HOME", "")] {
        for through_a_link in [false, true] {
            let bed = Testbed::memory();
            let theirs = bed.root().join("theirs");
            fs::create_dir_all(theirs.join("imgurd")).unwrap();
            let entered = if through_a_link { bed.root().join("link") } else { theirs.clone() };
            if through_a_link {
                symlink(&theirs, &entered).unwrap();
            }
            let given = bed.command("chown").args(["-hR", NOBODY]).arg(&theirs).status().unwrap();
            assert!(given.success());
            bed.set_env(name, format!("{}{file}", entered.display()));
            let log = bed.spawn_daemon(&["--no-dbus"]).log_when_ended(1);
            assert!(
                log.contains("belongs to another user") || log.contains("other users can replace"),
                "{name}: {log}"
            );
            assert_eq!(fs::read_dir(theirs.join("imgurd")).unwrap().count(), 0);
        }
    }
}
