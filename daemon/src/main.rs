//! `imgurd`: keeps a user's Imgur OAuth 2.0 tokens fresh and gives them to the user's programs.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use imgurd::logging::{self, LogFormat};
use imgurd::memory;
use imgurd::service::{self, Options};
use tokio::runtime::Builder;

/// Keeps your Imgur OAuth 2.0 tokens fresh and gives them to your programs.
///
/// Programs use imgurctl, the local socket or D-Bus. SIGHUP reloads config.toml. RUST_LOG sets what imgurd logs.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    service: Options,
    /// The format of log lines: text, json or journald
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Check the configuration and exit
    #[arg(long)]
    check: bool,
    /// Create directories, check who owns the configuration, and exit: for the unit, before the service starts
    #[arg(long, hide = true)]
    prepare: bool,
}

/// How many tasks run before the runtime asks the kernel for events: a new call waits for at most this many tasks of other
/// programs.
const TASKS_BETWEEN_EVENTS: u32 = 16;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{}", logging::fatal(&error));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    memory::close().context("cannot protect this process from other programs")?;
    if arguments.prepare {
        return service::prepare(&arguments.service);
    }
    if arguments.check {
        return service::check(&arguments.service);
    }
    logging::start(arguments.log_format).context("cannot log to the journal; choose --log-format text")?;
    // Blocking calls come in bursts, during a refresh: threads that wait for the next one only use memory.
    let idle = Duration::from_secs(1);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .event_interval(TASKS_BETWEEN_EVENTS)
        .thread_keep_alive(idle)
        .build()?;
    let outcome = runtime.block_on(service::run(arguments.service));
    // A store that hangs in its own thread has had enough time.
    runtime.shutdown_background();
    outcome
}
