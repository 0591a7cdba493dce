//! The account objects on the bus, kept as the accounts are.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imgurd_proto::dbus::account_path;
use imgurd_proto::{Account as Info, Error};
use zbus::fdo::ManagedObjects;
use zbus::message::Header;
use zbus::object_server::{Interface, InterfaceRef};
use zbus::{Connection, Variant, fdo};

use super::account::{Account, properties};
use crate::access::{Admitted, BusCallers, Caller, needs};
use crate::ipc::Api;

/// What the bus was told of one account.
struct Told {
    /// The number of its token.
    issue: u64,
    /// How it was then. It is the keeper's own until it changes, and takes no memory.
    info: Arc<Info>,
    /// As it is there, or is about to be.
    auto_refresh: bool,
}

/// The accounts that are objects on one connection, and who calls there.
pub(super) struct Objects {
    connection: Connection,
    api: Api,
    callers: BusCallers,
    told: Mutex<HashMap<String, Told>>,
    /// One at a time tells. `told` is not locked meanwhile: a write to a property, which notes there what it will
    /// tell, holds a lock of the object server that adding an object needs.
    telling: tokio::sync::Mutex<()>,
}

impl Objects {
    pub(super) fn new(connection: Connection, api: Api) -> Arc<Self> {
        let callers = BusCallers::new(api.journal().clone());
        let (told, telling) = Default::default();
        Arc::new(Self { connection, api, callers, told, telling })
    }

    /// Lets a call begin, or refuses whoever may not call.
    pub(super) async fn admit(&self, header: &Header<'_>) -> Result<Admitted, Error> {
        let admitted = self.callers.admit(&self.connection, header).await?;
        let (interface, member) = (header.interface(), header.member());
        let method = interface
            .zip(member)
            .map(|(interface, member)| format!("{interface}.{member}"))
            .unwrap_or_default();
        let needs = needs(&method).ok_or_else(|| {
            tracing::error!(method, "nothing says who may call this");
            Error::AccessDenied { reason: format!("Nobody may call {method}; see `imgurd --version`") }
        })?;
        self.api.enter(admitted.caller(), needs, &method)?;
        Ok(admitted)
    }

    /// The objects that the caller may see, as `GetManagedObjects` tells of them.
    pub(super) async fn managed(&self, caller: &Caller) -> zbus::Result<ManagedObjects> {
        let server = self.connection.object_server();
        let mut managed = ManagedObjects::new();
        let names: Vec<_> = self.told().keys().cloned().collect();
        for name in names.iter().filter(|name| self.api.gate().sees(caller, name)) {
            let path = account_path(name);
            let object = server.interface::<_, Account>(&path).await?;
            let emitter = object.signal_emitter();
            let properties = object.get().await.get_all(server, &self.connection, None, emitter).await?;
            managed.insert(path, [(Account::name().into(), properties)].into());
        }
        Ok(managed)
    }

    /// Adds objects, removes them and tells what has changed, until the bus is as the keeper is now.
    pub(super) async fn sync(self: &Arc<Self>) -> zbus::Result<()> {
        let _turn = self.telling.lock().await;
        let mut listed = 0;
        let news = self.api.survey(|name, info, issue| {
            listed += 1;
            let is_told = self.told().get(name).is_some_and(|told| told.issue == issue && told.info == *info);
            (!is_told).then(|| {
                (name.to_owned(), Told { issue, info: info.clone(), auto_refresh: info.auto_refresh })
            })
        });
        for (name, now) in news {
            self.sync_account(name, now).await?;
        }
        if self.told().len() > listed {
            self.remove_those_gone().await?;
        }
        Ok(())
    }

    async fn remove_those_gone(&self) -> zbus::Result<()> {
        let gone: Vec<_> =
            self.told().keys().filter(|name| self.api.account(name).is_err()).cloned().collect();
        for name in gone {
            self.connection.object_server().remove::<Account, _>(account_path(&name)).await?;
            self.told().remove(&name);
        }
        Ok(())
    }

    async fn sync_account(self: &Arc<Self>, name: String, now: Told) -> zbus::Result<()> {
        let (server, path) = (self.connection.object_server(), account_path(&name));
        let Some((changed, is_another_token)) = self.told().get(&name).map(|told| told.until(&now)) else {
            let objects = Arc::downgrade(self);
            server.at(&path, Account { name: name.clone(), api: self.api.clone(), objects }).await?;
            self.told().insert(name, now);
            return Ok(());
        };
        self.told().insert(name, now);
        let object = server.interface::<_, Account>(&path).await?;
        if !changed.is_empty() {
            tell(&object, changed).await?;
        }
        if is_another_token {
            Account::token_changed(object.signal_emitter()).await?;
        }
        Ok(())
    }

    /// Notes that the bus hears of this from the object server, as it does of every property that it lets write.
    pub(super) fn note_auto_refresh(&self, name: &str, auto_refresh: bool) {
        if let Some(told) = self.told().get_mut(name) {
            told.auto_refresh = auto_refresh;
        }
    }

    fn told(&self) -> MutexGuard<'_, HashMap<String, Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// What has changed `now`, and whether there is another token.
    fn until(&self, now: &Self) -> (HashMap<&'static str, Variant<'static>>, bool) {
        let before = properties(&self.info, self.auto_refresh);
        let changed = properties(&now.info, now.auto_refresh).into_iter().zip(before);
        let changed = changed.filter(|((_, now), (_, before))| now != before).map(|(now, _)| now);
        (changed.collect(), self.issue != now.issue)
    }
}

async fn tell(
    object: &InterfaceRef<Account>,
    changed: HashMap<&'static str, Variant<'static>>,
) -> zbus::Result<()> {
    fdo::Properties::properties_changed(object.signal_emitter(), Account::name(), changed, Cow::default())
        .await
}
