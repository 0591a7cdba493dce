//! Statistics of many samples.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    Seconds,
    Bytes,
    Instructions,
    PerSecond,
    Times,
}

/// A number for output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Quantity {
    pub(super) value: f64,
    pub(super) unit: Unit,
}

impl Quantity {
    pub(super) fn new(value: f64, unit: Unit) -> Self {
        Self { value, unit }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value;
        match self.unit {
            Unit::Seconds if value < 0.001 => write!(formatter, "{:.1} µs", value * 1e6),
            Unit::Seconds if value < 1.0 => write!(formatter, "{:.2} ms", value * 1e3),
            Unit::Seconds => write!(formatter, "{value:.0} s"),
            Unit::Bytes if value < 1e5 => write!(formatter, "{:.1} KiB", value / 1024.0),
            Unit::Bytes => write!(formatter, "{:.2} MB", value / 1e6),
            Unit::Instructions if value < 1e6 => write!(formatter, "{:.1} k instr.", value / 1e3),
            Unit::Instructions => write!(formatter, "{:.2} M instr.", value / 1e6),
            Unit::PerSecond => write!(formatter, "{value:.0} /s"),
            Unit::Times => write!(formatter, "{value:.0}"),
        }
    }
}

/// The summary of a distribution, or a single number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) median: Quantity,
    /// `None` if there are too few samples.
    pub(super) p99: Option<Quantity>,
}

impl Figure {
    /// A single measurement.
    pub(super) fn once(value: f64, unit: Unit) -> Self {
        Self { median: Quantity::new(value, unit), p99: None }
    }

    /// The median of a few samples.
    pub(super) fn median(samples: impl IntoIterator<Item = f64>, unit: Unit) -> Self {
        let samples: Vec<_> = samples.into_iter().collect();
        Self::once(quantile(&samples, 0.5), unit)
    }

    /// The summary of many durations.
    pub(super) fn of(spans: &[Duration]) -> Self {
        Self::of_seconds(&spans.iter().map(Duration::as_secs_f64).collect::<Vec<_>>())
    }

    /// The same for durations in seconds.
    pub(super) fn of_seconds(seconds: &[f64]) -> Self {
        let p99 = Quantity::new(quantile(seconds, 0.99), Unit::Seconds);
        Self { p99: Some(p99), ..Self::median(seconds.iter().copied(), Unit::Seconds) }
    }
}

/// The quantile of the samples at `part`, between 0 and 1.
pub(super) fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_unstable_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "there are some thousands"
    )]
    let index = (samples.len() as f64 * part) as usize;
    samples[index.min(samples.len() - 1)]
}
