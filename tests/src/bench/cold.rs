//! From a call to a socket behind which no daemon runs, as after login, until its token comes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Extent;
use super::caller::{CALL, Caller};
use super::figure::{Figure, Unit};
use super::site::{NAME, as_the_service, server, service_environment};
use super::table::{Goal, Row};
use crate::fake::PATIENCE;
use crate::testbed::{Scene, Testbed, binary};

/// What else the daemon is to find.
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
    let spans: Vec<_> = (0..extent.rounds).map(|_| activated(&scene.bed)).collect();
    drop(bus);
    let vault = scene.bed.vault();
    let opened: Vec<_> = (0..extent.rounds)
        .map(|_| {
            let begin = Instant::now();
            vault.get(NAME).expect("the grant is there");
            begin.elapsed()
        })
        .collect();
    let what = "socket-activated start until the first token, file store";
    vec![
        Row::alone(what, Figure::of(&spans), Goal::most(0.060, Unit::Seconds)),
        Row::alone("of which deriving the file's key, and reading it", Figure::of(&opened), Goal::Open),
    ]
}

/// systemd's own helper listens in place of the service manager, and becomes the daemon at the first call
/// (systemd-socket-activate(1)).
fn activated(bed: &Testbed) -> Duration {
    let socket = bed.root().join("activated");
    let _ = fs::remove_file(&socket);
    let mut command: Command = bed.command("systemd-socket-activate");
    command.arg("--listen").arg(&socket);
    let passed = service_environment().into_iter().map(|(name, _)| name).chain(PASSED);
    command.args(passed.flat_map(|name| ["--setenv", name]));
    command.arg(binary("imgurd")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut daemon = command.spawn().expect("systemd-socket-activate is installed (Debian: systemd)");
    let deadline = Instant::now() + PATIENCE;
    while !socket.exists() {
        assert!(Instant::now() < deadline, "nobody listens");
        std::thread::yield_now();
    }
    let begin = Instant::now();
    let mut caller = Caller::connect(&socket);
    caller.ask(CALL);
    caller.answer_with_token();
    let span = begin.elapsed();
    let _ = daemon.kill();
    let _ = daemon.wait();
    span
}
