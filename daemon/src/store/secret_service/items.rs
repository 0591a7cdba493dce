//! The items of the Secret Service, as a store of `keyring-core`, over imgurd's own connection.
//!
//! The API of `keyring-core` blocks, so a caller has a thread for it. The calls on the bus themselves run on the runtime, which
//! drives the connection; on the thread, imgurd encrypts and decrypts.

use std::any::Any;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::Arc;

use keyring::api::{Credential, CredentialApi, CredentialStoreApi};
use keyring::{Entry, Error, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use zbus::{OwnedObjectPath, Variant};

use super::prompt::{SILENCE, answer};
use super::provider::Provider;
use super::proxies::{CollectionProxy, ItemProxy, NO_OBJECT, Secret, ServiceProxy, SessionProxy};
use super::sentences;
use super::session::{ALGORITHM, KeyExchange, Session};
use crate::store::StoreError;

/// The items of one keyring.
pub(super) struct Items(Arc<Keyring>);

impl Items {
    /// Opens a session with the keyring, which encrypts what goes over the bus.
    pub(super) fn open(service: ServiceProxy<'static>, runtime: Handle) -> Result<Self> {
        let exchange = KeyExchange::new().map_err(failure)?;
        let (opening, public) = (service.clone(), exchange.public());
        let (output, path) =
            wait(&runtime, async move { Ok(opening.open_session(ALGORITHM, &public).await?) })?;
        let session = exchange.complete(output, path).ok_or_else(not_valid)?;
        Ok(Self(Arc::new(Keyring { service, session, runtime })))
    }
}

impl CredentialStoreApi for Items {
    fn vendor(&self) -> String {
        "Secret Service".to_owned()
    }

    fn id(&self) -> String {
        "Secret Service".to_owned()
    }

    fn build(&self, service: &str, user: &str, modifiers: Option<&HashMap<&str, &str>>) -> Result<Entry> {
        let label = modifiers.and_then(|modifiers| modifiers.get("label")).copied().unwrap_or(service);
        Ok(Entry::new_with_credential(Arc::new(Place {
            keyring: self.0.clone(),
            label: label.to_owned(),
            service: service.to_owned(),
            user: user.to_owned(),
        })))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A keyring, and the session with it.
struct Keyring {
    service: ServiceProxy<'static>,
    session: Session,
    runtime: Handle,
}

impl Drop for Keyring {
    /// The keyring keeps a session for as long as the connection lasts.
    fn drop(&mut self) {
        let (service, path) = (self.service.clone(), self.session.path.clone());
        self.runtime.spawn(async move { service.object::<SessionProxy>(path).await?.close().await });
    }
}

/// Where an item is, or is to be.
#[derive(Clone)]
struct Place {
    keyring: Arc<Keyring>,
    label: String,
    service: String,
    user: String,
}

impl Place {
    fn attributes(&self) -> HashMap<&str, &str> {
        HashMap::from([("service", self.service.as_str()), ("username", self.user.as_str())])
    }

    /// Runs a call for this item.
    fn wait<T, F>(&self, call: impl FnOnce(Self) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = std::result::Result<T, StoreError>> + Send + 'static,
    {
        wait(&self.keyring.runtime, call(self.clone()))
    }

    /// The one item that is here, in whichever collection.
    fn item(&self) -> Result<OwnedObjectPath> {
        let (mut items, locked) =
            self.wait(
                |place| async move { Ok(place.keyring.service.search_items(&place.attributes()).await?) },
            )?;
        if !locked.is_empty() {
            return Err(locked_meanwhile().into());
        }
        match items.len() {
            0 | 1 => items.pop().ok_or(Error::NoEntry),
            _ => Err(Error::Ambiguous(items.iter().map(|_| self.entry()).collect())),
        }
    }

    fn entry(&self) -> Entry {
        Entry::new_with_credential(Arc::new(self.clone()))
    }

    fn replace(&self, item: OwnedObjectPath, secret: Secret) -> Result<()> {
        self.wait(|place| async move {
            Ok(place.keyring.service.object::<ItemProxy>(item).await?.set_secret(&secret).await?)
        })
    }

    fn create(&self, secret: Secret) -> Result<()> {
        self.wait(|place| async move { place.create_in_default_collection(&secret).await })
    }

    async fn create_in_default_collection(&self, secret: &Secret) -> std::result::Result<(), StoreError> {
        let service = &self.keyring.service;
        let path = service.read_alias("default").await?;
        if path.as_str() == NO_OBJECT {
            return Err(locked_meanwhile());
        }
        let collection: CollectionProxy = service.object(path).await?;
        if collection.locked().await? {
            return Err(locked_meanwhile());
        }
        let properties = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Variant::from(self.label.as_str())),
            ("org.freedesktop.Secret.Item.Attributes", Variant::Dict(self.attributes().into())),
        ]);
        let (_, prompt) = collection.create_item(&properties, secret, true).await?;
        match prompt.as_str() {
            NO_OBJECT => Ok(()),
            // KeePassXC creates each item by a prompt. If its database is open, it shows no dialog.
            _ => answer(service, prompt, SILENCE).await,
        }
    }
}

impl CredentialApi for Place {
    fn set_secret(&self, secret: &[u8]) -> Result<()> {
        let encrypt = || self.keyring.session.encrypt(secret).map_err(failure);
        match self.item() {
            Ok(item) => self.replace(item, encrypt()?),
            Err(Error::NoEntry) => self.create(encrypt()?),
            Err(error) => Err(error),
        }
    }

    fn get_secret(&self) -> Result<Vec<u8>> {
        let item = self.item()?;
        let secret = self.wait(|place| async move {
            let Keyring { service, session, .. } = &*place.keyring;
            Ok(service.object::<ItemProxy>(item).await?.get_secret(&session.path).await?)
        })?;
        self.keyring.session.decrypt(&secret).ok_or_else(not_valid)
    }

    fn delete_credential(&self) -> Result<()> {
        Err(Error::NotSupportedByStore("imgurd deletes no item".to_owned()))
    }

    fn get_credential(&self) -> Result<Option<Arc<Credential>>> {
        self.item().map(|_| None)
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        Some((self.service.clone(), self.user.clone()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Runs a call on the runtime and waits for its end, which may take any time. It ends when the runtime does.
fn wait<T: Send + 'static>(
    runtime: &Handle,
    call: impl Future<Output = std::result::Result<T, StoreError>> + Send + 'static,
) -> Result<T> {
    let (reply, outcome) = oneshot::channel();
    runtime.spawn(async move {
        let _ = reply.send(call.await);
    });
    let outcome = outcome.blocking_recv().unwrap_or_else(|_| Err(sentences::does_not_answer()));
    outcome.map_err(Error::from)
}

/// It was locked after imgurd has looked.
fn locked_meanwhile() -> StoreError {
    sentences::locked(Provider::Other)
}

/// Distinguishes what unlocking would fix from everything else.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Locked(_) => Self::NoStorageAccess(Box::new(error)),
            error => failure(error),
        }
    }
}

fn not_valid() -> Error {
    failure(sentences::not_valid())
}

fn failure(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::PlatformFailure(Box::new(error))
}

#[cfg(test)]
mod tests;
