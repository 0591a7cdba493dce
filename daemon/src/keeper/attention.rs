//! Conditions of an account that the user may need to know and that callers do not see.

use std::collections::BTreeSet;
use std::sync::Arc;

use imgurd_proto::{Account, State};
use tokio::sync::watch;

use super::Keeper;
use super::account::Snapshot;
use crate::grant::Timestamp;

/// An account, and the facts that show whether it needs the user.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// The account as the interface shows it.
    pub account: Arc<Account>,
    /// Whether the store is locked, so that unlocking it solves the problem.
    pub locked: bool,
    /// From when on the user should know that the token needs attention, if nothing refreshes it.
    pub ages_at: Option<Timestamp>,
}

impl Keeper {
    /// All accounts, with what their user may need to know.
    #[must_use]
    pub fn attention(&self) -> Vec<Attention> {
        let directory = self.directory.borrow().clone();
        let attention = |snapshots: &watch::Receiver<Snapshot>| {
            let snapshot = snapshots.borrow();
            Attention { account: snapshot.info.clone(), locked: snapshot.locked, ages_at: snapshot.ages_at }
        };
        directory.accounts.values().map(attention).collect()
    }

    /// A receiver that changes whenever a call finds no token until the user does something.
    #[must_use]
    pub fn unmet(&self) -> watch::Receiver<BTreeSet<String>> {
        self.unmet.subscribe()
    }

    /// The accounts of those calls since the last time.
    #[must_use]
    pub fn take_unmet(&self) -> BTreeSet<String> {
        let mut taken = BTreeSet::new();
        self.unmet.send_if_modified(|unmet| {
            taken = std::mem::take(unmet);
            false
        });
        taken
    }

    pub(super) fn note_unmet(&self, name: &str, snapshot: &Snapshot) {
        if matches!(snapshot.info.state, State::Empty | State::ConsentNeeded | State::StoreUnavailable) {
            self.unmet.send_if_modified(|unmet| unmet.insert(name.to_owned()));
        }
    }
}
