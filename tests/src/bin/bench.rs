//! Measures the daemon and the client, and prints one table: `make bench`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures are what it is for")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::{Parser, Subcommand};
use imgurd_tests::bench::{self, Extent, Flood, Part, Table};

/// Measures how fast imgurd hands out a token, and how much memory and time it needs to keep one.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Options {
    /// Parts to measure [default: all]
    parts: Vec<Part>,
    /// Number of rounds; in each, the compared programs run one after the other
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Number of calls of each program in a round
    #[arg(long, default_value_t = 500)]
    calls: usize,
    /// Seconds for which a daemon stays idle
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    idle: u64,
    /// Save the figures in a file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Show the figures of an earlier run beside the new ones
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Fail if a figure is more than this percentage above the earlier run's
    #[arg(long, value_name = "PERCENT", requires = "compare")]
    within: Option<f64>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Answer every call with this number of bytes
    #[command(hide = true)]
    Echo { socket: PathBuf, length: usize },
    /// Answer every HTTP request with this number of bytes
    #[command(hide = true)]
    StaticHttp { address: SocketAddr, length: usize },
    /// Flood the daemon until standard input ends
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
        ensure!(grown.is_empty(), "More than recorded:\n{}", grown.join("\n"));
    }
    Ok(())
}
