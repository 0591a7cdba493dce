//! The desktop's keyring, by way of the freedesktop Secret Service: GNOME Keyring, KWallet, KeePassXC.
//!
//! imgurd uses one connection, that of `bus`, and calls the program that owns the keyring's name by its unique name. Before each
//! call for an item, it checks whether the keyring is locked (`lock_state`); it listens for changes (`changes`). If the keyring is
//! locked between the check and the call, a dialog delays a caller by no more than the call's time limit.
//!
//! No answer of a keyring means "there is no grant": [`Witnessed`](super::Witnessed) distinguishes an item that a locked keyring
//! hides from one that the keyring lost.
//!
//! Items are read and written by the API of `keyring-core` (`keyring_calls`), whose store is imgurd's own (`items`). imgurd does not
//! use the crate `keyring`: `keyring::Entry` chooses one store for the whole process, once, and a keyring that is missing then stays
//! missing. imgurd searches all collections for an item, because the user may have changed the default one. If an account has two
//! items, imgurd chooses neither. A locked collection counts as locked, not as empty. imgurd reads back each item that it has
//! written. What goes over the bus is encrypted (`session`), and imgurd never uses a session of one keyring with another.

mod changes;
mod items;
mod keyring_calls;
mod kwallet;
mod lock_state;
mod prompt;
mod provider;
mod proxies;
mod sentences;
mod session;

use std::sync::Arc;

use futures_util::FutureExt;
use keyring::CredentialStore;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};

use self::items::Items;
use self::keyring_calls::{Call, Item, Keyring, KeyringCalls};
use self::lock_state::LockState;
use self::proxies::ServiceProxy;
use super::{Changes, IfMissing, StoreError, Stored, TokenStore, item};
use crate::bus::Bus;
use crate::grant::Record;

/// Keeps records in the desktop's keyring, an item an account.
#[derive(Clone)]
pub struct SecretServiceStore {
    lock_state: Arc<LockState>,
    /// A call holds it from beginning to end: they come one after the other.
    calls: Arc<Mutex<KeyringCalls>>,
    changes: watch::Sender<Changes>,
}

impl SecretServiceStore {
    /// The store of this session. Begins to listen for changes, on the runtime; nothing is opened before it is needed.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        let changes = watch::Sender::default();
        tokio::spawn(changes::count(bus.clone(), changes.clone()));
        let calls = Arc::new(Mutex::new(KeyringCalls::new(changes.clone())));
        Self { lock_state: Arc::new(LockState::new(bus)), calls, changes }
    }

    async fn call(self, account: &str, call: Call) -> Result<Item, StoreError> {
        // If the keyring hangs or is locked, all callers learn it at the same time, not one after the other.
        self.lock_state.look(account).await?;
        let mut calls = self.calls.lock().await;
        let service = self.lock_state.look(account).await?;
        calls.call(keyring(service), account, call).await
    }
}

fn keyring(service: ServiceProxy<'static>) -> Keyring {
    let (owner, runtime) = (service.inner().destination().clone(), Handle::current());
    let connect =
        move || Ok(Arc::new(Items::open(service.clone(), runtime.clone())?) as Arc<CredentialStore>);
    Keyring { owner, connect: Box::new(connect) }
}

impl TokenStore for SecretServiceStore {
    fn load(&self, account: String) -> Stored<Option<Record>> {
        let store = self.clone();
        async move {
            let item = store.call(&account, Call::Read).await?;
            item.map(|item| item::decode(&account, &item)).transpose()
        }
        .boxed()
    }

    fn save(&self, account: String, record: Record, if_missing: IfMissing) -> Stored<()> {
        let store = self.clone();
        async move { store.call(&account, Call::Write(item::encode(&record)?, if_missing)).await.map(drop) }
            .boxed()
    }

    fn unlock(&self) -> Stored<()> {
        let lock_state = self.lock_state.clone();
        async move { lock_state.unlock().await }.boxed()
    }

    fn look(&self) -> Stored<()> {
        let lock_state = self.lock_state.clone();
        async move { lock_state.look_at_all().await }.boxed()
    }

    fn changes(&self) -> Option<watch::Receiver<Changes>> {
        Some(self.changes.subscribe())
    }
}
