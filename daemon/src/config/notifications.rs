//! The section `[notifications]`: whether and when imgurd shows notifications.

use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, duration};

const HOUR: Duration = Duration::from_hours(1);
/// A notification that repeats more often is a nuisance.
const SHORTEST: Duration = Duration::from_mins(1);

/// The section `[notifications]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notifications {
    /// Whether there are any.
    pub enabled: bool,
    /// After how long an unanswered one returns: the first time, the second, and so on; the last holds from then on.
    /// Empty means never.
    pub again: Vec<Duration>,
}

impl Default for Notifications {
    fn default() -> Self {
        Self { enabled: true, again: vec![HOUR, 4 * HOUR, 24 * HOUR] }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    enabled: Option<bool>,
    again: Option<Vec<String>>,
}

impl Section {
    pub(super) fn check(self) -> Result<Notifications, ConfigError> {
        let default = Notifications::default();
        let again = self.again.map(|again| again.iter().map(|text| span(text)).collect()).transpose()?;
        Ok(Notifications {
            enabled: self.enabled.unwrap_or(default.enabled),
            again: again.unwrap_or(default.again),
        })
    }
}

fn span(text: &str) -> Result<Duration, ConfigError> {
    duration(text).filter(|span| *span >= SHORTEST).ok_or_else(|| {
        let reason = format!(
            "[notifications] again contains \"{text}\", which is not a duration of at least a minute; write for \
             example [\"1h\", \"4h\", \"1d\"]"
        );
        ConfigError::new("again", reason)
    })
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn says_when_and_whether() {
        let notifications = |text: &str| parse(text).unwrap().notifications;
        assert_eq!(notifications(""), Notifications::default());
        assert_eq!(notifications("[notifications]\nagain = [\"2h\"]\n").again, [2 * HOUR]);
        assert_eq!(notifications("[notifications]\nagain = []\n").again, []);
        assert!(!notifications("[notifications]\nenabled = false\n").enabled);
    }

    #[test]
    fn a_mistake_is_named() {
        for text in ["again = [\"soon\"]", "again = [\"5s\"]", "agian = []", "enabled = 1"] {
            let reason = parse(&format!("[notifications]\n{text}\n")).unwrap_err().reason;
            assert!(reason.contains("line 2") || reason.contains("again"), "{reason}");
        }
    }
}
