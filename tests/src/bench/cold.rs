//! The time from a call to a socket without a daemon, as after login, until the token arrives.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Extent;
use super::caller::{CALL, Caller};
use super::figure::{Figure, Unit};
use super::site::{as_the_service, server, service_environment};
use super::table::{Goal, Row};
use crate::fake::PATIENCE;
use crate::testbed::{Scene, Testbed, binary};

/// The environment variables that the daemon needs besides those of the unit.
const PASSED: [&str; 6] = [
    "HOME",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
];

pub(super) fn rows(extent: Extent) -> Vec<Row> {
    let bed = Testbed::file();
    as_the_service(&bed);
    let bus = bed.bus();
    let mut scene = Scene::new(bed, server()).imported();
    assert!(scene.stop().success(), "a clean end");
    let (mut answers, mut tokens) = (Vec::new(), Vec::new());
    for _ in 0..extent.rounds {
        tokens.push(activated(&scene.bed, CALL));
        answers.push(activated(&scene.bed, b"{\"method\":\"org.varlink.service.GetInfo\"}\0"));
    }
    drop(bus);
    let what = "socket-activated start until the first token, file store";
    vec![
        Row::alone(what, Figure::of(&tokens), Goal::most(0.060, Unit::Seconds)),
        // The rest is the key derivation of the file store and reading the grant.
        Row::alone("of which until it answers at all", Figure::of(&answers), Goal::Open),
    ]
}

/// systemd's own helper listens in place of the service manager, and executes the daemon at the first call
/// (systemd-socket-activate(1)).
fn activated(bed: &Testbed, call: &[u8]) -> Duration {
    let socket = bed.root().join("activated");
    let _ = fs::remove_file(&socket);
    let mut command: Command = bed.command("systemd-socket-activate");
    command.arg("--listen").arg(&socket);
    let passed = service_environment().into_iter().map(|(name, _)| name).chain(PASSED);
    command.args(passed.flat_map(|name| ["--setenv", name]));
    command.arg(binary("imgurd")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut daemon = command.spawn().expect("systemd-socket-activate is installed (Debian: systemd)");
    let deadline = Instant::now() + PATIENCE;
    // The file exists before the helper listens. The first connection starts the daemon.
    let (begin, mut caller) = loop {
        let begin = Instant::now();
        match Caller::try_connect(&socket) {
            Ok(caller) => break (begin, caller),
            Err(error) => assert!(Instant::now() < deadline, "no program listens: {error}"),
        }
        std::thread::yield_now();
    };
    caller.ask(call);
    let answer = caller.answer();
    assert!(!String::from_utf8_lossy(answer).contains("\"error\""), "an answer");
    let span = begin.elapsed();
    let _ = daemon.kill();
    let _ = daemon.wait();
    span
}
