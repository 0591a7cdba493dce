//! A steady load of calls during refreshes, and the daemon's resources meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use imgurd_proto::{Client, ClientError};

use super::figures::{Figures, ms};
use super::gauge::Gauge;
use super::site::{Ground, Site, Store, server};
use crate::dice::pass;
use crate::fake::{Endpoint, Rotation};

/// The number of callers that keep their connection, and of callers that make one for each call.
const CALLERS: (usize, usize) = (8, 2);

/// How often each of them calls, which makes 1,000 calls a second in total.
const EVERY: Duration = Duration::from_millis(10);

/// The number of samples.
const SAMPLES: u32 = 200;

/// The number of samples at the beginning that do not count.
const WARM_UP: usize = 40;

/// A shorter load is too short to be steady: memory and threads still grow as after every start.
const SETTLED: Duration = Duration::from_mins(5);

/// How much more the last quarter may use than the first.
struct Room {
    /// In KiB. When more refreshes coincide than ever before, malloc and the cache of thread stacks keep some hundred
    /// KiB, once. A leak of one KiB a refresh would be more.
    memory: f64,
    /// File descriptors and threads, which come and go with callers and saves.
    others: f64,
}

impl Room {
    /// Far less than a leak at each call would take and, after a long load, a leak at each refresh.
    fn after(duration: Duration) -> Self {
        if duration < SETTLED {
            Self { memory: 8192.0, others: 16.0 }
        } else {
            Self { memory: 1024.0, others: 2.0 }
        }
    }
}

/// The longest that a caller may wait while outputs of the daemon are stalled.
const LONGEST: Duration = Duration::from_millis(50);

/// Runs the load for this long, and returns a summary. Fails if a call fails or the daemon grows.
pub(super) fn run(duration: Duration) -> anyhow::Result<String> {
    let site = Site::new(Store::File, Ground::Testbed, server(Rotation::Plain, Duration::from_secs(4)), 4);
    Ok(put(site, duration)?.1)
}

/// The same while standard error has no reader, the disk of the state is full and no notification server runs. Tokens
/// outlive the run, so that no call waits for a refresh.
pub(super) fn run_stalled(duration: Duration) -> anyhow::Result<String> {
    let (site, _full) = Site::stalled(server(Rotation::Plain, Duration::from_hours(24)), 4);
    let (figures, words) = put(site, duration)?;
    // A debug build is slow, and the machine may be busy, so the time proves nothing there.
    ensure!(figures.longest < LONGEST || cfg!(debug_assertions), "A caller waited {}", ms(figures.longest));
    Ok(format!("with a log that nobody reads and a full disk, {words}, the longest {}", ms(figures.longest)))
}

fn put(mut site: Site, duration: Duration) -> anyhow::Result<(Figures, String)> {
    let (id, end) = (site.daemon().id(), Instant::now() + duration);
    let site = &site;
    let (gauges, spans) = thread::scope(|scope| {
        let caller = |number| scope.spawn(move || call(site, number, end));
        let callers: Vec<_> = (0..CALLERS.0 + CALLERS.1).map(caller).collect();
        let gauges = watch(id, duration);
        let spans = callers.into_iter().map(|caller| caller.join().expect("a caller does not panic"));
        (gauges, spans.collect::<Result<Vec<_>, _>>())
    });
    let spans = spans.context("A call failed")?.concat();
    let requests = site.fake.requests(Endpoint::Token).len();
    let calls = format!("{} calls in {} s", spans.len(), duration.as_secs());
    let figures = Figures::of(spans);
    println!("{calls}, {requests} refreshes beside them");
    println!("  a call took {figures}");
    flat(&gauges?, &Room::after(duration))?;
    let words =
        format!("{calls}: none failed, p99 {}, memory, descriptors and threads flat", ms(figures.p99));
    Ok((figures, words))
}

fn watch(id: u32, duration: Duration) -> anyhow::Result<Vec<Gauge>> {
    let sample = |_| {
        pass(duration / SAMPLES);
        Gauge::of(id)
    };
    (0..SAMPLES).map(sample).collect()
}

fn call(site: &Site, number: usize, end: Instant) -> Result<Vec<Duration>, ClientError> {
    let (mut client, lasts) = (site.bed.client(), number < CALLERS.0);
    let (mut next, mut spans) = (Instant::now(), Vec::new());
    while next < end {
        pass(next.saturating_duration_since(Instant::now()));
        let begin = Instant::now();
        if !lasts {
            client = Client::connect_to(&site.bed.socket())?;
        }
        client.get_token(Some(&site.accounts[number % site.accounts.len()].name))?;
        spans.push(begin.elapsed());
        next += EVERY;
    }
    Ok(spans)
}

/// Prints the means of the first and the last quarter. Fails if the last is higher than allowed.
fn flat(gauges: &[Gauge], room: &Room) -> anyhow::Result<()> {
    let column = |of: fn(&Gauge) -> f64| gauges[WARM_UP..].iter().map(of).collect::<Vec<_>>();
    let memory = |first: f64| first + room.memory;
    let others = |first: f64| first + room.others;
    let grown = [
        grows("RSS (KiB)", &column(|gauge| gauge.rss), memory),
        grows("anonymous memory (KiB)", &column(|gauge| gauge.anonymous), memory),
        grows("descriptors", &column(|gauge| gauge.descriptors), others),
        grows("threads", &column(|gauge| gauge.threads), others),
    ];
    let grown: Vec<_> = grown.into_iter().flatten().collect();
    ensure!(grown.is_empty(), "The daemon grew: {}", grown.join(", "));
    Ok(())
}

/// The name of the resource if it grew more than allowed.
fn grows(name: &str, samples: &[f64], allowed: impl Fn(f64) -> f64) -> Option<String> {
    let (first, last) = quarters(samples);
    let (bottom, top) =
        (samples.iter().copied().fold(f64::MAX, f64::min), samples.iter().copied().fold(0.0, f64::max));
    let allowed = allowed(first);
    println!(
        "  {name}: {first:.1} in the first quarter, {last:.1} in the last (allowed {allowed:.1}); {bottom:.0} to {top:.0}"
    );
    (last > allowed).then(|| name.to_owned())
}

/// The means of the first and the last quarter.
fn quarters(samples: &[f64]) -> (f64, f64) {
    let quarter = samples.len() / 4;
    (mean(&samples[..quarter]), mean(&samples[samples.len() - quarter..]))
}

#[expect(clippy::cast_precision_loss, reason = "there are a few hundred")]
fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}
