//! The errors of the token endpoint.

use super::behaviour::ErrorStyle;
use super::body::{self, Answer};

/// A refused token request. The messages are Imgur's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    RefreshToken,
    Code,
    Pin,
    Client,
    GrantType,
    RedirectUri,
    Missing(&'static str),
    /// An answer to a poll (RFC 8628, section 3.5).
    Device(&'static str, &'static str),
}

impl Refusal {
    fn text(self) -> String {
        match self {
            Self::RefreshToken => "Invalid refresh token".into(),
            // Imgur's message for a bad code also mentions a refresh token.
            Self::Code => "Refresh token doesn't exist or is invalid for the client".into(),
            Self::Pin => "Invalid Pin".into(),
            Self::Client => "The client credentials are invalid".into(),
            Self::GrantType => "Invalid grant_type parameter or parameter missing".into(),
            Self::RedirectUri => "The redirect URI provided is missing or does not match".into(),
            Self::Device(_, text) => text.into(),
            Self::Missing(parameter) => format!("Missing parameter. \"{parameter}\" is required"),
        }
    }

    fn rfc6749(self) -> (u16, &'static str) {
        match self {
            Self::RefreshToken | Self::Code | Self::Pin | Self::RedirectUri => (400, "invalid_grant"),
            Self::Client => (401, "invalid_client"),
            Self::GrantType => (400, "unsupported_grant_type"),
            Self::Missing(_) => (400, "invalid_request"),
            Self::Device(code, _) => (400, code),
        }
    }

    pub(super) fn answer(self, style: ErrorStyle) -> Answer {
        match style {
            ErrorStyle::Imgur if !matches!(self, Self::Device(..)) => {
                body::error(400, &self.text(), "/oauth2/token", "POST")
            }
            ErrorStyle::Imgur | ErrorStyle::Rfc6749 => {
                let (status, code) = self.rfc6749();
                body::rfc6749(status, code, &self.text())
            }
        }
    }
}
