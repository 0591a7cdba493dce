//! Access to an account for the simulation.

use super::super::{Machine, Shelf};
use crate::grant::Record;

impl Machine {
    /// The record in memory, once the store was read.
    pub(in crate::keeper) fn known(&self) -> Option<&Record> {
        matches!(self.shelf, Shelf::Read | Shelf::PutAway { .. }).then_some(&self.record)
    }

    /// Whether the client secret, if there is one, is in the store only.
    pub(in crate::keeper) fn is_put_away(&self) -> bool {
        matches!(self.shelf, Shelf::PutAway { .. })
    }

    /// Whether no login is in progress and the store is up to date.
    pub(in crate::keeper) fn needs_no_client_secret(&self) -> bool {
        self.is_idle() && !self.record.holds_a_grant() && self.login.is_none() && !self.login_expected
    }
}
