//! What an account is told and asked, and what it wants done.

use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Error, Flow};

use super::issuer::Began;
use crate::config::AccountConfig;
use crate::grant::{Record, Secret, Timestamp};
use crate::keeper::Calls;
use crate::provider::{Answer, Client, Inquiry, Revocation, TokenOwner, TokenRequest, TokenResponse};
use crate::store::{IfMissing, StoreError};

/// What the machine is told about the world beside the event.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The wall clock.
    pub at: Timestamp,
    /// A random number in 0..1, for jitter.
    pub dice: f64,
    /// What programs have asked for so far.
    pub calls: Calls,
}

/// Who waits for the outcome of an [`Ask`].
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
        /// What it began with, where that was earlier.
        began: Option<Began>,
    },
    /// What the API says about whose grant it is.
    Identified { generation: u64, owner: TokenOwner },
    /// The configuration was read again.
    Configured(Arc<AccountConfig>),
    /// A login of that id began, or ended.
    Login(Option<String>),
    /// Nothing new is to be started: the daemon stops, or the account was removed.
    Closing,
    /// Somebody set the wall clock by that many milliseconds: what has been measured by it moves along.
    ClockSet(i64),
    /// What the server's clock shows.
    ServerTime(Timestamp),
    /// The machine is about to sleep, or is awake again.
    Sleep(bool),
    /// An address or a route has come: the network may be back.
    Online,
    /// Another store has taken the place of the last.
    StoreReplaced,
}

/// What can be asked of an account.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "a field is what its name says")]
pub enum Ask {
    /// A token, by somebody who waits.
    Want { want: Want, until: Timestamp },
    /// A grant for a code or PIN.
    Exchange {
        request: TokenRequest,
        /// Whether another user's grant may make way.
        replace: bool,
    },
    /// A grant for tokens that the server gave through the browser.
    Accept {
        tokens: TokenResponse,
        /// Whether another user's grant may make way.
        replace: bool,
    },
    /// A grant obtained elsewhere.
    Import {
        refresh_token: Secret,
        access_token: Option<Secret>,
        /// Who consented, where the text said so.
        username: Option<String>,
        /// Whether a working grant may make way for it unverified, or for another user's.
        replace: bool,
    },
    /// The grant that was displaced.
    Restore,
    /// To forget the grants.
    Logout,
    /// To keep this client secret.
    KeepClientSecret(Secret),
    /// Whether a grant could be taken in.
    Ready,
    /// Whether a sign-in can begin. The client secret comes along where the store has lost it.
    SignIn { flow: Flow, client_secret: Option<Secret> },
    /// To ask the store again now, for what could not be read or written.
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

/// What is to be done.
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
    /// End a grant at the server that nobody keeps here.
    Revoke(Revocation),
    /// Answer whoever asked.
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
    /// Whether it changes the account. Whoever asks for a change may leave, having heard that it goes on.
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
