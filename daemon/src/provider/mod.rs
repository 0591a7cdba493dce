//! One OAuth 2.0 server (RFC 6749): the requests to it, and the meaning of its answers.

mod authorities;
mod authorize;
mod bounded_stream;
pub(crate) mod classify;
mod complaint;
mod content_coding;
mod credits;
pub(crate) mod device;
mod discovery;
mod form_request;
mod http;
mod id_token;
pub(crate) mod inquiry;
mod lenient_json;
pub(crate) mod metadata;
mod reachability;
mod response;
mod revocation;
mod route;
pub(crate) mod token_owner;
mod transport;

use std::future::ready;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use imgurd_proto::ClientAuth;
use oauth2::RedirectUrl;
use url::Url;

use crate::grant::{Secret, Timestamp};

pub use authorities::check as check_authorities;
pub use authorize::{Authorization, AuthorizationRequest, OWN_PARAMETERS};
pub(crate) use complaint::shown as shown_of_a_server;
pub use credits::Tally;
pub use device::{DeviceAuthorization, DeviceRequest};
pub use discovery::discover;
pub use http::HttpProvider;
pub use id_token::{IdToken, Identity};
pub use inquiry::{ApiAnswer, Inquiry, Who};
pub use reachability::{Reachability, check_reachability};
pub use response::TokenResponse;
pub use revocation::{Revocation, TokenKind};
pub use token_owner::{Owner, TokenOwner};

const USER_AGENT: &str = concat!("imgurd/", env!("CARGO_PKG_VERSION"));

/// The client, for the token endpoint.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client ID.
    pub id: String,
    /// The client secret, if it has one.
    pub secret: Option<Secret>,
    /// How it authenticates.
    pub auth: ClientAuth,
    /// The resources that its tokens are for (RFC 8707, section 2.2).
    pub resource: Vec<String>,
    /// The token endpoint.
    pub token_url: Url,
    /// A file of certificates that are trusted in addition to the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether the server has issued tokens to this client with these settings before. Then an error about a refresh
    /// is about the grant.
    pub proven: bool,
}

/// A request to the token endpoint.
#[derive(Clone, Debug)]
pub enum TokenRequest {
    /// Exchanges an authorization code for a grant (RFC 6749, section 4.1.3).
    Code {
        /// The code.
        code: Secret,
        /// The PKCE verifier (RFC 7636), if a challenge was sent.
        verifier: Option<Secret>,
        /// The redirect URI, if the authorization request had one.
        redirect_uri: Option<RedirectUrl>,
        /// The value that an ID token in the answer must contain, if the authorization request had a nonce.
        nonce: Option<Secret>,
    },
    /// Exchanges Imgur's PIN for a grant.
    Pin(Secret),
    /// Exchanges a device code for a grant, once the user has entered the user code (RFC 8628, section 3.4).
    Device(Secret),
    /// Exchanges a refresh token for an access token (RFC 6749, section 6).
    Refresh(Secret),
}

/// The result of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The answer, classified.
    pub answer: Answer,
    /// The time of the server's clock, if the answer has it (`Date`, RFC 9110, section 6.6.1).
    pub date: Option<Timestamp>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self { answer, date: None }
    }
}

/// An answer of the token endpoint. There are four kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Tokens.
    Granted(TokenResponse),
    /// The server explicitly refuses the grant, code or PIN.
    Refused {
        /// The server's error.
        reason: String,
    },
    /// The server refuses the client or the request.
    Misconfigured {
        /// The invalid setting, by its name in config.toml.
        setting: &'static str,
        /// The server's error.
        reason: String,
    },
    /// Everything else. It may be temporary.
    Transient(Transient),
}

impl Answer {
    fn transient(reason: impl Into<String>, delivery: Delivery) -> Self {
        Self::Transient(Transient { reason: reason.into(), retry_after: None, delivery })
    }

    fn misconfigured_url(reason: &str) -> Self {
        Self::Misconfigured { setting: "token_url", reason: reason.into() }
    }
}

/// An answer that proves nothing about the grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transient {
    /// The cause, as the beginning of a sentence.
    pub reason: String,
    /// When the server wants to be asked again.
    pub retry_after: Option<Duration>,
    /// How far the request came.
    pub delivery: Delivery,
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was not sent, so nothing can have changed at the server.
    NotSent,
    /// It was sent, but no complete answer arrived. The server may have replaced the refresh token.
    InDoubt,
    /// It was answered.
    Answered,
    /// It was answered, but the user has not decided yet (RFC 8628, section 3.5).
    Undecided,
    /// Like `Undecided`, and the server wants to be asked less often from now on.
    TooSoon,
    /// The server rejected it (4xx) with an empty body, so the cause is unknown.
    Wordless,
    /// The server rejected it (4xx) with an error that is not OAuth's. It may be about the grant.
    Unclear,
    /// The answer was not from a token endpoint: a page, a redirect, or another kind of 4xx.
    NotOauth,
}

/// The token endpoint. Tests replace it.
pub trait Provider: Send + Sync {
    /// Sends one request and classifies the answer. It ends within 30 s. Once it has been polled, the future must not
    /// be dropped, because the answer may contain the only copy of a refresh token.
    fn token(&self, client: Client, request: TokenRequest) -> BoxFuture<'static, Reply>;

    /// Asks the API whose token it is, and so whether the token works.
    fn identify(&self, inquiry: Inquiry) -> BoxFuture<'static, TokenOwner>;

    /// Asks for a code that the user enters on any device (RFC 8628). The error never contains tokens. By default
    /// there is no such endpoint.
    fn authorize_device(
        &self,
        _request: DeviceRequest,
    ) -> BoxFuture<'static, Result<DeviceAuthorization, Box<Answer>>> {
        Box::pin(ready(Err(Box::new(Answer::Refused { reason: "nobody answers".to_owned() }))))
    }

    /// Asks the server to revoke tokens (RFC 7009), each within 30 s. The error is the beginning of a sentence. By
    /// default it succeeds.
    fn revoke(&self, _revocation: Revocation) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(ready(Ok(())))
    }

    /// Asks the API how many requests it still allows. By default the API does not report it.
    fn credits(&self, _inquiry: Inquiry) -> BoxFuture<'static, Tally> {
        Box::pin(ready(Tally::Unsupported))
    }
}

/// Whether only this machine and the server can read what is sent there (RFC 6749, section 3.2).
#[must_use]
pub fn is_protected(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Whether the URL's host can only be this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(imgurd_proto::is_loopback)
}
