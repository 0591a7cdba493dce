//! The accounts that the actor owns, and when each of them wants to be woken.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use super::account::{Account, Snapshot};
use crate::grant::Timestamp;

pub(super) struct Slot {
    pub(super) account: Account,
    pub(super) snapshot: watch::Sender<Snapshot>,
    /// Whether the configuration still has it.
    pub(super) is_listed: bool,
    wake: Option<Timestamp>,
    /// Whether it waits for the network or the server to come back.
    waits: bool,
}

impl Slot {
    pub(super) fn new(account: Account, snapshot: watch::Sender<Snapshot>) -> Box<Self> {
        Box::new(Self { account, snapshot, is_listed: true, wake: None, waits: false })
    }
}

/// All slots. One is taken out for a step of its account and put back after it.
#[derive(Default)]
pub(super) struct Slots {
    /// In boxes: the nodes of the tree are half empty.
    by_name: BTreeMap<String, Box<Slot>>,
    wakes: BTreeSet<(Timestamp, String)>,
    /// How many of them wait for better times.
    waiting: usize,
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

    /// Takes a slot out: [`Slots::put`] or [`Slots::drop`] follows.
    pub(super) fn take(&mut self, name: &str) -> Option<Box<Slot>> {
        let slot = self.by_name.remove(name)?;
        self.waiting -= usize::from(slot.waits);
        Some(slot)
    }

    pub(super) fn put(&mut self, name: &str, mut slot: Box<Slot>, now: Timestamp) {
        let wake = slot.account.wake_at(now);
        self.rewake(name, slot.wake, wake);
        slot.wake = wake;
        slot.waits = slot.is_listed && slot.account.waits_for_better_times(now);
        self.waiting += usize::from(slot.waits);
        self.by_name.insert(name.to_owned(), slot);
    }

    /// Lets go of one that was taken out.
    pub(super) fn drop(&mut self, name: &str, slot: &Slot) {
        self.rewake(name, slot.wake, None);
    }

    fn rewake(&mut self, name: &str, old: Option<Timestamp>, new: Option<Timestamp>) {
        if old != new {
            if let Some(old) = old {
                self.wakes.remove(&(old, name.to_owned()));
            }
            self.wakes.extend(new.map(|new| (new, name.to_owned())));
        }
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    pub(super) fn due(&self, now: Timestamp) -> Vec<String> {
        self.wakes.iter().take_while(|(at, _)| *at <= now).map(|(_, name)| name.clone()).collect()
    }

    /// Whether any account waits for the network or the server to come back.
    pub(super) fn any_waits(&self) -> bool {
        self.waiting > 0
    }

    /// Whether nothing is under way that the end of the process would cut off.
    pub(super) fn are_quiet(&self) -> bool {
        self.by_name.values().all(|slot| slot.account.is_quiet())
    }

    pub(super) fn may_sleep(&self) -> bool {
        self.by_name.values().all(|slot| slot.account.may_sleep())
    }
}
