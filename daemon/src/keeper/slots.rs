//! The accounts that the actor owns, and when to wake each of them.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::account::{Machine, Snapshot};
use crate::grant::Timestamp;

pub(super) struct Slot {
    pub(super) account: Machine,
    pub(super) snapshot: watch::Sender<Snapshot>,
    pub(super) is_listed: bool,
    wake: Option<Timestamp>,
    /// Whether it waits for the network or the server.
    waits: bool,
}

impl Slot {
    pub(super) fn new(account: Machine, snapshot: watch::Sender<Snapshot>) -> Box<Self> {
        Box::new(Self { account, snapshot, is_listed: true, wake: None, waits: false })
    }
}

/// All slots. One is removed for a step of its account and put back afterwards.
#[derive(Default)]
pub(super) struct Slots {
    /// Boxed, because the nodes of the tree are half empty.
    by_name: BTreeMap<String, Box<Slot>>,
}

impl Slots {
    pub(super) fn all(&self) -> &BTreeMap<String, Box<Slot>> {
        &self.by_name
    }

    pub(super) fn get(&self, name: &str) -> Option<&Slot> {
        self.by_name.get(name).map(|slot| &**slot)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Slot> {
        self.by_name.get_mut(name).map(|slot| &mut **slot)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Box<Slot>> {
        self.by_name.remove(name)
    }

    pub(super) fn put(&mut self, name: &str, mut slot: Box<Slot>, now: Timestamp) {
        slot.wake = slot.account.wake_at(now);
        slot.waits = slot.is_listed && slot.account.waits_for_better_times(now);
        self.by_name.insert(name.to_owned(), slot);
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.by_name.values().filter_map(|slot| slot.wake).min()
    }

    pub(super) fn due(&self, now: Timestamp) -> Vec<String> {
        let due = self.by_name.iter().filter(|(_, slot)| slot.wake.is_some_and(|at| at <= now));
        due.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn any_waits(&self) -> bool {
        self.by_name.values().any(|slot| slot.waits)
    }

    pub(super) fn may_end(&self) -> bool {
        self.by_name.values().all(|slot| slot.account.may_end())
    }

    pub(super) fn may_sleep(&self) -> bool {
        self.by_name.values().all(|slot| slot.account.may_sleep())
    }
}
