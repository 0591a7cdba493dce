//! The sentences about the keyring: what failed, and what to do.

use std::io;

use imgurd_proto::text::cause;
use keyring::Error as KeyringError;
use zbus::fdo;

use super::provider::Provider;
use crate::store::StoreError;

/// The way out for machines without a keyring.
const FILE_INSTEAD: &str = "keep grants in an encrypted file: write store = \"file\" into config.toml, run \
                            `imgurctl init --store file`, and restart imgurd";

/// The error of a method whose object is locked.
const IS_LOCKED: &str = "org.freedesktop.Secret.Error.IsLocked";

fn unavailable(reason: impl Into<String>) -> StoreError {
    StoreError::Unavailable(reason.into())
}

/// What unlocking the keyring fixes.
fn still_locked(reason: &str) -> StoreError {
    StoreError::Locked(reason.to_owned())
}

pub(super) fn locked(provider: Provider) -> StoreError {
    let name = provider.name();
    still_locked(&format!("{name} is locked; run `imgurctl unlock`, or unlock it yourself"))
}

/// The collection is unlocked, but not the item. KeePassXC asks about each connection: the answer holds until imgurd or
/// KeePassXC exits.
pub(super) fn confirms_access(provider: Provider) -> StoreError {
    match provider {
        Provider::KeePassXc => still_locked(
            "KeePassXC asks you before it gives imgurd its item; run `imgurctl unlock` and allow it, or turn off \
             \"Confirm when passwords are retrieved by clients\" in its settings, under Secret Service Integration",
        ),
        other => locked(other),
    }
}

/// The dialog about the item was dismissed, or an earlier answer still counts.
pub(super) fn not_allowed(provider: Provider) -> StoreError {
    match provider {
        Provider::KeePassXc => still_locked(
            "KeePassXC does not give imgurd its item, because you did not allow it; run `imgurctl unlock` again, or \
             restart KeePassXC first if it shows no dialog",
        ),
        _ => dismissed(),
    }
}

pub(super) fn dismissed() -> StoreError {
    still_locked(
        "The keyring is still locked, because its dialog was dismissed or could not be shown; run `imgurctl unlock` \
         again on a display",
    )
}

pub(super) fn unanswered() -> StoreError {
    still_locked(
        "The keyring is still locked, because nobody answered its dialog within two minutes; run `imgurctl unlock` \
         again",
    )
}

pub(super) fn never_initialised(provider: Provider) -> StoreError {
    unavailable(match provider {
        Provider::KWallet => format!(
            "KWallet has no wallet for other programs yet; create one in System Settings, under KDE Wallet, and \
             allow the Secret Service interface there, or {FILE_INSTEAD}"
        ),
        Provider::KeePassXc => format!(
            "KeePassXC shows no database to other programs; open one, and choose a group to expose in its Database \
             Settings, under Secret Service Integration, or {FILE_INSTEAD}"
        ),
        Provider::GnomeKeyring | Provider::Other => format!(
            "There is no default keyring yet; sign in to the desktop once with your password, or create one in a \
             password manager (such as `seahorse`) and make it the default. Without a desktop, {FILE_INSTEAD}"
        ),
    })
}

fn absent(detail: &str) -> StoreError {
    unavailable(format!(
        "No keyring answers on the session bus ({detail}); install or start one, such as gnome-keyring, or {FILE_INSTEAD}"
    ))
}

pub(super) fn no_bus(error: &dyn std::fmt::Display) -> StoreError {
    unavailable(format!(
        "There is no session bus, so there is no keyring ({error}); start imgurd in the desktop's session, or \
         {FILE_INSTEAD}",
        error = cause(&error)
    ))
}

pub(super) fn does_not_answer() -> StoreError {
    unavailable("The keyring does not answer; check whether one of its dialogs is open, or restart it")
}

pub(super) fn restarted() -> StoreError {
    unavailable("The keyring exited during the request; run `imgurctl unlock` again")
}

pub(super) fn missing(account: &str) -> StoreError {
    StoreError::Vanished(format!(
        "The current keyring has no item for {account}, and imgurd does not create a second one; open the keyring or \
         database that has it, or run `imgurctl login {account}` if the item was deleted"
    ))
}

pub(super) fn not_whole() -> StoreError {
    unavailable(
        "The keyring did not save what it was given; check whether the disk is full, and read the keyring's log",
    )
}

impl From<zbus::Error> for StoreError {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::InputOutput(error) if error.kind() == io::ErrorKind::TimedOut => does_not_answer(),
            zbus::Error::InputOutput(error) => no_bus(&error),
            zbus::Error::FDO(error) => from_standard(*error),
            zbus::Error::MethodError(name, _, _) if is_about_starting(&name) => absent(&name),
            zbus::Error::MethodError(name, _, _) if name == IS_LOCKED => locked(Provider::Other),
            other => odd(&other),
        }
    }
}

fn from_standard(error: fdo::Error) -> StoreError {
    match error {
        fdo::Error::NoReply(_) | fdo::Error::TimedOut(_) | fdo::Error::Timeout(_) => does_not_answer(),
        fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) => absent("no program owns its name"),
        other => {
            let name = zbus::DBusError::name(&other).to_string();
            if is_about_starting(&name) { absent(&name) } else { odd(&other) }
        }
    }
}

/// The bus tried to start a keyring and could not (`org.freedesktop.DBus.Error.Spawn.*`).
fn is_about_starting(name: &str) -> bool {
    name.starts_with("org.freedesktop.DBus.Error.Spawn.")
}

fn odd(error: &dyn std::fmt::Display) -> StoreError {
    unavailable(format!("The keyring failed ({error}); read its log, or restart it", error = cause(&error)))
}

/// An answer that is not as the specification has it, or is not encrypted for imgurd.
pub(super) fn not_valid() -> StoreError {
    odd(&"its answer is not valid")
}

/// An error of `keyring-core`. The text of one that is not our own may contain a secret and is not shown.
pub(super) fn from_keyring(account: &str, error: &KeyringError) -> StoreError {
    match error {
        KeyringError::NoStorageAccess(error) | KeyringError::PlatformFailure(error) => {
            error.downcast_ref().cloned().unwrap_or_else(not_valid)
        }
        KeyringError::Ambiguous(items) => unavailable(format!(
            "The keyring holds {} items for `{account}` (service imgurd), and imgurd cannot tell which is right; \
             delete the others in your password manager",
            items.len()
        )),
        _ => not_valid(),
    }
}
