//! The settings of the fake Imgur.

use std::time::Duration;

use serde_json::Value;

/// The settings of a [`Fake`](super::Fake). The default is Imgur as its users describe it.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The one registered application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The registered callback URL. Without one, redirects go to `https://imgur.com/`, as Imgur's do.
    pub callback: Option<String>,
    /// The user who is signed in at the consent page, unless the form names another.
    pub username: String,
    /// The real lifetime of an access token.
    pub lifetime: Duration,
    /// The lifetime in the token answer.
    pub expires_in: ExpiresIn,
    /// What happens to a refresh token that is used.
    pub rotation: Rotation,
    /// Whether a new access token invalidates the user's older ones.
    pub one_live_token: bool,
    /// The API's status for a bad access token: usually 403; 401 and 429 have been seen.
    pub rejection: u16,
    /// The `token_type`: `bearer`, or `Bearer` as in the documentation.
    pub token_type: String,
    /// How `account_id` is written.
    pub account_id: AccountId,
    /// How `scope` is written.
    pub scope: Scope,
    /// Whether the token answer is wrapped in `data`.
    pub wrapped: bool,
    /// The shape of the token endpoint's errors.
    pub errors: ErrorStyle,
    /// How many images each user has.
    pub images: usize,
    /// The issuer in the answers of the authorization endpoint (RFC 9207, `iss`), if any.
    pub iss: Option<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            client_id: "fake-client-id".into(),
            client_secret: "fake-client-secret".into(),
            callback: None,
            username: "alice".into(),
            lifetime: Duration::from_hours(1),
            expires_in: ExpiresIn::Truth,
            rotation: Rotation::Off,
            one_live_token: true,
            rejection: 403,
            token_type: "bearer".into(),
            account_id: AccountId::Number,
            scope: Scope::Null,
            wrapped: false,
            errors: ErrorStyle::Imgur,
            images: 1,
            iss: None,
        }
    }
}

/// What happens to a refresh token that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays valid, and each answer repeats it.
    Off,
    /// It stays valid, and answers do not repeat it.
    Omitted,
    /// A new one replaces it. The old one is refused from then on.
    Plain,
    /// As `Plain`, but reusing an old one revokes the whole grant (RFC 9700, section 4.14.2).
    ReuseDetection,
    /// As `Plain`, but the old one still works for this long.
    Grace(Duration),
}

/// The value of `expires_in`.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpiresIn {
    /// The real lifetime, in whole seconds.
    Truth,
    /// No value: the member is absent.
    Absent,
    /// This JSON value: another number, a string, a float, `null`.
    Json(Value),
}

/// How `account_id` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountId {
    /// As a number.
    Number,
    /// As digits in a string.
    Text,
    /// Not at all.
    Absent,
}

/// How `scope` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `null`.
    Null,
    /// `""`.
    Empty,
    /// As this text.
    Is(&'static str),
    /// Not at all.
    Absent,
}

/// The shape of the token endpoint's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStyle {
    /// Imgur's: 400 with a text within `data`.
    Imgur,
    /// RFC 6749, section 5.2.
    Rfc6749,
}
