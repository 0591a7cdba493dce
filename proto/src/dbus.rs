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

/// The well-known name of the daemon.
pub const BUS_NAME: &str = "org.imgurd.Keeper1";

/// The object that has the interface's methods, and above all account objects.
pub const PATH: &str = "/org/imgurd/Keeper1";

/// The interfaces as the daemon describes them on introspection, for binding generators.
pub const INTROSPECTION: &str = include_str!("org.imgurd.Keeper1.xml");

/// The outcome in `LoginFinished` of a login that brought a grant. Any other outcome is a sentence that says why it
/// failed.
pub const SIGNED_IN: &str = "signed-in";

/// Why a call to imgurd failed. Each message ends with what to do next, and contains no secret.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.imgurd.Keeper1.Error")]
pub enum Error {
    /// A fault of the bus or its protocol, or a daemon that cannot be reached.
    #[zbus(error)]
    Bus(zbus::Error),
    /// No account of that name is configured.
    NoSuchAccount(String),
    /// There is no grant, or the server rejected it twice: the user must sign in.
    ConsentNeeded(String),
    /// The caller may not do that.
    AccessDenied(String),
    /// It failed for a temporary reason.
    TemporarilyUnavailable(String),
    /// The store that holds the grants is locked, absent or has another key.
    StoreUnavailable(String),
    /// The server refused the client or a setting.
    Misconfigured(String),
    /// Signing in did not work out.
    LoginFailed(String),
    /// An argument is not valid.
    InvalidArgument(String),
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        // The message and no further field: GLib shows no message at all where an error carries more than one.
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

/// The object of the account called `name`: the name encoded as `sd_bus_path_encode(3)` has it.
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
    /// The access token, its type and when it expires (Unix seconds, 0 if that is not known).
    fn get_token(
        &self,
        account: &str,
        min_valid_s: i32,
        wait_ms: i32,
    ) -> Result<(Secret, String, i64), Error>;

    /// As [`get_token`](Self::get_token), with the access token in a sealed memory file: no bus monitor sees it.
    fn get_token_fd(&self, account: &str, min_valid_s: i32, wait_ms: i32) -> Result<OwnedFd, Error>;

    /// Says that a server rejected this token, and asks for another.
    fn reject_token(
        &self,
        account: &str,
        access_token: &Secret,
        wait_ms: i32,
    ) -> Result<(Secret, String, i64), Error>;

    /// Asks for a new token whatever the clock says.
    fn refresh(&self, account: &str, wait_ms: i32) -> Result<(Secret, String, i64), Error>;

    /// The accounts and their states; `""` means all accounts here.
    fn list_accounts(&self, account: &str) -> Result<Vec<HashMap<String, OwnedVariant>>, Error>;

    /// Adds an account to the configuration.
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

    /// Takes an account out of the configuration; its grant is set aside.
    fn remove_account(&self, account: &str) -> Result<(), Error>;

    /// Takes over a grant obtained elsewhere.
    fn import_grant(&self, account: &str, text: &Secret, replace: bool) -> Result<OwnedObjectPath, Error>;

    /// Brings back the grant that a login or an import displaced.
    fn restore_grant(&self, account: &str) -> Result<OwnedObjectPath, Error>;

    /// How many requests the API still allows, by the names of [`Credits`](crate::Credits)' fields.
    fn get_credits(&self, account: &str, wait_ms: i32) -> Result<HashMap<String, OwnedVariant>, Error>;

    /// Begins a login; answers with its id and the page to open.
    fn login(&self, account: &str, options: HashMap<&str, Variant<'_>>) -> Result<(String, String), Error>;

    /// The page of a login, the code that the user enters there, and the page with the code filled in; empty where there is
    /// none.
    fn get_login(&self, login_id: &str) -> Result<(String, String, String), Error>;

    /// Completes a login with the answer of the authorization page: a PIN, a code or the whole redirect URL.
    fn complete_login(&self, login_id: &str, response: &Secret) -> Result<OwnedObjectPath, Error>;

    /// Cancels a login.
    fn cancel_login(&self, login_id: &str) -> Result<(), Error>;

    /// Forgets an account's grants.
    fn logout(&self, account: &str) -> Result<(), Error>;

    /// Asks for the store to be unlocked, raising its own prompt where it has one.
    fn unlock_store(&self) -> Result<(), Error>;

    /// The saved decisions about applications: application, account, allow and since of each.
    fn list_permits(&self) -> Result<Vec<HashMap<String, OwnedVariant>>, Error>;

    /// Lets an application use an account from now on, or refuses it.
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

    /// A login begun on this bus has ended; `outcome` is [`SIGNED_IN`], or why not.
    #[zbus(signal)]
    fn login_finished(&self, login_id: &str, account: &str, outcome: &str) -> zbus::Result<()>;
}

/// One account, at its [`account_path`].
#[zbus::proxy(interface = "org.imgurd.Keeper1.Account", default_service = "org.imgurd.Keeper1")]
pub trait Account {
    /// Its name here.
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

    /// When the access token expires, in Unix seconds; 0 if that is not known.
    #[zbus(property)]
    fn expires_at(&self) -> zbus::Result<i64>;

    /// When it will be refreshed, in Unix seconds; 0 if that is not planned.
    #[zbus(property)]
    fn next_refresh_at(&self) -> zbus::Result<i64>;

    /// Whether it is refreshed with no one asking.
    #[zbus(property)]
    fn auto_refresh(&self) -> zbus::Result<bool>;

    /// Switches refreshing with no one asking on or off.
    #[zbus(property)]
    fn set_auto_refresh(&self, auto_refresh: bool) -> zbus::Result<()>;

    /// Whether somebody is signing in just now.
    #[zbus(property)]
    fn login_pending(&self) -> zbus::Result<bool>;

    /// Whether the grant is served from memory because the store is behind.
    #[zbus(property)]
    fn unsaved(&self) -> zbus::Result<bool>;

    /// There is another access token: call `GetToken` for it.
    #[zbus(signal)]
    fn token_changed(&self) -> zbus::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_encoded_as_systemd_has_it() {
        let encoded = |name| account_path(name).as_str().rsplit('/').next().map(ToOwned::to_owned);
        assert_eq!(encoded("mytoken").as_deref(), Some("mytoken"));
        assert_eq!(encoded("1.a-2_b").as_deref(), Some("_31_2ea_2d2_5fb"));
        assert_eq!(encoded("").as_deref(), Some("_"));
    }
}
