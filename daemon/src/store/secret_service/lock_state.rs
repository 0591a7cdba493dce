//! Checks whether the keyring is unlocked, and unlocks it. Only [`LockState::unlock`] may cause a dialog.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::Mutex;
use zbus::{OwnedObjectPath, fdo};

use super::prompt::{SILENCE, answer};
use super::provider::Provider;
use super::proxies::{CollectionProxy, NAME, NO_OBJECT, SERVICE, ServiceProxy};
use super::{kwallet, sentences};
use crate::bus::{Bus, owner_of};
use crate::store::StoreError;

/// How long a dialog waits for the user.
const PATIENCE: Duration = Duration::from_mins(2);

/// How many dialogs it takes: KeePassXC opens its database by one, and asks about the item by another.
const DIALOGS: usize = 2;

pub(super) struct LockState {
    bus: Bus,
    /// Locked while a dialog is open: other callers wait for its answer, not for a second dialog.
    unlocking: Mutex<()>,
}

impl LockState {
    pub(super) fn new(bus: Bus) -> Self {
        Self { bus, unlocking: Mutex::new(()) }
    }

    /// The keyring whose items of `account` can be read and written just now, without a prompt. A keyring that is not
    /// running, and that the bus can start, is started.
    pub(super) async fn look(&self, account: &str) -> Result<ServiceProxy<'static>, StoreError> {
        let service = self.service().await?;
        let ours = HashMap::from([("service", SERVICE), ("username", account)]);
        self.open_silently(&service, &ours).await?;
        Ok(service)
    }

    /// Whether all items of ours can be read and written now, without a dialog.
    pub(super) async fn look_at_all(&self) -> Result<(), StoreError> {
        let service = self.service().await?;
        self.open_silently(&service, &HashMap::from([("service", SERVICE)])).await
    }

    /// Fails if something would have to be unlocked with a dialog.
    async fn open_silently(
        &self,
        service: &ServiceProxy<'static>,
        ours: &HashMap<&str, &str>,
    ) -> Result<(), StoreError> {
        let Some(_) = locked(service, ours).await? else { return Ok(()) };
        let provider = Provider::of(service).await;
        let default = default_collection(service).await?.ok_or_else(|| sentences::locked(provider))?;
        // A caller that only checks does not wait for an open dialog.
        let _one_dialog = self.unlocking.try_lock().map_err(|_| sentences::locked(provider))?;
        if kwallet::is_open(service, &default).await {
            let (_, prompt) = service.unlock(&[default.as_ref()]).await?;
            if prompt.as_str() != NO_OBJECT {
                answer(service, prompt, SILENCE).await.map_err(|_| sentences::locked(provider))?;
            }
        }
        match locked(service, ours).await? {
            None => Ok(()),
            Some(Locked::Collection(_)) => Err(sentences::locked(provider)),
            Some(Locked::Items(_)) => Err(sentences::confirms_access(provider)),
        }
    }

    /// Unlocks what is locked, with the keyring's own dialogs.
    pub(super) async fn unlock(&self) -> Result<(), StoreError> {
        let _one_dialog = self.unlocking.lock().await;
        let service = self.service().await?;
        let ours = HashMap::from([("service", SERVICE)]);
        let mut answer = Ok(());
        for _ in 0..DIALOGS {
            // Whatever became of a dialog, somebody else may have unlocked it meanwhile.
            let Some(closed) = locked(&service, &ours).await? else { return Ok(()) };
            answer?;
            answer = open_with_dialog(&service, closed).await;
        }
        let is_open = locked(&service, &ours).await?.is_none();
        if is_open { Ok(()) } else { answer.and(Err(sentences::dismissed())) }
    }

    /// The program that owns the keyring's name. All calls go to it: another one may be locked, and has no session of
    /// ours.
    async fn service(&self) -> Result<ServiceProxy<'static>, StoreError> {
        let connection = self.bus.connection().await.map_err(|reason| sentences::no_bus(&reason))?;
        Ok(ServiceProxy::builder(&connection).destination(owner_of(&connection, NAME).await?).build().await?)
    }
}

async fn open_with_dialog(service: &ServiceProxy<'static>, closed: Locked) -> Result<(), StoreError> {
    let is_about_items = matches!(closed, Locked::Items(_));
    let objects = closed.objects();
    let objects: Vec<_> = objects.iter().map(|path| path.as_ref()).collect();
    let (_, prompt) = service.unlock(&objects).await?;
    if prompt.as_str() == NO_OBJECT {
        return Ok(());
    }
    let answer = answer(service, prompt, PATIENCE).await;
    if answer == Err(sentences::dismissed()) && is_about_items {
        return Err(sentences::not_allowed(Provider::of(service).await));
    }
    answer
}

async fn default_collection(service: &ServiceProxy<'static>) -> Result<Option<OwnedObjectPath>, StoreError> {
    Ok(Some(service.read_alias("default").await?).filter(|path| path.as_str() != NO_OBJECT))
}

/// The objects that need unlocking.
enum Locked {
    /// A collection, and its items.
    Collection(Vec<OwnedObjectPath>),
    /// Items of ours in collections that are open.
    Items(Vec<OwnedObjectPath>),
}

impl Locked {
    fn objects(self) -> Vec<OwnedObjectPath> {
        match self {
            Self::Collection(objects) | Self::Items(objects) => objects,
        }
    }
}

/// The objects that need unlocking, if any: items of ours, or, if none is shown, the default collection, where imgurd
/// would create one.
async fn locked(
    service: &ServiceProxy<'static>,
    ours: &HashMap<&str, &str>,
) -> Result<Option<Locked>, StoreError> {
    let default = default_collection(service).await?;
    let collections = default.iter().cloned().chain(service.collections().await?);
    // KeePassXC raises its dialog for a search where nothing is open (its setting UnlockBeforeSearch).
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for collection in collections {
        match is_locked(service, &collection).await {
            Ok(true) => closed.push(collection),
            Ok(false) => open.push(collection),
            // KeePassXC lists databases that show nothing to other programs.
            Err(error) if is_no_collection(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if open.is_empty() {
        let Some(first) = closed.into_iter().next() else { return Err(nothing_there(service).await) };
        return Ok(Some(Locked::Collection(vec![first])));
    }
    let (unlocked, locked) = service.search_items(ours).await?;
    if !locked.is_empty() {
        let is_in = |item: &OwnedObjectPath| open.iter().any(|open| item.starts_with(&format!("{open}/")));
        let of = if locked.iter().all(is_in) { Locked::Items } else { Locked::Collection };
        return Ok(Some(of(locked)));
    }
    if !unlocked.is_empty() {
        return Ok(None);
    }
    let Some(default) = default else { return Err(nothing_there(service).await) };
    let is_locked = is_locked(service, &default).await?;
    Ok(is_locked.then(|| Locked::Collection(vec![default])))
}

/// There is no collection to use.
async fn nothing_there(service: &ServiceProxy<'static>) -> StoreError {
    sentences::never_initialised(Provider::of(service).await)
}

async fn is_locked(service: &ServiceProxy<'static>, collection: &OwnedObjectPath) -> zbus::Result<bool> {
    service.object::<CollectionProxy>(collection.clone()).await?.locked().await
}

fn is_no_collection(error: &zbus::Error) -> bool {
    let zbus::Error::FDO(error) = error else { return false };
    matches!(
        **error,
        fdo::Error::UnknownInterface(_) | fdo::Error::UnknownObject(_) | fdo::Error::UnknownProperty(_)
    )
}
