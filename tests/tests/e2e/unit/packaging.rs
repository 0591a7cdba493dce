//! Packages and units that are right for users, configurations, directories and systems that their author did not have.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use imgurd_tests::testbed::{Machine, Testbed};

use super::home::{Home, UNITS, USER};
use super::package::package;
use super::{contents, install, make_as_it_is, repository};

/// Debian 13 (systemd 257), made once and kept below target/.
fn debian_13() -> PathBuf {
    let root = repository().join("target/debian-13");
    if !root.join("made").exists() {
        let _ = fs::remove_dir_all(&root);
        let packages = "--include=dbus,dbus-user-session,libpam-systemd,systemd-sysv,passwd,login";
        let made =
            Command::new("debootstrap").args(["--variant=minbase", packages, "trixie"]).arg(&root).output();
        let made = made.expect("debootstrap is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        fs::write(root.join("made"), "").unwrap();
    }
    root
}

fn upgrade_with_one_user_who_masks(machine: &Machine) {
    machine.run("root", &["rm", "-f", "/usr/sbin/policy-rc.d"]).success();
    let users = ["alice", "bob", "carol"];
    for user in users {
        machine.add_user(user);
    }
    let bed = Testbed::new();
    let bring = |version: &str| {
        fs::copy(package(&bed, version), machine.file("/opt/imgurd.deb")).unwrap();
        machine.run("root", &["dpkg", "--force-depends", "--install", "/opt/imgurd.deb"]).success();
    };
    bring("0.1.0");
    // The first of them, so that two come after; in all ways in which a unit can be in the way.
    let masks = ["systemctl", "--user", "mask", "--now", UNITS[0], UNITS[1], UNITS[2]];
    machine.run("alice", &masks).success();
    let process = |user: &str| {
        let show = ["systemctl", "--user", "show", "--value", "--property=MainPID", UNITS[0]];
        machine.run(user, &show).success().line().to_owned()
    };
    let old = users.map(process);
    assert_eq!(old[0], "0");
    bring("0.2.0");
    let new = users.map(process);
    assert_eq!(new[0], "0", "what is masked stays so");
    for user in 1..3 {
        assert!(new[user] != "0" && new[user] != old[user], "{} runs the old program", users[user]);
        machine.run(users[user], &["imgurctl", "status"]).success();
    }
}

#[test]
fn a_user_who_masks_the_units_keeps_nobody_from_the_new_version() {
    let Some(machine) = Machine::boot() else { return };
    upgrade_with_one_user_who_masks(&machine);
}

#[test]
fn the_same_on_debian_13() {
    if !imgurd_tests::testbed::needs_root("a machine of its own") {
        return;
    }
    let Some(machine) = Machine::boot_from(&debian_13()) else { return };
    upgrade_with_one_user_who_masks(&machine);
}

#[test]
fn a_bad_configuration_at_start_is_answered_at_once_until_it_is_mended() {
    let Some(home) = Home::installed() else { return };
    let file = "/home/alice/.config/imgurd/config.toml";
    home.machine.write(USER, file, "store = \"memory\"\nstoer = 1\n");
    home.systemctl(&["restart", UNITS[0]]).success();
    let began = Instant::now();
    let refused = home.ctl(&["token"]).exits(9);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(refused.complaint().contains(file) && refused.stderr.contains("line 2"), "{}", refused.stderr);
    let call =
        ["busctl", "--user", "call", "org.imgurd.Keeper1", "/org/imgurd/Keeper1", "org.imgurd.Keeper1"];
    let refused = home.run(&[&call[..], &["ListAccounts", "s", ""]].concat());
    assert!(refused.stderr.contains("line 2"), "{}", refused.stderr);
    assert_eq!(home.property("NRestarts"), "0");
    home.machine.run("root", &["journalctl", "--sync"]).success();
    let errors = home.run(&["journalctl", "--user", "--unit=imgurd", "--priority=err", "--output=cat"]);
    assert!(errors.success().stdout.contains("line 2"));

    let process = home.property("MainPID");
    home.machine.write(USER, file, "store = \"memory\"\n");
    home.ctl(&["status"]).success();
    home.run(&[&call[..], &["ListAccounts", "s", ""]].concat()).success();
    assert_eq!(home.property("MainPID"), process);
}

#[test]
fn directories_that_environment_d_moves_can_be_written_to() {
    let Some(home) = Home::installed() else { return };
    let text = "XDG_STATE_HOME=/home/alice/my state\nXDG_CONFIG_HOME=/home/alice/my%config\n";
    home.machine.write(USER, "/home/alice/.config/environment.d/x.conf", text);
    home.systemctl(&["daemon-reload"]).success();
    home.systemctl(&["restart", UNITS[0]]).success();
    home.ctl(&["account", "add", "first", "--client-id", "x", "--flow", "pin"]);
    let config = fs::read_to_string(home.machine.file("/home/alice/my%config/imgurd/config.toml")).unwrap();
    assert!(config.contains("[accounts.first]"));
    assert!(home.machine.file("/home/alice/my state/imgurd/lock").exists());
}

#[test]
fn a_home_of_odd_characters_is_installed_into() {
    for name in ["a b", "50%", "q\"uote", "o'neil", "ümlaut", "do$llar", "a&b|c"] {
        let bed = Testbed::new();
        let home = bed.root().join(name);
        fs::create_dir(&home).unwrap();
        bed.set_env("HOME", &home);
        bed.set_env("XDG_RUNTIME_DIR", bed.root());
        install(&bed, &["install"]);
        let unit = home.join(".local/share/systemd/user/imgurd.service");
        let mut verify = bed.command("systemd-analyze");
        verify.args(["--user", "verify"]).arg(&unit);
        let said = bed.start(verify).finish().stderr;
        assert!(!said.contains("imgurd"), "{name}: {said}");
        install(&bed, &["uninstall"]);
        assert!(!contents(&home).iter().any(|path| path.ends_with("imgurd")), "{name}");
    }
}

/// A package made with this umask, and the notes on its files.
fn made_with(umask: &str, room: &Path) -> Vec<u8> {
    let bed = Testbed::new();
    let stage = room.join("stage");
    let inner = make_as_it_is(&bed);
    let make: Vec<_> = inner.get_args().map(|it| it.to_string_lossy().into_owned()).collect();
    let programs = imgurd_tests::testbed::binary("imgurd").parent().unwrap().display().to_string();
    let script = format!(
        "umask {umask} && make \"$@\" CARGO=true STATIC= BUILT={programs} PREFIX=/usr DESTDIR={0} install >&2 &&
         COMPRESSION=none {1}/systemd/packaging/debian/build {0} 1.0 {2}",
        stage.display(),
        repository().display(),
        room.display()
    );
    let mut sh = bed.command("sh");
    sh.args(["-c", &script, "sh"]).args(make);
    bed.start(sh).finish().success();
    let library = fs::metadata(stage.join("usr/lib")).unwrap();
    assert_eq!(library.permissions().mode() & 0o777, 0o755, "umask {umask}");
    let package = contents(room).into_iter().find(|path| path.extension().is_some_and(|it| it == "deb"));
    fs::read(package.unwrap()).unwrap()
}

#[test]
fn the_package_depends_on_no_umask_and_no_directory() {
    let bed = Testbed::new();
    let packages = [("022", "one"), ("077", "another/place")].map(|(umask, place)| {
        let room = bed.root().join(place);
        fs::create_dir_all(&room).unwrap();
        fs::set_permissions(&room, Permissions::from_mode(0o755)).unwrap();
        made_with(umask, &room)
    });
    assert!(packages[0] == packages[1], "the packages differ");
}

#[test]
fn the_package_declares_the_glibc_it_is_linked_to_and_passes_lintian() {
    let bed = Testbed::new();
    let package = package(&bed, "1.0.0");
    let mut field = bed.command("dpkg-deb");
    field.arg("--field").arg(&package).arg("Depends");
    assert!(bed.start(field).finish().success().stdout.contains("libc6 (>= 2."));
    let mut lintian = bed.command("lintian");
    // The programs that are tested have their symbols; those that are given out are stripped.
    lintian
        .args(["--allow-root", "--fail-on=error", "--suppress-tags=unstripped-binary-or-object"])
        .arg(&package);
    let found = bed.start(lintian).finish();
    assert_eq!(found.code, Some(0), "{}", found.stdout);
}

#[test]
fn a_crate_without_a_licence_fails_the_notices_by_name() {
    let bed = Testbed::new();
    let cargo = bed.root().join("cargo");
    let metadata = format!(
        r#"{{"packages":[{{"name":"bare","version":"1.0.0","license":"MIT","source":"x","manifest_path":"{}/Cargo.toml"}}]}}"#,
        bed.home().display()
    );
    let text = format!("#!/bin/sh\ncase $1 in tree) echo 'bare v1.0.0' ;; *) echo '{metadata}' ;; esac\n");
    fs::write(&cargo, text).unwrap();
    fs::set_permissions(&cargo, Permissions::from_mode(0o755)).unwrap();
    let mut notices = bed.command(repository().join("systemd/packaging/notices"));
    notices.env("CARGO", &cargo).env("RUSTC", "true");
    let output = bed.start(notices).finish().exits(1);
    assert!(output.stderr.contains("bare v1.0.0"), "{}", output.stderr);
}
