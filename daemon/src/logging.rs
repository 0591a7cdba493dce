//! What is logged where. Libraries that print payloads are kept quiet, whatever `RUST_LOG` asks for.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Targets that may print what they carry at DEBUG or TRACE.
const PAYLOAD_PRINTERS: [&str; 12] = [
    "h2",
    "hyper",
    "hyper_util",
    "keyring_core",
    "oauth2",
    "oo7",
    "reqwest",
    "rustls",
    "secret_service",
    "zbus",
    "zbus_secret_service_keyring_store",
    "zvariant",
];

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
    /// Fields of the system's journal.
    Journald,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "journald" => Ok(Self::Journald),
            _ => Err("expected text, json or journald".to_owned()),
        }
    }
}

/// Starts logging to standard error, or to the journal.
///
/// # Errors
/// Where there is no journal.
pub fn start(format: LogFormat) -> io::Result<()> {
    let registry = tracing_subscriber::registry().with(filter());
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Text => registry.with(lines.with_ansi(io::stderr().is_terminal())).init(),
        LogFormat::Json => registry.with(lines.json()).init(),
        LogFormat::Journald => registry.with(tracing_journald::layer()?).init(),
    }
    Ok(())
}

fn filter() -> EnvFilter {
    let asked = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    PAYLOAD_PRINTERS
        .iter()
        .filter_map(|target| format!("{target}=warn").parse().ok())
        .fold(asked, EnvFilter::add_directive)
}
