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
    /// What programs have asked for so far.
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
    /// The store took a revision, or did not.
    Saved { revision: u64, result: Result<(), StoreError> },
    /// The store has not answered within the time that callers can be kept waiting.
    SaveIsSlow { revision: u64 },
    /// The server answered.
    Answered { op: u64, answer: Answer },
    /// The time that [`wake_at`](super::Machine::wake_at) named has come.
    Tick,
    /// Somebody asks for something.
    Asked {
        ticket: Ticket,
        ask: Ask,
        /// The conditions when it began, if that was earlier.
        began: Option<Began>,
    },
    /// The API's answer about whose grant it is.
    Identified { generation: u64, owner: TokenOwner },
    /// The configuration was read again.
    Configured(Arc<AccountConfig>),
    /// A login of that id began, or ended.
    Login(Option<String>),
    /// Nothing new may be started: the daemon stops, or the account was removed.
    Closing,
    /// Somebody set the wall clock by that many milliseconds. Times measured by it move along.
    ClockSet(i64),
    /// The time of the server's clock.
    ServerTime(Timestamp),
    /// The machine is about to sleep, or is awake again.
    Sleep(bool),
    /// An address or a route has come: the network may be back.
    Online,
    /// Another store has replaced the last one.
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
    /// The grant that was displaced.
    Restore,
    /// To forget the grants.
    Logout,
    /// To keep this client secret.
    KeepClientSecret(Secret),
    /// Whether a grant could be accepted.
    Ready,
    /// Whether a sign-in can begin. The client secret comes along where the store has lost it.
    SignIn { flow: Flow, client_secret: Option<Secret> },
    /// Try the store again now, to read or write what failed before.
    Reload,
}

/// Which token will do.
#[derive(Clone, Debug)]
pub enum Want {
    /// One that stays valid for so long.
    Valid(Duration),
    /// A new one.
    New,
    /// Another than this one, which was rejected.
    AnotherThan(Secret),
}

/// An action to carry out.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "a field is what its name says")]
pub enum Effect {
    /// Read the store.
    Load,
    /// Write to the store.
    Save { revision: u64, record: Box<Record>, if_missing: IfMissing },
    /// Ask the server.
    Send { op: u64, client: Client, request: TokenRequest },
    /// Ask the API whose grant it is.
    Identify { generation: u64, inquiry: Inquiry },
    /// Revoke a grant at the server that imgurd does not keep.
    Revoke(Revocation),
    /// Answer the caller.
    Reply { ticket: Ticket, result: Result<(), Error> },
}

impl Want {
    /// For how long the token has to stay valid.
    pub(in crate::keeper) fn validity(&self) -> Duration {
        match self {
            Self::Valid(least) => *least,
            Self::New | Self::AnotherThan(_) => Duration::ZERO,
        }
    }
}

impl Ask {
    /// Whether it changes the account. The caller of a change may leave after it has learned that the change continues.
    pub(super) fn is_a_change(&self) -> bool {
        match self {
            Self::Want { .. } | Self::Ready | Self::Reload => false,
            Self::SignIn { client_secret, .. } => client_secret.is_some(),
            _ => true,
        }
    }
}

impl Event {
    /// Events carry secrets: their names are all that a log may see.
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
