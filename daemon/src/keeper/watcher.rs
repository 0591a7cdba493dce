//! Reports changes to each listener at its own pace.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use imgurd_proto::Account;
use tokio::sync::watch;

use super::Keeper;

/// Reports the current accounts, then each one that changes. A slow listener misses intermediate states, but never
/// the latest one, and delays no other listener.
pub struct Watcher {
    keeper: Keeper,
    only: Option<String>,
    changes: watch::Receiver<u64>,
    told: BTreeMap<String, Account>,
    due: VecDeque<Account>,
}

impl Watcher {
    pub(super) fn new(keeper: Keeper, only: Option<String>) -> Self {
        let mut changes = keeper.changes();
        changes.mark_changed();
        Self { keeper, only, changes, told: BTreeMap::new(), due: VecDeque::new() }
    }

    /// The next account to report; `None` when the keeper has ended, or the one account was removed.
    pub async fn next(&mut self) -> Option<Account> {
        loop {
            if let Some(account) = self.due.pop_front() {
                self.told.insert(account.name.clone(), account.clone());
                return Some(account);
            }
            self.changes.changed().await.ok()?;
            let accounts = self.keeper.accounts(self.only.as_deref()).ok()?;
            self.told.retain(|name, _| accounts.iter().any(|account| account.name == *name));
            self.due
                .extend(accounts.into_iter().filter(|account| self.told.get(&account.name) != Some(account)));
        }
    }
}
