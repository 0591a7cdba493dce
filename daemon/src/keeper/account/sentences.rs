//! The sentences of an account: why it is as it is, and why something failed. Each ends with what to do.

use imgurd_proto::{Error, State};

use super::refreshing::Trouble;
use super::{Machine, Shelf};
use crate::grant::{Grant, Timestamp};
use crate::keeper::try_later;
use crate::provider::{Answer, Delivery, Owner, TokenOwner, Transient};

/// Why a grant that was on its way is not put in use.
pub(super) const CHANGED_MEANWHILE: &str =
    "client_id or token_url was changed meanwhile; change it back, or do it again";

/// What `slow_down` adds to the pause between polls, in seconds (RFC 8628, section 3.5).
const SLOW_DOWN_S: i64 = 5;

/// Why the account is in this state.
impl Machine {
    pub(super) fn reason(&self, state: State, now: Timestamp) -> Option<String> {
        let name = &self.name;
        let last_failure = self.last_failure();
        Some(match state {
            State::Fresh => return self.why_not_all_is_well(now),
            State::Empty if self.record.grant.is_some() => format!(
                "The grant was given to another client id or server than is configured now, so it is set aside; change \
                 the setting back, or run `imgurctl login {name}`"
            ),
            State::Empty => format!("Nobody has signed in yet; run `imgurctl login {name}`"),
            State::Refreshing => format!("A new token for {name} is on its way; try again in a moment"),
            State::Stale => self.why_stale(last_failure),
            State::Waiting if self.record.refusal.is_some() => {
                format!("{last_failure}; it is asked again before that is believed, just wait")
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
                "imgurd keeps trying. If it lasts, the server may have ended the grant: run `imgurctl login {name}`"
            ),
            Some(Trouble::Passing { delivery: Delivery::NotOauth, .. }) => {
                format!("imgurd keeps trying. If it lasts, {}", self.check_token_url())
            }
            _ => format!("imgurd tries {name} again by itself, so just wait"),
        }
    }

    fn why_not_all_is_well(&self, now: Timestamp) -> Option<String> {
        if self.rate_limit.tokens_die_early(now) {
            return Some(format!(
                "The server rejects tokens long before they expire: another program seems to use the client id {}; let \
                 only one program refresh them",
                self.config.client_id
            ));
        }
        if self.grant().is_some_and(|grant| grant.lacks_new_refresh_token) {
            return Some(format!(
                "The server's last answer had a refresh token that cannot be read, so imgurd keeps the one before; if the \
                 next refresh fails, run `imgurctl login {}`",
                self.name
            ));
        }
        if self.revisions.grant_is_unsaved() {
            let why =
                self.revisions.lags().unwrap_or_else(|| "It is being written; wait a moment".to_owned());
            return Some(format!("The new token is served from memory, because it is not saved yet. {why}"));
        }
        self.why_it_ends().or_else(|| self.notable_skew().map(why_skewed))
    }

    /// Without a refresh token, the sign-in is worth one access token.
    fn why_it_ends(&self) -> Option<String> {
        let grant = self.grant().filter(|grant| grant.refresh_token.is_none())?;
        let lifetime = grant.access.as_ref()?.lifetime;
        let lasts = lifetime.map_or_else(String::new, |lifetime| {
            let (number, unit) = counted(lifetime.as_secs());
            format!(", {number} {unit} after the sign-in")
        });
        Some(format!(
            "The server gave no refresh token, so imgurd cannot refresh this token and you have to sign in again when it \
             expires{lasts}; to get one, request it as the server documents (often with the scope offline_access: `imgurctl \
             account set {name} --scope …`), then run `imgurctl login {name}`",
            name = self.name
        ))
    }

    fn why_stale(&self, last_failure: &str) -> String {
        if self.closing {
            return "imgurd is stopping; ask again when it is back".to_owned();
        }
        let why = match (self.config.auto_refresh, last_failure) {
            (false, "") => "Auto-refresh is off".to_owned(),
            (false, failure) => format!("Auto-refresh is off, and the last try failed: {failure}"),
            (true, _) => "The token lives too shortly to be refreshed ahead of time".to_owned(),
        };
        format!("{why}; ask for a token, or run `imgurctl refresh {}`", self.name)
    }

    fn why_store_unavailable(&self, last_failure: &str) -> String {
        match &self.shelf {
            Shelf::Vanished { reason, .. } | Shelf::Unread { reason: Some(reason), .. } => reason.clone(),
            Shelf::Unread { reason: None, .. } => "The store is still being read; wait a moment".to_owned(),
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

    /// What to do about a setting that the server does not accept.
    fn hint_for(&self, setting: &str) -> String {
        let name = &self.name;
        match setting {
            // The same error stands for an unknown client and for another way to identify itself (RFC 6749, section 5.2).
            "client_secret" => format!(
                "see that client_id and client_auth are as registered, or set client_secret right with `imgurctl \
                 account set {name} --client-secret-stdin`"
            ),
            other => {
                let option = other.replace('_', "-");
                format!("set {setting} right with `imgurctl account set {name} --{option} …`")
            }
        }
    }

    fn no_refresh_token(&self) -> String {
        format!(
            "The server gave no refresh token, so only a new sign-in brings a token; run `imgurctl login {}`",
            self.name
        )
    }
}

/// Why a call failed.
impl Machine {
    pub(super) fn needs_sign_in(&self) -> Error {
        Error::ConsentNeeded { account: self.name.clone(), reason: self.no_refresh_token() }
    }

    pub(super) fn lacks_client_secret(&self, is_lost: bool) -> Error {
        let name = &self.name;
        let why = if is_lost {
            format!("The store lost the client secret of {name} together with its grant")
        } else {
            format!("Imgur needs the client secret for this flow, and {name} has none")
        };
        let reason = format!(
            "{why}; run `imgurctl login {name} --client-secret-stdin` and give the secret on standard input, or nothing if \
             the application has none"
        );
        Error::Misconfigured { setting: "client_secret".to_owned(), reason }
    }

    pub(super) fn is_busy(&self) -> Error {
        try_later(format!("Too many requests for {} are under way; try again in a moment", self.name))
    }

    pub(super) fn is_verifying(&self) -> Error {
        try_later(format!("An import into {} is being verified; try again in a moment", self.name))
    }

    pub(super) fn is_refreshing(&self) -> Error {
        try_later(format!("A refresh of {} is on its way; try again in a moment", self.name))
    }

    pub(super) fn signed_out_meanwhile(&self) -> Error {
        let name = &self.name;
        Error::login(format!(
            "{name} was signed out meanwhile, so the new grant was not kept; run `imgurctl login {name}` or import it \
             again"
        ))
    }

    /// What programs cannot send along as it is would be of no use to them (RFC 6749, section 7.1).
    pub(super) fn not_bearer(&self, token_type: &str) -> Error {
        Error::login(format!(
            "{}, so nothing was kept; have the server issue Bearer tokens to this client, then run `imgurctl login {}`",
            Self::issues_other_tokens(token_type),
            self.name
        ))
    }

    /// The beginning of a sentence.
    pub(super) fn issues_other_tokens(token_type: &str) -> String {
        format!(
            "The server issues tokens of the type “{}”, and imgurd hands out Bearer tokens only",
            token_type.replace('`', "'")
        )
    }

    pub(super) fn nothing_to_restore(&self) -> Error {
        let reason = format!(
            "{} has no earlier grant to restore (kept for 30 days); run `imgurctl login {0}`",
            self.name
        );
        Error::invalid("account", reason)
    }

    /// `TemporarilyUnavailable` if the same answer of the sign-in page may be sent again.
    pub(super) fn exchange_failed(&self, answer: Answer) -> Error {
        let sign_in = format!("run `imgurctl login {}` to sign in again", self.name);
        match answer {
            Answer::Misconfigured { setting, reason } => self.misconfigured_by(setting, &reason, &sign_in),
            Answer::Refused { reason } => {
                Error::invalid("response", format!("The server refused the answer ({reason})"))
            }
            Answer::Transient(Transient {
                reason,
                delivery: Delivery::NotSent | Delivery::Answered,
                retry_after,
            }) => Error::TemporarilyUnavailable {
                reason: format!("The sign-in could not be completed: {reason}"),
                retry_at: retry_after.map(|after| (self.now.at + after).as_secs()),
            },
            Answer::Transient(Transient { reason, delivery, .. }) => {
                let is_suspect =
                    matches!(delivery, Delivery::Wordless | Delivery::NotOauth) && !self.is_proven();
                let url =
                    if is_suspect { format!("{}, then ", self.check_token_url()) } else { String::new() };
                Error::login(format!("The sign-in could not be completed: {reason}; {url}{sign_in}"))
            }
            Answer::Granted(_) => Error::login("The server's answer came twice; run `imgurctl status`"),
        }
    }

    /// A poll that ends nothing is `TemporarilyUnavailable`, which no caller sees: `retry_at` is the number of seconds that the
    /// server wants between polls in addition, and absent where the server could not be asked.
    pub(super) fn poll_failed(&self, answer: Answer) -> Error {
        let Answer::Transient(Transient { reason, delivery, retry_after }) = answer else {
            return match answer {
                Answer::Refused { reason } => {
                    Error::login(format!("{reason}; run `imgurctl login {}` to try again", self.name))
                }
                other => self.exchange_failed(other),
            };
        };
        let later = match delivery {
            Delivery::Undecided => Some(0),
            Delivery::TooSoon => Some(SLOW_DOWN_S),
            Delivery::Wordless | Delivery::NotOauth if !self.is_proven() => {
                return self.exchange_failed(Answer::Transient(Transient { reason, retry_after, delivery }));
            }
            _ => None,
        };
        Error::TemporarilyUnavailable { reason, retry_at: later }
    }

    pub(super) fn verification_failed(&self, answer: Answer) -> Error {
        match answer {
            Answer::Misconfigured { setting, reason } => {
                self.misconfigured_by(setting, &reason, "import again")
            }
            Answer::Refused { reason } => Error::invalid(
                "text",
                format!("The server refused this token ({reason}); the grant at hand stays"),
            ),
            Answer::Transient(Transient { reason, .. }) => try_later(format!(
                "The token could not be verified: {reason}. The grant at hand stays; try again later, or run `imgurctl \
                 import {} --replace`",
                self.name
            )),
            Answer::Granted(_) => {
                Error::invalid("text", "The server's answer came twice; run `imgurctl status`")
            }
        }
    }

    fn check_token_url(&self) -> String {
        format!(
            "check that token_url ({}) is the server's token endpoint, which `imgurctl account set {} --token-url URL` \
             changes",
            self.config.token_url, self.name
        )
    }

    fn misconfigured_by(&self, setting: &str, reason: &str, then: &str) -> Error {
        let reason = format!("{reason}; {}, then {then}", self.hint_for(setting));
        Error::Misconfigured { setting: setting.to_owned(), reason }
    }

    /// The imported grant may not take the place of `current`.
    pub(super) fn imported_anothers(&self, candidate: &Grant, current: &Grant, then: &str) -> Error {
        let (name, candidate, current) = (&self.name, holder(candidate), holder(current));
        let reason = format!("The grant is {candidate}'s, but {name} holds that of {current}: {then}");
        Error::invalid("replace", reason)
    }

    /// Another user signed in: their grant is set aside.
    pub(super) fn another_signed_in(&self, new: &Grant, current: &Grant) -> Error {
        let (name, new, current) = (&self.name, holder(new), holder(current));
        let reason = format!(
            "{new} signed in, but {name} holds the grant of {current}, which stays; the new one is set aside. Run \
             `imgurctl restore {name}` to change over to it, or `imgurctl login {name} --replace`"
        );
        Error::LoginFailed { reason, set_aside: Some(new), is_open: false }
    }

    /// Nobody says that the new grant is the same user's. Nothing where the API says so, or the server did.
    pub(super) fn why_not_identified(
        &self,
        owner: TokenOwner,
        vouched: bool,
        new: &Grant,
        current: &Grant,
    ) -> Option<Error> {
        let why = match owner {
            TokenOwner::Known(owner) if is_of(current, &owner) => return None,
            TokenOwner::Unsupported if vouched => return None,
            TokenOwner::Known(_) => return Some(self.another_signed_in(new, current)),
            TokenOwner::Rejected => "The API does not accept the new token".to_owned(),
            TokenOwner::Unknown(reason) => format!("The API did not say whose the new grant is ({reason})"),
            TokenOwner::Unsupported => "No API says whose the new grant is".to_owned(),
        };
        let (name, holder) = (&self.name, holder(current));
        Some(Error::login(format!(
            "{why}, so the grant of {holder} stays and the new one is set aside; run `imgurctl restore {name}` to change \
             over to it, or `imgurctl login {name} --replace`"
        )))
    }

    /// A refresh token that somebody brings is an older one of ours.
    pub(super) fn is_replaced(&self, has_working_grant: bool) -> Error {
        let name = &self.name;
        let then = if has_working_grant {
            format!(", and the grant at hand stays. Run `imgurctl refresh {name}` for a new access token")
        } else {
            format!(". Run `imgurctl login {name}`")
        };
        let reason = format!(
            "This is an older refresh token of {name}, and the server has replaced it; nothing was sent to the \
             server{then}"
        );
        Error::invalid("text", reason)
    }
}

/// The new grant belongs to another client or server than is configured now.
pub(super) fn set_aside_for_its_issuer(grant: &Grant) -> Error {
    let reason = format!("The new grant is set aside, since {CHANGED_MEANWHILE}");
    Error::LoginFailed { reason, set_aside: Some(holder(grant)), is_open: false }
}

/// Nobody has seen the imported grant work, so nothing makes way for it; and it may have been spent, so it is not thrown
/// away.
pub(super) fn kept_unverified(reason: &str) -> Error {
    try_later(format!(
        "The token could not be verified: {reason}. It is set aside and the grant at hand stays; import it again with \
         --replace once the server answers"
    ))
}

/// The ID token has another nonce than the request had.
pub(crate) fn another_sign_in(account: &str) -> String {
    format!(
        "The server's ID token belongs to another sign-in (its nonce differs), so nothing was kept; run `imgurctl login \
         {account}` to try again"
    )
}

/// Whether the grant is that user's. The server's own name for them counts before one that may change hands.
fn is_of(grant: &Grant, owner: &Owner) -> bool {
    match (&grant.account_id, &owner.account_id) {
        (Some(mine), Some(theirs)) => mine == theirs,
        _ => grant.username.as_ref() == Some(&owner.username),
    }
}

fn holder(grant: &Grant) -> String {
    grant.username.clone().unwrap_or_else(|| "somebody unnamed".to_owned())
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
        "This machine's clock is about {number} {unit} {side} the server's; set it right, for example with `timedatectl \
         set-ntp true`"
    )
}
