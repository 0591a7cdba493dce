//! What is wrong in config.toml.

use toml_edit::{Document, Item};

/// The problem in config.toml, its place, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ConfigError {
    /// The invalid setting, if it is one.
    pub setting: String,
    /// One sentence that ends with what to do.
    pub reason: String,
}

impl ConfigError {
    pub(super) fn new(setting: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { setting: setting.into(), reason: reason.into() }
    }
}

impl From<ConfigError> for imgurd_proto::Error {
    fn from(error: ConfigError) -> Self {
        Self::Misconfigured { setting: error.setting, reason: error.reason }
    }
}

/// The error of a file that toml_edit cannot read.
pub(super) fn in_file(error: &str) -> ConfigError {
    // toml_edit draws the line and a caret below it. Its first and last lines contain the message.
    let lines: Vec<_> = error.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (first, last) =
        (lines.first().copied().unwrap_or_default(), lines.last().copied().unwrap_or_default());
    let said = if first == last { first.to_owned() } else { format!("{first}: {last}") };
    let faults = ["invalid boolean", "leading zero", "invalid number", "string values must be quoted"];
    let advice = if faults.iter().any(|fault| said.contains(fault)) {
        "write text between quotes, as in \"abc\", then run `imgurd --check`"
    } else {
        "correct it, then run `imgurd --check`"
    };
    ConfigError::new("", format!("config.toml is not valid: {said}; {advice}"))
}

/// Adds to `error` the line of its setting in this section, or else the line of the section. The top level has no
/// name.
pub(super) fn at_line(
    error: &ConfigError,
    document: &Document<String>,
    text: &str,
    section: &[&str],
) -> ConfigError {
    let item = section.iter().try_fold(document.as_item(), |item, key| item.get(key));
    let entry = item.and_then(|item| item.get(&error.setting)).or(item);
    let line = entry.and_then(Item::span).map(|span| text[..span.start].matches('\n').count() + 1);
    let line = line.map_or_else(String::new, |line| format!(", line {line}"));
    let section = if section.is_empty() { String::new() } else { format!(", [{}]", section.join(".")) };
    ConfigError::new(error.setting.clone(), format!("config.toml{line}{section}: {}", error.reason))
}
