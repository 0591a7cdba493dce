//! The interface on the session bus: its names, its errors, and typed proxies (feature `dbus`).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = zbus::Connection::session().await?;
//! let keeper = imgurd_proto::dbus::KeeperProxy::new(&bus).await?;
//! let (access_token, token_type, _expires_at) = keeper.get_token("", -1, -1).await?;
//! println!("Authorization: {token_type} {}", access_token.expose());
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::fmt::Write as _;

use zbus::wire::Signature;
use zbus::{ObjectPath, OwnedFd, OwnedObjectPath, OwnedVariant, Type, Variant};

use crate::Secret;

/// The well-known name of imgurd.
pub const BUS_NAME: &str = "org.imgurd.Keeper1";

/// The object with the interface's methods, and the parent of all account objects.
pub const PATH: &str = "/org/imgurd/Keeper1";

/// The interfaces as imgurd describes them on introspection, for generators of bindings.
pub const INTROSPECTION: &str = include_str!("org.imgurd.Keeper1.xml");

/// The outcome in `LoginFinished` of a successful login. Any other outcome is a sentence that says why the login
/// failed.
pub const SIGNED_IN: &str = "signed-in";

/// Why a call to imgurd failed. Each message ends with what to do next, and contains no secret.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.imgurd.Keeper1.Error")]
pub enum Error {
    /// An error of the bus or its protocol, or an unreachable daemon.
    #[zbus(error)]
    Bus(zbus::Error),
    /// There is no account with that name.
    NoSuchAccount(String),
    /// There is no grant, or the server rejected it twice: the user must sign in.
    ConsentNeeded(String),
    /// The caller may not call this method or use this account.
    AccessDenied(String),
    /// It failed for a temporary reason.
    TemporarilyUnavailable(String),
    /// The store that holds the grants is locked, absent or has another key.
    StoreUnavailable(String),
    /// The server refused the client or a setting.
    Misconfigured(String),
    /// The sign-in failed.
    LoginFailed(String),
    /// An argument is not valid.
    InvalidArgument(String),
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        // Only the message and no further field: GLib shows no message if an error has more than one field.
        let message = error.to_string();
        match error {
            crate::Error::NoSuchAccount { .. } => Self::NoSuchAccount(message),
            crate::Error::ConsentNeeded { .. } => Self::ConsentNeeded(message),
            crate::Error::AccessDenied { .. } => Self::AccessDenied(message),
            crate::Error::TemporarilyUnavailable { .. } => Self::TemporarilyUnavailable(message),
            crate::Error::StoreUnavailable { .. } => Self::StoreUnavailable(message),
            crate::Error::Misconfigured { .. } => Self::Misconfigured(message),
            crate::Error::LoginFailed { .. } => Self::LoginFailed(message),
            crate::Error::InvalidArgument { .. } => Self::InvalidArgument(message),
        }
    }
}

impl Type for Secret {
    const SIGNATURE: &'static Signature = <str as Type>::SIGNATURE;
}

/// The object path of the account `name`, encoded like `sd_bus_path_encode(3)` does.
///
/// ```
/// let path = imgurd_proto::dbus::account_path("my-token");
/// assert_eq!(path.as_str(), "/org/imgurd/Keeper1/account/my_2dtoken");
/// ```
#[must_use]
pub fn account_path(name: &str) -> OwnedObjectPath {
    let mut path = format!("{PATH}/account/");
    if name.is_empty() {
        path.push('_');
    }
    for (position, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && position > 0) {
            path.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(path, "_{byte:02x}");
        }
    }
    ObjectPath::from_string_unchecked(path).into()
}

/// The keeper. `""` means the default account and `-1` the default value.
#[zbus::proxy(
    interface = "org.imgurd.Keeper1",
    default_service = "org.imgurd.Keeper1",
    default_path = "/org/imgurd/Keeper1"
)]
pub trait Keeper {
    /// The access token, its type, and when it expires (Unix seconds, 0 if unknown).
    fn get_token(
        &self,
        account: &str,
        min_valid_s: i32,
        wait_ms: i32,
    ) -> Result<(Secret, String, i64), Error>;

    /// Like [`get_token`](Self::get_token), but the access token is in a sealed memory file, which no bus monitor can
    /// read.
    fn get_token_fd(&self, account: &str, min_valid_s: i32, wait_ms: i32) -> Result<OwnedFd, Error>;

    /// Reports that a server rejected this token, and returns another one.
    fn reject_token(
        &self,
        account: &str,
        access_token: &Secret,
        wait_ms: i32,
    ) -> Result<(Secret, String, i64), Error>;

    /// Refreshes the token now, even if it is still valid, and returns the new one.
    fn refresh(&self, account: &str, wait_ms: i32) -> Result<(Secret, String, i64), Error>;

    /// The accounts and their states; `""` means all accounts here.
    fn list_accounts(&self, account: &str) -> Result<Vec<HashMap<String, OwnedVariant>>, Error>;

    /// Adds an account to config.toml.
    fn add_account(
        &self,
        account: &str,
        settings: HashMap<&str, Variant<'_>>,
        client_secret: &Secret,
        make_default: bool,
    ) -> Result<OwnedObjectPath, Error>;

    /// Changes settings of an account; absent settings stay as they are.
    fn set_account(
        &self,
        account: &str,
        settings: HashMap<&str, Variant<'_>>,
        client_secret: &Secret,
        make_default: bool,
    ) -> Result<OwnedObjectPath, Error>;

    /// Removes an account from config.toml, and sets its grant aside.
    fn remove_account(&self, account: &str) -> Result<(), Error>;

    /// Imports a grant from elsewhere.
    fn import_grant(&self, account: &str, text: &Secret, replace: bool) -> Result<OwnedObjectPath, Error>;

    /// Restores the grant that a login or an import replaced.
    fn restore_grant(&self, account: &str) -> Result<OwnedObjectPath, Error>;

    /// How many requests the API still allows, by the names of [`Credits`](crate::Credits)' fields.
    fn get_credits(&self, account: &str, wait_ms: i32) -> Result<HashMap<String, OwnedVariant>, Error>;

    /// Starts a login. Returns its ID and the page to open.
    fn login(&self, account: &str, options: HashMap<&str, Variant<'_>>) -> Result<(String, String), Error>;

    /// The page of a login, the code that the user enters there, and the page with the code filled in. Absent values
    /// are empty.
    fn get_login(&self, login_id: &str) -> Result<(String, String, String), Error>;

    /// Completes a login with the answer of the authorization page: a PIN, a code or the whole redirect URL.
    fn complete_login(&self, login_id: &str, response: &Secret) -> Result<OwnedObjectPath, Error>;

    /// Cancels a login.
    fn cancel_login(&self, login_id: &str) -> Result<(), Error>;

    /// Deletes an account's grants.
    fn logout(&self, account: &str) -> Result<(), Error>;

    /// Unlocks the store. The keyring may show its own dialog.
    fn unlock_store(&self) -> Result<(), Error>;

    /// The saved decisions about applications: application, account, allow and since of each.
    fn list_permits(&self) -> Result<Vec<HashMap<String, OwnedVariant>>, Error>;

    /// Allows or denies an application the use of an account from now on.
    fn set_permit(&self, application: &str, account: &str, allow: bool) -> Result<(), Error>;

    /// Deletes a saved decision.
    fn remove_permit(&self, application: &str, account: &str) -> Result<(), Error>;

    /// Who got or was denied a token, the oldest entry first, by the names of [`JournalEntry`](crate::JournalEntry)'s
    /// fields; `""` means all accounts here.
    fn read_journal(&self, account: &str) -> Result<Vec<HashMap<String, OwnedVariant>>, Error>;

    /// A server's metadata, by the names of [`Discovery`](crate::Discovery)'s fields.
    fn discover(&self, issuer: &str, ca_file: &str) -> Result<HashMap<String, OwnedVariant>, Error>;

    /// The findings about what imgurd depends on, by the names of [`Finding`](crate::Finding)'s fields.
    fn probe(&self) -> Result<Vec<HashMap<String, OwnedVariant>>, Error>;

    /// A login that was started on this bus has ended; `outcome` is [`SIGNED_IN`], or why it failed.
    #[zbus(signal)]
    fn login_finished(&self, login_id: &str, account: &str, outcome: &str) -> zbus::Result<()>;
}

/// One account, at its [`account_path`].
#[zbus::proxy(interface = "org.imgurd.Keeper1.Account", default_service = "org.imgurd.Keeper1")]
pub trait Account {
    /// The name of the account.
    #[zbus(property)]
    fn name(&self) -> zbus::Result<String>;

    /// The user who signed in; empty if unknown.
    #[zbus(property)]
    fn username(&self) -> zbus::Result<String>;

    /// Its state: one of the words of [`State`](crate::State).
    #[zbus(property)]
    fn state(&self) -> zbus::Result<String>;

    /// Why the account is in this state, and what to do, in one sentence; empty if there is nothing to report.
    #[zbus(property)]
    fn reason(&self) -> zbus::Result<String>;

    /// When the access token expires, in Unix seconds; 0 if unknown.
    #[zbus(property)]
    fn expires_at(&self) -> zbus::Result<i64>;

    /// When imgurd will refresh it, in Unix seconds; 0 if no refresh is scheduled.
    #[zbus(property)]
    fn next_refresh_at(&self) -> zbus::Result<i64>;

    /// Whether imgurd refreshes the token before it expires.
    #[zbus(property)]
    fn auto_refresh(&self) -> zbus::Result<bool>;

    /// Sets whether imgurd refreshes the token before it expires.
    #[zbus(property)]
    fn set_auto_refresh(&self, auto_refresh: bool) -> zbus::Result<()>;

    /// Whether a sign-in is in progress.
    #[zbus(property)]
    fn login_pending(&self) -> zbus::Result<bool>;

    /// Whether the grant is in memory only, because the store has not saved it yet.
    #[zbus(property)]
    fn unsaved(&self) -> zbus::Result<bool>;

    /// There is a new access token, which `GetToken` returns.
    #[zbus(signal)]
    fn token_changed(&self) -> zbus::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_a_name_like_systemd() {
        let encoded = |name| account_path(name).as_str().rsplit('/').next().map(ToOwned::to_owned);
        assert_eq!(encoded("mytoken").as_deref(), Some("mytoken"));
        assert_eq!(encoded("1.a-2_b").as_deref(), Some("_31_2ea_2d2_5fb"));
        assert_eq!(encoded("").as_deref(), Some("_"));
    }
}
