//! The account objects on the bus, one for each account of the keeper.

use std::borrow::Cow;
use std::sync::Arc;

use imgurd_proto::dbus::account_path;
use zbus::Connection;
use zbus::fdo::{ManagedObjects, Properties};
use zbus::object_server::{Interface, InterfaceRef};

use super::account::Account;
use super::admission::Admission;
use super::published::{Changes, Publication, Published};
use crate::access::Caller;
use crate::ipc::Api;

pub(super) struct Objects {
    pub(super) admission: Arc<Admission>,
    connection: Connection,
    api: Api,
    published: Arc<Published>,
    /// Only one task at a time reports changes to the bus. `published` is not locked meanwhile: a write to a property
    /// records there what the bus will learn, and holds a lock of the object server that adding an object needs.
    telling: tokio::sync::Mutex<()>,
}

impl Objects {
    pub(super) fn new(connection: Connection, api: Api) -> Arc<Self> {
        let admission = Arc::new(Admission::new(connection.clone(), api.clone()));
        let (published, telling) = Default::default();
        Arc::new(Self { admission, connection, api, published, telling })
    }

    /// The objects that the caller may see, as `GetManagedObjects` returns them.
    pub(super) async fn managed(&self, caller: &Caller) -> zbus::Result<ManagedObjects> {
        let server = self.connection.object_server();
        let mut managed = ManagedObjects::new();
        let names: Vec<_> = self.published.lock().keys().cloned().collect();
        for name in names.iter().filter(|name| self.api.gate.may_see(caller, name)) {
            let path = account_path(name);
            let object = server.interface::<_, Account>(&path).await?;
            let emitter = object.signal_emitter();
            let properties = object.get().await.get_all(server, &self.connection, None, emitter).await?;
            managed.insert(path, [(Account::name().into(), properties)].into());
        }
        Ok(managed)
    }

    /// Adds and removes objects and reports changes, until the bus has the keeper's current state.
    pub(super) async fn sync(&self) -> zbus::Result<()> {
        let _telling = self.telling.lock().await;
        let mut listed = 0;
        let news = self.api.keeper.survey(|name, info, issue| {
            listed += 1;
            let published = self.published.lock();
            let is_known =
                published.get(name).is_some_and(|known| known.issue == issue && known.info == *info);
            let new = || Publication { issue, info: info.clone(), auto_refresh: info.auto_refresh };
            (!is_known).then(|| (name.to_owned(), new()))
        });
        for (name, new) in news {
            self.sync_account(name, new).await?;
        }
        if self.published.lock().len() > listed {
            self.remove_absent().await?;
        }
        Ok(())
    }

    async fn remove_absent(&self) -> zbus::Result<()> {
        let absent = |name: &&String| self.api.keeper.account(Some(name)).is_err();
        let absent: Vec<_> = self.published.lock().keys().filter(absent).cloned().collect();
        for name in absent {
            self.connection.object_server().remove::<Account, _>(account_path(&name)).await?;
            self.published.lock().remove(&name);
        }
        Ok(())
    }

    async fn sync_account(&self, name: String, new: Publication) -> zbus::Result<()> {
        let (server, path) = (self.connection.object_server(), account_path(&name));
        let difference = self.published.lock().get(&name).map(|known| known.changes(&new));
        let Some((changed, is_another_token)) = difference else {
            let account = Account {
                name: name.clone(),
                api: self.api.clone(),
                admission: Arc::downgrade(&self.admission),
                published: Arc::clone(&self.published),
            };
            server.at(&path, account).await?;
            self.published.lock().insert(name, new);
            return Ok(());
        };
        self.published.lock().insert(name, new);
        let object = server.interface::<_, Account>(&path).await?;
        if !changed.is_empty() {
            tell(&object, changed).await?;
        }
        if is_another_token {
            Account::token_changed(object.signal_emitter()).await?;
        }
        Ok(())
    }
}

async fn tell(object: &InterfaceRef<Account>, changed: Changes) -> zbus::Result<()> {
    Properties::properties_changed(object.signal_emitter(), Account::name(), changed, Cow::default()).await
}
