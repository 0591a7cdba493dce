//! What the user is told about an account. Nothing for faults that pass by themselves.

use std::time::Duration;

use imgurd_proto::text::printable;
use imgurd_proto::{Account, Flow, State};
use notify_rust::Urgency;
use url::Url;

use super::server::escape;
use crate::grant::Timestamp;
use crate::keeper::Attention;
use crate::provider::is_loopback;

/// How long a store may fail before the user is told: keyrings are unlocked and restarted as a desktop starts.
const STORE_GRACE: Duration = Duration::from_secs(10);
/// How long refreshing may fail near the end.
const FAILURE_GRACE: Duration = Duration::from_hours(1);
/// The longest name of a server's that is shown.
const LONGEST_NAME: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matter {
    /// The account needs a sign-in.
    Consent,
    Locked,
    /// The store fails in another way.
    Store,
    /// The grant is in memory only.
    Unsaved,
    /// The server refuses the client or a setting.
    Refused,
    /// The token reaches its maximum age, and nothing refreshes it.
    Ageing,
    /// The page to sign in on could not be opened, or no sign-in begun.
    ByHand,
    Done,
}

/// What a click can do about it, besides *Later*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    SignIn,
    Unlock,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) matter: Matter,
    pub(super) summary: String,
    pub(super) body: String,
    pub(super) remedy: Option<Remedy>,
    /// What to run where a click can do nothing; absent where the body says it.
    pub(super) command: Option<String>,
    /// How long it has to last before it is told.
    pub(super) grace: Duration,
}

impl Remedy {
    /// The action's key, and its label.
    pub(super) fn action(self) -> (&'static str, &'static str) {
        match self {
            Self::SignIn => ("sign-in", "Sign in"),
            Self::Unlock => ("unlock", "Unlock"),
        }
    }
}

impl Notice {
    fn new(matter: Matter, summary: String, body: impl Into<String>) -> Self {
        let grace = match matter {
            Matter::Locked | Matter::Store | Matter::Unsaved => STORE_GRACE,
            _ => Duration::ZERO,
        };
        Self { matter, summary, body: body.into(), remedy: None, command: None, grace }
    }

    /// The notice for an account, if any. `wanted` says that a caller wanted a missing token.
    pub(super) fn of(attention: &Attention, wanted: bool, now: Timestamp) -> Option<Self> {
        let account = &*attention.account;
        let notice = match account.state {
            State::ConsentNeeded => consent(account),
            State::Empty if wanted => consent(account),
            State::Misconfigured => refused(account),
            _ if attention.locked && (account.unsaved || account.state == State::StoreUnavailable) => {
                locked(account)
            }
            State::StoreUnavailable => store(account),
            _ if account.unsaved => unsaved(account),
            _ if attention.ages_at.is_some_and(|at| at <= now) => ageing(account),
            _ => return None,
        };
        let grace = if wanted { Duration::ZERO } else { notice.grace };
        Some(Self { grace, ..notice })
    }

    /// The body for a server: markup where it knows that, and the command where it has no buttons.
    pub(super) fn body(&self, has_actions: bool, has_markup: bool) -> String {
        let command = self.command.as_ref().filter(|_| !has_actions || self.remedy.is_none());
        let run = command.map_or_else(String::new, |command| format!(" Run: {command}"));
        let text = format!("{}{run}", self.body);
        if has_markup { escape(&text) } else { text }
    }

    /// From the Icon Naming Specification.
    pub(super) fn icon(&self) -> &'static str {
        match self.matter {
            Matter::Consent | Matter::Locked | Matter::ByHand => "dialog-password",
            Matter::Refused => "dialog-error",
            Matter::Store | Matter::Unsaved | Matter::Ageing => "dialog-warning",
            Matter::Done => "dialog-information",
        }
    }

    /// From the Desktop Notifications Specification, which leaves room for others' own.
    pub(super) fn category(&self) -> &'static str {
        match self.matter {
            Matter::Consent | Matter::ByHand | Matter::Ageing => "network",
            Matter::Refused => "network.error",
            Matter::Locked | Matter::Store | Matter::Unsaved => "x-imgurd.store.error",
            // "such as successful sign-on to a network service"
            Matter::Done => "network.connected",
        }
    }

    pub(super) fn urgency(&self) -> Urgency {
        match self.matter {
            // A grant that is lost may not be had again.
            Matter::Unsaved => Urgency::Critical,
            Matter::Done => Urgency::Low,
            _ => Urgency::Normal,
        }
    }

    /// Whether it goes by itself, with nothing to answer.
    pub(super) fn is_brief(&self) -> bool {
        self.matter == Matter::Done
    }

    pub(super) fn can_wait(&self) -> bool {
        !matches!(self.matter, Matter::Done | Matter::ByHand)
    }

    pub(super) fn done(account: &Account) -> Self {
        let name = printable(account.username.as_deref().unwrap_or(&account.name));
        let name: String = name.chars().take(LONGEST_NAME).collect();
        let body = format!("Programs get the token of {} again.", account.name);
        Self::new(Matter::Done, format!("Signed in as {name}"), body)
    }

    /// Asks the user to open the page.
    pub(super) fn page(account: &str, why: &str, url: &Url) -> Self {
        let body = format!("{why}. Open this page in a browser on this machine:\n{url}");
        Self::new(Matter::ByHand, format!("Sign in: {account}"), body)
    }

    /// Asks the user to enter a code, which no page knows by itself.
    pub(super) fn code(account: &str, code: &str, url: &Url) -> Self {
        let body = format!("Enter the code {code} on this page, on any device:\n{url}");
        Self::new(Matter::ByHand, format!("Sign in: {account}"), body)
    }

    pub(super) fn not_begun(account: &str, why: &str) -> Self {
        Self::new(Matter::ByHand, format!("Sign in: {account}"), sentence(why))
    }
}

fn consent(account: &Account) -> Notice {
    let name = &account.name;
    let body = match (account.state, &account.username) {
        (State::Empty, _) => "A program asks for its token, and nobody has signed in.",
        (_, Some(_)) => {
            "The sign-in is no longer accepted; programs get no new token until you sign in again."
        }
        (_, None) => "Programs get no new token until you sign in again.",
    };
    let notice = Notice::new(Matter::Consent, format!("Sign in: {name}"), body);
    let remedy = is_answered_here(account).then_some(Remedy::SignIn);
    Notice { remedy, command: Some(format!("imgurctl login {name}")), ..notice }
}

/// Whether the answer comes back by itself, with nothing to paste.
fn is_answered_here(account: &Account) -> bool {
    let callback = account.settings.redirect_uri.as_deref().and_then(|uri| Url::parse(uri).ok());
    let is_local = callback.is_some_and(|uri| uri.scheme() == "http" && is_loopback(&uri));
    match account.settings.flow {
        Some(Flow::Pin) => false,
        Some(Flow::Device) => true,
        _ => is_local,
    }
}

fn locked(account: &Account) -> Notice {
    let body = "The token cannot be kept fresh while the keyring is locked.";
    let notice = Notice::new(Matter::Locked, format!("Keyring locked: {}", account.name), body);
    Notice { remedy: Some(Remedy::Unlock), command: Some("imgurctl unlock".to_owned()), ..notice }
}

fn store(account: &Account) -> Notice {
    Notice::new(Matter::Store, format!("Sign-in cannot be read: {}", account.name), reason(account))
}

fn unsaved(account: &Account) -> Notice {
    Notice::new(Matter::Unsaved, format!("Sign-in not saved: {}", account.name), reason(account))
}

fn refused(account: &Account) -> Notice {
    Notice::new(Matter::Refused, format!("Settings refused: {}", account.name), reason(account))
}

fn ageing(account: &Account) -> Notice {
    let name = &account.name;
    let (why, grace) = if account.auto_refresh {
        ("refreshing it keeps failing", FAILURE_GRACE)
    } else {
        ("auto-refresh is off", Duration::ZERO)
    };
    let body =
        format!("In three days or less it reaches the age at which it has to be refreshed, and {why}.");
    let notice = Notice::new(Matter::Ageing, format!("Token grows old: {name}"), body);
    Notice { command: Some(format!("imgurctl refresh {name}")), grace, ..notice }
}

fn reason(account: &Account) -> String {
    sentence(account.reason.as_deref().unwrap_or("See `imgurctl status`"))
}

/// A reason may begin as the rest of another sentence does.
fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    format!("{}{rest}.", first.to_uppercase())
}

#[cfg(test)]
mod tests;
