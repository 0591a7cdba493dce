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
#[error("{0}")]
pub enum StoreError {
    /// It is absent, full, or has another key.
    Unavailable(String),
    /// It is locked; unlocking it is enough.
    Locked(String),
    /// It works, but does not have a grant that it once saved.
    Vanished(String),
    /// A newer version wrote the record. It is not changed.
    Newer(String),
}

/// What to do if the store does not show an item that was saved to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// Save the record: the user has signed in since, so the missing item does not matter any more.
    Create,
    /// Save nothing: the missing item may return with its keyring, and would then be the older of two.
    Fail,
}

/// Counters of a store's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// How often the store was unlocked or became available again.
    pub count: u64,
    /// How often another provider replaced the previous one.
    pub replaced: u64,
}

/// The result of a call to a store, when it has ended.
pub type Stored<T> = BoxFuture<'static, Result<T, StoreError>>;

/// A store. Tests replace it. The calls of one account come one after the other; those of different accounts may
/// overlap.
pub trait TokenStore: Send + Sync {
    /// The record of `account`; `None` if there never was one.
    fn load(&self, account: String) -> Stored<Option<Record>>;

    /// Saves `record`. When this returns, the record survives a crash of the machine.
    fn save(&self, account: String, record: Record, if_missing: IfMissing) -> Stored<()>;

    /// Unlocks the store. It may show its own dialog.
    fn unlock(&self) -> Stored<()>;

    /// Whether it can be read and written now. This causes no dialog.
    fn look(&self) -> Stored<()> {
        std::future::ready(Ok(())).boxed()
    }

    /// The events of the store, if it can report them.
    fn changes(&self) -> Option<watch::Receiver<Changes>> {
        None
    }
}
