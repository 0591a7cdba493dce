//! The methods of the interface, each as the type of its parameters.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    Account, Credits, DEFAULT_WAIT_MS, Export, Finding, Flow, GatewayClient, JournalEntry, Permit, Secret,
    Settings, Token,
};

/// The longest time of a call without its own limit: a dialog of the keyring, which closes after two minutes, and the
/// write after it.
const LONGEST: Duration = Duration::from_mins(3);

/// A method. The implementing type contains its parameters.
pub trait Method: Serialize + DeserializeOwned {
    /// Its name within the interface.
    const NAME: &'static str;
    /// Whether it returns a stream and therefore needs Varlink's `more`.
    const STREAMS: bool = false;
    /// The content of one answer.
    type Reply: Serialize + DeserializeOwned;

    /// How long imgurd takes at most to answer; for a stream, to answer for the first time.
    fn patience(&self) -> Duration {
        LONGEST
    }
}

fn waiting(wait_ms: Option<i64>) -> Duration {
    Duration::from_millis(wait_ms.unwrap_or(DEFAULT_WAIT_MS).try_into().unwrap_or(0))
}

/// Reads `null` as an absent field, because they mean the same in Varlink.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident -> $reply:ty
        $(, streams $streams:literal)? $(, waits $wait_ms:ident)? $(, within $patience:path)?
    {
        $($fields:tt)*
    })*) => {$(
        record! {
            $(#[$doc])*
            #[derive(Clone, Debug, Default, Serialize, Deserialize)]
            pub struct $name { $($fields)* }
        }

        impl Method for $name {
            const NAME: &'static str = stringify!($name);
            $(const STREAMS: bool = $streams;)?
            type Reply = $reply;
            $(fn patience(&self) -> Duration {
                waiting(self.$wait_ms)
            })?
            $(fn patience(&self) -> Duration {
                $patience
            })?
        }
    )*};
}

methods! {
    /// Returns an access token.
    GetToken -> TokenReply, waits wait_ms {
        /// The account; absent means the default account.
        account?: String,
        /// How long the token must be valid, in seconds; counts as at most half of its lifetime.
        min_valid_s?: i64,
        /// How long to wait for a token, in milliseconds.
        wait_ms?: i64,
    }

    /// Reports that a server rejected this token, and returns another one.
    RejectToken -> TokenReply, waits wait_ms {
        /// The account; absent means the default account.
        account?: String,
        /// The token that was rejected.
        access_token: Secret,
        /// How long to wait, in milliseconds.
        wait_ms?: i64,
    }

    /// Refreshes the token now, even if it is still valid.
    Refresh -> TokenReply, waits wait_ms {
        /// The account; absent means the default account.
        account?: String,
        /// How long to wait, in milliseconds.
        wait_ms?: i64,
    }

    /// Lists the accounts and their states.
    ListAccounts -> SomeAccounts, within Duration::ZERO {
        /// Only this account.
        account?: String,
    }

    /// Reports each account now, and again at each change.
    Watch -> OneAccount, streams true, within Duration::ZERO {
        /// Only this account.
        account?: String,
    }

    /// Adds an account to config.toml.
    AddAccount -> OneAccount {
        /// Its name.
        account: String,
        /// Its settings.
        #[serde(default)]
        settings: Settings,
        /// The client secret, which the store keeps.
        client_secret?: Secret,
        /// Whether it becomes the default account.
        make_default?: bool,
    }

    /// Changes settings of an account; absent settings stay as they are.
    SetAccount -> OneAccount {
        /// The account; absent means the default account.
        account?: String,
        /// The changes.
        #[serde(default, deserialize_with = "null_as_default")]
        settings: Settings,
        /// A new client secret.
        client_secret?: Secret,
        /// Whether it becomes the default account.
        make_default?: bool,
    }

    /// Removes an account from config.toml and sets its grant aside.
    RemoveAccount -> SignedOut {
        /// The account. It must be named; there is no default.
        account: String,
        /// Whether to revoke its grants at the server and delete them, instead of setting them aside.
        revoke?: bool,
    }

    /// Imports a grant from elsewhere.
    ImportGrant -> OneAccount {
        /// The account; absent means the default account.
        account?: String,
        /// Token JSON, a redirect URL with its fragment, or a bare refresh token.
        text: Secret,
        /// Whether it may replace another user's grant, or a working one that it cannot be compared with.
        replace?: bool,
    }

    /// Restores the grant that a login or an import replaced.
    RestoreGrant -> OneAccount {
        /// The account; absent means the default account.
        account?: String,
    }

    /// Returns everything that the account needs on another machine, including its refresh token and client secret. It
    /// exists only on the local socket, because other programs can listen on a session bus.
    ExportGrant -> OneExport {
        /// The account; absent means the default account.
        account?: String,
    }

    /// Asks the API how many requests it still allows.
    GetCredits -> SomeCredits, waits wait_ms {
        /// The account; absent means the default account.
        account?: String,
        /// How long to wait for a token and the answer, in milliseconds.
        wait_ms?: i64,
    }

    /// Starts a sign-in. The first answer has the URL to open, the last one the outcome.
    Login -> LoginReply, streams true {
        /// The account; absent means the default account.
        account?: String,
        /// The flow, instead of the account's.
        flow?: Flow,
        /// How long the user has, in seconds.
        timeout_s?: i64,
        /// Whether another user than before may sign in.
        replace?: bool,
        /// Whether the caller will pass the answer to `CompleteLogin`, so that imgurd need not listen for it.
        paste?: bool,
        /// The client secret, if the store has lost it; an empty one means that the application has none.
        client_secret?: Secret,
    }

    /// Completes a login with the answer of the authorization page: a PIN, a code or the whole redirect URL.
    CompleteLogin -> OneAccount {
        /// The login.
        login_id: String,
        /// The answer.
        response: Secret,
    }

    /// Cancels a login.
    CancelLogin -> Done {
        /// The login.
        login_id: String,
    }

    /// Deletes an account's grants, and asks the server to revoke them if it has a revocation endpoint.
    Logout -> SignedOut {
        /// The account; absent means the default account.
        account?: String,
    }

    /// Unlocks the store. The keyring may show its own dialog.
    UnlockStore -> Done {}

    /// Lists the saved decisions about applications.
    ListPermits -> SomePermits {}

    /// Saves a decision about an application and an account.
    SetPermit -> Done {
        /// The application, with the name from `ListPermits` and from refusals.
        application: String,
        /// The account; absent means the default account.
        account?: String,
        /// Whether it may use the account.
        allow: bool,
    }

    /// Deletes a saved decision.
    RemovePermit -> Done {
        /// The application.
        application: String,
        /// The account; absent means the default account.
        account?: String,
    }

    /// Reads who got a token, and who was denied one.
    ReadJournal -> JournalReply, streams true {
        /// Only entries of this account.
        account?: String,
        /// Whether to continue with each new entry.
        follow?: bool,
    }

    /// Opens the gateway, or closes it.
    SetGateway -> GatewayState {
        /// The loopback address to listen on, such as `127.0.0.1:8918`; absent closes the gateway.
        listen?: String,
    }

    /// Returns whether the gateway is open, and its clients.
    ListGatewayClients -> GatewayState {}

    /// Adds or changes a gateway client. A client without a secret gets one, unless it is public.
    SetGatewayClient -> GatewayRegistration {
        /// Its name, which is also its client ID.
        name: String,
        /// Its account; absent means the default account.
        account?: String,
        /// The addresses that may receive an answer, compared character by character; absent changes nothing.
        redirect_uris?: Vec<String>,
        /// Whether it has no client secret, because the program cannot keep one; absent means that it has one.
        public?: bool,
    }

    /// Removes a gateway client. Its secret and refresh tokens become invalid immediately.
    RemoveGatewayClient -> Done {
        /// The client.
        name: String,
    }

    /// Asks a server for its metadata, and returns it as settings of an account. It adds no account.
    Discover -> Discovery {
        /// The server's issuer identifier: an https URL.
        issuer: String,
        /// The same as in [`Settings`].
        ca_file?: String,
    }

    /// Checks what imgurd depends on, from where it runs.
    Probe -> Findings {}
}

/// The findings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Findings {
    /// One for each check.
    pub findings: Vec<Finding>,
    /// The configuration file that imgurd reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_file: Option<String>,
    /// The directory in which it keeps grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_directory: Option<String>,
}

/// The saved decisions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SomePermits {
    /// The permits, by application and account.
    pub permits: Vec<Permit>,
}

record! {
    /// The state of the gateway.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct GatewayState {
        /// The configured address; absent if the gateway is off.
        listen?: String,
        /// Why imgurd does not listen there, if it does not.
        reason?: String,
        /// Its clients, by name.
        clients: Vec<GatewayClient>,
    }
}

record! {
    /// A gateway client that was just added or changed.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct GatewayRegistration {
        /// The client.
        client: GatewayClient,
        /// Its new client secret, which imgurd never shows again; absent if it has none, or keeps the previous one.
        client_secret?: Secret,
    }
}

/// A token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenReply {
    /// The token.
    pub token: Token,
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OneAccount {
    /// The account as it is now.
    pub account: Account,
}

/// Everything that an account needs on another machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OneExport {
    /// All of it.
    pub export: Export,
}

/// How many requests an API still allows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SomeCredits {
    /// The account whose token was used.
    pub account: String,
    /// The API's answer.
    pub credits: Credits,
}

/// Accounts, by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SomeAccounts {
    /// The accounts.
    pub accounts: Vec<Account>,
}

record! {
    /// The steps of a login: first the page to open, then perhaps notes, then the outcome.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct LoginReply {
        /// The id for `CompleteLogin` and `CancelLogin`.
        login_id: String,
        /// The page to open, in the first answer.
        url?: String,
        /// Whether the caller must pass the answer to `CompleteLogin`, because imgurd does not listen for it; in the
        /// first answer.
        paste?: bool,
        /// The code that the user enters at the page, in the first answer of the flow `device`.
        user_code?: String,
        /// The page with the code filled in, if the server has one; in the first answer of the flow `device`.
        verification_uri_complete?: String,
        /// The account that is signed in, in the last answer.
        account?: Account,
        /// In the last answer: a note about the new token, if it could not be tested. In an earlier answer: a problem,
        /// while the login continues.
        note?: String,
    }
}

impl LoginReply {
    /// An empty answer of this login.
    #[must_use]
    pub fn of(login_id: String) -> Self {
        Self {
            login_id,
            url: None,
            paste: None,
            user_code: None,
            verification_uri_complete: None,
            account: None,
            note: None,
        }
    }
}

record! {
    /// A server's metadata.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Discovery {
        /// Settings of an account at this server, without the client's own.
        settings: Settings,
        /// All scopes that it lists.
        scopes: Vec<String>,
        /// Whether it lists `S256` as a method of PKCE; absent if it lists no method.
        pkce?: bool,
    }
}

record! {
    /// What the server did with an account's grants.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct SignedOut {
        /// Whether the server has revoked them; absent if imgurd did not ask it.
        revoked?: bool,
        /// Why the server has not revoked them, as the beginning of a sentence.
        note?: String,
    }
}

record! {
    /// An entry of the journal.
    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    pub struct JournalReply {
        /// The entry; absent once, after the last existing entry.
        entry?: JournalEntry,
    }
}

/// An empty reply: the call has succeeded.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Done {}
