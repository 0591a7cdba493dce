//! A store that loses everything when the daemon ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::{IfMissing, StoreError, TokenStore};
use crate::grant::Record;
use crate::mutex::lock;

/// Keeps records in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    records: Arc<Mutex<HashMap<String, Record>>>,
}

impl TokenStore for MemoryStore {
    fn load(&self, account: String) -> BoxFuture<'static, Result<Option<Record>, StoreError>> {
        let records = lock(&self.records);
        ready(Ok(records.get(&account).cloned())).boxed()
    }

    fn save(
        &self,
        account: String,
        record: Record,
        _if_missing: IfMissing,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        lock(&self.records).insert(account, record);
        ready(Ok(())).boxed()
    }

    fn unlock(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        ready(Ok(())).boxed()
    }
}
