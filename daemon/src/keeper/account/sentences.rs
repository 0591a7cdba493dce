//! Why a call about an account failed. Each sentence ends with what to do.

use imgurd_proto::Error;

use super::Machine;
use crate::grant::Grant;
use crate::provider::{Answer, Delivery, Owner, TokenOwner, Transient};

/// Why a new grant is not used.
pub(super) const CHANGED_MEANWHILE: &str =
    "client_id or token_url changed meanwhile; change it back, or try again";

/// The time that `slow_down` adds to the pause between polls, in seconds (RFC 8628, section 3.5).
const SLOW_DOWN_S: i64 = 5;

impl Machine {
    pub(super) fn needs_sign_in(&self) -> Error {
        Error::ConsentNeeded { account: self.name.clone(), reason: self.no_refresh_token() }
    }

    pub(super) fn lacks_client_secret(&self, is_lost: bool) -> Error {
        let name = &self.name;
        let why = if is_lost {
            format!("The store lost the client secret of {name} and its grant")
        } else {
            format!("Imgur needs the client secret for this flow, and {name} has none")
        };
        let reason = format!(
            "{why}; run `imgurctl login {name} --client-secret-stdin` and give the secret on standard input (nothing \
             if the application has none)"
        );
        Error::Misconfigured { setting: "client_secret".to_owned(), reason }
    }

    pub(super) fn is_busy(&self) -> Error {
        Error::unavailable(format!(
            "Too many requests for {} are in progress; try again in a moment",
            self.name
        ))
    }

    pub(super) fn is_verifying(&self) -> Error {
        Error::unavailable(format!(
            "imgurd is still verifying an import into {}; try again in a moment",
            self.name
        ))
    }

    pub(super) fn is_refreshing(&self) -> Error {
        Error::unavailable(format!("imgurd is refreshing {}; try again in a moment", self.name))
    }

    pub(super) fn signed_out_meanwhile(&self) -> Error {
        let name = &self.name;
        Error::login(format!(
            "{name} was signed out meanwhile, so imgurd did not keep the new grant; run `imgurctl login {name}`, or \
             import it again"
        ))
    }

    /// A program can only use a token of a type that it knows, and programs expect Bearer (RFC 6749, section 7.1).
    pub(super) fn not_bearer(&self, token_type: &str) -> Error {
        Error::login(format!(
            "{}, so imgurd kept nothing; have the server issue Bearer tokens to this client, then run `imgurctl \
             login {}`",
            Self::issues_other_tokens(token_type),
            self.name
        ))
    }

    /// The beginning of a sentence.
    pub(super) fn issues_other_tokens(token_type: &str) -> String {
        format!(
            "The server issues tokens of the type “{}”, and imgurd hands out only Bearer tokens",
            token_type.replace('`', "'")
        )
    }

    /// The beginning of a sentence.
    pub(super) fn lacks_access_token() -> String {
        "the server's answer has a new refresh token, which imgurd keeps, but no access token that can be read"
            .to_owned()
    }

    pub(super) fn set_aside_without_access_token(&self) -> String {
        format!(
            "The server's answer has a refresh token, but no access token that can be read, so imgurd keeps the current \
             grant and set the new one aside; run `imgurctl restore {}` to try it",
            self.name
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
                Error::invalid("response", format!("The server rejected the answer ({reason})"))
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
            Answer::Granted(_) => {
                Error::login("imgurd received the server's answer twice; run `imgurctl status`")
            }
        }
    }

    /// A poll that ends nothing gives `TemporarilyUnavailable`, which no caller sees. `retry_at` is the number of
    /// seconds to add to the interval between polls; it is absent if the server was unreachable.
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
                format!(
                    "The server rejected this token ({reason}), and the current grant stays; import another token"
                ),
            ),
            Answer::Transient(Transient { reason, .. }) => Error::unavailable(format!(
                "imgurd could not verify the token: {reason}. The current grant stays; try again later, or run \
                 `imgurctl import {} --replace`",
                self.name
            )),
            Answer::Granted(_) => {
                Error::invalid("text", "imgurd received the server's answer twice; run `imgurctl status`")
            }
        }
    }

    fn misconfigured_by(&self, setting: &str, reason: &str, then: &str) -> Error {
        let reason = format!("{reason}; {}, then {then}", self.hint_for(setting));
        Error::Misconfigured { setting: setting.to_owned(), reason }
    }

    /// The imported grant may not replace `current`.
    pub(super) fn imported_anothers(&self, candidate: &Grant, current: &Grant, then: &str) -> Error {
        let (name, candidate, current) = (&self.name, holder(candidate), holder(current));
        let reason =
            format!("The grant belongs to {candidate}, but {name} holds the grant of {current}: {then}");
        Error::invalid("replace", reason)
    }

    /// Another user signed in, so the grant is set aside.
    pub(super) fn another_signed_in(&self, new: &Grant, current: &Grant) -> Error {
        let (name, new, current) = (&self.name, holder(new), holder(current));
        let reason = format!(
            "{new} signed in, but {name} holds the grant of {current}, so imgurd set the new one aside; run \
             `imgurctl restore {name}` to switch to it, or `imgurctl login {name} --replace`"
        );
        Error::LoginFailed { reason, set_aside: Some(new), is_open: false }
    }

    /// Why imgurd cannot confirm that the new grant belongs to the same user; `None` if the API or the server confirms
    /// it.
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
            TokenOwner::Rejected => "The API rejects the new token".to_owned(),
            TokenOwner::Unknown(reason) => format!("The API did not say who owns the new grant ({reason})"),
            TokenOwner::Unsupported => "No API says who owns the new grant".to_owned(),
        };
        let (name, holder) = (&self.name, holder(current));
        Some(Error::login(format!(
            "{why}, so imgurd keeps the grant of {holder} and set the new one aside; run `imgurctl restore {name}` \
             to switch to it, or `imgurctl login {name} --replace`"
        )))
    }

    /// A refresh token that the user brings is an old one of this account.
    pub(super) fn is_replaced(&self, has_working_grant: bool) -> Error {
        let name = &self.name;
        let then = if has_working_grant {
            format!(", and the current grant stays; run `imgurctl refresh {name}` for a new access token")
        } else {
            format!("; run `imgurctl login {name}`")
        };
        let reason = format!(
            "This is an older refresh token of {name}, which the server has replaced, so imgurd sent nothing{then}"
        );
        Error::invalid("text", reason)
    }
}

/// The new grant belongs to another client or server than is configured now.
pub(super) fn set_aside_for_its_issuer(grant: &Grant) -> Error {
    let reason = format!("imgurd set the new grant aside, because {CHANGED_MEANWHILE}");
    Error::LoginFailed { reason, set_aside: Some(holder(grant)), is_open: false }
}

/// The imported grant is not verified, so it replaces none. The server may have received it, so imgurd does not
/// delete it.
pub(super) fn kept_unverified(account: &str, reason: &str) -> Error {
    Error::unavailable(format!(
        "imgurd could not verify the token: {reason}. It set the token aside and keeps the current grant; run \
         `imgurctl restore {account}` when the server answers"
    ))
}

/// The ID token has another nonce than the request had.
pub(crate) fn another_sign_in(account: &str) -> String {
    format!(
        "The server's ID token belongs to another sign-in (its nonce differs), so imgurd kept nothing; run `imgurctl \
         login {account}` to try again"
    )
}

/// Whether the grant is that user's. The server's ID for users takes precedence over a name, which may change hands.
fn is_of(grant: &Grant, owner: &Owner) -> bool {
    match (&grant.account_id, &owner.account_id) {
        (Some(mine), Some(theirs)) => mine == theirs,
        _ => grant.username.as_ref() == Some(&owner.username),
    }
}

fn holder(grant: &Grant) -> String {
    grant.username.clone().unwrap_or_else(|| "an unknown user".to_owned())
}
