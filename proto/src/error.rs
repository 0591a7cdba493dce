//! The errors of the interface.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::paths::runtime_directory;
use crate::text::cause;
use crate::varlink::ServiceError;

/// Why a call to imgurd failed. Each text ends with what to do next, and contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", content = "parameters")]
#[error("{reason}")]
pub enum Error {
    /// There is no account with that name.
    #[serde(rename = "org.imgurd.Keeper1.NoSuchAccount")]
    NoSuchAccount {
        /// The requested account; empty if the call meant the default account and there is none.
        account: String,
        /// What to do.
        reason: String,
    },
    /// There is no grant, or the server rejected it twice: the user must sign in.
    #[serde(rename = "org.imgurd.Keeper1.ConsentNeeded")]
    ConsentNeeded {
        /// The account.
        account: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The caller may not call this method or use this account.
    #[serde(rename = "org.imgurd.Keeper1.AccessDenied")]
    AccessDenied {
        /// Why, and what to do.
        reason: String,
    },
    /// It failed for a temporary reason.
    #[serde(rename = "org.imgurd.Keeper1.TemporarilyUnavailable")]
    TemporarilyUnavailable {
        /// Why, and what to do.
        reason: String,
        /// When imgurd tries again, in Unix seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<i64>,
    },
    /// The store that holds the grants is locked, absent or has another key.
    #[serde(rename = "org.imgurd.Keeper1.StoreUnavailable")]
    StoreUnavailable {
        /// Why, and what to do.
        reason: String,
    },
    /// The server rejected the client or a setting.
    #[serde(rename = "org.imgurd.Keeper1.Misconfigured")]
    Misconfigured {
        /// The setting at fault, by its name in config.toml; empty if the fault is in the file as a whole.
        setting: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The sign-in failed.
    #[serde(rename = "org.imgurd.Keeper1.LoginFailed")]
    LoginFailed {
        /// Why, and what to do.
        reason: String,
        /// The user who signed in, if the account holds another user's grant: imgurd set the new grant aside, and
        /// `RestoreGrant` switches to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set_aside: Option<String>,
        /// Whether the sign-in continues, because only a pasted answer was rejected: `CompleteLogin` accepts another
        /// one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_open: bool,
    },
    /// An argument is not valid.
    #[serde(rename = "org.imgurd.Keeper1.InvalidArgument")]
    InvalidArgument {
        /// The argument or setting.
        field: String,
        /// What it should be.
        reason: String,
    },
}

impl Error {
    /// The error's name within the interface, such as `ConsentNeeded`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoSuchAccount { .. } => "NoSuchAccount",
            Self::ConsentNeeded { .. } => "ConsentNeeded",
            Self::AccessDenied { .. } => "AccessDenied",
            Self::TemporarilyUnavailable { .. } => "TemporarilyUnavailable",
            Self::StoreUnavailable { .. } => "StoreUnavailable",
            Self::Misconfigured { .. } => "Misconfigured",
            Self::LoginFailed { .. } => "LoginFailed",
            Self::InvalidArgument { .. } => "InvalidArgument",
        }
    }

    /// An [`Error::InvalidArgument`].
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidArgument { field: field.into(), reason: reason.into() }
    }

    /// An [`Error::TemporarilyUnavailable`] that nothing but another call ends.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::TemporarilyUnavailable { reason: reason.into(), retry_at: None }
    }

    /// An [`Error::LoginFailed`].
    pub fn login(reason: impl Into<String>) -> Self {
        Self::LoginFailed { reason: reason.into(), set_aside: None, is_open: false }
    }
}

/// Without a runtime directory, a user has no service manager: the user has not logged in, as on a server or in a cron
/// job.
fn how_to_start() -> &'static str {
    if runtime_directory().exists() {
        "start it with `systemctl --user start imgurd`, or run `imgurd`"
    } else {
        "your services run only while you are logged in: run `loginctl enable-linger` once to keep them running"
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No program answers at the socket.
    #[error("imgurd does not answer at {path} ({}); {}", cause(.source), how_to_start())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A program accepts connections there, but does not answer.
    #[error(
        "imgurd did not answer within {} s; see `journalctl --user -u imgurd`, and restart it with `systemctl --user \
         restart imgurd`",
        .after.as_secs()
    )]
    Silent {
        /// How long the client waited.
        after: Duration,
    },
    /// imgurd returned an error, or the client refused the socket because it belongs to another user.
    #[error(transparent)]
    Keeper(#[from] Error),
    /// The daemon does not know the method or the parameter; it may be older than the client.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The daemon answered with an error that this client does not know; it may be newer than the client.
    #[error(
        "imgurd answered with the error {name}, which this older client does not know; update the client"
    )]
    Unknown {
        /// The error's full name.
        name: String,
    },
    /// The connection ended, or the answer was not valid.
    #[error("the connection to imgurd broke: {}; try again, and see `journalctl --user -u imgurd`", cause(.0))]
    Connection(#[from] io::Error),
}
