//! Runs random operations on the real daemon. Exits with 1 if the daemon loses a grant, gives a dead token, or shows a
//! secret to another server.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures are what it is for")]

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Parser;
use imgurd_tests::chaos::{self, Store};

/// Runs random sequences of operations on the real daemon, and checks what it did.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Minutes to run, for all stores together
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// First seed, as a failure prints it [default: random]
    #[arg(long)]
    seed: Option<u64>,
    /// The only store to run with: file, keyring or memory [default: all]
    #[arg(long)]
    store: Option<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seed = options.seed.unwrap_or(u64::from(now.subsec_nanos()));
    let all = [(Store::File, "file"), (Store::Keyring, "keyring"), (Store::Memory, "memory")];
    let chosen: Vec<_> =
        all.into_iter().filter(|(_, name)| options.store.as_deref().is_none_or(|it| it == *name)).collect();
    let Ok(parts) = u32::try_from(chosen.len()) else { return ExitCode::FAILURE };
    if parts == 0 {
        eprintln!("There is no such store; give file, keyring or memory");
        return ExitCode::from(2);
    }
    // Threads panic when a page is unreachable or refused, which happens on purpose here.
    std::panic::set_hook(Box::new(|_| {}));
    println!("Random operations, from seed {seed}");
    let share = Duration::from_mins(options.minutes) / parts;
    for (store, _) in chosen {
        match chaos::run(store, seed, share) {
            Ok(count) => println!("{store}: {count} sequences, no promise broken"),
            Err(error) => {
                eprintln!("\nBroken: {error:#}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
