//! The short form of `make soak`: kills at random instants, and callers without a pause.

use std::process::Command;

use imgurd_tests::testbed::binary;

#[test]
fn no_kill_costs_a_grant_that_was_saved_and_no_load_makes_the_daemon_grow() {
    let output = Command::new(binary("soak")).arg("--short").output().unwrap();
    let figures = String::from_utf8_lossy(&output.stdout);
    println!("{figures}");
    assert!(output.status.success(), "{figures}\n{}", String::from_utf8_lossy(&output.stderr));
}
