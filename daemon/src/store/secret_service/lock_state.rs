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
use super::{SERVICE, sentences};
use crate::bus::Bus;
use crate::store::StoreError;

/// How long a dialog waits for the user.
const PATIENCE: Duration = Duration::from_mins(2);

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
        let default = default_collection(&service).await?;
        let ours = HashMap::from([("service", SERVICE), ("username", account)]);
        if !locked(&service, default, &ours).await?.is_empty() {
            return Err(sentences::locked());
        }
        let names = DBusProxy::new(service.inner().connection()).await?;
        let owner = names.get_name_owner(service.inner().destination().clone()).await;
        Ok(owner.map_err(zbus::Error::from)?)
    }

    /// Whether what is ours, of whichever account, can be read and written just now, without a prompt.
    pub(super) async fn look_at_all(&self) -> Result<(), StoreError> {
        let service = self.service().await?;
        let default = default_collection(&service).await?;
        let ours = HashMap::from([("service", SERVICE)]);
        if locked(&service, default, &ours).await?.is_empty() { Ok(()) } else { Err(sentences::locked()) }
    }

    /// Unlocks what is locked, by way of the keyring's own prompt.
    pub(super) async fn unlock(&self) -> Result<(), StoreError> {
        let _one_dialog = self.unlocking.lock().await;
        let service = self.service().await?;
        let default = default_collection(&service).await?;
        let ours = HashMap::from([("service", SERVICE)]);
        let objects = locked(&service, default.clone(), &ours).await?;
        let objects: Vec<_> = objects.iter().map(|path| path.as_ref()).collect();
        let (_, prompt) = service.unlock(&objects).await?;
        let answer = match prompt.as_str() {
            NO_OBJECT => Ok(()),
            _ => answer(&service, &prompt).await,
        };
        // Whatever became of the dialog, somebody else may have unlocked it meanwhile.
        let is_open = locked(&service, default, &ours).await?.is_empty();
        if is_open { Ok(()) } else { answer.and(Err(sentences::dismissed())) }
    }

    async fn service(&self) -> Result<ServiceProxy<'static>, StoreError> {
        let connection = self.bus.connection().await.map_err(|reason| sentences::no_bus(&reason))?;
        Ok(ServiceProxy::new(&connection).await?)
    }
}

async fn default_collection(service: &ServiceProxy<'_>) -> Result<OwnedObjectPath, StoreError> {
    let path = service.read_alias("default").await?;
    if path.as_str() == NO_OBJECT { Err(sentences::never_initialised()) } else { Ok(path) }
}

/// What would have to be unlocked: the default collection, and items of ours, which may be in another one where the
/// default was changed.
async fn locked(
    service: &ServiceProxy<'_>,
    default: OwnedObjectPath,
    ours: &HashMap<&str, &str>,
) -> Result<Vec<OwnedObjectPath>, StoreError> {
    let (_, mut locked) = service.search_items(ours).await?;
    if CollectionProxy::new(service.inner().connection(), &default).await?.locked().await? {
        locked.push(default);
    }
    Ok(locked)
}

/// Shows the prompt and waits for its answer, until it has been open for too long.
async fn answer(service: &ServiceProxy<'_>, prompt: &OwnedObjectPath) -> Result<(), StoreError> {
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
        () = sleep(PATIENCE) => {
            let _ = prompt.dismiss().await;
            Err(sentences::unanswered())
        }
    }
}

#[cfg(test)]
mod tests;
