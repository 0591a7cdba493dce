//! The methods of the interface, each as the type of its parameters.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::reply::{
    Discovery, Done, Findings, GatewayRegistration, GatewayState, JournalReply, LoginReply, OneAccount,
    OneExport, SignedOut, SomeAccounts, SomeCredits, SomePermits, TokenReply,
};
use crate::{DEFAULT_WAIT_MS, Flow, Secret, Settings};

/// The longest time of a call without its own limit: a dialog of the keyring, which closes after two minutes, and the
/// write after it.
const LONGEST: Duration = Duration::from_mins(3);

/// A method. The implementing type contains its parameters.
pub trait Method: Serialize + DeserializeOwned {
    /// Its name within the interface.
    const NAME: &'static str;
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
        $(, waits $wait_ms:ident)? $(, within $patience:path)?
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
    Watch -> OneAccount, within Duration::ZERO {
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
    Login -> LoginReply {
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
    ReadJournal -> JournalReply {
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
