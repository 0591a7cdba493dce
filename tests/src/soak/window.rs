//! How long a new token is in memory only: from the last byte of the answer until it is saved and published.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use imgurd_proto::{GetToken, ListAccounts, State};

use super::figures::Figures;
use super::site::{Ground, Site, Store, server};
use crate::fake::{Endpoint, Rotation};

/// Enough accounts that one is stale when another has been refreshed, and few enough that the store is as small as a
/// user's.
const ACCOUNTS: usize = 4;

/// Tokens with such a short lifetime are refreshed on demand, once half of the lifetime has passed.
const LIFETIME: Duration = Duration::from_secs(1);

/// The goal for p99.
fn goal(store: Store) -> Duration {
    Duration::from_millis(match store {
        Store::File => 5,
        Store::Keyring => 30,
    })
}

/// The result of a series of refreshes.
pub(super) struct Outcome {
    /// The 99th percentile.
    pub(super) p99: Duration,
    /// Whether the goal is met.
    pub(super) met: bool,
}

/// Measures this many refreshes, one after the other.
pub(super) fn run(store: Store, ground: Ground, refreshes: usize) -> anyhow::Result<Outcome> {
    let site = Site::new(store, ground, server(Rotation::Plain, LIFETIME), ACCOUNTS);
    let (mut windows, mut bare) = (Vec::new(), Vec::new());
    for number in 0..refreshes {
        windows.push(window(&site, number % ACCOUNTS)?);
        bare.push(write(&site.directory())?);
    }
    let (directory, kind) = (site.directory(), site.file_system());
    let figures = Figures::of(windows);
    println!("{store}, {kind} on {}: {figures}", directory.parent().unwrap_or(&directory).display());
    println!("  a file alone, written, synced, renamed and synced: {}", Figures::of(bare));
    let (goal, p99) = (goal(store), figures.p99);
    if ground == Ground::Disk {
        // On a disk, the time also depends on the disk and on other programs.
        return Ok(Outcome { p99, met: true });
    }
    let met = p99 <= goal;
    println!("  goal, p99 of at most {} ms: {}", goal.as_millis(), if met { "met" } else { "missed" });
    Ok(Outcome { p99, met })
}

/// The time of the shortest durable write in this directory, for comparison.
fn write(directory: &Path) -> io::Result<Duration> {
    let (new, old) = (directory.join("bare.new"), directory.join("bare"));
    let begin = Instant::now();
    let mut file = File::create(&new)?;
    file.write_all(&[0; 4096])?;
    file.sync_all()?;
    fs::rename(new, old)?;
    File::open(directory)?.sync_all()?;
    Ok(begin.elapsed())
}

/// Measures one refresh: from the answer until the caller has the saved token.
fn window(site: &Site, index: usize) -> anyhow::Result<Duration> {
    let name = &site.accounts[index].name;
    site.bed.wait_until(name, |account| account.state == State::Stale);
    let mut caller = site.bed.client();
    let asked = Instant::now();
    let token = caller.call(&GetToken { account: Some(name.clone()), ..GetToken::default() })?.token;
    let had = Instant::now();
    let account = caller.call(&ListAccounts { account: Some(name.clone()) })?.accounts.pop();
    ensure!(account.is_some_and(|account| !account.unsaved), "A token was published before it was saved");
    let standing = site.fake.standing(token.access_token.expose()).context("a token of nobody's")?;
    ensure!(standing.turn == standing.newest, "An old token was handed out");
    let answer = site.fake.requests_since(Endpoint::Token, asked).pop().context("nothing was asked")?;
    Ok(had - answer.sent.context("the answer was never sent")?)
}
