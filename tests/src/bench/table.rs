//! The measured figures, with what they are compared to and their limits.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::figure::{Figure, Quantity, Unit};

/// The goal of a row.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Goal {
    /// At most this ratio to the other figure.
    Ratio(f64),
    /// At least this ratio to the other figure.
    Share(f64),
    /// At most this value.
    Most(Quantity),
    /// No goal.
    Open,
}

impl Goal {
    pub(super) fn most(value: f64, unit: Unit) -> Self {
        Self::Most(Quantity::new(value, unit))
    }
}

/// A measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    what: String,
    ours: Figure,
    limit: Option<Limit>,
    goal: Goal,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Limit {
    what: String,
    figure: Figure,
}

impl Row {
    /// A measurement without a comparison.
    pub(super) fn alone(what: impl Into<String>, ours: Figure, goal: Goal) -> Self {
        Self { what: what.into(), ours, limit: None, goal }
    }

    /// The same, compared with another figure.
    pub(super) fn against(self, what: impl Into<String>, figure: Figure) -> Self {
        Self { limit: Some(Limit { what: what.into(), figure }), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        let limit = self.limit.as_ref()?;
        Some(self.ours.median.value / limit.figure.median.value)
    }

    fn is_met(&self) -> Option<bool> {
        match self.goal {
            Goal::Ratio(most) => self.ratio().map(|ratio| ratio <= most),
            Goal::Share(least) => self.ratio().map(|ratio| ratio >= least),
            Goal::Most(most) => Some(self.ours.median.value <= most.value),
            Goal::Open => None,
        }
    }

    fn cells(&self, before: Option<&Self>) -> Vec<String> {
        let p99 = |figure: &Figure| figure.p99.map(|p99| p99.to_string()).unwrap_or_default();
        let goal = match self.goal {
            Goal::Ratio(most) => format!("≤ {most:.2}×"),
            Goal::Share(least) => format!("≥ {least:.2}×"),
            Goal::Most(most) => format!("≤ {most}"),
            Goal::Open => String::new(),
        };
        let met = match self.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let was = before.map(|before| format!("{} ({:+.0} %)", before.ours.median, self.change(before)));
        vec![
            self.what.clone(),
            self.ours.median.to_string(),
            p99(&self.ours),
            self.limit.as_ref().map(|limit| limit.what.clone()).unwrap_or_default(),
            self.limit.as_ref().map(|limit| limit.figure.median.to_string()).unwrap_or_default(),
            self.limit.as_ref().map(|limit| p99(&limit.figure)).unwrap_or_default(),
            self.ratio().map(|ratio| format!("{ratio:.2}×")).unwrap_or_default(),
            goal,
            met.to_owned(),
            was.unwrap_or_default(),
        ]
    }

    /// The change in per cent.
    fn change(&self, before: &Self) -> f64 {
        (self.ours.median.value / before.ours.median.value - 1.0) * 100.0
    }
}

const HEAD: [&str; 10] =
    ["what", "median", "p99", "held against", "median", "p99", "ratio", "goal", "", "before"];

/// All measurements of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table(Vec<Row>);

impl Table {
    pub(super) fn add(&mut self, rows: impl IntoIterator<Item = Row>) {
        self.0.extend(rows);
    }

    /// Saves the table, so that a later run can be compared with it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        fs::write(path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The table of an earlier run.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no table of a run", path.display()))
    }

    /// The table in Markdown, with the figures of an earlier run if there is one.
    #[must_use]
    pub fn markdown(&self, before: Option<&Self>) -> String {
        let earlier = |row: &Row| before.and_then(|table| table.0.iter().find(|it| it.what == row.what));
        let mut lines = vec![HEAD.map(ToOwned::to_owned).to_vec()];
        lines.extend(self.0.iter().map(|row| row.cells(earlier(row))));
        if before.is_none() {
            for cells in &mut lines {
                cells.truncate(HEAD.len() - 1);
            }
        }
        let widths: Vec<usize> = (0..lines[0].len())
            .map(|column| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0))
            .collect();
        lines.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
        let mut text = String::new();
        for cells in lines {
            for (cell, width) in cells.iter().zip(&widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
        }
        text
    }

    /// The figures that are more than `per_cent` above those of an earlier run, and those that were not measured.
    #[must_use]
    pub fn grown(&self, before: &Self, per_cent: f64) -> Vec<String> {
        let grown = before.0.iter().filter_map(|was| match self.0.iter().find(|row| row.what == was.what) {
            None => Some(format!("{}: not measured", was.what)),
            Some(row) if row.change(was) > per_cent => Some(format!(
                "{}: {} where {} is recorded ({:+.1} %)",
                was.what,
                row.ours.median,
                was.ours.median,
                row.change(was)
            )),
            Some(_) => None,
        });
        grown.collect()
    }
}
