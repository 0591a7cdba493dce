//! A program that rarely calls, beside a program that calls without a pause.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use futures_util::future::join_all;
use imgurd_proto::dbus::KeeperProxy;

use super::Extent;
use super::caller::{CALL, Caller};
use super::figure::Figure;
use super::site::Site;
use super::table::{Goal, Row};
use crate::soak::pass;
use crate::testbed::Testbed;

/// The number of calls in progress in a flood.
const AT_ONCE: usize = 64;

/// The pause between two calls of the other program.
const PAUSE: Duration = Duration::from_millis(1);

/// How a program floods the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Flood {
    /// Over one connection, without waiting for answers
    Pipelining,
    /// Over 64 connections, each with a call under way
    Connections,
    /// Over a new connection for each call, 64 at a time
    Connecting,
    /// Over D-Bus, with 64 calls under way
    Bus,
}

pub(super) fn rows(extent: Extent) -> Vec<Row> {
    let site = Site::on_the_bus();
    let mut quiet = Vec::new();
    let beside = Flood::value_variants().iter().map(|way| {
        let mut times = Vec::new();
        for _ in 0..extent.rounds {
            quiet.extend(time(&site, extent));
            let _flood = FloodProcess::start(&site.scene.bed, *way);
            times.extend(time(&site, extent));
        }
        (way.to_possible_value().expect("every variant has a name"), times)
    });
    let beside: Vec<_> = beside.collect();
    let row = |(way, times): (clap::builder::PossibleValue, Vec<Duration>)| {
        let what = format!("`GetToken`, a connection each, beside a flood ({})", way.get_name());
        Row::alone(what, Figure::of(&times), Goal::Open).against("without one", Figure::of(&quiet))
    };
    beside.into_iter().map(row).collect()
}

fn time(site: &Site, extent: Extent) -> Vec<Duration> {
    let call = |_| {
        pass(PAUSE);
        let begin = Instant::now();
        let mut caller = Caller::connect(&site.socket());
        caller.ask(CALL);
        caller.answer_with_token();
        begin.elapsed()
    };
    (0..extent.calls).map(call).collect()
}

/// The flood in its own process, because the daemon takes turns by process. Dropping it kills the process.
struct FloodProcess(Child);

impl FloodProcess {
    /// Returns when the flood has begun.
    fn start(bed: &Testbed, way: Flood) -> Self {
        let mut command: Command = bed.command(std::env::current_exe().unwrap());
        command.arg("flood").arg(way.to_possible_value().expect("every variant has a name").get_name());
        command.arg(bed.socket()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self(child)
    }
}

impl Drop for FloodProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Floods the daemon until standard input ends. Writes a byte when it begins.
pub fn flood(way: Flood, socket: &Path) {
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    thread::spawn(move || {
        let _ = io::stdin().read(&mut [0]);
        end.store(true, Ordering::Relaxed);
    });
    let goes_on = || !ended.load(Ordering::Relaxed);
    io::stdout().write_all(b"\n").and_then(|()| io::stdout().flush()).unwrap();
    match way {
        Flood::Pipelining => pipeline(socket, goes_on),
        Flood::Connections => take_turns(socket, goes_on, |_| {}),
        Flood::Connecting => take_turns(socket, goes_on, |caller| *caller = Caller::connect(socket)),
        Flood::Bus => flood_bus(goes_on),
    }
}

fn pipeline(socket: &Path, goes_on: impl Fn() -> bool) {
    let stream = UnixStream::connect(socket).unwrap();
    let mut answers = stream.try_clone().unwrap();
    thread::spawn(move || io::copy(&mut answers, &mut io::sink()));
    let calls = CALL.repeat(AT_ONCE);
    while goes_on() {
        (&stream).write_all(&calls).unwrap();
    }
}

fn take_turns(socket: &Path, goes_on: impl Fn() -> bool, renew: impl Fn(&mut Caller)) {
    let mut callers: Vec<_> = (0..AT_ONCE).map(|_| Caller::connect(socket)).collect();
    for caller in &mut callers {
        caller.ask(CALL);
    }
    while goes_on() {
        for caller in &mut callers {
            caller.answer_with_token();
            renew(caller);
            caller.ask(CALL);
        }
    }
}

fn flood_bus(goes_on: impl Fn() -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = zbus::Connection::session().await.unwrap();
        let keeper = KeeperProxy::new(&connection).await.unwrap();
        while goes_on() {
            for answer in join_all((0..AT_ONCE).map(|_| keeper.get_token("", -1, -1))).await {
                answer.expect("a token");
            }
        }
    });
}
