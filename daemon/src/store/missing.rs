//! A store that is not there.

use std::future::ready;

use futures_util::future::BoxFuture;

use super::{StoreError, TokenStore};
use crate::grant::Record;

/// Stands where the chosen store cannot be had at all: it takes nothing and says why. Nothing steps in for it
/// silently.
#[derive(Clone, Debug)]
pub struct MissingStore {
    reason: String,
}

impl MissingStore {
    /// A store missing for `reason`, a sentence that ends with what to do.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    fn error<T: Send + 'static>(&self) -> BoxFuture<'static, Result<T, StoreError>> {
        Box::pin(ready(Err(StoreError::Unavailable(self.reason.clone()))))
    }
}

impl TokenStore for MissingStore {
    fn load(&self, _account: String) -> BoxFuture<'static, Result<Option<Record>, StoreError>> {
        self.error()
    }

    fn save(&self, _account: String, _record: Record) -> BoxFuture<'static, Result<(), StoreError>> {
        self.error()
    }

    fn unlock(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.error()
    }
}
