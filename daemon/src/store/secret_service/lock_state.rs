//! Whether the keyring is open, and opening it. Looking never raises a prompt; only [`LockState::unlock`] does.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Mutex;
use tokio::time::sleep;
use zbus::OwnedObjectPath;
use zbus::fdo::DBusProxy;
use zbus::names::OwnedUniqueName;

use super::proxies::{CollectionProxy, NO_OBJECT, PromptProxy, ServiceProxy};
use super::{SERVICE, kwallet, sentences};
use crate::bus::Bus;
use crate::store::StoreError;

/// How long a dialog waits for the user.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a prompt that shows no dialog may take.
const SILENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct LockState {
    bus: Bus,
    /// Held while a dialog is open: whoever asks meanwhile waits for its answer, not for a second dialog.
    unlocking: Mutex<()>,
}

impl LockState {
    pub(super) fn new(bus: Bus) -> Self {
        Self { bus, unlocking: Mutex::new(()) }
    }

    /// Which keyring it is whose items of `account` can be read and written just now, without a prompt. A keyring
    /// that is not running, and that the bus can start, is started.
    pub(super) async fn look(&self, account: &str) -> Result<OwnedUniqueName, StoreError> {
        let service = self.service().await?;
        let ours = HashMap::from([("service", SERVICE), ("username", account)]);
        self.open_silently(&service, &ours).await?;
        let names = DBusProxy::new(service.inner().connection()).await?;
        let owner = names.get_name_owner(service.inner().destination().clone()).await;
        Ok(owner.map_err(zbus::Error::from)?)
    }

    /// Whether what is ours, of whichever account, can be read and written just now, without a prompt.
    pub(super) async fn look_at_all(&self) -> Result<(), StoreError> {
        let service = self.service().await?;
        self.open_silently(&service, &HashMap::from([("service", SERVICE)])).await
    }

    /// Fails if something would have to be unlocked with a dialog.
    async fn open_silently(
        &self,
        service: &ServiceProxy<'_>,
        ours: &HashMap<&str, &str>,
    ) -> Result<(), StoreError> {
        if locked(service, ours).await?.is_empty() {
            return Ok(());
        }
        let default = default_collection(service).await?.ok_or_else(sentences::locked)?;
        // Nobody who only looks waits for a dialog that is open.
        let _one_dialog = self.unlocking.try_lock().map_err(|_| sentences::locked())?;
        if kwallet::is_open(service, &default).await {
            let (_, prompt) = service.unlock(&[default.as_ref()]).await?;
            if prompt.as_str() != NO_OBJECT {
                answer(service, &prompt, SILENCE).await.map_err(|_| sentences::locked())?;
            }
        }
        if locked(service, ours).await?.is_empty() { Ok(()) } else { Err(sentences::locked()) }
    }

    /// Unlocks what is locked, by way of the keyring's own prompt.
    pub(super) async fn unlock(&self) -> Result<(), StoreError> {
        let _one_dialog = self.unlocking.lock().await;
        let service = self.service().await?;
        let ours = HashMap::from([("service", SERVICE)]);
        let objects = locked(&service, &ours).await?;
        let objects: Vec<_> = objects.iter().map(|path| path.as_ref()).collect();
        let (_, prompt) = service.unlock(&objects).await?;
        let answer = match prompt.as_str() {
            NO_OBJECT => Ok(()),
            _ => answer(&service, &prompt, PATIENCE).await,
        };
        // Whatever became of the dialog, somebody else may have unlocked it meanwhile.
        let is_open = locked(&service, &ours).await?.is_empty();
        if is_open { Ok(()) } else { answer.and(Err(sentences::dismissed())) }
    }

    async fn service(&self) -> Result<ServiceProxy<'static>, StoreError> {
        let connection = self.bus.connection().await.map_err(|reason| sentences::no_bus(&reason))?;
        Ok(ServiceProxy::new(&connection).await?)
    }
}

async fn default_collection(service: &ServiceProxy<'_>) -> Result<Option<OwnedObjectPath>, StoreError> {
    Ok(Some(service.read_alias("default").await?).filter(|path| path.as_str() != NO_OBJECT))
}

/// What would have to be unlocked: items of ours, or if none is shown, the default collection, where one would be made.
async fn locked(
    service: &ServiceProxy<'_>,
    ours: &HashMap<&str, &str>,
) -> Result<Vec<OwnedObjectPath>, StoreError> {
    let default = default_collection(service).await?;
    let collections = default.iter().cloned().chain(service.collections().await?).collect::<Vec<_>>();
    // KeePassXC raises its dialog for a search where nothing is open (its setting UnlockBeforeSearch).
    let mut is_open = false;
    for collection in &collections {
        is_open = is_open || !is_locked(service, collection).await?;
    }
    if !is_open {
        return collections.into_iter().next().map(|one| vec![one]).ok_or_else(sentences::never_initialised);
    }
    let (open, locked) = service.search_items(ours).await?;
    if !(open.is_empty() && locked.is_empty()) {
        return Ok(locked);
    }
    let default = default.ok_or_else(sentences::never_initialised)?;
    Ok(if is_locked(service, &default).await? { vec![default] } else { Vec::new() })
}

async fn is_locked(service: &ServiceProxy<'_>, collection: &OwnedObjectPath) -> Result<bool, StoreError> {
    Ok(CollectionProxy::new(service.inner().connection(), collection).await?.locked().await?)
}

/// Shows the prompt and waits for its answer, until it has been open for too long.
async fn answer(
    service: &ServiceProxy<'_>,
    prompt: &OwnedObjectPath,
    patience: Duration,
) -> Result<(), StoreError> {
    let prompt = PromptProxy::new(service.inner().connection(), prompt).await?;
    let mut completed = prompt.receive_completed().await?;
    let mut owners = service.inner().receive_owner_changed().await?;
    prompt.prompt("").await?;
    tokio::select! {
        answer = completed.next() => match answer {
            Some(answer) if answer.args()?.dismissed => Err(sentences::dismissed()),
            Some(_) => Ok(()),
            None => Err(sentences::no_bus(&"it has ended")),
        },
        _ = owners.next() => Err(sentences::restarted()),
        () = sleep(patience) => {
            let _ = prompt.dismiss().await;
            Err(sentences::unanswered())
        }
    }
}

#[cfg(test)]
mod tests;
