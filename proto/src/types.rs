//! Tokens, accounts and their settings as callers see them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ParameterValue, Secret};

record! {
    /// An access token.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Token {
        /// The name of its account.
        account: String,
        /// The token itself, which follows `Authorization: Bearer`.
        access_token: Secret,
        /// The canonical name of its type: `Bearer`.
        token_type: String,
        /// When it expires, in Unix seconds; absent if the server did not say.
        expires_at?: i64,
        /// The user who signed in, by the name that the server gave.
        username?: String,
    }

    /// How many requests an API still allows. Fields that the API does not report are absent.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Credits {
        /// How many requests the user may send until `user_reset`.
        user_limit?: i64,
        /// How many of them are left.
        user_remaining?: i64,
        /// When the full number is available again, in Unix seconds.
        user_reset?: i64,
        /// How many requests the application may send in a day, for all its users.
        client_limit?: i64,
        /// How many of them are left.
        client_remaining?: i64,
    }

    /// Everything that an account needs on another machine.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Export {
        /// Its name here.
        account: String,
        /// Its settings, with defaults.
        settings: Settings,
        /// The client secret, if there is one.
        client_secret?: Secret,
        /// Obtains new access tokens.
        refresh_token: Secret,
        /// The current access token.
        access_token?: Secret,
        /// The user who signed in.
        username?: String,
    }

    /// A program that gets its tokens from the gateway, as an OAuth 2.0 client.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct GatewayClient {
        /// Its name, which is also its client ID.
        name: String,
        /// Its account; absent means the default account.
        account?: String,
        /// The addresses that may receive an answer, compared character by character.
        redirect_uris: Vec<String>,
        /// Whether it has a client secret. If it has none and is not public, `SetGatewayClient` makes one.
        has_secret: bool,
        /// Whether it needs no secret, but must use PKCE (RFC 7636).
        #[serde(default)]
        public: bool,
    }

    /// A saved decision about an application and an account.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Permit {
        /// The application: the name of its sandbox or of its systemd unit, `unknown`, `remote`, or `gateway:` and a
        /// gateway client's name.
        application: String,
        /// The account.
        account: String,
        /// Whether it may use the account.
        allow: bool,
        /// When that was decided, in Unix seconds.
        since: i64,
    }
}

choice! {
    /// How a caller reached imgurd.
    pub enum Wire {
        /// The local socket.
        Socket = "socket",
        /// The socket for callers from other machines.
        Remote = "remote",
        /// The session bus.
        Bus = "bus",
        /// The gateway, over HTTP.
        Gateway = "gateway",
    }

    /// The outcome of a call for a token.
    pub enum Outcome {
        /// The caller got the token.
        Granted = "granted",
        /// The caller was denied the token.
        Denied = "denied",
    }
}

record! {
    /// Who got or was denied an account's token. It contains no secret.
    #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub struct JournalEntry {
        /// When, in Unix seconds.
        at: i64,
        /// If the entry stands for several calls: when the last one was, in Unix seconds.
        until?: i64,
        /// How many calls this entry stands for. They differ only in time and process, and happened within a minute.
        count: u64,
        /// The outcome of the call.
        outcome: Outcome,
        /// The account, if the call named a valid one.
        account?: String,
        /// The method, such as `RejectToken`, if it is known.
        method?: String,
        /// How the caller reached imgurd.
        wire: Wire,
        /// The application, verified by the system, as [`Permit::application`] has it.
        application: String,
        /// Whether it counts as sandboxed.
        sandboxed: bool,
        /// The user who called.
        uid: u32,
        /// The process; the one of the first call if there were several.
        pid?: i32,
        /// The executable of the process, or the name that it gives itself. This is not verified.
        program?: String,
        /// Why imgurd denied it.
        reason?: String,
    }
}

choice! {
    /// The state of an account.
    pub enum State {
        /// No grant: nobody has signed in yet.
        Empty = "empty",
        /// There is a token that is valid for the default `min_valid_s`.
        Fresh = "fresh",
        /// A refresh is in progress.
        Refreshing = "refreshing",
        /// Not fresh, and no refresh is scheduled: auto-refresh is off.
        Stale = "stale",
        /// The last refresh failed for a temporary reason; the next is at `retry_at`.
        Waiting = "waiting",
        /// The server rejected the grant twice, or new tokens need a new sign-in.
        ConsentNeeded = "consent_needed",
        /// The server rejected the client or a setting.
        Misconfigured = "misconfigured",
        /// A grant was saved, but the store is locked, absent or has another key.
        StoreUnavailable = "store_unavailable",
    }
}

/// The error for a word that is not one of the choices, which it lists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NotAChoice(pub(crate) &'static [&'static str]);

impl fmt::Display for NotAChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (last, others) = self.0.split_last().unwrap_or((&"nothing", &[]));
        write!(f, "expected {} or {last}", others.join(", "))
    }
}

choice! {
    /// How the user gives consent. All but `device` are the `response_type` of the authorization request.
    #[derive(Default)]
    pub enum Flow {
        /// Authorization code (RFC 6749, section 4.1) with PKCE (RFC 7636).
        #[default]
        Code = "code",
        /// Implicit (RFC 6749, section 4.2): the redirect's fragment contains the tokens.
        Token = "token",
        /// Imgur's own: the page shows a PIN, which the user types.
        Pin = "pin",
        /// Device authorization grant (RFC 8628): the user enters a code at the server's page, on any device.
        Device = "device",
    }

    /// The store that keeps the grants.
    #[derive(Default)]
    pub enum StoreKind {
        /// The desktop's keyring.
        #[default]
        SecretService = "secret-service",
        /// An encrypted file.
        File = "file",
        /// None: grants exist as long as the daemon runs.
        Memory = "memory",
    }

    /// How the client identifies itself at the token endpoint (RFC 6749, section 2.3.1).
    #[derive(Default)]
    pub enum ClientAuth {
        /// `client_id` and `client_secret` in the request's body, as Imgur requires.
        #[default]
        Body = "body",
        /// An HTTP Basic header.
        Basic = "basic",
    }

    /// What the server does when it receives a refresh token that it has already replaced.
    pub enum RefreshReuse {
        /// It accepts or rejects it, without further effect: after a confirmed rejection, imgurd may try the previous
        /// one once.
        Tolerated = "tolerated",
        /// It revokes the whole grant (RFC 9700, section 4.14.2): imgurd never sends the previous one.
        Revokes = "revokes",
    }
}

record! {
    /// The settings of an account, without its client secret. An absent field keeps its value, or its default if it has
    /// none; an empty string or map restores the default.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct Settings {
        /// The client ID, from the server's registration page.
        client_id?: String,
        /// How the user gives consent.
        flow?: Flow,
        /// The callback URL registered with the application.
        redirect_uri?: String,
        /// Whether imgurd refreshes the token before it expires.
        auto_refresh?: bool,
        /// The authorization endpoint.
        auth_url?: String,
        /// The token endpoint.
        token_url?: String,
        /// The URL of the API that the tokens are for.
        api_url?: String,
        /// The scopes to request, separated by spaces.
        scope?: String,
        /// The prefix of the random `state`. It never replaces the random part.
        state?: String,
        /// How the client identifies itself.
        client_auth?: ClientAuth,
        /// Whether to send `redirect_uri`: not to Imgur, but to other servers.
        send_redirect_uri?: bool,
        /// What the server does with a refresh token that it has replaced.
        refresh_reuse?: RefreshReuse,
        /// A file with certificates (PEM) of authorities to trust in addition to the system's. A relative path begins
        /// at the directory of config.toml.
        ca_file?: String,
        /// The server's issuer identifier (RFC 8414, `issuer`). The `iss` of an answer must be exactly this.
        issuer?: String,
        /// Whether imgurd refuses an answer without `iss`, because the server promises one (RFC 9207).
        require_iss?: bool,
        /// Where a logout revokes the grant at the server (RFC 7009).
        revoke_url?: String,
        /// The device authorization endpoint (RFC 8628), for the flow `device`.
        device_auth_url?: String,
        /// Where the server reports who signed in (OpenID Connect Core, section 5.3).
        userinfo_url?: String,
        /// The resources that the tokens are for (RFC 8707): sent to each endpoint, once for each value.
        resource?: ParameterValue,
        /// Additional parameters of the authorization request. A change replaces the parameters that it names and keeps
        /// the others; an empty value removes one.
        auth_params?: BTreeMap<String, ParameterValue>,
    }

    /// An account and its state. It contains no secret.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Account {
        /// Its name: `[A-Za-z0-9._-]{1,64}`.
        name: String,
        /// Whether it is the default account.
        is_default: bool,
        /// The user who signed in.
        username?: String,
        /// Its state.
        state: State,
        /// Why it is in this state, and what to do, in one sentence. Every state but `fresh` has a reason.
        reason?: String,
        /// Whether imgurd refreshes the token before it expires.
        auto_refresh: bool,
        /// Whether a sign-in is in progress.
        login_pending: bool,
        /// The id of that sign-in, for `CompleteLogin` and `CancelLogin`.
        login_id?: String,
        /// Whether the grant is in memory only, because the store has not saved it yet.
        unsaved: bool,
        /// Whether the server has rejected the refresh token, confirmed or not.
        #[serde(default)]
        refused: bool,
        /// When the access token expires, in Unix seconds.
        expires_at?: i64,
        /// When imgurd will refresh it, in Unix seconds.
        next_refresh_at?: i64,
        /// After a failed attempt: when the next one is, in Unix seconds.
        retry_at?: i64,
        /// When the user gave consent, or imported the grant, in Unix seconds.
        granted_at?: i64,
        /// How far this machine's clock is ahead of the server's, in seconds; negative if it is behind. Absent if it is
        /// less than a minute, or if the server's last answer had no time.
        clock_skew_s?: i64,
        /// Its settings, with defaults.
        settings: Settings,
    }
}
