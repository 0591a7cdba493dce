//! The parts of the Secret Service that imgurd uses.
//! The names are those of <https://specifications.freedesktop.org/secret-service/latest/>.
//!
//! A call with a flag has no time limit in zbus, and the calls for items have one for that reason: such a call lasts until the
//! keyring answers or exits, so that imgurd knows whether it may still take effect (`keyring_calls`).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use zbus::{ObjectPath, OwnedObjectPath, OwnedVariant, Type, Variant};

/// The name that whichever keyring there is owns on the bus.
pub(super) const NAME: &str = "org.freedesktop.secrets";

/// The attribute `service` of our items; `username` is the account's name.
pub(super) const SERVICE: &str = "imgurd";

/// The object path that means "no object".
pub(super) const NO_OBJECT: &str = "/";

/// A secret on its way over the bus, encrypted for a session.
#[derive(Debug, Deserialize, Serialize, Type)]
pub(super) struct Secret {
    pub(super) session: OwnedObjectPath,
    /// The initialization vector.
    pub(super) parameters: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) content_type: String,
}

#[zbus::proxy(
    interface = "org.freedesktop.Secret.Service",
    default_service = "org.freedesktop.secrets",
    default_path = "/org/freedesktop/secrets"
)]
pub(super) trait Service {
    #[zbus(property(emits_changed_signal = "false"))]
    fn collections(&self) -> zbus::Result<Vec<OwnedObjectPath>>;

    /// Agrees on a key. Returns the keyring's part of it, and the session.
    #[zbus(no_autostart)]
    fn open_session(
        &self,
        algorithm: &str,
        input: &Variant<'_>,
    ) -> zbus::Result<(OwnedVariant, OwnedObjectPath)>;

    /// The collection with this alias, or [`NO_OBJECT`].
    fn read_alias(&self, name: &str) -> zbus::Result<OwnedObjectPath>;

    /// The items with these attributes: those that are unlocked, and those that are locked.
    fn search_items(
        &self,
        attributes: &HashMap<&str, &str>,
    ) -> zbus::Result<(Vec<OwnedObjectPath>, Vec<OwnedObjectPath>)>;

    /// Unlocks what can be unlocked without a dialog, and creates a prompt for the rest, or [`NO_OBJECT`] if there is
    /// none.
    fn unlock(&self, objects: &[ObjectPath<'_>]) -> zbus::Result<(Vec<OwnedObjectPath>, OwnedObjectPath)>;
}

impl ServiceProxy<'static> {
    /// Another object of the same keyring.
    pub(super) async fn object<P>(&self, path: OwnedObjectPath) -> zbus::Result<P>
    where
        P: zbus::proxy::Defaults + From<zbus::Proxy<'static>>,
    {
        let builder = zbus::proxy::Builder::new(self.inner().connection());
        builder.destination(self.inner().destination().clone()).path(path).build().await
    }
}

#[zbus::proxy(interface = "org.freedesktop.Secret.Collection", default_service = "org.freedesktop.secrets")]
pub(super) trait Collection {
    #[zbus(property(emits_changed_signal = "false"))]
    fn locked(&self) -> zbus::Result<bool>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn label(&self) -> zbus::Result<String>;

    /// Returns the item and [`NO_OBJECT`], or [`NO_OBJECT`] and the prompt that creates it.
    #[zbus(no_autostart)]
    fn create_item(
        &self,
        properties: &HashMap<&str, Variant<'_>>,
        secret: &Secret,
        replace: bool,
    ) -> zbus::Result<(OwnedObjectPath, OwnedObjectPath)>;
}

#[zbus::proxy(interface = "org.freedesktop.Secret.Item", default_service = "org.freedesktop.secrets")]
pub(super) trait Item {
    #[zbus(no_autostart)]
    fn get_secret(&self, session: &ObjectPath<'_>) -> zbus::Result<Secret>;

    #[zbus(no_autostart)]
    fn set_secret(&self, secret: &Secret) -> zbus::Result<()>;
}

#[zbus::proxy(interface = "org.freedesktop.Secret.Session", default_service = "org.freedesktop.secrets")]
pub(super) trait Session {
    fn close(&self) -> zbus::Result<()>;
}

#[zbus::proxy(interface = "org.freedesktop.Secret.Prompt", default_service = "org.freedesktop.secrets")]
pub(super) trait Prompt {
    /// Shows it, above the window with this id.
    fn prompt(&self, window_id: &str) -> zbus::Result<()>;

    fn dismiss(&self) -> zbus::Result<()>;

    /// It was answered, or dismissed.
    #[zbus(signal)]
    fn completed(&self, dismissed: bool, result: OwnedVariant) -> zbus::Result<()>;
}
