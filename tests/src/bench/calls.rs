//! A cached token over the socket, compared with an echo server.

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::Extent;
use super::caller::{CALL, Caller, alternate};
use super::core::on_one_core;
use super::echo::Echo;
use super::figure::{Figure, Unit};
use super::site::Site;
use super::table::{Goal, Row};

/// The number of connections for the throughput.
const CONNECTIONS: usize = 64;

/// The number of threads that share these connections.
const THREADS: usize = 4;

pub(super) fn rows(extent: Extent) -> Vec<Row> {
    let mut rows = on_one_core(|| {
        with_echo(|socket, limit| vec![open(socket, limit, extent), each(socket, limit, extent)])
    });
    rows.extend(with_echo(|socket, limit| vec![throughput(socket, limit, extent)]));
    rows
}

fn with_echo(rows: impl FnOnce(&Path, &Path) -> Vec<Row>) -> Vec<Row> {
    let site = Site::memory();
    let (socket, limit) = (site.socket(), site.scene.bed.root().join("echo"));
    let _echo = Echo::start(&limit, answer_of(&socket));
    rows(&socket, &limit)
}

/// The length of an answer with a token.
pub(super) fn answer_of(socket: &Path) -> usize {
    let mut caller = Caller::connect(socket);
    caller.ask(CALL);
    caller.answer_with_token();
    caller.ask(CALL);
    caller.answer().len()
}

fn open(ours: &Path, limit: &Path, extent: Extent) -> Row {
    let (mut keeper, mut echo) = (Caller::connect(ours), Caller::connect(limit));
    let calls = |caller: &mut Caller| (0..extent.calls).map(|_| caller.time(CALL)).collect();
    let (ours, limit) = alternate(extent.rounds, || calls(&mut keeper), || calls(&mut echo));
    Row::alone("`GetToken`, open connection", Figure::of(&ours), Goal::Ratio(1.15))
        .against("tokio echo", Figure::of(&limit))
}

fn each(ours: &Path, limit: &Path, extent: Extent) -> Row {
    let calls = |socket: &Path| {
        let one = |_| {
            let begin = Instant::now();
            let mut caller = Caller::connect(socket);
            caller.ask(CALL);
            caller.answer();
            begin.elapsed()
        };
        (0..extent.calls).map(one).collect()
    };
    let (ours, limit) = alternate(extent.rounds, || calls(ours), || calls(limit));
    Row::alone("`GetToken`, a connection each", Figure::of(&ours), Goal::Ratio(1.35))
        .against("tokio echo, a connection each", Figure::of(&limit))
}

fn throughput(ours: &Path, limit: &Path, extent: Extent) -> Row {
    let (mut keeper, mut echo) = (Vec::new(), Vec::new());
    for _ in 0..extent.rounds {
        keeper.push(rate(ours, extent));
        echo.push(rate(limit, extent));
    }
    Row::alone("calls over 64 connections", Figure::median(keeper, Unit::PerSecond), Goal::Share(0.75))
        .against("tokio echo", Figure::median(echo, Unit::PerSecond))
}

/// Answers a second, with a call in progress on each connection at all times.
#[expect(clippy::cast_precision_loss, reason = "there are some thousands")]
fn rate(socket: &Path, extent: Extent) -> f64 {
    let (each, start) = (extent.calls * 4 / CONNECTIONS, Barrier::new(THREADS + 1));
    let (calls, elapsed) = thread::scope(|scope| {
        let caller = |_| {
            scope.spawn(|| {
                let mut callers: Vec<_> =
                    (0..CONNECTIONS / THREADS).map(|_| Caller::connect(socket)).collect();
                start.wait();
                for caller in &mut callers {
                    caller.ask(CALL);
                }
                for _ in 1..each {
                    for caller in &mut callers {
                        caller.answer();
                        caller.ask(CALL);
                    }
                }
                for caller in &mut callers {
                    caller.answer();
                }
            })
        };
        let threads: Vec<_> = (0..THREADS).map(caller).collect();
        start.wait();
        let begin = Instant::now();
        for thread in threads {
            thread.join().expect("a caller does not panic");
        }
        (each * CONNECTIONS, begin.elapsed())
    });
    calls as f64 / elapsed.max(Duration::from_nanos(1)).as_secs_f64()
}
