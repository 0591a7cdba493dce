//! The section `[refresh]`: when imgurd refreshes tokens.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use serde::Deserialize;

use super::account::RefreshPolicy;
use super::error::ConfigError;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    margin: Option<String>,
    max_age: Option<String>,
}

impl Section {
    pub(super) fn check(&self) -> Result<RefreshPolicy, ConfigError> {
        let span = |name: &str, text: &Option<String>| -> Result<Option<Duration>, ConfigError> {
            let Some(text) = text else { return Ok(None) };
            let reason = || {
                format!(
                    "[refresh] {name} = \"{text}\" is not a duration; write for example \"28d\" or \"10m\""
                )
            };
            duration(text).map(Some).ok_or_else(|| ConfigError::new(name, reason()))
        };
        let default = RefreshPolicy::default();
        let max_age = span("max_age", &self.max_age)?.unwrap_or(default.max_age).max(Duration::from_mins(1));
        Ok(RefreshPolicy { margin: span("margin", &self.margin)?, max_age })
    }
}

/// A duration in usual notation; a day has 24 hours.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
}
