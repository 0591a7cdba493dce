//! The errors of OAuth 2.0 (RFC 6749, sections 4.1.2.1 and 5.2).

use std::borrow::Cow;
use std::time::Duration;

use hyper::StatusCode;
use imgurd_proto::Error;

use crate::access::unix_time;

/// How long a client is asked to wait if nothing says for how long.
const LATER: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OauthError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) description: Cow<'static, str>,
    pub(super) retry_after: Option<Duration>,
}

impl OauthError {
    pub(super) fn new(code: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, description: description.into(), retry_after: None }
    }

    pub(super) fn request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// The client did not prove its identity (RFC 6749, section 5.2).
    pub(super) fn client(description: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, ..Self::new("invalid_client", description) }
    }

    pub(super) fn unavailable(description: String, retry_after: Duration) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(retry_after),
            ..Self::new("temporarily_unavailable", description)
        }
    }

    /// Why there is no token. If only a new consent helps, the error says that the client's grant is invalid: then the
    /// client opens the sign-in page, which says what to do.
    pub(super) fn of(error: Error, now: i64) -> Self {
        match error {
            Error::ConsentNeeded { reason, .. } | Error::NoSuchAccount { reason, .. } => Self::grant(reason),
            Error::AccessDenied { reason } => Self::new("unauthorized_client", reason),
            Error::TemporarilyUnavailable { reason, retry_at } => {
                let wait = retry_at.and_then(|at| u64::try_from(at - now).ok()).map(Duration::from_secs);
                Self::unavailable(reason, wait.unwrap_or(LATER).max(Duration::from_secs(1)))
            }
            Error::StoreUnavailable { reason } => Self::unavailable(reason, LATER),
            other => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                ..Self::new("server_error", other.to_string())
            },
        }
    }
}

/// The keeper's error as OAuth has it.
pub(super) fn failed(error: Error) -> OauthError {
    OauthError::of(error, unix_time())
}
