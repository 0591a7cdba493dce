//! What imgurd logs, and where. Libraries that may log secrets stay silent, whatever `RUST_LOG` says.

mod stderr;

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::str::FromStr;
use std::time::Duration;

use imgurd_proto::text::cause;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets, dynamic_filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use self::stderr::{Stderr, accepts};

/// Targets that may log their payload at DEBUG or TRACE.
const PAYLOAD_PRINTERS: [&str; 10] =
    ["h2", "hyper", "hyper_util", "keyring_core", "oauth2", "oo7", "reqwest", "rustls", "zbus", "zvariant"];

/// Where journald listens (`systemd-journald.service(8)`).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object per line.
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
/// If there is no journal.
pub fn start(format: LogFormat) -> io::Result<()> {
    let registry = tracing_subscriber::registry().with(filter());
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Stderr);
    match format {
        LogFormat::Text if is_journal(io::stderr()) => {
            registry.with(lines.with_ansi(false).without_time().map_event_format(Prioritized)).init();
        }
        LogFormat::Json if is_journal(io::stderr()) => {
            registry.with(lines.json().map_event_format(Prioritized)).init();
        }
        LogFormat::Text => registry.with(lines.with_ansi(io::stderr().is_terminal())).init(),
        LogFormat::Json => registry.with(lines.json()).init(),
        LogFormat::Journald => {
            let has_room = dynamic_filter_fn(|_, _| journal_has_room());
            registry.with(tracing_journald::layer()?.with_filter(has_room)).init();
        }
    }
    Ok(())
}

/// The error that ends the daemon, as one line for the journal or for a terminal.
#[must_use]
pub fn fatal(error: &anyhow::Error) -> String {
    if is_journal(io::stderr()) {
        let text = cause(&format_args!("{error:#}")).replace('\n', " ");
        format!("<{}>{text}", priority(Level::ERROR))
    } else {
        format!("Error: {}", cause(&format_args!("{error:#}")))
    }
}

/// Whether this stream leads to the journal (`systemd.exec(5)`, `$JOURNAL_STREAM`).
fn is_journal(stream: impl AsFd) -> bool {
    let Ok(journal) = env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(stream).is_ok_and(|found| journal == format!("{}:{}", found.st_dev, found.st_ino))
}

/// Whether journald accepts a line at the moment: while it has stopped, its full socket blocks every writer, so a line is
/// lost. The kernel counts the queue of a connected socket's peer (`unix_dgram_poll`), so this uses its own connected socket.
fn journal_has_room() -> bool {
    UnixDatagram::unbound()
        .is_ok_and(|socket| socket.connect(JOURNAL).is_ok() && accepts(&socket, Duration::ZERO))
}

/// The syslog priority of a level (`sd-daemon(3)`).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// Formats lines with a prefix for their priority, which the journal removes.
struct Prioritized<F>(F);

impl<S, N, F> FormatEvent<S, N> for Prioritized<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        // A prefix applies only to its own line.
        let priority = priority(*event.metadata().level());
        text.lines().try_for_each(|line| writeln!(writer, "<{priority}>{line}"))
    }
}

/// The value of `RUST_LOG`. Invalid directives in it are ignored.
fn filter() -> Targets {
    let asked = env::var("RUST_LOG").unwrap_or_default();
    let directives = asked.split(',').map(str::trim);
    let directives = directives.filter(|text| !text.is_empty() && text.parse::<Targets>().is_ok());
    let asked = directives.collect::<Vec<_>>().join(",");
    quiet(&if asked.is_empty() { "info" } else { &asked }.parse().unwrap_or_default())
}

/// `asked`, without targets that might log a payload. If two directives match, the one with the longer target
/// applies.
fn quiet(asked: &Targets) -> Targets {
    let may_print = |target: &str| PAYLOAD_PRINTERS.iter().any(|printer| target.starts_with(printer));
    asked
        .iter()
        .filter(|(target, _)| !may_print(target))
        .collect::<Targets>()
        .with_default(asked.default_level().unwrap_or(LevelFilter::OFF))
        .with_targets(PAYLOAD_PRINTERS.map(|target| (target, LevelFilter::WARN)))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn no_directive_enables_logging_of_payloads() {
        for asked in ["trace", "zbus=trace", "zbus::connection=trace,hyper_util::client=debug", "h2"] {
            let filter = quiet(&asked.parse().unwrap());
            for target in ["zbus", "zbus::connection::socket", "hyper_util::client::legacy", "h2::frame"] {
                assert!(!filter.would_enable(target, &Level::DEBUG), "{asked}: {target}");
            }
        }
    }

    #[test]
    fn logs_only_the_requested_targets() {
        let filter = quiet(&"imgurd::keeper=debug,imgurd=warn".parse().unwrap());
        assert!(filter.would_enable("imgurd::keeper::actor", &Level::DEBUG));
        assert!(filter.would_enable("imgurd::bus", &Level::WARN));
        assert!(!filter.would_enable("imgurd::bus", &Level::INFO));
        assert!(!filter.would_enable("mio", &Level::ERROR));
    }
}
