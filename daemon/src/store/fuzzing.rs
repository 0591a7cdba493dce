//! The items of a store as fuzzers see them.

use imgurd_proto::Zeroizing;

use super::{StoreError, item};
use crate::grant::Record;

/// Reads an item.
///
/// # Errors
/// Where it is damaged, or newer than this version.
pub fn decode(item: &[u8]) -> Result<Record, StoreError> {
    item::decode("fuzz", item)
}

/// Writes an item.
///
/// # Errors
/// Where the record cannot be written down.
pub fn encode(record: &Record) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    item::encode(record)
}
