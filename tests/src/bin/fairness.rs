//! What a program that asks as fast as it can does to another one's calls: after `cargo build --release --workspace`,
//! `target/release/fairness`, as root with `--real-time`. It measures, and judges nothing: a busy machine is no judge.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "what it prints is what it is for, and a figure that cannot be had is no figure"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use futures_util::future::join_all;
use imgurd_proto::dbus::KeeperProxy;
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Scene, Testbed};

/// A call for a token, as it is on the wire.
const CALL: &[u8] = b"{\"method\":\"org.imgurd.Keeper1.GetToken\"}\0";

/// How much the flooder has under way.
const AT_ONCE: usize = 64;

/// The victim is a program that asks once in a while.
const PAUSE: Duration = Duration::from_millis(1);

/// Measures how long a token takes, quiet and beside a program that asks as fast as it can.
#[derive(Debug, Parser)]
struct Options {
    /// How many calls are timed in each case and round
    #[arg(long, default_value_t = 2000)]
    calls: usize,
    /// How often all cases are gone through
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Let the daemon and the victim run whenever they want to (chrt(1)), so that nobody else's work is measured
    #[arg(long)]
    real_time: bool,
    /// The victim connects anew for each call, as imgurctl does
    #[arg(long)]
    connect: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Asks as fast as it can until its standard input ends, then says how often it was answered
    #[command(hide = true)]
    Flood { way: Way, socket: PathBuf },
}

/// How a program floods the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Over one connection, without waiting for answers
    Pipelining,
    /// Over 64 connections, each with a call under way
    Connections,
    /// Over a new connection for each call, 64 at a time
    Connecting,
    /// Over D-Bus, with 64 calls under way
    Bus,
}

fn main() {
    let options = Options::parse();
    match options.role {
        Some(Role::Flood { way, socket }) => println!("{}", flood(way, &socket)),
        None => measure(&options),
    }
}

fn measure(options: &Options) {
    let bed = Testbed::memory();
    bed.set_env("RUST_LOG", "warn");
    let _bus = bed.bus();
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    if options.real_time {
        run_in_real_time(std::process::id());
        run_in_real_time(scene.daemon().id());
    }
    println!("{:<12} {:>9} {:>9} {:>9} {:>9}", "beside", "p50 µs", "p99 µs", "p99 ×", "floods/s");
    for _ in 0..options.rounds {
        let quiet = time(&scene, options);
        println!("{:<12} {:>9} {:>9}", "nobody", quiet.p50, quiet.p99);
        for way in Way::value_variants() {
            let flooder = Flooder::start(&scene.bed, *way);
            let begin = Instant::now();
            let beside = time(&scene, options);
            let rate = flooder.finish() as f64 / begin.elapsed().as_secs_f64();
            let name = way.to_possible_value().unwrap();
            let times = beside.p99 as f64 / quiet.p99 as f64;
            println!("{:<12} {:>9} {:>9} {times:>9.2} {rate:>9.0}", name.get_name(), beside.p50, beside.p99);
        }
    }
}

/// Of how long calls took, in microseconds.
struct Percentiles {
    p50: u128,
    p99: u128,
}

/// Lets a process run before all that are not in real time; what it starts from now on is not.
fn run_in_real_time(process: u32) {
    let process = process.to_string();
    let status = Command::new("chrt").args(["-R", "-f", "-p", "20", &process]).status().unwrap();
    assert!(status.success(), "only root may run in real time");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two calls is what makes it a modest program"
)]
fn time(scene: &Scene, options: &Options) -> Percentiles {
    let (socket, calls) = (scene.bed.socket(), options.calls);
    let mut connection = Connection::open(&socket);
    let mut times: Vec<_> = (0..calls)
        .map(|_| {
            thread::sleep(PAUSE);
            let begin = Instant::now();
            if options.connect {
                connection = Connection::open(&socket);
            }
            connection.ask();
            connection.take_answer();
            begin.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    Percentiles { p50: times[calls / 2], p99: times[calls * 99 / 100] }
}

struct Connection(BufReader<UnixStream>);

impl Connection {
    fn open(socket: &Path) -> Self {
        Self(BufReader::new(UnixStream::connect(socket).unwrap()))
    }

    fn ask(&mut self) {
        self.0.get_mut().write_all(CALL).unwrap();
    }

    fn take_answer(&mut self) {
        let mut answer = Vec::new();
        self.0.read_until(0, &mut answer).unwrap();
        assert!(answer.starts_with(b"{\"parameters\":{\"token\""), "{}", String::from_utf8_lossy(&answer));
    }
}

/// A process of its own, since the daemon is fair by process.
struct Flooder(Child);

impl Flooder {
    fn start(bed: &Testbed, way: Way) -> Self {
        let mut command: Command = bed.command(std::env::current_exe().unwrap());
        command.arg("flood").arg(way.to_possible_value().unwrap().get_name()).arg(bed.socket());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It is at work when it says so.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self(child)
    }

    /// How many answers it got.
    fn finish(mut self) -> u64 {
        drop(self.0.stdin.take());
        let mut count = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut count).unwrap();
        self.0.wait().unwrap();
        count.trim().parse().unwrap()
    }
}

/// Asks until standard input ends, and returns how often it was answered.
fn flood(way: Way, socket: &Path) -> u64 {
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        end.store(true, Ordering::Relaxed);
    });
    let goes_on = || !ended.load(Ordering::Relaxed);
    println!();
    match way {
        Way::Pipelining => pipeline(socket, goes_on),
        Way::Connections => take_turns(socket, goes_on, |_| {}),
        Way::Connecting => take_turns(socket, goes_on, |it| *it = Connection::open(socket)),
        Way::Bus => on_the_bus(goes_on),
    }
}

fn pipeline(socket: &Path, goes_on: impl Fn() -> bool) -> u64 {
    let stream = UnixStream::connect(socket).unwrap();
    let mut answers = stream.try_clone().unwrap();
    let answered = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&answered);
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = answers.read(&mut buffer) {
            let ends = buffer[..count].split(|byte| *byte == 0).count() - 1;
            counter.fetch_add(ends as u64, Ordering::Relaxed);
        }
    });
    let calls = CALL.repeat(AT_ONCE);
    while goes_on() {
        (&stream).write_all(&calls).unwrap();
    }
    answered.load(Ordering::Relaxed)
}

fn take_turns(socket: &Path, goes_on: impl Fn() -> bool, renew: impl Fn(&mut Connection)) -> u64 {
    let mut connections: Vec<_> = (0..AT_ONCE).map(|_| Connection::open(socket)).collect();
    connections.iter_mut().for_each(Connection::ask);
    let mut answered = 0;
    while goes_on() {
        for connection in &mut connections {
            connection.take_answer();
            renew(connection);
            connection.ask();
        }
        answered += AT_ONCE as u64;
    }
    answered
}

fn on_the_bus(goes_on: impl Fn() -> bool) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = zbus::Connection::session().await.unwrap();
        let keeper = KeeperProxy::new(&connection).await.unwrap();
        let mut answered = 0;
        while goes_on() {
            let answers = join_all((0..AT_ONCE).map(|_| keeper.get_token("", -1, -1))).await;
            answered += answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        }
        answered
    })
}
