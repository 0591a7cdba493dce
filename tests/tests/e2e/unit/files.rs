//! Checks of the unit files without a service manager.

use std::path::PathBuf;

use imgurd_tests::testbed::{Output, Testbed};

use super::install;

const UNITS: [&str; 3] = ["imgurd.service", "imgurd.socket", "imgurd-remote.socket"];

/// The installed unit files.
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
fn systemd_analyze_accepts_the_units() {
    let bed = Testbed::new();
    let output = analyze(&bed, &["verify"], &units(&bed)).success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
}

#[test]
fn systemd_analyze_finds_a_mistake_in_a_unit() {
    let bed = Testbed::new();
    let units = units(&bed);
    let text = std::fs::read_to_string(&units[0]).unwrap();
    std::fs::write(&units[0], text.replace("ProtectHome=", "ProtectHouse=")).unwrap();
    // systemd-analyze exits with 0 even then.
    let complaint = analyze(&bed, &["verify"], &units).stderr;
    assert!(complaint.contains("ProtectHouse"), "{complaint}");
}

#[test]
fn systemd_analyze_rates_the_exposure_of_the_service_at_most_1_8() {
    let bed = Testbed::new();
    let unit = &units(&bed)[..1];
    let security = |threshold: &str| {
        let threshold = format!("--threshold={threshold}");
        analyze(&bed, &["security", "--offline=true", "--no-pager", &threshold], unit)
    };
    security("18").success();
    security("10").exits(1);
}
