//! The Debian package as `make deb` builds it: its files, and its scripts at installation and removal.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgurd_tests::testbed::Testbed;

use super::home::{Home, UNITS};
use super::{contents, install, repository};

/// A package with this version.
pub(super) fn package(bed: &Testbed, version: &str) -> PathBuf {
    pack(bed, &staged(bed), version)
}

/// A staging directory with the installed files, whose programs are stripped.
pub(super) fn staged(bed: &Testbed) -> PathBuf {
    let stage = bed.root().join("stage");
    install(bed, &["install", "PREFIX=/usr", &format!("DESTDIR={}", stage.display())]);
    let mut strip = bed.command("strip");
    strip.args(["imgurd", "imgurctl"].map(|name| stage.join("usr/bin").join(name)));
    bed.start(strip).finish().success();
    stage
}

/// Runs a command that may take longer than a test usually waits, and returns its output.
pub(super) fn finish(mut command: Command) -> String {
    let output = command.output().unwrap();
    let [printed, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{command:?}: {printed}{errors}");
    printed
}

/// Packs the staging directory, and removes it.
pub(super) fn pack(bed: &Testbed, stage: &Path, version: &str) -> PathBuf {
    let output = bed.root().join(version);
    let mut build = bed.command(repository().join("systemd/packaging/debian/build"));
    // Compressing unoptimised programs would take longer than everything else.
    build.env("SOURCE_DATE_EPOCH", "1700000000").env("COMPRESSION", "none");
    build.arg(stage).arg(version).arg(&output);
    finish(build);
    fs::remove_dir_all(stage).unwrap();
    contents(&output).pop().unwrap()
}

/// dpkg without other packages' triggers, and without syncing the disk.
pub(super) const DPKG: [&str; 3] = ["dpkg", "--no-triggers", "--force-unsafe-io"];

fn dpkg(home: &Home, arguments: &[&str]) {
    home.machine.run("root", &[&DPKG[..], arguments].concat()).success();
}

fn bring(home: &Home, package: &Path) {
    fs::copy(package, home.machine.file("/opt/imgurd.deb")).unwrap();
    dpkg(home, &["--install", "/opt/imgurd.deb"]);
}

#[test]
fn the_package_starts_imgurd_for_all_users_and_purge_keeps_settings() {
    let Some(home) = Home::new() else { return };
    // This file would forbid packages to start services, as in some containers.
    home.machine.run("root", &["rm", "-f", "/usr/sbin/policy-rc.d"]).success();
    let bed = Testbed::new();
    let found = || {
        let find = ["find", "/etc", "/home", "/usr", "/var", "-xdev", "-name", "*imgur*"];
        home.machine
            .run("root", &find)
            .success()
            .stdout
            .lines()
            .map(ToOwned::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let before = found();

    bring(&home, &package(&bed, "0.1.0"));
    assert_eq!(home.each_unit("is-enabled"), ["enabled"; 3]);
    assert_eq!(home.each_unit("is-active"), ["active"; 3]);
    assert_eq!(home.property("FragmentPath"), "/usr/lib/systemd/user/imgurd.service");
    home.run(&["/usr/bin/imgurctl", "init", "--store", "file"]).success();
    // A new user gets the service too, unless he masks it.
    home.machine.add_user("bob");
    home.machine.run("bob", &["systemctl", "--user", "is-system-running", "--wait"]);
    home.machine.run("bob", &["systemctl", "--user", "is-active", UNITS[0]]).success();
    home.machine
        .run("bob", &["systemctl", "--user", "mask", "--now", UNITS[0], UNITS[1], UNITS[2]])
        .success();

    let old = home.property("MainPID");
    bring(&home, &package(&bed, "0.2.0"));
    assert_ne!(home.property("MainPID"), old, "the new version runs");
    assert_eq!(home.each_unit("is-active"), ["active"; 3]);
    home.machine.run("bob", &["systemctl", "--user", "is-active", UNITS[0]]).exits(3);

    dpkg(&home, &["--remove", "imgurd"]);
    assert_eq!(home.each_unit("is-active"), ["inactive"; 3]);
    dpkg(&home, &["--purge", "imgurd"]);
    let left: Vec<_> = found().difference(&before).cloned().collect();
    let is_theirs = |path: &String| path.starts_with("/home/alice/") || path.starts_with("/home/bob/");
    assert!(left.iter().all(is_theirs), "{left:#?}");
    assert!(left.contains(&"/home/alice/.config/imgurd".to_owned()), "the user's settings remain: {left:#?}");
}

#[test]
fn the_package_has_its_files_where_debian_expects_them() {
    let bed = Testbed::new();
    let package = package(&bed, "0.1.0");
    let unpacked = bed.root().join("unpacked");
    let mut extract = bed.command("dpkg-deb");
    extract.arg("--extract").arg(package).arg(&unpacked);
    bed.start(extract).finish().success();
    for file in [
        "usr/bin/imgurd",
        "usr/lib/systemd/user/imgurd.service",
        "usr/share/zsh/vendor-completions/_imgurctl",
    ] {
        assert!(unpacked.join(file).is_file(), "{file}");
    }
    let service = fs::read_to_string(unpacked.join("usr/lib/systemd/user/imgurd.service")).unwrap();
    assert!(
        service.contains("\nConditionUser=!@system\n") && service.contains("\nExecStart=/usr/bin/imgurd\n")
    );
    let stray = |path: &PathBuf| path.ends_with("share/imgurd") || path.ends_with("share/systemd");
    assert!(!contents(&unpacked).iter().any(stray));
}
