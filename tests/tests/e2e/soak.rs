//! The short form of `make soak`: kills at random instants, and thousands of callers.

use std::process::Command;

use imgurd_tests::testbed::binary;

#[test]
fn no_kill_costs_a_grant_that_was_saved_and_no_call_leaves_anything_behind() {
    let output = Command::new(binary("soak")).arg("--short").output().unwrap();
    let figures = String::from_utf8_lossy(&output.stdout);
    println!("{figures}");
    assert!(output.status.success(), "{figures}\n{}", String::from_utf8_lossy(&output.stderr));
}
