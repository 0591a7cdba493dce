//! Statistics of durations.

use std::fmt;
use std::time::Duration;

/// The summary of a distribution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    count: usize,
    median: Duration,
    pub(super) p99: Duration,
    pub(super) longest: Duration,
}

impl Figures {
    /// The summary of at least one duration.
    pub(super) fn of(mut spans: Vec<Duration>) -> Self {
        spans.sort_unstable();
        let at = |percent: usize| spans[(spans.len() * percent / 100).min(spans.len() - 1)];
        Self { count: spans.len(), median: at(50), p99: at(99), longest: at(100) }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, median, p99, longest } = self;
        write!(formatter, "p50 {}, p99 {}, max {} ({count})", ms(*median), ms(*p99), ms(*longest))
    }
}

/// The duration in milliseconds, for output.
pub(super) fn ms(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1000.0)
}
