//! What nobody can guess.

use rustix::rand::{GetRandomFlags, getrandom};

use crate::failure::Failure;

/// Random bytes. At most 256 of them come whole (getrandom(2)).
pub(crate) fn bytes<const LENGTH: usize>() -> Result<[u8; LENGTH], Failure> {
    const { assert!(LENGTH <= 256) };
    let mut bytes = [0; LENGTH];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|error| Failure::Other(format!("no random bytes: {error}; try again")))?;
    Ok(bytes)
}

/// Two digits a byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
