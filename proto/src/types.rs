//! Tokens, accounts and their settings as callers see them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ParameterValue, Secret};

record! {
    /// An access token, handed out.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Token {
        /// The account it belongs to, by the name it has here.
        account: String,
        /// What goes behind `Authorization: Bearer`.
        access_token: Secret,
        /// The canonical name of its type: `Bearer`.
        token_type: String,
        /// When it expires, in Unix seconds; absent where the server did not say.
        expires_at?: i64,
        /// Who signed in, by the name the server gave.
        username?: String,
    }
}

record! {
    /// What is left of the requests that an API allows, as it counts them. What it does not say is absent.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Credits {
        /// How many the person may make until `user_reset`.
        user_limit?: i64,
        /// How many are left of them.
        user_remaining?: i64,
        /// When all of them are there again, in Unix seconds.
        user_reset?: i64,
        /// How many the application may make in a day, for all who use it.
        client_limit?: i64,
        /// How many are left of them.
        client_remaining?: i64,
    }
}

record! {
    /// All that makes an account work elsewhere.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Export {
        /// Its name here.
        account: String,
        /// Its settings, defaults filled in.
        settings: Settings,
        /// The application's secret, where there is one.
        client_secret?: Secret,
        /// What new access tokens are obtained with.
        refresh_token: Secret,
        /// The current access token.
        access_token?: Secret,
        /// Who signed in.
        username?: String,
    }
}

record! {
    /// A program that gets its tokens from the gateway, as an OAuth 2.0 client.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct GatewayClient {
        /// Its name, which is its client id as well.
        name: String,
        /// The account that it is for; absent means the default one.
        account?: String,
        /// Where an answer may be sent, character for character.
        redirect_uris: Vec<String>,
        /// Whether it has a secret. One without has to use PKCE (RFC 7636).
        has_secret: bool,
    }
}

/// What was decided about an application and an account, and is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// The application: the name of its sandbox or of its systemd unit, `unknown`, `remote`, or `gateway:` and a
    /// gateway client's name.
    pub application: String,
    /// The account.
    pub account: String,
    /// Whether it may use the account.
    pub allow: bool,
    /// When that was decided, in Unix seconds.
    pub since: i64,
}

choice! {
    /// How a caller reached the keeper.
    pub enum Wire {
        /// The local socket.
        Socket = "socket",
        /// The socket for callers forwarded from other machines.
        Remote = "remote",
        /// The session bus.
        Bus = "bus",
        /// The gateway, over HTTP.
        Gateway = "gateway",
    }
}

choice! {
    /// What became of a call for a token.
    pub enum Outcome {
        /// The caller was handed it.
        Granted = "granted",
        /// The caller may not have it.
        Denied = "denied",
    }
}

record! {
    /// Who was handed an account's token, or was refused it. Nothing secret is in it.
    #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub struct JournalEntry {
        /// When, in Unix seconds.
        at: i64,
        /// When the last call was that this stands for, in Unix seconds, where there were several.
        until?: i64,
        /// How many calls this stands for: alike in all but the time and the process, and within a minute.
        count: u64,
        /// What became of the call.
        outcome: Outcome,
        /// The account, where the call got as far as to name one.
        account?: String,
        /// The method, such as `RejectToken`, where the call got as far as that.
        method?: String,
        /// How the caller reached the keeper.
        wire: Wire,
        /// The application, as far as the system vouches for it: a sandbox, a systemd unit, or `unknown`.
        application: String,
        /// Whether it counts as one in a sandbox.
        sandboxed: bool,
        /// The user who called.
        uid: u32,
        /// The process, of the first call where there were several.
        pid?: i32,
        /// What the process executed, or called itself. Nothing vouches for that.
        program?: String,
        /// Why it was refused.
        reason?: String,
    }
}

choice! {
    /// What an account is doing.
    pub enum State {
        /// No grant: nobody has signed in yet.
        Empty = "empty",
        /// A token is at hand, valid for the default `min_valid_s`.
        Fresh = "fresh",
        /// A refresh is on its way.
        Refreshing = "refreshing",
        /// Not fresh, and nothing scheduled: auto-refresh is off.
        Stale = "stale",
        /// The last try failed for a passing reason; the next is at `retry_at`.
        Waiting = "waiting",
        /// The server refused the grant, and did so again when asked again.
        ConsentNeeded = "consent_needed",
        /// The server refused the client or a setting.
        Misconfigured = "misconfigured",
        /// The grant is known to exist, but the store is locked, absent or has another key.
        StoreUnavailable = "store_unavailable",
    }
}

/// A word that is none of the choices, which are these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NotAChoice(pub(crate) &'static [&'static str]);

impl fmt::Display for NotAChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (last, others) = self.0.split_last().unwrap_or((&"nothing", &[]));
        write!(f, "expected {} or {last}", others.join(", "))
    }
}

choice! {
    /// How consent is obtained. All but `device` are the `response_type` of the authorization request.
    #[derive(Default)]
    pub enum Flow {
        /// Authorization code (RFC 6749, section 4.1) with PKCE (RFC 7636).
        #[default]
        Code = "code",
        /// Implicit (RFC 6749, section 4.2): the tokens come in the redirect's fragment.
        Token = "token",
        /// Imgur's own: the page shows a PIN, the person types it.
        Pin = "pin",
        /// Device authorization grant (RFC 8628): the user enters a code at the server's page, on any device.
        Device = "device",
    }
}

choice! {
    /// Which store keeps the grants.
    #[derive(Default)]
    pub enum StoreKind {
        /// The desktop's keyring.
        #[default]
        SecretService = "secret-service",
        /// An encrypted file.
        File = "file",
        /// None: grants last as long as the daemon runs.
        Memory = "memory",
    }
}

choice! {
    /// How the client identifies itself at the token endpoint (RFC 6749, section 2.3.1).
    #[derive(Default)]
    pub enum ClientAuth {
        /// `client_id` and `client_secret` in the request's body, as Imgur wants them.
        #[default]
        Body = "body",
        /// An HTTP Basic header.
        Basic = "basic",
    }
}

choice! {
    /// What the server does when a refresh token it has already replaced comes again.
    pub enum RefreshReuse {
        /// It takes it or refuses it, and no more: after a confirmed refusal the previous one may be tried once.
        Tolerated = "tolerated",
        /// It revokes the whole grant (RFC 9700, section 4.14.2): the previous one is never sent.
        Revokes = "revokes",
    }
}

record! {
    /// The form of an account, without its secret. What is absent keeps its value, or its default where it has none;
    /// an empty text or map returns to the default.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct Settings {
        /// The application's id, as the server's registration page shows it.
        client_id?: String,
        /// How consent is obtained.
        flow?: Flow,
        /// The callback URL registered with the application.
        redirect_uri?: String,
        /// Refresh before expiry, with no one asking.
        auto_refresh?: bool,
        /// The authorization endpoint.
        auth_url?: String,
        /// The token endpoint.
        token_url?: String,
        /// Where the API lives that the tokens are for.
        api_url?: String,
        /// Scopes to ask for, separated by spaces.
        scope?: String,
        /// Put before the random `state`, never in its place.
        state?: String,
        /// How the client identifies itself.
        client_auth?: ClientAuth,
        /// Whether `redirect_uri` is sent: not to Imgur, to others yes.
        send_redirect_uri?: bool,
        /// What the server does with a refresh token it has replaced.
        refresh_reuse?: RefreshReuse,
        /// A file of certificates (PEM) of authorities that are trusted besides the system's; a relative path begins where
        /// config.toml is.
        ca_file?: String,
        /// What the server calls itself (RFC 8414, `issuer`): the `iss` of an answer has to be this, to the letter.
        issuer?: String,
        /// Whether an answer without `iss` is refused: the server promises one (RFC 9207).
        require_iss?: bool,
        /// Where a logout ends the grant at the server (RFC 7009).
        revoke_url?: String,
        /// The device authorization endpoint (RFC 8628), for the flow `device`.
        device_auth_url?: String,
        /// Where the server says who signed in (OpenID Connect Core, section 5.3).
        userinfo_url?: String,
        /// What the tokens are to be used at (RFC 8707): sent to each endpoint, once for each value.
        resource?: ParameterValue,
        /// Further parameters of the authorization request. A change replaces the parameters that it names and keeps the
        /// others; one with an empty value is removed.
        auth_params?: BTreeMap<String, ParameterValue>,
    }
}

record! {
    /// An account and how it is. Nothing secret is in it.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Account {
        /// Its name here: `[A-Za-z0-9._-]{1,64}`.
        name: String,
        /// Whether calls that name no account mean this one.
        is_default: bool,
        /// Who signed in.
        username?: String,
        /// What it is doing.
        state: State,
        /// One sentence on why, which ends with what to do. Every state but `fresh` has one.
        reason?: String,
        /// Whether it is refreshed with no one asking.
        auto_refresh: bool,
        /// Whether somebody is signing in just now.
        login_pending: bool,
        /// What `CompleteLogin` and `CancelLogin` call that sign-in.
        login_id?: String,
        /// Whether the grant is served from memory because the store is behind.
        unsaved: bool,
        /// Whether the server has refused the grant, confirmed or not.
        #[serde(default)]
        refused: bool,
        /// When the access token expires, in Unix seconds.
        expires_at?: i64,
        /// When it will be refreshed, in Unix seconds.
        next_refresh_at?: i64,
        /// When the next try is after a failed one, in Unix seconds.
        retry_at?: i64,
        /// When the person consented, or the grant was imported, in Unix seconds.
        granted_at?: i64,
        /// How far this machine's clock is ahead of the server's, in seconds, where the server's last answer said so and it is
        /// a minute or more; negative where it is behind.
        clock_skew_s?: i64,
        /// Its settings, defaults filled in.
        settings: Settings,
    }
}
