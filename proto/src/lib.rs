//! What `imgurd` and its clients say to each other.
//!
//! The daemon keeps a person's Imgur OAuth 2.0 tokens; this crate is all another program needs to be handed the
//! current one. It pulls in neither an async runtime, nor TLS, nor D-Bus.
//!
//! ```no_run
//! let mut keeper = imgurd_proto::Client::connect()?;
//! let token = keeper.get_token(None)?;
//! println!("Authorization: Bearer {}", token.access_token.expose());
//! # Ok::<(), imgurd_proto::ClientError>(())
//! ```
//!
//! When a server answers 401 or 403 although the token looked fresh, say so with
//! [`Client::reject_token`]: it returns another one, and fifty programs that notice at once cause one refresh.

mod client;
#[cfg(feature = "dbus")]
pub mod dbus;
mod error;
mod method;
mod secret;
mod types;
pub mod varlink;

pub use client::{Client, ClientError, Replies, socket_path};
pub use error::Error;
pub use method::{
    AddAccount, CancelLogin, CompleteLogin, Done, GetToken, ImportGrant, JournalReply, ListAccounts,
    ListPermits, Login, LoginReply, Logout, Method, OneAccount, ReadJournal, Refresh, RejectToken,
    RemoveAccount, RemovePermit, RestoreGrant, SetAccount, SetPermit, SomeAccounts, SomePermits, TokenReply,
    UnlockStore, Watch,
};
pub use secret::{Secret, Zeroizing};
pub use types::{
    Account, ClientAuth, Flow, JournalEntry, Outcome, Permit, RefreshReuse, Settings, State, Token, Wire,
};

/// The interface as Varlink text, the single truth about methods, fields and errors.
pub const INTERFACE_TEXT: &str = include_str!("org.imgurd.Keeper1.varlink");

/// The name of the interface, on the local socket and on D-Bus.
pub const INTERFACE: &str = "org.imgurd.Keeper1";

/// Seconds a token must stay valid where a caller names no figure.
pub const DEFAULT_MIN_VALID_S: i64 = 60;

/// Milliseconds a call waits where a caller names no figure: less than the 25 s after which D-Bus clients give up.
pub const DEFAULT_WAIT_MS: i64 = 20_000;

/// The callback URL of an account that names none: on a fixed port, since Imgur compares it to the letter.
pub const DEFAULT_REDIRECT_URI: &str = "http://127.0.0.1:8917/callback";

/// Seconds a login stays open where nobody names a figure.
pub const DEFAULT_LOGIN_TIMEOUT_S: i64 = 300;
