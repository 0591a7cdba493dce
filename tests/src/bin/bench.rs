//! Measures the daemon and the client, and prints one table: `make bench`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures are what it is for")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::{Parser, Subcommand};
use imgurd_tests::bench::{self, Extent, Flood, Part, Table};

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
    /// How many seconds a daemon is left alone
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    idle: u64,
    /// Keeps the figures in a file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Shows those of an earlier run beside them
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Fails where something is more than in that run by over so many per cent
    #[arg(long, value_name = "PER CENT", requires = "compare")]
    within: Option<f64>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Answers every call with so many bytes
    #[command(hide = true)]
    Echo { socket: PathBuf, length: usize },
    /// Answers every HTTP request with so many bytes
    #[command(hide = true)]
    StaticHttp { address: SocketAddr, length: usize },
    /// Floods the daemon until standard input ends
    #[command(hide = true)]
    Flood { way: Flood, socket: PathBuf },
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    match options.role {
        Some(Role::Echo { socket, length }) => return Ok(bench::echo(&socket, length)?),
        Some(Role::StaticHttp { address, length }) => return Ok(bench::static_http(address, length)?),
        Some(Role::Flood { way, socket }) => {
            bench::flood(way, &socket);
            return Ok(());
        }
        None => {}
    }
    let before = options.compare.as_deref().map(Table::load).transpose()?;
    let idle = Duration::from_secs(options.idle);
    let extent = Extent { rounds: options.rounds, calls: options.calls, idle };
    let table = bench::run(&options.parts, extent);
    print!("{}", table.markdown(before.as_ref()));
    if let Some(file) = &options.save {
        table.save(file)?;
    }
    if let (Some(before), Some(per_cent)) = (&before, options.within) {
        let grown = table.grown(before, per_cent);
        ensure!(grown.is_empty(), "More than is recorded:\n{}", grown.join("\n"));
    }
    Ok(())
}
