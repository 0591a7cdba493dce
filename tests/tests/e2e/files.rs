//! The files of imgurd are private from the start. imgurd does not use files or links of other users.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Fake};
use imgurd_tests::testbed::{ACCOUNT, Daemon, FILE_CALLS, Scene, Testbed, needs_root};

use rustix::process::Signal;

use crate::users::{AS_NOBODY, NOBODY};

/// The directories that the daemon creates itself.
fn directories(bed: &Testbed) -> [PathBuf; 2] {
    [bed.state_home().join("imgurd"), bed.runtime_dir().join("imgurd")]
}

fn refused(bed: &Testbed) -> String {
    refusal_of(bed.spawn_daemon(&["--no-dbus"]))
}

fn refusal_of(daemon: Daemon) -> String {
    let log = daemon.log_when_ended(1);
    assert!(log.contains("Error: ") && !log.contains("panicked"), "{log}");
    log
}

fn give_to_nobody(path: &Path) {
    let user = NOBODY.split(':').next().unwrap().parse().unwrap();
    lchown(path, Some(user), Some(user)).unwrap();
}

fn make(directory: &Path, mode: u32) {
    fs::create_dir_all(directory).unwrap();
    fs::set_permissions(directory, Permissions::from_mode(mode)).unwrap();
}

/// The number of entries in the directory.
fn count(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_deleted_configuration_loses_no_account() {
    let mut scene = Scene::memory(Behaviour::default()).signed_in();
    let file = scene.bed.config_home().join("imgurd/config.toml");
    let before = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let fails = |arguments: &[&str]| {
        let output = scene.ctl(arguments).exits(9);
        assert!(output.stderr.contains("config.toml is missing"), "{}", output.stderr);
    };
    fails(&["account", "add", "other", "--client-id", "x"]);
    fails(&["account", "set", ACCOUNT, "--scope", "x"]);
    let doctor = scene.ctl(&["doctor"]).exits(1).stdout;
    assert!(doctor.contains("config.toml is missing"), "{doctor}");
    assert!(!file.exists());
    scene.daemon().signal(Signal::HUP);
    fs::write(&file, before).unwrap();
    scene.ctl(&["account", "set", ACCOUNT, "--scope", "x"]).success();
    scene.token();
}

#[test]
fn new_files_have_mode_0600_from_the_start() {
    let bed = Testbed::file();
    // With this umask, files get exactly the modes that imgurd asks for.
    bed.launch_by(["sh", "-c", "umask 0; exec \"$@\"", "sh"]);
    let fake = Fake::start(Behaviour::default());
    let daemon = bed.daemon();
    bed.account(&fake, ACCOUNT);
    let watched = bed.watch_calls(&daemon, FILE_CALLS);
    bed.sign_in(&fake, ACCOUNT);
    bed.ctl(&["refresh"]).success();
    let calls = watched.detach();
    let [state, _] = directories(&bed);
    let made = calls.iter().filter(|call| {
        call.succeeded()
            && call.arguments.contains("O_CREAT")
            && call.paths().iter().any(|path| path.starts_with(&state))
    });
    let made: Vec<_> = made.collect();
    assert!(made.len() >= 2, "imgurd creates the file of grants and the witness: {calls:?}");
    for call in made {
        assert!(call.arguments.ends_with(", 0600)"), "{call:?}");
    }
    for directory in directories(&bed) {
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700, "{}", directory.display());
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600, "{}", path.display());
        }
    }
}

#[test]
fn a_directory_with_open_permissions_is_refused_with_advice() {
    for mode in [0o770, 0o702] {
        for number in 0..2 {
            let bed = Testbed::memory();
            let directory = &directories(&bed)[number];
            make(directory, mode);
            let log = refused(&bed);
            assert!(log.contains(&format!("run `chmod 700 {}`", directory.display())), "{log}");
            assert!(!bed.socket().exists());
            fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
            bed.daemon();
        }
    }
}

/// Anyone who can reach the socket can try to connect, so its directory has to be closed too.
#[test]
fn a_socket_in_an_open_directory_is_refused() {
    let bed = Testbed::memory();
    let open = bed.root().join("open");
    make(&open, 0o755);
    let world_writable = bed.root().join("everybodys");
    make(&world_writable, 0o1777);
    // `chmod 700` would break a directory of all users, such as /tmp.
    let refusals =
        [(open, "other users can open"), (world_writable, "choose a directory that only you can open")];
    for (directory, refusal) in refusals {
        let socket = directory.join("socket");
        let daemon = bed.spawn_daemon(&["--no-dbus", "--socket", socket.to_str().unwrap()]);
        let log = refusal_of(daemon);
        assert!(log.contains("--socket") && log.contains(refusal), "{log}");
        assert_eq!(count(&directory), 0);
    }
    // In a world-writable directory, an own directory is safe if no other user can move it.
    let socket = bed.root().join("everybodys/mine/socket");
    bed.daemon_with(&["--no-dbus", "--socket", socket.to_str().unwrap()]);
    fs::set_permissions(bed.root().join("everybodys"), Permissions::from_mode(0o777)).unwrap();
    let log = refusal_of(bed.spawn_daemon(&["--no-dbus", "--socket", socket.to_str().unwrap()]));
    assert!(log.contains("other users can replace"), "{log}");
}

#[test]
fn the_users_own_links_are_followed() {
    let bed = Testbed::file();
    for (number, directory) in directories(&bed).into_iter().enumerate() {
        let elsewhere = bed.root().join(format!("elsewhere-{number}"));
        make(&elsewhere, 0o700);
        symlink(elsewhere, directory).unwrap();
    }
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    let token = scene.token();
    scene.restart();
    assert_eq!(scene.token(), token);
    assert!(scene.bed.root().join("elsewhere-0/grants.keyring").exists());
}

#[test]
fn files_of_another_user_are_refused() {
    if !needs_root("another user, whose directories and links these are") {
        return;
    }
    for number in 0..2 {
        let theirs = |bed: &Testbed| directories(bed)[number].clone();
        // Another user's directory, which could be in /tmp before imgurd starts.
        let bed = Testbed::memory();
        make(&theirs(&bed), 0o700);
        give_to_nobody(&theirs(&bed));
        assert!(refused(&bed).contains("belongs to another user"));
        assert_eq!(count(&theirs(&bed)), 0);
        // Another user's link to our directory.
        let bed = Testbed::memory();
        let ours = bed.root().join("ours");
        make(&ours, 0o700);
        symlink(&ours, theirs(&bed)).unwrap();
        give_to_nobody(&theirs(&bed));
        assert!(refused(&bed).contains("belongs to another user"));
        assert_eq!(count(&ours), 0);
        // Our directory in a directory of another user.
        let bed = Testbed::memory();
        give_to_nobody(theirs(&bed).parent().unwrap());
        assert!(refused(&bed).contains("other users can replace"));
    }
    // A configuration and a key of another user.
    let bed = Testbed::file();
    give_to_nobody(&bed.config_file());
    assert!(refused(&bed).contains("config.toml (it belongs to another user)"));
    let bed = Testbed::file();
    give_to_nobody(&bed.config_home().join("imgurd/key"));
    let log = bed.spawn_daemon(&["--check"]).log_when_ended(1);
    assert!(log.contains("it belongs to another user"), "{log}");
}

#[test]
fn another_user_cannot_run_imgurd_in_our_directories() {
    if !needs_root("another user, who runs imgurd in directories that are ours") {
        return;
    }
    let bed = Testbed::memory();
    bed.launch_by(AS_NOBODY);
    let log = refused(&bed);
    assert!(log.contains(bed.root().to_str().unwrap()) && log.contains("Permission denied"), "{log}");
    assert!(directories(&bed).iter().all(|directory| !directory.exists()));
}

#[test]
fn a_link_in_place_of_the_lock_file_is_not_followed() {
    let bed = Testbed::memory();
    let victim = bed.root().join("victim");
    fs::write(&victim, "untouched").unwrap();
    let [state, _] = directories(&bed);
    make(&state, 0o700);
    for target in [&victim, &bed.root().join("not-there-yet")] {
        symlink(target, state.join("lock")).unwrap();
        let log = refused(&bed);
        assert!(log.contains("it is a symbolic link") && log.contains("remove it"), "{log}");
        fs::remove_file(state.join("lock")).unwrap();
    }
    assert_eq!(fs::read_to_string(victim).unwrap(), "untouched");
    assert!(!bed.root().join("not-there-yet").exists());
}

#[test]
fn a_link_in_place_of_a_state_file_is_not_followed() {
    for name in ["grants.keyring", "stored"] {
        let mut scene = Scene::file(Behaviour::default()).signed_in();
        let token = scene.token();
        assert!(scene.stop().success());
        let [state, _] = directories(&scene.bed);
        let (path, away) = (state.join(name), scene.bed.root().join("away"));
        fs::rename(&path, &away).unwrap();
        let before = fs::read(&away).unwrap();
        symlink(&away, &path).unwrap();
        // imgurd reads `stored` only if the grants are missing.
        if name == "stored" {
            fs::rename(state.join("grants.keyring"), scene.bed.root().join("grants")).unwrap();
        }
        scene.start();
        scene.wait_until(|account| {
            let is_told = account.reason.as_ref().is_some_and(|it| it.contains("it is a symbolic link"));
            account.state == State::StoreUnavailable && is_told
        });
        scene.ctl(&["token", "--wait", "1s"]).exits(7);
        assert_eq!(fs::read(&away).unwrap(), before, "{name}");
        // Without the link, imgurd has its grants again.
        assert!(scene.stop().success());
        fs::rename(&away, &path).unwrap();
        if name == "stored" {
            fs::rename(scene.bed.root().join("grants"), state.join("grants.keyring")).unwrap();
        }
        scene.start();
        assert_eq!(scene.token(), token);
    }
}

#[test]
fn unusable_directories_in_the_environment_fail_with_a_clear_error() {
    let endless = format!("/{}", "long/".repeat(1000));
    let a_file = "/dev/null";
    for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        for (value, word) in [
            (a_file, "Not a directory"),
            (&endless, "File name too long"),
            ("LOOP", "Too many levels of symbolic links"),
            ("/proc", "/proc/imgurd"),
        ] {
            let bed = Testbed::memory();
            let looped = bed.root().join("loop");
            symlink(&looped, &looped).unwrap();
            let value = if value == "LOOP" { looped.to_str().unwrap() } else { value };
            if (variable, value) == ("XDG_CONFIG_HOME", "/proc") {
                continue; // without a configuration imgurd starts, and says what to do
            }
            bed.set_env(variable, value);
            let log = refused(&bed);
            assert!(log.contains(word) && log.contains(value), "{variable}={value}: {log}");
            assert_eq!(count(&bed.home()), 0, "{variable}={value} makes imgurd write to another directory");
            assert!(!bed.socket().exists(), "{variable}={value}");
        }
    }
}

/// The XDG Base Directory Specification says so.
#[test]
fn empty_and_relative_xdg_directories_are_ignored() {
    for value in ["", "relative", "../relative", "."] {
        let bed = Testbed::memory();
        for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
            bed.set_env(variable, value);
        }
        let config = bed.home().join(".config/imgurd");
        fs::create_dir_all(&config).unwrap();
        fs::copy(bed.config_file(), config.join("config.toml")).unwrap();
        bed.daemon();
        assert!(bed.home().join(".local/state/imgurd/lock").exists(), "{value:?}");
        assert_eq!(count(&bed.home()), 2, "{value:?} is used as a relative directory");
        assert!(!bed.root().join("relative").exists());
    }
}

/// Listens at the daemon's socket path, and prints what it receives.
const STRANGER: &str = "import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); s.listen()
print('listening', flush=True)
while True:
    print('heard', s.accept()[0].recv(4096), flush=True)
";

#[test]
fn imgurctl_sends_nothing_to_a_socket_of_another_user() {
    if !needs_root("another user, who listens") {
        return;
    }
    let bed = Testbed::memory();
    let theirs = bed.root().join("theirs");
    make(&theirs, 0o700);
    give_to_nobody(&theirs);
    give_to_nobody(bed.root());
    let socket = theirs.join("socket");
    let mut command = bed.command("setpriv");
    command.args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        STRANGER,
    ]);
    command.arg(&socket).current_dir("/");
    let mut stranger = bed.start(command);
    assert_eq!(stranger.line().as_deref(), Some("listening"));
    let arguments = ["--socket", socket.to_str().unwrap(), "import"];
    let output = bed.ctl_with(&arguments, "a-refresh-token-of-mine").exits(5);
    assert!(output.complaint().contains("another user"), "{}", output.stderr);
    assert_eq!(stranger.line().as_deref(), Some("heard b''"));
}

#[test]
fn an_unwritable_state_directory_is_named_with_advice() {
    if !needs_root("another user, whom permissions bind") {
        return;
    }
    for missing in [false, true] {
        let bed = Testbed::memory();
        let state = bed.state_home();
        let closed = if missing { state.clone() } else { state.join("imgurd") };
        make(&closed, 0o700);
        for path in [bed.root(), &state, &closed, &bed.runtime_dir(), &bed.config_home()] {
            give_to_nobody(path);
        }
        fs::set_permissions(&closed, Permissions::from_mode(0o500)).unwrap();
        bed.launch_by(AS_NOBODY);
        let log = refused(&bed);
        let advice = format!("run `chmod u+rwx {}`", closed.display());
        assert!(log.contains(&advice) && !log.contains("remove it"), "{log}");
    }
}
