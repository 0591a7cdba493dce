//! The parts of the Secret Service that imgurd uses over its own connection. The keyring crates read and write the items.
//! The names are those of <https://specifications.freedesktop.org/secret-service/latest/>.

use std::collections::HashMap;

use zbus::{ObjectPath, OwnedObjectPath, OwnedVariant};

/// The name that whichever keyring there is owns on the bus.
pub(super) const NAME: &str = "org.freedesktop.secrets";

/// The object path that means "no object".
pub(super) const NO_OBJECT: &str = "/";

#[zbus::proxy(
    interface = "org.freedesktop.Secret.Service",
    default_service = "org.freedesktop.secrets",
    default_path = "/org/freedesktop/secrets"
)]
pub(super) trait Service {
    #[zbus(property(emits_changed_signal = "false"))]
    fn collections(&self) -> zbus::Result<Vec<OwnedObjectPath>>;

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

#[zbus::proxy(interface = "org.freedesktop.Secret.Collection", default_service = "org.freedesktop.secrets")]
pub(super) trait Collection {
    #[zbus(property(emits_changed_signal = "false"))]
    fn locked(&self) -> zbus::Result<bool>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn label(&self) -> zbus::Result<String>;
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
