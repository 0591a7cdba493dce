//! What a simulation may see of an account.

use super::super::{Machine, Shelf};
use crate::grant::Record;

impl Machine {
    /// The record in memory, once the store was read.
    pub(in crate::keeper) fn known(&self) -> Option<&Record> {
        matches!(self.shelf, Shelf::Read | Shelf::PutAway { .. }).then_some(&self.record)
    }

    /// Whether the client's secret, where there is one, is in the store alone.
    pub(in crate::keeper) fn is_put_away(&self) -> bool {
        matches!(self.shelf, Shelf::PutAway { .. })
    }

    /// Whether nobody signs in, and the store is abreast.
    pub(in crate::keeper) fn needs_no_client_secret(&self) -> bool {
        self.is_idle() && !self.record.holds_a_grant() && self.login.is_none() && !self.login_expected
    }
}
