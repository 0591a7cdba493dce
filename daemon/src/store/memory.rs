//! A store that loses everything when the daemon ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::ready;

use super::{IfMissing, Stored, TokenStore};
use crate::grant::Record;
use crate::mutex::lock;

/// Keeps records in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    records: Arc<Mutex<HashMap<String, Record>>>,
}

impl TokenStore for MemoryStore {
    fn load(&self, account: String) -> Stored<Option<Record>> {
        let records = lock(&self.records);
        ready(Ok(records.get(&account).cloned())).boxed()
    }

    fn save(&self, account: String, record: Record, _if_missing: IfMissing) -> Stored<()> {
        lock(&self.records).insert(account, record);
        ready(Ok(())).boxed()
    }

    fn unlock(&self) -> Stored<()> {
        ready(Ok(())).boxed()
    }
}
