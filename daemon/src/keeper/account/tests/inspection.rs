//! What a simulation may see of an account.

use super::super::{Account, Shelf};
use crate::grant::Record;

impl Account {
    /// The record in memory, once the store was read.
    pub(in crate::keeper) fn known(&self) -> Option<&Record> {
        matches!(self.shelf, Shelf::Read).then_some(&self.record)
    }
}
