#![doc = include_str!("../README.md")]

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
mod paths;
mod rejection;
mod reply;
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
pub use method::*;
pub use parameter::ParameterValue;
pub use paths::{runtime_directory, socket_path};
pub use rejection::{error_texts, rejects_token};
pub use reply::*;
pub use secret::{Secret, Zeroizing};
pub use types::*;

/// The interface as Varlink text: the definition of all methods, fields and errors.
pub const INTERFACE_TEXT: &str = include_str!("org.imgurd.Keeper1.varlink");

/// The name of the interface, on the local socket and on D-Bus.
pub const INTERFACE: &str = "org.imgurd.Keeper1";

/// How long a token must stay valid if the caller gives no value, in seconds.
pub const DEFAULT_MIN_VALID_S: i64 = 60;

/// How long a call waits if the caller gives no value, in milliseconds: less than the 25 s that D-Bus clients wait.
pub const DEFAULT_WAIT_MS: i64 = 20_000;

/// The default callback URL. Its port is fixed, because Imgur compares the URL character by character.
pub const DEFAULT_REDIRECT_URI: &str = "http://127.0.0.1:8917/callback";

/// The default token endpoint: Imgur's.
pub const DEFAULT_TOKEN_URL: &str = "https://api.imgur.com/oauth2/token";

/// How long a login stays open by default, in seconds.
pub const DEFAULT_LOGIN_TIMEOUT_S: i64 = 300;
