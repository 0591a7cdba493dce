//! The events and requests that an account receives, and the effects that it returns.

use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Error, Flow};

use super::issuer::Began;
use crate::config::AccountConfig;
use crate::grant::{Record, Secret, Timestamp};
use crate::keeper::Calls;
use crate::provider::{Answer, Client, Inquiry, Revocation, TokenOwner, TokenRequest, TokenResponse};
use crate::store::{IfMissing, StoreError};

/// Facts about the world that accompany each event.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The wall clock.
    pub at: Timestamp,
    /// A random number in 0..1, for jitter.
    pub dice: f64,
    /// The calls of programs so far.
    pub calls: Calls,
}

/// Identifies a caller that waits for the outcome of an [`Ask`].
pub type Ticket = u64;

/// What happened.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one is taken in at a time, and a record is read once")]
#[expect(missing_docs, reason = "a field is what its name says")]
pub enum Event {
    /// The store was read.
    Loaded(Result<Option<Record>, StoreError>),
    /// The store saved a revision, or failed to.
    Saved { revision: u64, result: Result<(), StoreError> },
    /// The store has not answered within the time that callers wait for it.
    SaveIsSlow { revision: u64 },
    /// The server answered.
    Answered { op: u64, answer: Answer },
    /// The time that [`wake_at`](super::Machine::wake_at) returned has come.
    Tick,
    /// A request.
    Asked {
        ticket: Ticket,
        ask: Ask,
        /// The settings when it began, if that was earlier.
        began: Option<Began>,
    },
    /// The API's answer about the user of a grant.
    Identified { generation: u64, owner: TokenOwner },
    /// The configuration was read again.
    Configured(Arc<AccountConfig>),
    /// A login with this ID began, or the login ended.
    Login(Option<String>),
    /// Start nothing new: the daemon is stopping, or the account was removed.
    Closing,
    /// The wall clock was set forward by this many milliseconds. Times that were measured by it move along.
    ClockSet(i64),
    /// The time of the server's clock.
    ServerTime(Timestamp),
    /// The machine is about to suspend, or has resumed.
    Sleep(bool),
    /// An address or a route was added, so the network may be back.
    Online,
    /// Another store has replaced the previous one.
    StoreReplaced,
}

/// A request to an account.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "a field is what its name says")]
pub enum Ask {
    /// A token, for a caller that waits.
    Want { want: Want, until: Timestamp },
    /// A grant for a code or PIN.
    Exchange {
        request: TokenRequest,
        /// Whether it may replace another user's grant.
        replace: bool,
    },
    /// A grant for tokens that the server gave through the browser.
    Accept {
        tokens: TokenResponse,
        /// Whether it may replace another user's grant.
        replace: bool,
    },
    /// A grant obtained elsewhere.
    Import {
        refresh_token: Secret,
        access_token: Option<Secret>,
        /// The user who consented, if the text names one.
        username: Option<String>,
        /// Whether it may replace a working grant before it is verified, or another user's grant.
        replace: bool,
    },
    /// Restore the grant that was replaced.
    Restore,
    /// Delete the grants.
    Logout,
    /// Save this client secret.
    KeepClientSecret(Secret),
    /// Check whether a grant could be accepted.
    Ready,
    /// Check whether a sign-in can begin. The client secret is given if the store has lost it.
    SignIn { flow: Flow, client_secret: Option<Secret> },
    /// Try the store again now, to read or write what failed before.
    Reload,
}

/// The requested token.
#[derive(Clone, Debug)]
pub enum Want {
    /// One that stays valid for this long.
    Valid(Duration),
    /// A new one.
    New,
    /// Another one than this rejected one.
    AnotherThan(Secret),
}

/// An action to carry out.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "a field is what its name says")]
pub enum Effect {
    /// Read the store.
    Load,
    /// Save to the store.
    Save { revision: u64, record: Box<Record>, if_missing: IfMissing },
    /// Ask the server.
    Send { op: u64, client: Client, request: TokenRequest },
    /// Ask the API whose grant it is.
    Identify { generation: u64, inquiry: Inquiry },
    /// Revoke a grant at the server that imgurd has not kept.
    Revoke(Revocation),
    /// Answer the caller.
    Reply { ticket: Ticket, result: Result<(), Error> },
}

impl Want {
    /// How long the token must stay valid.
    pub(in crate::keeper) fn validity(&self) -> Duration {
        match self {
            Self::Valid(least) => *least,
            Self::New | Self::AnotherThan(_) => Duration::ZERO,
        }
    }
}

impl Ask {
    /// Whether it changes the account. The caller of a change may leave once it has learned that the change
    /// continues.
    pub(super) fn is_a_change(&self) -> bool {
        match self {
            Self::Want { .. } | Self::Ready | Self::Reload => false,
            Self::SignIn { client_secret, .. } => client_secret.is_some(),
            _ => true,
        }
    }
}

impl Event {
    /// The name of the event for logs. The event itself contains secrets.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Loaded(_) => "loaded",
            Self::Saved { .. } => "saved",
            Self::SaveIsSlow { .. } => "save is slow",
            Self::Answered { .. } => "answered",
            Self::Tick => "tick",
            Self::Asked { .. } => "asked",
            Self::Identified { .. } => "identified",
            Self::Configured(_) => "configured",
            Self::Login(_) => "login",
            Self::Closing => "closing",
            Self::ClockSet(_) => "clock set",
            Self::ServerTime(_) => "server time",
            Self::Sleep(_) => "sleep",
            Self::Online => "online",
            Self::StoreReplaced => "store replaced",
        }
    }
}
