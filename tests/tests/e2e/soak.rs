//! The short form of `make soak`: kills at random moments, and thousands of callers.

use std::process::Command;

use imgurd_tests::testbed::binary;

#[test]
fn kills_lose_no_saved_grant_and_calls_leak_nothing() {
    let output = Command::new(binary("soak")).arg("--short").output().unwrap();
    let figures = String::from_utf8_lossy(&output.stdout);
    println!("{figures}");
    assert!(output.status.success(), "{figures}\n{}", String::from_utf8_lossy(&output.stderr));
}
