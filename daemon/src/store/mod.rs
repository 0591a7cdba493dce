//! Where grants rest between runs.

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

/// Why the store did not do as it was asked. Each text is a sentence that ends with what to do.
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

/// What happens where a store does not show what it is known to have been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// The record is stored anew: the person has signed in since, so what is missing does not matter any more.
    Create,
    /// Nothing is stored: what is missing may come back, with the keyring that has it, and would be the older of two.
    Fail,
}

/// What has happened to a store.
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
    /// What is kept of `account`; nothing if nothing ever was.
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

    /// What happens to it, where the store can tell.
    fn changes(&self) -> Option<watch::Receiver<Changes>> {
        None
    }
}
