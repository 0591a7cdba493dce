//! Checks of the unit files without a service manager.

use std::path::PathBuf;

use imgurd_tests::testbed::{Output, Testbed};

use super::install;

const UNITS: [&str; 3] = ["imgurd.service", "imgurd.socket", "imgurd-remote.socket"];

/// The units as they are installed.
fn units(bed: &Testbed) -> Vec<PathBuf> {
    let prefix = bed.root().join("prefix");
    install(bed, &["install", &format!("PREFIX={}", prefix.display())]);
    UNITS.map(|unit| prefix.join("share/systemd/user").join(unit)).into()
}

fn analyze(bed: &Testbed, arguments: &[&str], units: &[PathBuf]) -> Output {
    let mut command = bed.command("systemd-analyze");
    command.arg("--user").args(arguments).args(units);
    bed.start(command).finish()
}

#[test]
fn systemd_has_nothing_to_say_of_the_units() {
    let bed = Testbed::new();
    let output = analyze(&bed, &["verify"], &units(&bed)).success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
}

#[test]
fn a_mistake_in_a_unit_would_be_noticed() {
    let bed = Testbed::new();
    let units = units(&bed);
    let text = std::fs::read_to_string(&units[0]).unwrap();
    std::fs::write(&units[0], text.replace("ProtectHome=", "ProtectHouse=")).unwrap();
    // It still exits with 0.
    let complaint = analyze(&bed, &["verify"], &units).stderr;
    assert!(complaint.contains("ProtectHouse"), "{complaint}");
}

#[test]
fn the_service_is_exposed_to_no_more_than_1_8() {
    let bed = Testbed::new();
    let unit = &units(&bed)[..1];
    let security = |threshold: &str| {
        let threshold = format!("--threshold={threshold}");
        analyze(&bed, &["security", "--offline=true", "--no-pager", &threshold], unit)
    };
    security("18").success();
    security("10").exits(1);
}
