//! Files and directories that others can write, and files after a crash.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Scene, Testbed, binary, needs_root};
use rustix::process::{Pid, Signal, kill_process};

use crate::unit::home::{Home, USER};
use crate::users::{AS_NOBODY, NOBODY};

const CONFIG: &str = "store = \"memory\"\n";

fn chown(owner: &str, path: &Path) {
    let given = Command::new("chown").arg("-h").arg(owner).arg(path).status().unwrap();
    assert!(given.success());
}

/// Fails unless the daemon refuses to start with the configuration in `config`.
#[track_caller]
fn is_refused(bed: &Testbed, config: &Path, why: &str) {
    bed.set_env("XDG_CONFIG_HOME", config);
    let log = bed.spawn_daemon(&["--no-dbus"]).log_when_ended(1);
    assert!(log.contains(why), "{}: {log}", config.display());
}

fn configured(config: &Path) {
    fs::create_dir_all(config.join("imgurd")).unwrap();
    fs::write(config.join("imgurd/config.toml"), CONFIG).unwrap();
}

#[test]
fn a_configuration_that_other_users_can_change_is_not_read() {
    if !needs_root("what another user has made") {
        return;
    }
    let bed = Testbed::memory();
    let at = |name: &str| bed.root().join(name);
    for name in ["file", "open", "group", "above/below", "theirs/below", "honest", "list"] {
        configured(&at(name));
    }
    chown(NOBODY, &at("file/imgurd/config.toml"));
    is_refused(&bed, &at("file"), "it belongs to another user");
    fs::set_permissions(at("open/imgurd/config.toml"), Permissions::from_mode(0o666)).unwrap();
    is_refused(&bed, &at("open"), "other users can write to it");
    chown(":65534", &at("group/imgurd"));
    fs::set_permissions(at("group/imgurd"), Permissions::from_mode(0o775)).unwrap();
    is_refused(&bed, &at("group"), "other users can replace it");
    chown(":65534", &at("above"));
    fs::set_permissions(at("above"), Permissions::from_mode(0o770)).unwrap();
    is_refused(&bed, &at("above/below"), "other users can replace it");
    chown(NOBODY, &at("theirs"));
    is_refused(&bed, &at("theirs/below"), "other users can replace it");
    // A link of another user, and a link of ours that leads through another user's directory to our own file.
    fs::create_dir(at("link")).unwrap();
    fs::set_permissions(at("link"), Permissions::from_mode(0o1777)).unwrap();
    symlink(at("honest/imgurd"), at("link/imgurd")).unwrap();
    chown(NOBODY, &at("link/imgurd"));
    is_refused(&bed, &at("link"), "other users can replace it");
    symlink(at("honest/imgurd"), at("theirs/link")).unwrap();
    fs::create_dir(at("through")).unwrap();
    symlink(at("theirs/link"), at("through/imgurd")).unwrap();
    is_refused(&bed, &at("through"), "other users can replace it");
    // Links of the user's own, as stow(8) makes them.
    fs::create_dir(at("stow")).unwrap();
    symlink(at("honest/imgurd"), at("stow/imgurd")).unwrap();
    bed.set_env("XDG_CONFIG_HOME", at("stow"));
    let _daemon = bed.daemon_with(&["--no-dbus"]);
    bed.ctl(&["status"]).success();
}

#[test]
fn the_service_reads_roots_files_but_not_another_users() {
    let Some(home) = Home::installed() else { return };
    home.machine.add_user("mallory");
    let root = |script: &str| {
        home.machine.run("root", &["sh", "-c", script]).success();
    };
    home.machine.write(USER, ".config/imgurd/config.toml", CONFIG);
    let config = format!("/home/{USER}/.config/imgurd");
    let is_read = || {
        home.systemctl(&["restart", "imgurd.service"]).success();
        home.ctl(&["account", "list"]).code
    };
    let (yes, refused) = (Some(0), Some(9));
    assert_eq!(is_read(), yes, "a file of the user is read");
    root(&format!("chown mallory {config}/config.toml"));
    assert_eq!(is_read(), refused, "a file of mallory is refused");
    // An administrator or a package may have put a file of root's there.
    root(&format!("chown root {config}/config.toml"));
    assert_eq!(is_read(), yes, "a file of root is read");
    root(&format!(
        "chown {USER} {config}/config.toml && mkdir /srv/m && mv {config} /srv/m/imgurd && chown mallory /srv/m"
    ));
    root(&format!("ln -s /srv/m/imgurd {config} && chown -h {USER} {config}"));
    assert_eq!(is_read(), refused, "a directory of mallory on the path is refused");
    root("chown root /srv/m");
    assert_eq!(
        is_read(),
        yes,
        "a directory of root on the path is accepted, also through the user's symlink"
    );
    let log = home.machine.run("root", &["journalctl", "--no-pager", "--output=cat"]).stdout;
    assert!(log.contains("it belongs to another user"), "{log}");
    assert!(log.contains("other users can replace it, because they can write to /srv/m"), "{log}");
}

/// Made up to look like the beginning of a token.
const REFRESH_TOKEN: &str = "fake-refresh-token-";

/// Starts a program that reads a part of its standard input and waits for more.
fn reading(mut command: Command) -> Child {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(REFRESH_TOKEN.as_bytes()).unwrap();
    // Nothing tells the writer that the pipe was read. The start of the program does not mean that it has read.
    while rustix::io::ioctl_fionread(&stdin).unwrap() > 0 {
        thread::yield_now();
    }
    child
}

fn leaves_a_core(program: &Path, arguments: &[&str]) -> bool {
    let bed = Testbed::new();
    let directory = bed.root().join("cores");
    fs::create_dir(&directory).unwrap();
    let mut command = bed.command("sh");
    command.args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""]).arg(program).args(arguments);
    command.current_dir(&directory);
    let mut child = reading(command);
    kill_process(Pid::from_child(&child), Signal::QUIT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::QUIT.as_raw()));
    status.core_dumped() || fs::read_dir(&directory).unwrap().count() > 0
}

#[test]
fn sigquit_during_an_import_leaves_no_core_file() {
    assert!(!leaves_a_core(&binary("imgurctl"), &["import"]));
    assert!(!leaves_a_core(&binary("imgurctl"), &["reject"]));
    if !leaves_a_core(Path::new("/usr/bin/cat"), &[]) {
        eprintln!("this system writes no cores, so that this proves nothing here");
    }
}

#[test]
fn another_process_of_the_same_user_cannot_read_imgurctls_memory() {
    if !needs_root("a user without privileges") {
        return;
    }
    let bed = Testbed::new();
    let is_readable = |program: &Path, arguments: &[&str]| {
        let mut command = bed.command(AS_NOBODY[0]);
        command.args(&AS_NOBODY[1..]).arg(program).args(arguments).current_dir("/");
        let mut child = reading(command);
        let mut reader = bed.command("setpriv");
        reader.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "cat"]);
        reader.arg(format!("/proc/{}/environ", child.id())).stdout(Stdio::null()).stderr(Stdio::null());
        let is_readable = reader.current_dir("/").status().unwrap().success();
        child.kill().unwrap();
        child.wait().unwrap();
        is_readable
    };
    assert!(is_readable(Path::new("/usr/bin/cat"), &[]), "the attack works on a program without protection");
    assert!(!is_readable(&binary("imgurctl"), &["import"]));
}

#[test]
fn programs_that_imgurctl_starts_keep_the_users_core_limit() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let bin = scene.bed.home().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("curl"), "#!/bin/sh\nulimit -Sc\n").unwrap();
    fs::set_permissions(bin.join("curl"), Permissions::from_mode(0o755)).unwrap();
    scene.bed.set_env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    for arguments in [&["exec", "--", "sh", "-c", "ulimit -Sc"][..], &["curl", "--", "account/me"]] {
        let mut command = scene.bed.command("sh");
        command.args(["-c", "ulimit -Sc 7 && exec \"$0\" \"$@\""]).arg(binary("imgurctl")).args(arguments);
        let output = scene.bed.start(command).finish().success();
        assert_eq!(output.stdout.trim(), "7", "{arguments:?}");
    }
}
