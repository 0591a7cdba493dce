//! Measures the daemon and the client, and prints one table: `make bench`.
#![allow(clippy::print_stdout, reason = "figures are what it is for")]

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use imgurd_tests::bench::{self, Extent, Part, Table};

/// Measures how fast a token is handed out, and how little it takes to keep one.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Options {
    /// What to measure; everything where nothing is named
    parts: Vec<Part>,
    /// How often two things that are compared take turns
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// How many calls each makes in its turn
    #[arg(long, default_value_t = 500)]
    calls: usize,
    /// Keeps the figures in a file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Shows those of an earlier run beside them
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Answers every call with so many bytes
    #[command(hide = true)]
    Echo { socket: PathBuf, length: usize },
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(Role::Echo { socket, length }) = options.role {
        return Ok(bench::echo(&socket, length)?);
    }
    let before = options.compare.as_deref().map(Table::load).transpose()?;
    let table = bench::run(&options.parts, Extent { rounds: options.rounds, calls: options.calls });
    print!("{}", table.markdown(before.as_ref()));
    if let Some(file) = &options.save {
        table.save(file)?;
    }
    Ok(())
}
