//! The messages to the actor: from callers through a handle, and from its own tasks.

#[cfg(test)]
use std::collections::BTreeMap;
use std::sync::Arc;

use imgurd_proto::{Error, Export};
use tokio::sync::oneshot;

use super::account::{Ask, Began, Event, Progress};
#[cfg(test)]
use super::slots::Slot;
use crate::config::Config;
use crate::provider::{DeviceRequest, Revocation, TokenOwner};
use crate::store::StoreError;

#[cfg(test)]
pub(super) type Look = Box<dyn FnOnce(&BTreeMap<String, Box<Slot>>) + Send>;

pub(super) type Answerer = oneshot::Sender<Result<Progress, Error>>;

#[expect(clippy::large_enum_variant, reason = "few are under way, and an event with a record is there once")]
pub(super) enum Message {
    Ask {
        account: String,
        ask: Ask,
        began: Option<Began>,
        reply: Answerer,
    },
    Happened {
        account: String,
        event: Event,
    },
    Configure {
        config: Arc<Config>,
        reply: oneshot::Sender<()>,
    },
    Login {
        account: String,
        login: Option<String>,
        reply: oneshot::Sender<()>,
    },
    Identify {
        account: String,
        reply: oneshot::Sender<TokenOwner>,
    },
    Identified {
        account: String,
        generation: u64,
        owner: TokenOwner,
        reply: oneshot::Sender<TokenOwner>,
    },
    /// Returns the part of a server's text that may be shown.
    Shown {
        account: String,
        text: String,
        reply: oneshot::Sender<Option<String>>,
    },
    /// Returns the request for a device code; `None` if the account has no device authorization endpoint.
    DeviceRequest {
        account: String,
        reply: oneshot::Sender<Option<DeviceRequest>>,
    },
    /// Returns the tokens to revoke at the server, as of the logout.
    Logout {
        account: String,
        revocable: oneshot::Sender<Option<Revocation>>,
        reply: Answerer,
    },
    Export {
        account: String,
        reply: oneshot::Sender<Result<Export, Error>>,
    },
    Online,
    Sleep {
        reply: oneshot::Sender<()>,
    },
    Awake,
    Unlock {
        reply: oneshot::Sender<Result<(), Error>>,
    },
    Unlocked {
        result: Result<(), StoreError>,
        reply: oneshot::Sender<Result<(), Error>>,
    },
    Drain {
        reply: oneshot::Sender<()>,
    },
    /// Gives a test access to the state machines.
    #[cfg(test)]
    Inspect(Look),
}
