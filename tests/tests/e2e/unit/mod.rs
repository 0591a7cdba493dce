//! The installation: units, `make install`, the Debian package.

mod confined_service;
mod desktop;
mod files;
mod gateway;
pub(crate) mod home;
mod home_directories;
mod installation;
mod package;
mod packaging;
mod recipes;
mod restrictions;
mod service_lifecycle;
mod start_errors;
mod test_packages;

use std::path::{Path, PathBuf};
use std::process::Command;

use imgurd_tests::repository;
use imgurd_tests::testbed::{Testbed, binary};

/// `make` with these arguments. It installs the programs under test and builds none.
fn make(bed: &Testbed, arguments: &[&str]) -> Command {
    let programs = binary("imgurd").parent().unwrap().to_owned();
    let mut command = make_as_it_is(bed);
    command.args(["CARGO=true", "STATIC="]);
    command.arg(format!("BUILT={}", programs.display())).args(arguments);
    command
}

fn make_as_it_is(bed: &Testbed) -> Command {
    let mut command = bed.command("make");
    command.arg("--silent").arg("-C").arg(repository());
    command
}

/// Runs `make` with these arguments, which has to succeed, and returns its output.
fn install(bed: &Testbed, arguments: &[&str]) -> String {
    bed.start(make(bed, arguments)).finish().success().stdout
}

/// The first drop-in after these words in systemd/README.md, which must occur once.
fn drop_in_of_readme(words: &str) -> &'static str {
    let (_, after) = include_str!("../../../../systemd/README.md").split_once(words).unwrap();
    assert!(!after.contains(words), "{words}");
    let (drop_in, _) = after.split_once("```ini\n").unwrap().1.split_once("```").unwrap();
    drop_in
}

/// All files and directories below `directory`, sorted.
fn contents(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            all.extend(contents(&path));
        }
        all.push(path);
    }
    all.sort();
    all
}
