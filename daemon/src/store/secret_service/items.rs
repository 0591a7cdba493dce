//! The items of the Secret Service, as a store of the keyring crates, over the bus that imgurd itself has reached.
//!
//! The ecosystem's own store crate takes the bus from the environment alone, and zbus 5 below it reads one plain address
//! there: no list, no escapes, no empty variable (D-Bus Specification, "Server Addresses").

use std::any::Any;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use imgurd_proto::BusAddress;
use keyring::api::{Credential, CredentialApi, CredentialStoreApi};
use keyring::{Entry, Error, Result};
use secret_service::blocking::{Item, SecretService};
use secret_service::{EncryptionType, Error as ServiceError};
use zbus5::address::Address;
use zbus5::address::transport::{Transport, Unix, UnixSocket};
use zbus5::blocking::connection::Builder;

const CONTENT_TYPE: &str = "application/octet-stream";

/// A connection to the keyring, with a session that encrypts what goes over the bus.
pub(super) struct Items(Arc<SecretService<'static>>);

impl Items {
    pub(super) fn at(bus: BusAddress) -> Result<Self> {
        let unix = |socket| Builder::address(Address::new(Transport::Unix(Unix::new(socket))));
        let builder = match bus {
            BusAddress::Path(path) => unix(UnixSocket::File(path)),
            BusAddress::Abstract(name) => unix(UnixSocket::Abstract(name)),
            BusAddress::Other(address) => Builder::address(address.as_str()),
        };
        let connection = builder.and_then(Builder::build).map_err(failure)?;
        let service = SecretService::connect_with_existing(EncryptionType::Dh, connection);
        Ok(Self(Arc::new(service.map_err(failure)?)))
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

/// Where an item is, or is to be.
#[derive(Clone)]
struct Place {
    keyring: Arc<SecretService<'static>>,
    label: String,
    service: String,
    user: String,
}

impl Place {
    fn attributes(&self) -> HashMap<&str, &str> {
        HashMap::from([("service", self.service.as_str()), ("username", self.user.as_str())])
    }

    /// The one item that is here, in whichever collection. One that is found locked is opened: in KWallet that raises no
    /// dialog where the wallet is open, and elsewhere the lock was looked at just before.
    fn item(&self) -> Result<Item<'_>> {
        let found = self.keyring.search_items(self.attributes()).map_err(access)?;
        if !found.locked.is_empty() {
            self.keyring.unlock_all(&found.locked.iter().collect::<Vec<_>>()).map_err(access)?;
        }
        let mut items: Vec<_> = found.unlocked.into_iter().chain(found.locked).collect();
        match items.len() {
            0 | 1 => items.pop().ok_or(Error::NoEntry),
            _ => Err(Error::Ambiguous(items.iter().map(|_| self.entry()).collect())),
        }
    }

    fn entry(&self) -> Entry {
        Entry::new_with_credential(Arc::new(self.clone()))
    }

    fn create(&self, secret: &[u8]) -> std::result::Result<(), ServiceError> {
        let collection = self.keyring.get_default_collection()?;
        if collection.is_locked()? {
            collection.unlock()?;
        }
        collection.create_item(&self.label, self.attributes(), secret, true, CONTENT_TYPE).map(drop)
    }
}

impl CredentialApi for Place {
    fn set_secret(&self, secret: &[u8]) -> Result<()> {
        match self.item() {
            Ok(item) => item.set_secret(secret, CONTENT_TYPE).map_err(access),
            Err(Error::NoEntry) => self.create(secret).map_err(access),
            Err(error) => Err(error),
        }
    }

    fn get_secret(&self) -> Result<Vec<u8>> {
        self.item()?.get_secret().map_err(access)
    }

    fn delete_credential(&self) -> Result<()> {
        self.item()?.delete().map_err(access)
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

/// What unlocking would change is told apart from everything else.
fn access(error: ServiceError) -> Error {
    match error {
        ServiceError::Locked | ServiceError::NoResult | ServiceError::Prompt => {
            Error::NoStorageAccess(Box::new(error))
        }
        error => failure(error),
    }
}

/// The bus has gone since the keyring was looked at.
pub(super) fn no_bus() -> Error {
    failure(io::Error::from(io::ErrorKind::NotConnected))
}

fn failure(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::PlatformFailure(Box::new(error))
}
