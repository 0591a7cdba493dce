//! Checks of the service, its files, the port and the clock.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use imgurd_proto::Health;
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Scene, Testbed};
use url::Url;

use super::{ENABLED, examine, service_manager, stand_in};

#[test]
fn finds_units_that_are_missing_disabled_or_failed() {
    let bed = Testbed::memory();
    let daemon = bed.daemon();
    let disabled = ["loaded", "active", "disabled"];
    service_manager(&bed, [disabled, disabled]);
    let found = examine(&bed);
    found.expect("service", Health::Fail, "not enabled", "systemctl --user enable imgurd.service");
    found.expect("socket", Health::Fail, "not enabled", "systemctl --user enable imgurd.socket");

    service_manager(&bed, [["loaded", "inactive", "enabled"], ["not-found", "inactive", ""]]);
    let found = examine(&bed);
    found.expect("service", Health::Warn, "not as imgurd.service", "systemctl --user enable --now imgurd");
    found.expect("socket", Health::Warn, "not installed", "make install");

    drop(daemon);
    service_manager(&bed, [["loaded", "failed", "enabled"], ["loaded", "inactive", "enabled"]]);
    let found = examine(&bed);
    found.expect("service", Health::Fail, "has failed", "journalctl --user -u imgurd");
    found.expect("socket", Health::Fail, "is inactive", "systemctl --user enable --now imgurd.socket");
}

#[test]
fn finds_a_missing_service_manager() {
    let bed = Testbed::memory();
    let _daemon = bed.daemon();
    stand_in(&bed, "systemctl", "echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    let found = examine(&bed);
    found.expect("service", Health::Warn, "No medium found", "let your session start `imgurd`");
}

#[test]
fn finds_a_disk_that_is_full_or_read_only_before_a_refresh_fails() {
    let bed = Testbed::file();
    let disk = bed.disk(64);
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let names = || fs::read_dir(disk.state()).unwrap().count();
    let before = names();
    examine(&scene.bed).expect("disk", Health::Warn, " KiB of free space", "delete files");
    disk.fill_but(0);
    examine(&scene.bed).expect("disk", Health::Fail, "No space left on device", "`df -h`");
    disk.fill_but(2);
    examine(&scene.bed).expect("disk", Health::Fail, "No space left on device", "`df -h`");
    assert_eq!(names(), before, "the check leaves no file");
    disk.clear();
    disk.protect();
    examine(&scene.bed).expect("disk", Health::Fail, "Read-only file system", "`journalctl -k`");
    disk.release();
    examine(&scene.bed).expect("disk", Health::Warn, " KiB of free space", "delete files");
    assert_eq!(scene.refreshes().len(), 0);
}

#[test]
fn finds_missing_lingering_on_a_machine_without_a_desktop() {
    let bed = Testbed::memory();
    let _daemon = bed.daemon();
    service_manager(&bed, [ENABLED, ENABLED]);
    for (linger, session, kind, result) in [
        ("no", "", "", Health::Warn),
        ("no", "c1", "tty", Health::Warn),
        ("no", "c1", "wayland", Health::Ok),
        ("yes", "", "", Health::Ok),
    ] {
        let user = format!("echo Linger={linger}; echo Display={session}");
        let script = format!("if [ $1 = show-user ]; then {user}; else echo Type={kind}; fi");
        stand_in(&bed, "loginctl", &script);
        let found = examine(&bed);
        match result {
            Health::Ok => found.expect_ok("linger", ""),
            result => found.expect("linger", result, "when you log out", "loginctl enable-linger"),
        }
    }
}

#[test]
fn checks_what_it_can_without_a_daemon() {
    let bed = Testbed::new();
    bed.configure("store = \"file\"\nmistake = 1\n");
    service_manager(&bed, [["loaded", "failed", "enabled"], ENABLED]);
    bed.set_env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}/none", bed.root().display()));
    let found = examine(&bed);
    found.expect("daemon", Health::Fail, "does not answer", "systemctl --user start imgurd");
    found.expect("service", Health::Fail, "has failed", "journalctl");
    found.expect("configuration", Health::Fail, "line 2", "imgurd --check");
    found.expect("bus", Health::Warn, "no session bus", "DBUS_SESSION_BUS_ADDRESS");
    let ran = bed.ctl(&["doctor"]).exits(1);
    assert!(ran.stderr.ends_with("checks failed; follow the advice above\n"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1);
}

/// Sets the permissions of a file, and returns a function that restores them.
fn with_mode(path: &Path, mode: u32) -> impl FnOnce() {
    let before = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let path = path.to_owned();
    move || fs::set_permissions(path, before).unwrap()
}

#[test]
fn finds_files_that_other_users_can_access() {
    let scene = Scene::file(Behaviour::default()).signed_in();
    let bed = &scene.bed;
    examine(bed).expect_ok("files", "are correct");
    let (config, state) = (bed.config_home().join("imgurd"), bed.state_home().join("imgurd"));
    for (path, mode, remedy) in [
        (bed.config_file(), 0o666, "chmod go-w"),
        (config.clone(), 0o777, "chmod go-w"),
        (config.join("key"), 0o640, "chmod go-rwx"),
        (state.clone(), 0o755, "chmod go-rwx"),
        (state.join("grants.keyring"), 0o644, "chmod go-rwx"),
        (bed.runtime_dir().join("imgurd"), 0o755, "chmod go-rwx"),
        (bed.socket(), 0o666, "chmod go-rwx"),
    ] {
        let restore = with_mode(&path, mode);
        examine(bed).expect("files", Health::Fail, &path.display().to_string(), remedy);
        restore();
    }
    fs::remove_file(config.join("key")).unwrap();
    examine(bed).expect("files", Health::Warn, "The key of your grants", "backup");
}

#[test]
fn finds_a_callback_port_that_another_program_uses() {
    let scene = Scene::memory(Behaviour::default());
    let callback = Url::parse(&scene.callback()).unwrap();
    let port = callback.port().unwrap();
    examine(&scene.bed).expect_ok("callback", &format!("Port {port} is free"));
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    examine(&scene.bed).expect("callback", Health::Fail, &format!("port {port}"), "do not sign in");
    drop(taken);
    let (_login, _url) = scene.login(&[]);
    examine(&scene.bed).expect_ok("callback", "in progress");
}

#[test]
fn finds_a_clock_that_differs_from_the_servers() {
    let bed = Testbed::file();
    bed.set_clock(3 * 3600);
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    examine(&scene.bed).expect("clock", Health::Warn, "ahead of a server's", "timedatectl set-ntp true");
}

#[test]
fn finds_an_account_without_a_grant() {
    let scene = Scene::memory(Behaviour::default());
    let found = examine(&scene.bed);
    found.expect("account", Health::Warn, "Nobody is signed in", "imgurctl login mytoken");
}
