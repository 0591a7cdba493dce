//! Tokens, accounts and their settings as callers see them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// An access token, handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The account it belongs to, by the name it has here.
    pub account: String,
    /// What goes behind `Authorization: Bearer`.
    pub access_token: Secret,
    /// The canonical name of its type: `Bearer`.
    pub token_type: String,
    /// When it expires, in Unix seconds; absent where the server did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Who signed in, by the name the server gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// What is left of the requests that an API allows, as it counts them. What it does not say is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credits {
    /// How many the person may make until `user_reset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_limit: Option<i64>,
    /// How many are left of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_remaining: Option<i64>,
    /// When all of them are there again, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_reset: Option<i64>,
    /// How many the application may make in a day, for all who use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_limit: Option<i64>,
    /// How many are left of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_remaining: Option<i64>,
}

/// All that makes an account work elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its name here.
    pub account: String,
    /// Its settings, defaults filled in.
    pub settings: Settings,
    /// The application's secret, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// What new access tokens are obtained with.
    pub refresh_token: Secret,
    /// The current access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<Secret>,
    /// Who signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// What was decided about an application and an account, and is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// The application: the name of its sandbox or of its systemd unit, `unknown`, or `remote`.
    pub application: String,
    /// The account.
    pub account: String,
    /// Whether it may use the account.
    pub allow: bool,
    /// When that was decided, in Unix seconds.
    pub since: i64,
}

/// How a caller reached the keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// The local socket.
    Socket,
    /// The socket for callers forwarded from other machines.
    Remote,
    /// The session bus.
    Bus,
}

impl Wire {
    /// Its name on the wire and for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Remote => "remote",
            Self::Bus => "bus",
        }
    }
}

/// What became of a call for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The caller was handed it.
    Granted,
    /// The caller may not have it.
    Denied,
}

impl Outcome {
    /// Its name on the wire and for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
        }
    }
}

/// Who was handed an account's token, or was refused it. Nothing secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JournalEntry {
    /// When, in Unix seconds.
    pub at: i64,
    /// When the last call was that this stands for, in Unix seconds, where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// How many calls this stands for: alike in all but the time and the process, and within a minute.
    pub count: u64,
    /// What became of the call.
    pub outcome: Outcome,
    /// The account, where the call got as far as to name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The method, such as `RejectToken`, where the call got as far as that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How the caller reached the keeper.
    pub wire: Wire,
    /// The application, as far as the system vouches for it: a sandbox, a systemd unit, or `unknown`.
    pub application: String,
    /// Whether it counts as one in a sandbox.
    pub sandboxed: bool,
    /// The user who called.
    pub uid: u32,
    /// The process, of the first call where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// What the process executed, or called itself. Nothing vouches for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an account is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No grant: nobody has signed in yet.
    Empty,
    /// A token is at hand, valid for the default `min_valid_s`.
    Fresh,
    /// A refresh is on its way.
    Refreshing,
    /// Not fresh, and nothing scheduled: auto-refresh is off.
    Stale,
    /// The last try failed for a passing reason; the next is at `retry_at`.
    Waiting,
    /// The server refused the grant, and did so again when asked again.
    ConsentNeeded,
    /// The server refused the client or a setting.
    Misconfigured,
    /// The grant is known to exist, but the store is locked, absent or has another key.
    StoreUnavailable,
}

impl State {
    /// The name the state has on the wire and for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Fresh => "fresh",
            Self::Refreshing => "refreshing",
            Self::Stale => "stale",
            Self::Waiting => "waiting",
            Self::ConsentNeeded => "consent_needed",
            Self::Misconfigured => "misconfigured",
            Self::StoreUnavailable => "store_unavailable",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is none of the choices a setting has; `Display` names the choices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct NotAChoice(&'static str);

/// How consent is obtained: the `response_type` of the authorization request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// Authorization code (RFC 6749, section 4.1) with PKCE (RFC 7636).
    #[default]
    Code,
    /// Implicit (RFC 6749, section 4.2): the tokens come in the redirect's fragment.
    Token,
    /// Imgur's own: the page shows a PIN, the person types it.
    Pin,
}

impl Flow {
    /// The value of `response_type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Token => "token",
            Self::Pin => "pin",
        }
    }
}

impl FromStr for Flow {
    type Err = NotAChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "code" => Ok(Self::Code),
            "token" => Ok(Self::Token),
            "pin" => Ok(Self::Pin),
            _ => Err(NotAChoice("code, token or pin")),
        }
    }
}

/// How the client identifies itself at the token endpoint (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the request's body, as Imgur wants them.
    #[default]
    Body,
    /// An HTTP Basic header.
    Basic,
}

impl FromStr for ClientAuth {
    type Err = NotAChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "body" => Ok(Self::Body),
            "basic" => Ok(Self::Basic),
            _ => Err(NotAChoice("body or basic")),
        }
    }
}

/// What the server does when a refresh token it has already replaced comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefreshReuse {
    /// It takes it or refuses it, and no more: after a confirmed refusal the previous one may be tried once.
    Tolerated,
    /// It revokes the whole grant (RFC 9700, section 4.14.2): the previous one is never sent.
    Revokes,
}

impl FromStr for RefreshReuse {
    type Err = NotAChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tolerated" => Ok(Self::Tolerated),
            "revokes" => Ok(Self::Revokes),
            _ => Err(NotAChoice("tolerated or revokes")),
        }
    }
}

/// The form of an account, without its secret. What is absent keeps its value, or its default where it has none;
/// an empty text or map returns to the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The application's id, as the server's registration page shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// How consent is obtained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    /// The callback URL registered with the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// Refresh before expiry, with no one asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_refresh: Option<bool>,
    /// The authorization endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
    /// The token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// Where the API lives that the tokens are for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// Scopes to ask for, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Put before the random `state`, never in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How the client identifies itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// Whether `redirect_uri` is sent: not to Imgur, to others yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_redirect_uri: Option<bool>,
    /// What the server does with a refresh token it has replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_reuse: Option<RefreshReuse>,
    /// A file of certificates (PEM) of authorities that are trusted besides the system's; a relative path begins where
    /// config.toml is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// What the server calls itself (RFC 8414, `issuer`): the `iss` of an answer has to be this, to the letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Further parameters of the authorization request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_params: Option<BTreeMap<String, String>>,
}

/// An account and how it is. Nothing secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags are the contract's, and independent of each other"
)]
pub struct Account {
    /// Its name here: `[A-Za-z0-9._-]{1,64}`.
    pub name: String,
    /// Whether calls that name no account mean this one.
    pub is_default: bool,
    /// Who signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What it is doing.
    pub state: State,
    /// One sentence on why, which ends with what to do. Every state but `fresh` has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it is refreshed with no one asking.
    pub auto_refresh: bool,
    /// Whether somebody is signing in just now.
    pub login_pending: bool,
    /// What `CompleteLogin` and `CancelLogin` call that sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_id: Option<String>,
    /// Whether the grant is served from memory because the store is behind.
    pub unsaved: bool,
    /// Whether the server has refused the grant, confirmed or not.
    #[serde(default)]
    pub refused: bool,
    /// When the access token expires, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// When it will be refreshed, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_refresh_at: Option<i64>,
    /// When the next try is after a failed one, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<i64>,
    /// When the person consented, or the grant was imported, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_at: Option<i64>,
    /// How far this machine's clock is ahead of the server's, in seconds, where the server's last answer said so and it is
    /// a minute or more; negative where it is behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_s: Option<i64>,
    /// Its settings, defaults filled in.
    pub settings: Settings,
}
