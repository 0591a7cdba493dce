//! Runs the whole keeper in a world full of faults. Server, store, clock and callers follow a schedule that a seed
//! repeats. Each step is checked for broken invariants.
//!
//! `IMGURD_SEED` repeats one seed and prints its events; `IMGURD_SIMULATION_MINUTES` runs new seeds for that long.

mod calls;
pub(super) mod chance;
mod clock;
mod invariants;
mod knowledge;
mod life;
mod month;
mod records;
mod schedule;
mod server;
mod store;
mod wire;
mod world;

use std::env;
use std::panic::catch_unwind;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rstest::rstest;

use life::{Outcome, run};
use world::Tally;

/// How many seeds each share runs.
const SEEDS: u64 = 1250;
const SHARES: u64 = 8;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// Runs one seed. If it fails, says how to repeat it.
fn attempt(seed: u64, is_told: bool) -> Tally {
    let outcome = catch_unwind(|| run(seed, is_told));
    let violation = match outcome {
        Ok(Outcome { violation: None, tally, .. }) => return tally,
        Ok(Outcome { violation: Some(violation), .. }) => violation,
        Err(_) => "something panicked".to_owned(),
    };
    panic!(
        "seed {seed}: {violation}\nIMGURD_SEED={seed} cargo test -p imgurd --lib simulation -- --nocapture"
    );
}

/// Runs the seeds of this share: the same ones each time, or new ones for the requested time.
fn attempt_all(share: u64) -> (u64, Tally) {
    let deadline = number("IMGURD_SIMULATION_MINUTES").map(|minutes| *BEGAN + Duration::from_mins(minutes));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let first = if deadline.is_some() { now * 1_000_000 + share * 100_000 } else { share * SEEDS };
    let (mut total, mut tried) = (Tally::default(), 0);
    while deadline.map_or(tried < SEEDS, |deadline| Instant::now() < deadline) {
        total += attempt(first + tried, false);
        tried += 1;
    }
    (tried, total)
}

#[rstest]
fn loses_no_grant_and_keeps_no_caller_waiting(#[values(0, 1, 2, 3, 4, 5, 6, 7)] share: u64) {
    if let Some(seed) = number("IMGURD_SEED") {
        if seed % SHARES == share {
            attempt(seed, true);
        }
        return;
    }
    let (seeds, total) = attempt_all(share);
    println!("{seeds} seeds: {total:?}");
}

#[test]
fn a_seed_repeats_the_same_run() {
    for seed in 0..20 {
        let (one, two) = (run(seed, false), run(seed, false));
        assert_eq!((one.fingerprint, one.violation), (two.fingerprint, two.violation), "seed {seed}");
    }
}
