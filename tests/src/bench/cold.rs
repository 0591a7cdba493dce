//! From a call to a socket behind which no daemon runs, as after login, until its token comes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Extent;
use super::caller::{CALL, Caller};
use super::figure::{Figure, Unit};
use super::site::{as_the_service, server};
use super::table::{Goal, Row};
use crate::fake::PATIENCE;
use crate::testbed::{Scene, Testbed, binary};

pub(super) fn rows(extent: Extent) -> Vec<Row> {
    let bed = Testbed::file();
    as_the_service(&bed);
    let bus = bed.bus();
    let mut scene = Scene::new(bed, server()).imported();
    assert!(scene.stop().success(), "a clean end");
    let spans: Vec<_> = (0..extent.rounds).map(|_| activated(&scene.bed)).collect();
    drop(bus);
    vec![Row::alone(
        "socket-activated start until the first token, file store",
        Figure::of(&spans),
        Goal::most(0.060, Unit::Seconds),
    )]
}

/// systemd's own helper listens in place of the service manager, and becomes the daemon at the first call
/// (systemd-socket-activate(1)).
fn activated(bed: &Testbed) -> Duration {
    let socket = bed.root().join("activated");
    let _ = fs::remove_file(&socket);
    let mut command: Command = bed.command("systemd-socket-activate");
    command.arg("--listen").arg(&socket);
    for name in
        ["RUST_LOG", "MALLOC_ARENA_MAX", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME"]
    {
        command.args(["--setenv", name]);
    }
    command.args(["--setenv", "DBUS_SESSION_BUS_ADDRESS", "--setenv", "DBUS_SYSTEM_BUS_ADDRESS"]);
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
