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

/// A method: the implementing type holds its parameters.
pub trait Method: Serialize + DeserializeOwned {
    /// Its name within the interface.
    const NAME: &'static str;
    /// Whether it answers with a stream and therefore wants Varlink's `more`.
    const STREAMS: bool = false;
    /// The content of one answer.
    type Reply: Serialize + DeserializeOwned;

    /// How long the keeper may take to answer, to a stream for the first time. It never takes longer.
    fn patience(&self) -> Duration {
        LONGEST
    }
}

fn waiting(wait_ms: Option<i64>) -> Duration {
    Duration::from_millis(wait_ms.unwrap_or(DEFAULT_WAIT_MS).try_into().unwrap_or(0))
}

/// In Varlink, `null` says the same of an optional field as leaving it out.
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
    /// Asks for an access token.
    GetToken -> TokenReply, waits wait_ms {
        /// The account; absent means the default one.
        account?: String,
        /// How long the token must stay valid, in seconds; counts as at most half of its lifetime.
        min_valid_s?: i64,
        /// How long to wait for one, in milliseconds.
        wait_ms?: i64,
    }

    /// Says that a server rejected this token, and asks for another.
    RejectToken -> TokenReply, waits wait_ms {
        /// The account; absent means the default one.
        account?: String,
        /// The token that was rejected.
        access_token: Secret,
        /// How long to wait, in milliseconds.
        wait_ms?: i64,
    }

    /// Asks for a new token whatever the clock says.
    Refresh -> TokenReply, waits wait_ms {
        /// The account; absent means the default one.
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

    /// Adds an account to the configuration.
    AddAccount -> OneAccount {
        /// Its name.
        account: String,
        /// Its settings.
        #[serde(default)]
        settings: Settings,
        /// The application's secret, kept in the store.
        client_secret?: Secret,
        /// Whether it becomes the default account.
        make_default?: bool,
    }

    /// Changes settings of an account; absent settings stay as they are.
    SetAccount -> OneAccount {
        /// The account; absent means the default one.
        account?: String,
        /// The changes.
        #[serde(default, deserialize_with = "null_as_default")]
        settings: Settings,
        /// Another secret.
        client_secret?: Secret,
        /// Whether it becomes the default account.
        make_default?: bool,
    }

    /// Takes an account out of the configuration; its grant is set aside.
    RemoveAccount -> SignedOut {
        /// The account; named, never the default by omission.
        account: String,
        /// Whether its grants are revoked at the server and forgotten, instead of set aside.
        revoke?: bool,
    }

    /// Takes over a grant obtained elsewhere.
    ImportGrant -> OneAccount {
        /// The account; absent means the default one.
        account?: String,
        /// Token JSON, a redirect URL with its fragment, or a bare refresh token.
        text: Secret,
        /// Whether it may replace another user's grant, or a working one that it cannot be compared with.
        replace?: bool,
    }

    /// Brings back the grant that a login or an import displaced.
    RestoreGrant -> OneAccount {
        /// The account; absent means the default one.
        account?: String,
    }

    /// Asks for all that makes the account work elsewhere, its refresh token and client secret among it. On the local
    /// socket only: a session bus can be listened to.
    ExportGrant -> OneExport {
        /// The account; absent means the default one.
        account?: String,
    }

    /// Asks the API how many requests it still allows.
    GetCredits -> SomeCredits, waits wait_ms {
        /// The account; absent means the default one.
        account?: String,
        /// How long to wait for a token and the answer, in milliseconds.
        wait_ms?: i64,
    }

    /// Obtains consent: answers with the URL to open, then with the outcome.
    Login -> LoginReply, streams true {
        /// The account; absent means the default one.
        account?: String,
        /// Another flow than the account's.
        flow?: Flow,
        /// How long the user has, in seconds.
        timeout_s?: i64,
        /// Whether another user than before may sign in.
        replace?: bool,
        /// Whether the answer will come by `CompleteLogin`, so that nothing need listen for it.
        paste?: bool,
        /// The client secret, where the store has lost it; an empty one says that the application has none.
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

    /// Forgets an account's grants, and has the server revoke them where it has a revocation endpoint.
    Logout -> SignedOut {
        /// The account; absent means the default one.
        account?: String,
    }

    /// Asks for the store to be unlocked, raising its own prompt where it has one.
    UnlockStore -> Done {}

    /// Lists the saved decisions about applications.
    ListPermits -> SomePermits {}

    /// Decides about an application and an account, and has that remembered.
    SetPermit -> Done {
        /// The application, as `ListPermits` and refusals call it.
        application: String,
        /// The account; absent means the default one.
        account?: String,
        /// Whether it may use the account.
        allow: bool,
    }

    /// Deletes a saved decision.
    RemovePermit -> Done {
        /// The application.
        application: String,
        /// The account; absent means the default one.
        account?: String,
    }

    /// Reads who got a token, and who was denied one.
    ReadJournal -> JournalReply, streams true {
        /// Only of this account.
        account?: String,
        /// Whether to continue with each new entry.
        follow?: bool,
    }

    /// Opens the gateway, or closes it.
    SetGateway -> GatewayState {
        /// The loopback address to listen on, such as `127.0.0.1:8918`; absent closes the gateway.
        listen?: String,
    }

    /// Shows whether the gateway is open, and lists its clients.
    ListGatewayClients -> GatewayState {}

    /// Adds a gateway client, or changes one. One that has no secret yet gets one, unless it is public.
    SetGatewayClient -> GatewayRegistration {
        /// Its name, which is its client id as well.
        name: String,
        /// The account that it is for; absent means the default one.
        account?: String,
        /// Where an answer may be sent, character for character; absent leaves them as they are.
        redirect_uris?: Vec<String>,
        /// Whether it has no secret, as programs that cannot keep one; absent means that it has.
        public?: bool,
    }

    /// Removes a gateway client. Its secret and refresh tokens become invalid immediately.
    RemoveGatewayClient -> Done {
        /// The client.
        name: String,
    }

    /// Asks a server for its metadata, as settings of an account at it. Adds nothing.
    Discover -> Discovery {
        /// The server's issuer identifier: an https URL.
        issuer: String,
        /// As in [`Settings`].
        ca_file?: String,
    }

    /// Checks what imgurd depends on, from where it runs.
    Probe -> Findings {}
}

/// The findings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Findings {
    /// One for each thing that was looked at.
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
    /// How the gateway is.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct GatewayState {
        /// The address that is configured; absent if the gateway is off.
        listen?: String,
        /// Why nothing listens there, if nothing does.
        reason?: String,
        /// Its clients, by name.
        clients: Vec<GatewayClient>,
    }
}

record! {
    /// A gateway client that was just made or changed.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct GatewayRegistration {
        /// The client.
        client: GatewayClient,
        /// Its new secret, which is never shown again; absent if it has none, or keeps the one before.
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
    /// The account with whose token it was asked.
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
    /// The steps of a login: first where to go, then perhaps notes, then how it ended.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct LoginReply {
        /// The id for `CompleteLogin` and `CancelLogin`.
        login_id: String,
        /// The page to open, in the first answer.
        url?: String,
        /// Whether the answer has to be handed in by `CompleteLogin`, because nothing listens for it; in the first answer.
        paste?: bool,
        /// The code that the user enters at the page, in the first answer of the flow `device`.
        user_code?: String,
        /// The page with the code filled in, where the server has one; in the first answer of the flow `device`.
        verification_uri_complete?: String,
        /// The account that is signed in, in the last answer.
        account?: Account,
        /// In the last answer: a note about the new token, if it could not be tested. In an earlier answer: a problem,
        /// while the login continues.
        note?: String,
    }
}

impl LoginReply {
    /// An answer of this login that says nothing yet.
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
        /// Settings of an account at it, but for the client's own.
        settings: Settings,
        /// All scopes that it names.
        scopes: Vec<String>,
        /// Whether it names `S256` among its methods of PKCE; absent where it names no method.
        pkce?: bool,
    }
}

record! {
    /// What the server did with an account's grants.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct SignedOut {
        /// Whether the server has revoked them; absent where it was not asked.
        revoked?: bool,
        /// Why it has not, as the beginning of a sentence.
        note?: String,
    }
}

record! {
    /// An entry of the journal.
    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    pub struct JournalReply {
        /// The entry; absent once, where those before are all there are so far.
        entry?: JournalEntry,
    }
}

/// Nothing but the fact that it is done.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Done {}
