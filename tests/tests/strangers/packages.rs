//! The packages in `proto/python` and `proto/js`, as type checkers and package indexes see them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgurd_tests::stranger::{modules, node, python};
use imgurd_tests::testbed::Testbed;
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs a checker to its end, however long it takes.
fn succeeds(mut checker: Command) {
    let output = checker.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

#[test]
fn package_versions_equal_the_daemons() {
    let read = |file: &str| fs::read_to_string(repository().join(file)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let package: Value = serde_json::from_str(&read("proto/js/package.json")).unwrap();
    assert_eq!(package["version"], version, "set it in proto/js/package.json");
    let project = read("proto/python/pyproject.toml");
    let line = format!("version = \"{version}\"");
    assert!(project.lines().any(|it| it == line), "set it in proto/python/pyproject.toml: {line}");
}

#[test]
fn mypy_finds_nothing_in_the_python_package() {
    let bed = Testbed::new();
    let mut mypy = python(&bed);
    mypy.args(["-m", "mypy", "--strict", "--cache-dir"]).arg(bed.root().join("mypy"));
    mypy.arg(repository().join("proto/python/imgurd"));
    succeeds(mypy);
}

#[test]
fn tsc_finds_nothing_in_a_program_that_uses_the_javascript_package() {
    let bed = Testbed::new();
    let mut tsc = node(&bed);
    tsc.arg(modules().join("typescript/bin/tsc")).args([
        "--noEmit",
        "--strict",
        "--types",
        "node",
        "--typeRoots",
    ]);
    tsc.arg(modules().join("@types")).args(["--target", "es2022", "--module", "nodenext"]);
    tsc.arg(repository().join("tests/strangers/imgurd_types.ts"));
    succeeds(tsc);
}
