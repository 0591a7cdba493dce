//! The section `[notifications]`: whether and when imgurd shows notifications.

use std::time::Duration;

use serde::Deserialize;

use super::error::ConfigError;
use super::refresh::duration;

const HOUR: Duration = Duration::from_hours(1);
/// The shortest interval between notifications; shorter ones would annoy the user.
const SHORTEST: Duration = Duration::from_mins(1);

/// The section `[notifications]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notifications {
    /// Whether imgurd shows notifications.
    pub enabled: bool,
    /// The pauses after which an unanswered notification returns: the first time, the second time, and so on; then
    /// the last pause repeats. Empty means never.
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
    fn reads_the_notification_settings() {
        let notifications = |text: &str| parse(text).unwrap().notifications;
        assert_eq!(notifications(""), Notifications::default());
        assert_eq!(notifications("[notifications]\nagain = [\"2h\"]\n").again, [2 * HOUR]);
        assert_eq!(notifications("[notifications]\nagain = []\n").again, []);
        assert!(!notifications("[notifications]\nenabled = false\n").enabled);
    }

    #[test]
    fn an_invalid_notification_setting_is_named() {
        for text in ["again = [\"soon\"]", "again = [\"5s\"]", "agian = []", "enabled = 1"] {
            let reason = parse(&format!("[notifications]\n{text}\n")).unwrap_err().reason;
            assert!(reason.contains("line 2") || reason.contains("again"), "{reason}");
        }
    }
}
