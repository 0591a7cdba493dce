//! The answers to the methods.

use serde::{Deserialize, Serialize};

use crate::{
    Account, Credits, Export, Finding, GatewayClient, JournalEntry, Permit, Secret, Settings, Token,
};

record! {
    /// The findings.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct Findings {
        /// One for each check.
        findings: Vec<Finding>,
        /// The configuration file that imgurd reads.
        config_file?: String,
        /// The directory in which it keeps grants.
        state_directory?: String,
    }

    /// The saved decisions.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct SomePermits {
        /// The permits, by application and account.
        permits: Vec<Permit>,
    }

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

    /// A gateway client that was just added or changed.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct GatewayRegistration {
        /// The client.
        client: GatewayClient,
        /// Its new client secret, which imgurd never shows again; absent if it has none, or keeps the previous one.
        client_secret?: Secret,
    }

    /// A token.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct TokenReply {
        /// The token.
        token: Token,
    }

    /// One account.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct OneAccount {
        /// The account as it is now.
        account: Account,
    }

    /// Everything that an account needs on another machine.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct OneExport {
        /// All of it.
        export: Export,
    }

    /// How many requests an API still allows.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct SomeCredits {
        /// The account whose token was used.
        account: String,
        /// The API's answer.
        credits: Credits,
    }

    /// Accounts, by name.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct SomeAccounts {
        /// The accounts.
        accounts: Vec<Account>,
    }

    /// The steps of a login: first the page to open, then perhaps notes, then the outcome.
    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
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

    /// What the server did with an account's grants.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct SignedOut {
        /// Whether the server has revoked them; absent if imgurd did not ask it.
        revoked?: bool,
        /// Why the server has not revoked them, as the beginning of a sentence.
        note?: String,
    }

    /// An entry of the journal.
    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    pub struct JournalReply {
        /// The entry; absent once, after the last existing entry.
        entry?: JournalEntry,
    }

    /// An empty reply: the call has succeeded.
    #[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
    pub struct Done {}
}
