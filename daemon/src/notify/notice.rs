//! The notifications about an account. Temporary problems get none.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use imgurd_proto::text::printable;
use imgurd_proto::{Account, Flow, State};
use notify_rust::Urgency;
use url::Url;

use super::server::{Actions, escape};
use crate::grant::Timestamp;
use crate::keeper::Attention;
use crate::provider::is_loopback;

/// How long a store may fail before imgurd tells the user, because keyrings are unlocked and restarted when a desktop
/// starts.
const STORE_GRACE: Duration = Duration::from_secs(10);
/// How long refreshing may fail shortly before expiry.
const FAILURE_GRACE: Duration = Duration::from_hours(1);
/// The length of the longest name from a server that is shown.
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
    /// The token nears its maximal age, and nothing refreshes it.
    Ageing,
    /// The sign-in page could not be opened, or the login not started.
    ByHand,
    Done,
}

/// What a click can do, in addition to *Later*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    SignIn,
    Unlock,
}

/// The account that a notification is about, and its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) service: String,
    pub(super) account: String,
}

impl Display for Subject {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} account {}", self.service, self.account)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) matter: Matter,
    /// The title. It contains imgurd's name, and is short enough for servers that show only one line.
    pub(super) summary: String,
    /// What to do, unless a button does it. It comes first, because some servers shorten long texts.
    pub(super) instruction: Option<String>,
    /// What happened, and to which account.
    pub(super) body: String,
    pub(super) remedy: Option<Remedy>,
    /// How long the problem has to last before imgurd shows it.
    pub(super) grace: Duration,
}

impl Remedy {
    /// The key of the action, and its label.
    pub(super) fn action(self) -> (&'static str, &'static str) {
        match self {
            Self::SignIn => ("sign-in", "Sign in"),
            Self::Unlock => ("unlock", "Unlock"),
        }
    }
}

impl Notice {
    fn new(matter: Matter, summary: impl Into<String>, body: String) -> Self {
        let grace = match matter {
            Matter::Locked | Matter::Store | Matter::Unsaved => STORE_GRACE,
            _ => Duration::ZERO,
        };
        Self { matter, summary: summary.into(), instruction: None, body, remedy: None, grace }
    }

    /// A notice from a reason, which ends with what to do.
    fn because(matter: Matter, summary: impl Into<String>, subject: &Subject, reason: &str) -> Self {
        let (why, instruction) = split(reason);
        let body = format!("{subject}: {}", sentence(why));
        Self { instruction: instruction.map(sentence), ..Self::new(matter, summary, body) }
    }

    /// The notice for an account, if any. `wanted` means that a caller wanted a token and got none.
    pub(super) fn of(attention: &Attention, subject: &Subject, wanted: bool, now: Timestamp) -> Option<Self> {
        let account = &*attention.account;
        let notice = match account.state {
            State::ConsentNeeded => consent(account, subject),
            State::Empty if wanted => consent(account, subject),
            State::Misconfigured => {
                let summary = format!("imgurd: {} rejects a setting", subject.service);
                Self::because(Matter::Refused, summary, subject, reason(account))
            }
            _ if attention.locked && (account.unsaved || account.state == State::StoreUnavailable) => {
                locked(account, subject)
            }
            State::StoreUnavailable => {
                Self::because(Matter::Store, "imgurd: tokens unavailable", subject, reason(account))
            }
            _ if account.unsaved => {
                let is_out = account.state == State::Empty;
                let summary = if is_out { "imgurd: sign-out not saved" } else { "imgurd: token not saved" };
                Self::because(Matter::Unsaved, summary, subject, reason(account))
            }
            _ if attention.ages_at.is_some_and(|at| at <= now) => ageing(account, subject),
            _ => return None,
        };
        let grace = if wanted { Duration::ZERO } else { notice.grace };
        Some(Self { grace, ..notice })
    }

    /// The text for a server: with the instruction unless a button does the same, and with markup if the server reads
    /// it.
    pub(super) fn body(&self, actions: Actions, has_markup: bool) -> String {
        let has_button = matches!(actions, Actions::Buttons | Actions::OnlyButtons) && self.remedy.is_some();
        let text = match self.instruction.as_ref().filter(|_| !has_button) {
            Some(instruction) => format!("{instruction} {}", self.body),
            None => self.body.clone(),
        };
        if has_markup { escape(&text) } else { text }
    }

    /// A name of the Icon Naming Specification.
    pub(super) fn icon(&self) -> &'static str {
        match self.matter {
            Matter::Consent | Matter::Locked | Matter::ByHand => "dialog-password",
            Matter::Refused => "dialog-error",
            Matter::Store | Matter::Unsaved | Matter::Ageing => "dialog-warning",
            Matter::Done => "dialog-information",
        }
    }

    /// A category of the Desktop Notifications Specification, which also allows private ones.
    pub(super) fn category(&self) -> &'static str {
        match self.matter {
            Matter::Consent | Matter::ByHand | Matter::Ageing => "network",
            Matter::Refused => "network.error",
            Matter::Locked | Matter::Store | Matter::Unsaved => "x-imgurd.store.error",
            // Quoted from the specification: "such as successful sign-on to a network service".
            Matter::Done => "network.connected",
        }
    }

    pub(super) fn urgency(&self) -> Urgency {
        match self.matter {
            // It may be impossible to get a lost grant again.
            Matter::Unsaved => Urgency::Critical,
            Matter::Done => Urgency::Low,
            _ => Urgency::Normal,
        }
    }

    /// Whether it disappears without a reaction.
    pub(super) fn is_brief(&self) -> bool {
        self.matter == Matter::Done
    }

    pub(super) fn can_wait(&self) -> bool {
        !matches!(self.matter, Matter::Done | Matter::ByHand)
    }

    pub(super) fn done(account: &Account, subject: &Subject) -> Self {
        let name = printable(account.username.as_deref().unwrap_or(&account.name));
        let name: String = name.chars().take(LONGEST_NAME).collect();
        let summary = format!("imgurd: signed in to {}", subject.service);
        Self::new(
            Matter::Done,
            summary,
            format!("{subject}: you are signed in as {name}. Programs can now get its token."),
        )
    }

    /// Asks the user to open the page.
    pub(super) fn page(subject: &Subject, why: &str, url: &Url) -> Self {
        let body = format!("{subject}: open this page in a browser on this machine ({why}):\n{url}");
        Self::new(Matter::ByHand, format!("imgurd: sign in to {}", subject.service), body)
    }

    /// Asks the user to enter a code at a page.
    pub(super) fn code(subject: &Subject, code: &str, url: &Url) -> Self {
        let body = format!("Enter the code {code} for {subject} on this page, on any device:\n{url}");
        Self::new(Matter::ByHand, format!("imgurd: sign in to {}", subject.service), body)
    }

    pub(super) fn not_begun(subject: &Subject, why: &str) -> Self {
        Self::because(Matter::ByHand, "imgurd: cannot sign in", subject, why)
    }

    pub(super) fn still_locked(subject: &Subject, why: &str) -> Self {
        Self::because(Matter::ByHand, "imgurd: keyring still locked", subject, why)
    }
}

fn consent(account: &Account, subject: &Subject) -> Notice {
    let why = match (account.state, &account.username) {
        (State::Empty, _) => "a program wants its token, but nobody has signed in.",
        (_, Some(_)) => {
            "the server no longer accepts the sign-in. Programs get no new token until you sign in again."
        }
        (_, None) => "programs get no new token until you sign in again.",
    };
    let summary = format!("imgurd: sign in to {}", subject.service);
    let notice = Notice::new(Matter::Consent, summary, format!("{subject}: {why}"));
    let remedy = is_answered_here(account).then_some(Remedy::SignIn);
    Notice { remedy, instruction: Some(format!("Run `imgurctl login {}`.", account.name)), ..notice }
}

/// Whether the answer returns to imgurd without pasting.
fn is_answered_here(account: &Account) -> bool {
    let callback = account.settings.redirect_uri.as_deref().and_then(|uri| Url::parse(uri).ok());
    let is_local = callback.is_some_and(|uri| uri.scheme() == "http" && is_loopback(&uri));
    match account.settings.flow {
        Some(Flow::Pin) => false,
        Some(Flow::Device) => true,
        _ => is_local,
    }
}

fn locked(account: &Account, subject: &Subject) -> Notice {
    let reason = match account.state {
        State::StoreUnavailable => reason(account),
        _ => "The keyring is locked, so imgurd cannot save the new token; run `imgurctl unlock`",
    };
    let notice = Notice::because(Matter::Locked, "imgurd: keyring locked", subject, reason);
    Notice { remedy: Some(Remedy::Unlock), ..notice }
}

fn ageing(account: &Account, subject: &Subject) -> Notice {
    let (why, grace) = if account.auto_refresh {
        ("refreshing it keeps failing", FAILURE_GRACE)
    } else {
        ("auto-refresh is off", Duration::ZERO)
    };
    let body = format!("{subject}: the token must be refreshed within three days, but {why}.");
    let notice = Notice::new(Matter::Ageing, "imgurd: token needs a refresh", body);
    Notice { instruction: Some(format!("Run `imgurctl refresh {}`.", account.name)), grace, ..notice }
}

fn reason(account: &Account) -> &str {
    account.reason.as_deref().unwrap_or("See `imgurctl status`")
}

/// The cause and the instruction in a reason. The instruction follows the first `; ` outside parentheses.
fn split(reason: &str) -> (&str, Option<&str>) {
    let depth = |text: &str| text.matches('(').count().saturating_sub(text.matches(')').count());
    let mut ends = reason.match_indices("; ").map(|(at, _)| at);
    match ends.find(|at| depth(&reason[..*at]) == 0) {
        Some(at) => (&reason[..at], Some(&reason[at + 2..])),
        None => (reason, None),
    }
}

/// Makes a sentence of text that may begin in lower case.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    format!("{}{rest}.", first.to_uppercase())
}

#[cfg(test)]
mod tests;
