//! Random operations on the real daemon. The servers' records decide what is right: which token is valid, whose grant
//! it is, and which server got which secret.
//!
//! A seed repeats the choices of a run, but not its timing. A failing sequence is shortened as far as it still fails.
#![allow(clippy::print_stdout, reason = "figures are what it is for")]

mod books;
mod job;
mod operation;
mod run;
mod site;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::dice::Dice;
use crate::fake::Rotation;

use operation::Operation;
pub use site::Store;

/// The most shorter sequences that are tried for a failing one.
const TRIES: usize = 40;

/// How often a shorter sequence is tried before it counts as passing.
const REPEATS: usize = 2;

/// A sequence of operations, and the store and server for it.
#[derive(Clone, Debug)]
struct Sequence {
    store: Store,
    rotation: Rotation,
    operations: Vec<Operation>,
}

impl Sequence {
    fn roll(store: Store, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let rotations = [
            Rotation::Off,
            Rotation::Plain,
            Rotation::ReuseDetection,
            Rotation::Grace(Duration::from_secs(30)),
        ];
        let rotation = rotations[usize::try_from(dice.below(4)).unwrap()];
        let length = 8 + dice.below(24);
        Self { store, rotation, operations: (0..length).map(|_| Operation::roll(&mut dice)).collect() }
    }

    /// The failure of the sequence, if it fails.
    fn failure(&self) -> Option<String> {
        match catch_unwind(AssertUnwindSafe(|| run::run(self))) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                Some(
                    text.or_else(|| panic.downcast_ref().map(|text: &&str| (*text).to_owned()))
                        .unwrap_or_default(),
                )
            }
        }
    }

    /// A shorter sequence that fails, and its failure.
    fn shrunk(&self, mut failure: String) -> (Self, String) {
        let (mut shortest, mut tries) = (self.clone(), 0);
        let mut size = shortest.operations.len().div_ceil(2);
        while size > 0 && tries < TRIES {
            let mut at = 0;
            while at < shortest.operations.len() && tries < TRIES {
                let mut shorter = shortest.clone();
                shorter.operations.drain(at..(at + size).min(shortest.operations.len()));
                tries += 1;
                match (0..REPEATS).find_map(|_| shorter.failure()) {
                    Some(why) => (shortest, failure) = (shorter, why),
                    None => at += size,
                }
            }
            size /= 2;
        }
        (shortest, failure)
    }
}

/// Runs sequences on `store` for `duration`, starting with this seed, and returns their number. Fails at the first
/// broken promise, with a short sequence that breaks it.
pub fn run(store: Store, seed: u64, duration: Duration) -> Result<u64> {
    let begun = Instant::now();
    let mut count = 0;
    while count == 0 || begun.elapsed() < duration {
        let seed = seed.wrapping_add(count);
        one(store, seed).with_context(|| format!("{store}, seed {seed}"))?;
        count += 1;
    }
    Ok(count)
}

/// Runs the sequence of one seed. Fails as [`run`] does.
pub fn one(store: Store, seed: u64) -> Result<()> {
    let sequence = Sequence::roll(store, seed);
    let Some(failure) = sequence.failure() else { return Ok(()) };
    println!("{store}, seed {seed}: {failure}\n{sequence}");
    let (shortest, failure) = sequence.shrunk(failure);
    bail!("{failure}\n{shortest}")
}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "with {:?} and {} operations:", self.rotation, self.operations.len())?;
        self.operations.iter().try_for_each(|operation| writeln!(formatter, "  {operation}"))
    }
}
