//! The protocol between `imgurd` and its clients.
//!
//! The daemon keeps a user's Imgur OAuth 2.0 tokens. With this crate, another program gets the current access token. The crate
//! depends on no async runtime, no TLS and no D-Bus.
//!
//! ```no_run
//! let mut keeper = imgurd_proto::Client::connect()?;
//! let token = keeper.get_token(None)?;
//! println!("Authorization: Bearer {}", token.access_token.expose());
//! # Ok::<(), imgurd_proto::ClientError>(())
//! ```
//!
//! # Use a token
//!
//! Call [`Client::get_token`] before each request, and do not store the token: if imgurd has a valid token, the call takes a
//! fraction of a millisecond and sends nothing. A token can become invalid before it expires. When a server rejects it
//! ([`rejects_token`]), report that with [`Client::reject_token`] and try once more with the token that it returns. If fifty
//! programs report the same token, imgurd refreshes once. If the token is not the current one, imgurd does not refresh.
//!
//! ```no_run
//! use imgurd_proto::{Client, ClientError, Secret, rejects_token};
//!
//! /// Sends a request with the token, by `send`, and returns the status and the body.
//! fn ask(send: impl Fn(&Secret) -> (u16, String)) -> Result<(u16, String), ClientError> {
//!     let mut keeper = Client::connect()?;
//!     let token = keeper.get_token(None)?;
//!     let (status, body) = send(&token.access_token);
//!     if !rejects_token(status, body.as_bytes()) {
//!         return Ok((status, body));
//!     }
//!     let another = keeper.reject_token(None, token.access_token)?;
//!     Ok(send(&another.access_token))
//! }
//! ```
//!
//! # Errors
//!
//! Each error has a reason: a sentence for the user that ends with what to do. Show it unchanged.
//!
//! ```
//! use imgurd_proto::{ClientError, Error};
//!
//! /// How long to wait before the next try, in seconds; `None` if the user has to act first.
//! fn pause(error: &ClientError, now: i64) -> Option<i64> {
//!     match error {
//!         ClientError::Keeper(Error::TemporarilyUnavailable { retry_at, .. }) => {
//!             Some(retry_at.map_or(60, |at| (at - now).max(1)))
//!         }
//!         ClientError::Silent { .. } | ClientError::Connection(_) => Some(60),
//!         // ConsentNeeded has ended when `Watch` reports that the account is fresh. The user has to resolve AccessDenied
//!         // and the others.
//!         _ => None,
//!     }
//! }
//!
//! let error = Error::TemporarilyUnavailable { reason: "wait a minute".into(), retry_at: Some(1_030) };
//! assert_eq!(pause(&error.into(), 1_000), Some(30));
//! let error = Error::ConsentNeeded { account: "me".into(), reason: "run `imgurctl login me`".into() };
//! assert_eq!(pause(&error.into(), 1_000), None);
//! ```
//!
//! # More than tokens
//!
//! [`Client::call`] and [`Client::stream`] accept any [`Method`]. This example prints the accounts that are or become fresh.
//!
//! ```no_run
//! use imgurd_proto::{Client, State, Watch};
//!
//! let mut keeper = Client::connect()?;
//! for change in keeper.stream(&Watch::default())? {
//!     let account = change?.account;
//!     if account.state == State::Fresh {
//!         println!("{} is ready", account.name);
//!     }
//! }
//! # Ok::<(), imgurd_proto::ClientError>(())
//! ```
//!
//! # Without this crate's client
//!
//! The feature `dbus` has typed proxies for the session bus, and [`INTERFACE_TEXT`] is the interface for clients of
//! [Varlink](https://varlink.org) in any language. `examples/` has a complete program for each of them.

#[macro_use]
mod declare;
mod bus_address;
mod client;
#[cfg(feature = "dbus")]
pub mod dbus;
mod error;
mod finding;
pub mod import;
mod loopback;
mod method;
mod parameter;
mod rejection;
mod secret;
mod socket;
pub mod text;
mod types;
pub mod varlink;

pub use bus_address::{BusAddress, session_bus, system_bus};
pub use client::{Client, Replies};
pub use error::{ClientError, Error};
pub use finding::{Finding, Health};
pub use loopback::is_loopback;
pub use method::{
    AddAccount, CancelLogin, CompleteLogin, Discover, Discovery, Done, ExportGrant, Findings,
    GatewayRegistration, GatewayState, GetCredits, GetToken, ImportGrant, JournalReply, ListAccounts,
    ListGatewayClients, ListPermits, Login, LoginReply, Logout, Method, OneAccount, OneExport, Probe,
    ReadJournal, Refresh, RejectToken, RemoveAccount, RemoveGatewayClient, RemovePermit, RestoreGrant,
    SetAccount, SetGateway, SetGatewayClient, SetPermit, SignedOut, SomeAccounts, SomeCredits, SomePermits,
    TokenReply, UnlockStore, Watch,
};
pub use parameter::ParameterValue;
pub use rejection::{error_texts, rejects_token};
pub use secret::{Secret, Zeroizing};
pub use socket::{runtime_directory, socket_path};
pub use types::{
    Account, ClientAuth, Credits, Export, Flow, GatewayClient, JournalEntry, NotAChoice, Outcome, Permit,
    RefreshReuse, Settings, State, StoreKind, Token, Wire,
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

/// The token endpoint of an account that names none: Imgur's.
pub const DEFAULT_TOKEN_URL: &str = "https://api.imgur.com/oauth2/token";

/// How long a login stays open by default, in seconds.
pub const DEFAULT_LOGIN_TIMEOUT_S: i64 = 300;
