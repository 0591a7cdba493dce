//! Saves grants between runs.

mod file;
pub(crate) mod item;
mod key;
mod memory;
mod secret_service;
mod witness;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::grant::Record;

pub use file::FileStore;
pub use key::KeySource;
pub use memory::MemoryStore;
pub use secret_service::SecretServiceStore;
pub use witness::Witnessed;
pub(crate) use witness::outdated;

/// Why the store failed. Each text is a sentence that ends with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is absent, full, or has another key.
    #[error("{0}")]
    Unavailable(String),
    /// It is locked: unlocking it is all that it takes.
    #[error("{0}")]
    Locked(String),
    /// It answers, but lacks a grant that it once took.
    #[error("{0}")]
    Vanished(String),
    /// The record was written by a newer version; it is left untouched.
    #[error("{0}")]
    Newer(String),
}

/// What to do if a store does not return an item that was saved to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// Save the record again: the user has signed in since, so the missing item does not matter any more.
    Create,
    /// Save nothing: the missing item may come back with its keyring, and would be the older of two.
    Fail,
}

/// The events of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// How often it became worth asking again: it was unlocked, or is back.
    pub count: u64,
    /// How often another provider took the place of the last.
    pub replaced: u64,
}

/// A store, behind a seam so that tests can put a failing one in its place. One account's calls come one after the
/// other; those of different accounts may overlap.
pub trait TokenStore: Send + Sync {
    /// The record of `account`; `None` if there never was one.
    fn load(&self, account: String) -> BoxFuture<'static, Result<Option<Record>, StoreError>>;

    /// Keeps `record`, durably: when this returns, it survives a crash of the machine.
    fn save(
        &self,
        account: String,
        record: Record,
        if_missing: IfMissing,
    ) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Opens the store again, and may raise its own prompt for it.
    fn unlock(&self) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Whether it can be read and written just now. Looking raises no prompt.
    fn look(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        std::future::ready(Ok(())).boxed()
    }

    /// The events of the store, if it can report them.
    fn changes(&self) -> Option<watch::Receiver<Changes>> {
        None
    }
}
