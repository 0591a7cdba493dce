//! Tests the daemon's promises many times: kills at random moments, timing, and steady load. Prints figures, and
//! exits with 1 if a promise is broken.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures are what it is for")]

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use clap::{Parser, Subcommand};
use imgurd_tests::soak::{self, Extent};

/// Kills, times and loads the daemon, and checks that it keeps its promises.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Do less of everything: it takes under a minute
    #[arg(long, global = true)]
    short: bool,
    /// Seed of an earlier run, to repeat its choices, but not its timing
    #[arg(long, global = true)]
    seed: Option<u64>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Part {
    /// Kill the daemon at random moments
    Kills {
        /// Number of kills with the file store
        #[arg(long)]
        file: Option<usize>,
        /// Number of kills with GNOME Keyring
        #[arg(long)]
        keyring: Option<usize>,
    },
    /// Measure the time from the last byte of a server's answer until the token is saved
    Window {
        /// Number of refreshes in each directory
        #[arg(long)]
        refreshes: Option<usize>,
    },
    /// Make 1,000 calls a second while nobody reads the log, the disk is full and no notification server runs
    Stalled {
        /// Minutes to run
        #[arg(long)]
        minutes: Option<u64>,
    },
    /// Make 1,000 calls a second
    Load {
        /// Minutes to run
        #[arg(long)]
        minutes: Option<u64>,
    },
}

impl Options {
    fn extent(&self) -> Extent {
        let mut extent = if self.short { Extent::SHORT } else { Extent::FULL };
        match self.part {
            Some(Part::Kills { file, keyring }) => {
                extent.file_kills = file.unwrap_or(extent.file_kills);
                extent.keyring_kills = keyring.unwrap_or(extent.keyring_kills);
            }
            Some(Part::Window { refreshes }) => extent.refreshes = refreshes.unwrap_or(extent.refreshes),
            Some(Part::Load { minutes } | Part::Stalled { minutes }) => {
                extent.load = minutes.map_or(extent.load, Duration::from_mins);
            }
            None => {}
        }
        extent
    }

    /// Runs the chosen parts, and returns a summary of each.
    fn run(&self) -> anyhow::Result<Vec<String>> {
        let extent = self.extent();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let seed = self.seed.unwrap_or(u64::from(now.subsec_nanos()));
        Ok(match self.part {
            Some(Part::Kills { .. }) => vec![soak::kills(extent, seed)?],
            Some(Part::Window { .. }) => vec![soak::window(extent)?],
            Some(Part::Load { .. }) => vec![soak::load(extent)?],
            Some(Part::Stalled { .. }) => vec![soak::stalled(extent)?],
            None => vec![
                soak::kills(extent, seed)?,
                soak::window(extent)?,
                soak::load(extent)?,
                soak::stalled(extent)?,
            ],
        })
    }
}

fn main() -> ExitCode {
    let (options, begin) = (Options::parse(), Instant::now());
    let build = if cfg!(debug_assertions) { "build for debugging" } else { "release build" };
    println!("imgurd {}, {build}\n", env!("CARGO_PKG_VERSION"));
    match options.run() {
        Ok(figures) => {
            println!("\nDone in {} s. Every promise was kept.", begin.elapsed().as_secs());
            for line in figures {
                println!("- {line}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nBroken: {error:#}");
            ExitCode::FAILURE
        }
    }
}
