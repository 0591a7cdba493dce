//! Packages do not depend on the author's user, directory or system.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgurd_tests::testbed::{Machine, Testbed, binary};

use super::home::UNITS;
use super::package::{DPKG, finish, pack, package, staged};
use super::{contents, repository};

/// The files that `make dist` reads.
const SOURCES: [&str; 14] = [
    "Cargo.toml",
    "Cargo.lock",
    "Makefile",
    "proto",
    "daemon",
    "ctl",
    "tests",
    "systemd",
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "deny.toml",
];

fn upgrades_users_who_do_not_mask(machine: &Machine) {
    machine.run("root", &["rm", "-f", "/usr/sbin/policy-rc.d"]).success();
    let users = ["alice", "bob", "carol"];
    for user in users {
        machine.add_user(user);
    }
    let bed = Testbed::new();
    let install_version = |version: &str| {
        fs::copy(package(&bed, version), machine.file("/opt/imgurd.deb")).unwrap();
        machine.run("root", &[&DPKG[..], &["--install", "/opt/imgurd.deb"]].concat()).success()
    };
    install_version("0.1.0");
    // The first user masks the units, so that two users come after.
    let masks = ["systemctl", "--user", "mask", "--now", UNITS[0], UNITS[1], UNITS[2]];
    machine.run("alice", &masks).success();
    let process = |user: &str| {
        let show = ["systemctl", "--user", "show", "--value", "--property=MainPID", UNITS[0]];
        machine.run(user, &show).success().line().to_owned()
    };
    let old = users.map(process);
    assert_eq!(old[0], "0");
    let said = install_version("0.2.0");
    let new = users.map(process);
    assert_eq!(new[0], "0", "a masked unit is not started");
    for user in 1..3 {
        assert!(new[user] != "0" && new[user] != old[user], "{} still runs the old program", users[user]);
        machine.run(users[user], &["imgurctl", "status"]).success();
    }
    assert_eq!(said.stderr, "");
}

#[test]
fn a_user_who_masks_the_units_does_not_stop_the_upgrade_of_others() {
    let Some(machine) = Machine::boot() else { return };
    upgrades_users_who_do_not_mask(&machine);
}

#[test]
fn a_masking_user_does_not_stop_the_upgrade_of_others_on_debian_13() {
    let Some(machine) = Machine::boot_debian_13() else { return };
    upgrades_users_who_do_not_mask(&machine);
}

/// A client that prints the manual, and /bin/true in place of the daemon, so that packing is fast.
fn small_programs(bed: &Testbed) -> PathBuf {
    let built = bed.root().join("built");
    fs::create_dir(&built).unwrap();
    fs::copy("/bin/true", built.join("imgurd")).unwrap();
    let mut strip = bed.command("strip");
    strip.arg(binary("imgurctl")).arg("-o").arg(built.join("imgurctl"));
    bed.start(strip).finish().success();
    built
}

/// The files that `make dist` makes from sources in `room`, with this umask.
fn make_dist(bed: &Testbed, built: &Path, room: &Path, umask: &str) -> Vec<(PathBuf, Vec<u8>)> {
    fs::create_dir_all(room).unwrap();
    let mut copy = Command::new("cp");
    copy.arg("--recursive").args(SOURCES).arg(room).current_dir(repository());
    assert!(copy.status().unwrap().success());
    let make = r#"umask "$0" && exec make --silent -C "$1" CARGO=true STATIC= NOTICES=true BUILT="$2" TARGET="$3" dist"#;
    let target = room.join("target");
    let mut sh = bed.command("sh");
    sh.args(["-c", make, umask]).arg(room).arg(built).arg(&target);
    sh.env("SOURCE_DATE_EPOCH", "1700000000").env("COMPRESSION", "none").env("XZ_OPT", "-0");
    finish(sh);
    let dist = target.join("dist");
    let files = contents(&dist).into_iter();
    files.map(|path| (path.strip_prefix(&dist).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

#[test]
fn make_dist_does_not_depend_on_umask_or_directory() {
    let bed = Testbed::new();
    let built = small_programs(&bed);
    let [one, other] = [("022", "one"), ("077", "another/place")]
        .map(|(umask, place)| make_dist(&bed, &built, &bed.root().join(place), umask));
    let names = |files: &[(PathBuf, Vec<u8>)]| {
        files.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&one), names(&other));
    assert_eq!(one.len(), 6, "{:?}", names(&one));
    for ((path, one), (_, other)) in one.iter().zip(&other) {
        assert!(one == other, "{} differs", path.display());
    }
    let archive = bed.root().join("one/target/dist/imgurd.tar.xz");
    let mut list = bed.command("tar");
    list.args(["--list", "--verbose", "--file"]).arg(archive);
    let list = bed.start(list).finish().success().stdout;
    for (mode, file) in
        [("drwxr-xr-x", " usr/lib/"), ("-rw-r--r--", "/THIRD-PARTY-NOTICES"), ("-rwxr-xr-x", "/imgurd")]
    {
        assert!(list.lines().any(|line| line.starts_with(mode) && line.ends_with(file)), "{file}: {list}");
    }
}

#[test]
fn lintian_finds_no_error_in_the_package() {
    let bed = Testbed::new();
    let mut lintian = bed.command("lintian");
    // The test's package is not compressed.
    let suppress =
        "--suppress-tags=uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball";
    lintian.args(["--allow-root", "--fail-on=error", suppress]).arg(package(&bed, "1.0.0"));
    finish(lintian);
}

#[test]
fn the_package_depends_on_the_glibc_that_its_programs_need() {
    let bed = Testbed::new();
    let stage = staged(&bed);
    // Packed relocations need glibc 2.36.
    let source = bed.root().join("empty.c");
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let mut cc = bed.command("cc");
    cc.args(["-pie", "-fPIE", "-Wl,-z,pack-relative-relocs", "-o"])
        .arg(stage.join("usr/bin/imgurd"))
        .arg(source);
    bed.start(cc).finish().success();
    let mut field = bed.command("dpkg-deb");
    field.arg("--field").arg(pack(&bed, &stage, "1.0.0")).arg("Depends");
    let depends = bed.start(field).finish().success().stdout;
    let glibc = depends.split_once("libc6 (>= 2.").expect("glibc").1;
    assert!(glibc.split_once(')').unwrap().0.parse::<u32>().unwrap() >= 36, "{depends}");
}

#[test]
fn the_notices_fail_and_name_a_crate_without_a_licence() {
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
