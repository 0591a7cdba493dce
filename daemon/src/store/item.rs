//! A record as the bytes of one item of a store: JSON with a version.

use imgurd_proto::Zeroizing;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::grant::Record;

/// What items are written as. A newer version may mean something by a field that this one would lose.
const VERSION: u64 = 1;

/// What a record usually takes, so that writing one leaves no copies behind in outgrown buffers.
const USUAL_SIZE: usize = 4096;

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Serialize)]
struct Item<'a> {
    version: u64,
    #[serde(flatten)]
    record: &'a Record,
}

pub(crate) fn encode(record: &Record) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut item = Zeroizing::new(Vec::with_capacity(USUAL_SIZE));
    serde_json::to_writer(&mut *item, &Item { version: VERSION, record }).map_err(|error| {
        StoreError::Unavailable(format!("the grant cannot be written down ({error}); report this"))
    })?;
    Ok(item)
}

pub(crate) fn decode(account: &str, item: &[u8]) -> Result<Record, StoreError> {
    let damaged = |error: serde_json::Error| {
        // Only where it is: the error's own text may quote what is there.
        let at = error.column();
        StoreError::Unavailable(format!(
            "what the store holds for `{account}` is damaged (at byte {at}) and left as it is; restore a backup of the store"
        ))
    };
    let Version { version } = serde_json::from_slice(item).map_err(damaged)?;
    if version > VERSION {
        return Err(StoreError::Newer(format!(
            "what the store holds for `{account}` was written by a newer imgurd and is left as it is; update imgurd"
        )));
    }
    serde_json::from_slice(item).map_err(damaged)
}

/// Refuses to let an item be overwritten that this version cannot read.
pub(super) fn may_replace(account: &str, old: &[u8]) -> Result<(), StoreError> {
    decode(account, old).map(drop)
}

#[cfg(test)]
mod tests;
