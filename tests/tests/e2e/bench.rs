//! The short form of `make bench`. It measures, but nothing checks the figures.

use std::process::Command;

use imgurd_tests::testbed::binary;

#[test]
fn each_measurement_is_in_the_table() {
    let mut bench = Command::new(binary("bench"));
    bench.args([
        "calls",
        "bus",
        "crowd",
        "fairness",
        "gateway",
        "cold",
        "many",
        "idle",
        "--rounds=1",
        "--calls=8",
        "--idle=1",
    ]);
    let output = bench.output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{table}\n{}", String::from_utf8_lossy(&output.stderr));
    for what in [
        "`GetToken`, open connection",
        "`GetToken` over D-Bus",
        "p99.9 of a cached token",
        "an expired token's successor",
        "beside a flood (connecting)",
        "beside a flood (bus)",
        "refresh at the gateway",
        "`GetToken`, gateway on",
        "PSS, gateway on",
        "socket-activated start",
        "memory of each further account",
        "idle after a refresh over TLS, keyring store: PSS",
        "wake-ups in 1 s without a caller, file store",
    ] {
        assert!(table.lines().any(|line| line.contains(what)), "{what} is not in it:\n{table}");
    }
}
