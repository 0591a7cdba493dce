//! The errors of the interface.

use serde::{Deserialize, Serialize};

/// Why a call to the keeper failed. Each text ends with what to do next, and holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", content = "parameters")]
pub enum Error {
    /// No account of that name is configured.
    #[serde(rename = "org.imgurd.Keeper1.NoSuchAccount")]
    #[error("{reason}")]
    NoSuchAccount {
        /// The name asked for; empty where a default was meant and there is none.
        account: String,
        /// What to do.
        reason: String,
    },
    /// There is no grant, or the server refused it for good: the person has to sign in.
    #[serde(rename = "org.imgurd.Keeper1.ConsentNeeded")]
    #[error("{reason}")]
    ConsentNeeded {
        /// The account.
        account: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The caller may not do that.
    #[serde(rename = "org.imgurd.Keeper1.AccessDenied")]
    #[error("{reason}")]
    AccessDenied {
        /// Why, and what to do.
        reason: String,
    },
    /// It failed for a reason that passes by itself.
    #[serde(rename = "org.imgurd.Keeper1.TemporarilyUnavailable")]
    #[error("{reason}")]
    TemporarilyUnavailable {
        /// Why, and what to do.
        reason: String,
        /// When it is tried again, in Unix seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<i64>,
    },
    /// The store that holds the grants is locked, absent or has another key.
    #[serde(rename = "org.imgurd.Keeper1.StoreUnavailable")]
    #[error("{reason}")]
    StoreUnavailable {
        /// Why, and what to do.
        reason: String,
    },
    /// The server refused the client or a setting.
    #[serde(rename = "org.imgurd.Keeper1.Misconfigured")]
    #[error("{reason}")]
    Misconfigured {
        /// The setting at fault, by its name in config.toml; empty where the file as a whole is.
        setting: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Signing in did not work out.
    #[serde(rename = "org.imgurd.Keeper1.LoginFailed")]
    #[error("{reason}")]
    LoginFailed {
        /// Why, and what to do.
        reason: String,
        /// Who signed in where the account holds another person's grant: theirs is set aside, and `RestoreGrant`
        /// changes over to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set_aside: Option<String>,
    },
    /// An argument cannot be what it is.
    #[serde(rename = "org.imgurd.Keeper1.InvalidArgument")]
    #[error("{reason}")]
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

    /// An [`Error::LoginFailed`].
    pub fn login(reason: impl Into<String>) -> Self {
        Self::LoginFailed { reason: reason.into(), set_aside: None }
    }
}
