//! The programs write each file as a new one, with mode 0600, sync it, and then rename it. The tests check this in
//! the system calls.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imgurd_tests::fake::{Behaviour, Fake, Rotation};
use imgurd_tests::testbed::{Call, FILE_CALLS, Scene, Testbed};

/// The directories of imgurd's files, without sockets and logs.
struct Ours([PathBuf; 2]);

impl Ours {
    fn of(bed: &Testbed) -> Self {
        Self([bed.config_home(), bed.state_home()])
    }

    fn has(&self, path: &Path) -> bool {
        self.0.iter().any(|ours| path.starts_with(ours))
    }

    /// Checks all calls, and returns the names of the written files, so that the test knows which calls were checked.
    #[track_caller]
    fn assert_durable(&self, calls: &[Call]) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        for call in calls.iter().filter(|call| call.succeeded()) {
            match call.name.as_str() {
                "open" | "openat" | "creat" => self.check_opening(call),
                "mkdir" | "mkdirat" => self.check_directory(call, calls),
                "rename" | "renameat" | "renameat2" => named.extend(self.check_rename(call, calls)),
                _ => {}
            }
        }
        named
    }

    /// A file that is opened for writing must be new, and have mode 0600 from the start.
    #[track_caller]
    fn check_opening(&self, call: &Call) {
        let path = &call.paths()[0];
        let writes =
            call.name == "creat" || call.arguments.contains("O_WRONLY") || call.arguments.contains("O_RDWR");
        if !writes || !self.has(path) {
            return;
        }
        assert!(call.arguments.ends_with(", 0600)"), "{call:?} does not use mode 0600");
        let (is_new, grows) = (call.arguments.contains("O_EXCL"), call.arguments.contains("O_APPEND"));
        // Only the lock file may exist already: nothing is written to it.
        assert!(is_new || grows || path.ends_with("imgurd/lock"), "{call:?} may overwrite an existing file");
        assert!(!call.arguments.contains("O_TRUNC"), "{call:?}");
    }

    /// A new directory must have mode 0700, and its parent must be synced.
    #[track_caller]
    fn check_directory(&self, call: &Call, calls: &[Call]) {
        let path = &call.paths()[0];
        if self.has(path) {
            assert!(call.arguments.ends_with(", 0700)"), "{call:?}");
            assert!(
                is_synced(path.parent().unwrap(), call.end..usize::MAX, calls),
                "the directory of {call:?} is not synced"
            );
        }
    }

    /// A renamed file must have been synced after its last write. The directory must be synced after the rename.
    #[track_caller]
    fn check_rename(&self, call: &Call, calls: &[Call]) -> Option<String> {
        let [from, to] = <[PathBuf; 2]>::try_from(call.paths()).unwrap();
        if !self.has(&to) {
            return None;
        }
        // `oo7` first renames the file within its working directory.
        let source = calls.iter().rev().find(|earlier| {
            earlier.end < call.begin && earlier.name.starts_with("rename") && earlier.paths()[1] == from
        });
        let (made, until) =
            source.map_or((from.clone(), call.begin), |earlier| (earlier.paths()[0].clone(), earlier.begin));
        let written = calls
            .iter()
            .filter(|it| it.end < call.begin && writes(it, &[&made, &from]))
            .map(|it| it.end)
            .max();
        let written = written.unwrap_or_else(|| panic!("{} is not written before {call:?}", made.display()));
        assert!(is_synced(&made, written..until, calls), "{} is not synced before {call:?}", made.display());
        let name = to.file_name().unwrap().to_str().unwrap().to_owned();
        if to.extension().is_some_and(|extension| extension == "work") {
            return None;
        }
        assert!(
            is_synced(to.parent().unwrap(), call.end..usize::MAX, calls),
            "the directory of {call:?} is not synced"
        );
        Some(name)
    }
}

fn writes(call: &Call, files: &[&PathBuf]) -> bool {
    let is_write = matches!(call.name.as_str(), "write" | "pwrite64" | "writev" | "ftruncate");
    is_write && call.file().is_some_and(|file| files.contains(&&file))
}

/// Whether a sync of the file begins and ends within these lines of the trace.
fn is_synced(file: &Path, lines: std::ops::Range<usize>, calls: &[Call]) -> bool {
    calls.iter().any(|call| {
        let is_sync = matches!(call.name.as_str(), "fsync" | "fdatasync") && call.result == "0";
        is_sync && call.file().as_deref() == Some(file) && lines.start < call.begin && call.end < lines.end
    })
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn each_file_that_the_daemon_writes_survives_a_power_loss() {
    let mut scene = Scene::file(Behaviour { rotation: Rotation::Plain, ..Behaviour::default() });
    let ours = Ours::of(&scene.bed);
    let daemon = scene.take_daemon();
    let strace = scene.bed.watch_calls(&daemon, FILE_CALLS);
    scene.bed.sign_in(&scene.fake, "mytoken");
    scene.refresh();
    scene
        .ctl_with(&["account", "add", "second", "--client-id", "x", "--client-secret-stdin"], "secret")
        .success();
    scene.ctl(&["account", "set", "--scope", "all"]).success();
    scene.ctl(&["auto-refresh", "off"]).success();
    scene.ctl(&["account", "remove", "second"]).success();
    scene.ctl(&["logout"]).success();
    assert_eq!(ours.assert_durable(&strace.detach()), names(["config.toml", "grants.keyring", "stored"]));
    drop(daemon);
}

#[test]
fn the_files_of_init_survive_a_power_loss() {
    let bed = Testbed::new();
    let ours = Ours::of(&bed);
    let (output, calls) = bed.trace("imgurctl", &["init", "--store", "file"]);
    output.success();
    assert_eq!(ours.assert_durable(&calls), names(["config.toml", "key"]));

    // The start is normal until it fails for want of a socket.
    let (output, calls) = bed.trace("imgurd", &["--no-dbus", "--socket", "/dev/null/socket"]);
    output.exits(1);
    let lock = bed.state_home().join("imgurd/lock");
    let made = calls.iter().find(|call| call.paths().contains(&lock)).expect("imgurd creates the lock file");
    assert!(made.arguments.ends_with(", 0600)"), "{made:?}");
}

#[test]
fn a_new_state_directory_survives_a_power_loss() {
    let bed = Testbed::file();
    let state = bed.state_home().join("imgurd");
    let ours = Ours::of(&bed);
    let daemon = bed.daemon();
    std::fs::rename(&state, bed.root().join("state-away")).unwrap();
    let strace = bed.watch_calls(&daemon, FILE_CALLS);
    bed.account(&Fake::start(Behaviour::default()), "mytoken");
    let calls = strace.detach();
    let mut made = calls.iter().filter(|call| call.name.starts_with("mkdir") && call.succeeded());
    assert!(made.any(|call| call.paths()[0] == state), "{calls:?}");
    assert_eq!(ours.assert_durable(&calls), names(["config.toml", "grants.keyring"]));
}

#[test]
fn a_failed_write_keeps_the_old_configuration() {
    let scene = Scene::memory(Behaviour::default());
    let directory = scene.bed.config_file().parent().unwrap().to_owned();
    let files = || std::fs::read_dir(&directory).unwrap().count();
    let (before, count) = (std::fs::read(scene.bed.config_file()).unwrap(), files());
    for fault in ["fsync:error=EIO", "/^rename:error=ENOSPC", "/^rename:error=EROFS"] {
        let strace = scene.inject(fault);
        let output = scene.ctl(&["account", "set", "--scope", "all"]).exits(9);
        assert!(output.complaint().contains("imgurd cannot write"), "{}", output.stderr);
        strace.detach();
        assert!(std::fs::read(scene.bed.config_file()).unwrap() == before);
        assert_eq!(files(), count, "no temporary files remain");
    }
    scene.ctl(&["account", "set", "--scope", "all"]).success();
}

#[test]
fn a_failed_write_of_the_key_leaves_no_file() {
    let bed = Testbed::new();
    for fault in ["fsync:error=EIO", "write:error=ENOSPC", "/^(rename|link):error=EROFS"] {
        let mut init = bed.command("strace");
        init.args(["-f", "-o", "/dev/null", "-e", &format!("inject={fault}")]);
        init.arg(imgurd_tests::testbed::binary("imgurctl")).args(["init", "--store", "file"]);
        assert_eq!(bed.start(init).finish().code, Some(1), "{fault}");
        assert_eq!(std::fs::read_dir(bed.config_home().join("imgurd")).unwrap().count(), 0, "{fault}");
    }
    bed.ctl(&["init", "--store", "file"]).success();
}
