//! A record as the bytes of one item of a store: JSON with a version.

use imgurd_proto::Zeroizing;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::grant::Record;

/// The version of the format. A newer version may have fields that this one would lose.
const VERSION: u64 = 1;

/// The usual size of a record, so that writing one leaves no copies in outgrown buffers.
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
        StoreError::Unavailable(format!("imgurd cannot encode the grant ({error}); report this"))
    })?;
    Ok(item)
}

pub(crate) fn decode(account: &str, item: &[u8]) -> Result<Record, StoreError> {
    let damaged = |error: serde_json::Error| {
        // Use only the position, because the error's text may quote the content.
        let at = error.column();
        StoreError::Unavailable(format!(
            "the stored item of `{account}` is damaged (at byte {at}), and imgurd did not change it; restore a \
             backup of the store"
        ))
    };
    let Version { version } = serde_json::from_slice(item).map_err(damaged)?;
    if version > VERSION {
        return Err(StoreError::Newer(format!(
            "a newer imgurd wrote the stored item of `{account}`, and this one did not change it; update imgurd"
        )));
    }
    serde_json::from_slice(item).map_err(damaged)
}

/// Refuses to overwrite an item that this version cannot read.
pub(super) fn may_replace(account: &str, old: &[u8]) -> Result<(), StoreError> {
    decode(account, old).map(drop)
}

#[cfg(test)]
mod tests;
