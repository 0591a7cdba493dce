//! Why an account is in its state. Each sentence ends with what to do.

use imgurd_proto::State;

use super::refreshing::Trouble;
use super::{Machine, Shelf};
use crate::grant::Timestamp;
use crate::provider::Delivery;

impl Machine {
    pub(super) fn reason(&self, state: State, now: Timestamp) -> Option<String> {
        let name = &self.name;
        let last_failure = self.last_failure();
        Some(match state {
            State::Fresh => return self.why_not_all_is_well(now),
            State::Empty if self.record.grant.is_some() => format!(
                "The grant belongs to another client ID or server, so imgurd set it aside; change the setting back, \
                 or run `imgurctl login {name}`"
            ),
            State::Empty => self
                .why_not_deleted()
                .unwrap_or_else(|| format!("Nobody is signed in; run `imgurctl login {name}`")),
            State::Refreshing => format!("imgurd is getting a new token for {name}; try again in a moment"),
            State::Stale => self.why_stale(last_failure),
            State::Waiting if self.record.refusal.is_some() => {
                format!("{last_failure}; wait while imgurd asks the server once more")
            }
            State::Waiting => format!("{last_failure}; {}", self.what_if_it_lasts()),
            State::ConsentNeeded if self.is_refused() => {
                format!("The server rejected the refresh token twice; run `imgurctl login {name}`")
            }
            State::ConsentNeeded => self.no_refresh_token(),
            State::Misconfigured => {
                let hint = self.hint_for(self.setting_at_fault());
                format!("{last_failure}; {hint}, then run `imgurctl refresh {name}`")
            }
            State::StoreUnavailable => self.why_store_unavailable(last_failure),
        })
    }

    fn last_failure(&self) -> &str {
        match &self.trouble {
            Some(
                Trouble::Passing { reason, .. }
                | Trouble::Misconfigured { reason, .. }
                | Trouble::NotRecorded { reason },
            ) => reason,
            None => "",
        }
    }

    fn what_if_it_lasts(&self) -> String {
        let name = &self.name;
        match &self.trouble {
            Some(Trouble::Passing { delivery: Delivery::Wordless | Delivery::Unclear, .. }) => format!(
                "wait while imgurd keeps trying. If it lasts, the server may have ended the grant: run `imgurctl \
                 login {name}`"
            ),
            Some(Trouble::Passing { delivery: Delivery::NotOauth, .. }) => {
                format!("wait while imgurd keeps trying. If it lasts, {}", self.check_token_url())
            }
            _ => "wait, imgurd retries automatically".to_owned(),
        }
    }

    fn why_not_all_is_well(&self, now: Timestamp) -> Option<String> {
        if self.rate_limit.tokens_die_early(now) {
            return Some(format!(
                "The server rejects tokens long before they expire, so another program probably uses the client ID \
                 {}; let only one program refresh them",
                self.config.client_id
            ));
        }
        if self.grant().is_some_and(|grant| grant.lacks_new_refresh_token) {
            return Some(format!(
                "The server's last answer had an unreadable refresh token, so imgurd keeps the previous one; if the \
                 next refresh fails, run `imgurctl login {}`",
                self.name
            ));
        }
        if self.revisions.grant_is_unsaved() {
            let why =
                self.revisions.lags().unwrap_or_else(|| "imgurd is saving it; wait a moment".to_owned());
            return Some(format!("The new token is only in memory and not saved yet. {why}"));
        }
        self.why_it_ends().or_else(|| self.notable_skew().map(why_skewed))
    }

    /// Without a refresh token, the sign-in lasts as long as one access token.
    fn why_it_ends(&self) -> Option<String> {
        let grant = self.grant().filter(|grant| grant.refresh_token.is_none())?;
        let lifetime = grant.access.as_ref()?.lifetime;
        let lasts = lifetime.map_or_else(String::new, |lifetime| {
            let (number, unit) = counted(lifetime.as_secs());
            format!(", {number} {unit} after the sign-in")
        });
        Some(format!(
            "The server gave no refresh token, so you must sign in again when this token expires{lasts}; request a \
             refresh token as the server documents (often with the scope offline_access: `imgurctl account set \
             {name} --scope …`), then run `imgurctl login {name}`",
            name = self.name
        ))
    }

    fn why_stale(&self, last_failure: &str) -> String {
        if self.closing {
            return "imgurd is stopping; try again after it restarts".to_owned();
        }
        let why = match (self.config.auto_refresh, last_failure) {
            (false, "") => "Auto-refresh is off".to_owned(),
            (false, failure) => format!("Auto-refresh is off, and the last refresh failed: {failure}"),
            (true, _) => "The token's lifetime is too short to refresh it ahead of time".to_owned(),
        };
        format!("{why}; request a token, or run `imgurctl refresh {}`", self.name)
    }

    fn why_store_unavailable(&self, last_failure: &str) -> String {
        match &self.shelf {
            Shelf::Vanished { reason, .. } | Shelf::Unread { reason: Some(reason), .. } => reason.clone(),
            Shelf::Unread { reason: None, .. } => {
                "imgurd is still reading the store; wait a moment".to_owned()
            }
            Shelf::Read | Shelf::PutAway { .. } => {
                format!("imgurd requests no new token while it cannot save one. {last_failure}")
            }
        }
    }

    pub(super) fn setting_at_fault(&self) -> &'static str {
        match &self.trouble {
            Some(Trouble::Misconfigured { setting, .. }) => setting,
            _ => "",
        }
    }

    /// What to do about a setting that the server rejects.
    pub(super) fn hint_for(&self, setting: &str) -> String {
        let name = &self.name;
        match setting {
            // The same code means an unknown client or unsupported client authentication (RFC 6749, section 5.2).
            "client_secret" => format!(
                "check that client_id and client_auth match your registration, or set client_secret with `imgurctl \
                 account set {name} --client-secret-stdin`"
            ),
            // No setting changes it.
            "token_type" => "have the server issue Bearer tokens to this client".to_owned(),
            other => {
                let option = other.replace('_', "-");
                format!("correct {setting} with `imgurctl account set {name} --{option} …`")
            }
        }
    }

    pub(super) fn no_refresh_token(&self) -> String {
        format!(
            "The server gave no refresh token, so imgurd cannot get new tokens; run `imgurctl login {}`",
            self.name
        )
    }

    pub(super) fn check_token_url(&self) -> String {
        format!(
            "check that token_url ({}) is the server's token endpoint (`imgurctl account set {} --token-url URL` \
             changes it)",
            self.config.token_url, self.name
        )
    }
}

fn counted(seconds: u64) -> (u64, &'static str) {
    match seconds {
        0..120 => (seconds, "seconds"),
        120..7200 => (seconds / 60, "minutes"),
        7200..172_800 => (seconds / 3600, "hours"),
        _ => (seconds / 86400, "days"),
    }
}

fn why_skewed(seconds: i64) -> String {
    let side = if seconds > 0 { "ahead of" } else { "behind" };
    let (number, unit) = counted(seconds.unsigned_abs());
    format!(
        "This machine's clock is about {number} {unit} {side} the server's; correct it, for example with \
         `timedatectl set-ntp true`"
    )
}
