//! `org.freedesktop.DBus.ObjectManager`: the objects of the accounts that the caller may see.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use zbus::fdo::ManagedObjects;
use zbus::message::Header;
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;
use zbus::{ObjectPath, Variant, interface};

use super::objects::Objects;
use super::{Error, gone};

/// Replaces the object server's own implementation, which shows every account to every caller. The object server emits
/// the signals.
pub(super) struct Tree(Weak<Objects>);

impl Tree {
    pub(super) fn new(objects: &Arc<Objects>) -> Self {
        Self(Arc::downgrade(objects))
    }
}

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Tree {
    #[zbus(out_args("object_paths_interfaces_and_properties"))]
    async fn get_managed_objects(&self, #[zbus(header)] header: Header<'_>) -> Result<ManagedObjects, Error> {
        let objects = self.0.upgrade().ok_or_else(gone)?;
        let admitted = objects.admission.admit(&header).await?;
        Ok(objects.managed(admitted.caller()).await?)
    }

    #[zbus(signal)]
    async fn interfaces_added(
        emitter: &SignalEmitter<'_>,
        object_path: ObjectPath<'_>,
        interfaces_and_properties: HashMap<InterfaceName<'_>, HashMap<&str, Variant<'_>>>,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn interfaces_removed(
        emitter: &SignalEmitter<'_>,
        object_path: ObjectPath<'_>,
        interfaces: Vec<InterfaceName<'_>>,
    ) -> zbus::Result<()>;
}
