//! Kills, load and timing with the real daemon, repeated many times, to find what a single test case cannot.
//!
//! Each part prints its figures, and fails if the daemon breaks a promise.
#![allow(clippy::print_stdout, reason = "figures are what it is for")]

mod books;
mod figures;
mod gauge;
mod kills;
mod load;
mod observer;
mod site;
mod window;

use std::time::Duration;

use anyhow::ensure;

use crate::dice::Dice;
pub(crate) use crate::dice::pass;
use figures::ms;
pub(crate) use gauge::number;
use kills::Series;
use site::{Ground, Store};

/// How much to test.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The number of kills with the file store.
    pub file_kills: usize,
    /// The number of kills with GNOME Keyring.
    pub keyring_kills: usize,
    /// The longest time that a daemon runs before its kill is aimed.
    pub life: Duration,
    /// The number of refreshes to measure in each place.
    pub refreshes: usize,
    /// The duration of the load.
    pub load: Duration,
}

impl Extent {
    /// The full test before a release.
    pub const FULL: Self = Self {
        file_kills: 1000,
        keyring_kills: 200,
        life: Duration::from_millis(500),
        refreshes: 1000,
        load: Duration::from_mins(10),
    };

    /// A test of less than a minute, which finds gross errors.
    pub const SHORT: Self = Self {
        file_kills: 60,
        keyring_kills: 12,
        life: Duration::from_millis(100),
        refreshes: 8,
        load: Duration::from_secs(4),
    };
}

/// Kills the daemon at random moments, half of the times with a server that accepts a used refresh token for 30 s,
/// and half with one that revokes its grant. Returns a summary.
pub fn kills(extent: Extent, seed: u64) -> anyhow::Result<String> {
    println!("Kills at random instants, by the seed {seed}");
    let mut dice = Dice::new(seed);
    let mut on_its_way = 0;
    for (store, kills) in [(Store::File, extent.file_kills), (Store::Keyring, extent.keyring_kills)] {
        let halves = [(false, kills.div_ceil(2)), (true, kills / 2)];
        for (strict, kills) in halves.into_iter().filter(|(_, kills)| *kills > 0) {
            on_its_way += kills::run(Series { store, strict, kills, life: extent.life }, &mut dice)?;
        }
    }
    Ok(format!(
        "{} kills: 0 grants lost once saved, 0 at all where the server forgives, {on_its_way} where it does not, with \
         the answer on its way",
        extent.file_kills + extent.keyring_kills
    ))
}

/// Measures how long a new token is in memory only. Returns a summary.
pub fn window(extent: Extent) -> anyhow::Result<String> {
    println!("\nFrom the answer's last byte until the token is saved and its caller has it");
    let (mut met, mut words) = (true, Vec::new());
    for store in [Store::File, Store::Keyring] {
        for (ground, place) in [(Ground::Testbed, "in memory"), (Ground::Disk, "on a disk")] {
            let outcome = window::run(store, ground, extent.refreshes)?;
            met &= outcome.met;
            words.push(format!("{store} {place} {}", ms(outcome.p99)));
        }
    }
    // A debug build is slow, so the time proves nothing there.
    ensure!(met || cfg!(debug_assertions), "A new token was not saved in time: p99 {}", words.join(", "));
    Ok(format!("from answer to saved, p99: {}", words.join(", ")))
}

/// Makes 1,000 calls a second, and checks that the daemon does not grow. Returns a summary.
pub fn load(extent: Extent) -> anyhow::Result<String> {
    println!("\n1,000 calls a second");
    load::run(extent.load)
}

/// The same with a log without a reader, a full disk and no notification server. Returns a summary.
pub fn stalled(extent: Extent) -> anyhow::Result<String> {
    println!("\n1,000 calls a second, with standard error, the disk and notifications stalled");
    load::run_stalled(extent.load)
}
